//! One-appliance assembly: the VMA.
