//! What people and programs see of a job, as whole texts.

mod live;
mod pages;
mod sample;
