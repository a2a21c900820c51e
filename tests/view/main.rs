//! What people and programs see of a job, as whole texts.

mod chain;
mod live;
mod pages;
mod plan;
mod sample;
