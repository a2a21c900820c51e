//! One-appliance assembly: the OMA.
