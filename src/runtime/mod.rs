//! What joins the pure core to the machine: the clock, signals, the loop.

pub mod clock;
