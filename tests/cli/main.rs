//! The built binary as people and scripts meet it: texts, exit codes, and the reading commands on a database file alone
//! . Real databases, real sockets, a real terminal, no daemon.

mod binary;
mod chains;
mod commands;
mod db;
mod json;
mod reading;
mod runs;
mod sample;
mod terminal;
mod watching;
