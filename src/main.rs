//! The `waybill` command: argv to command to exit code; no logic.

use std::process::ExitCode;

fn main() -> ExitCode {
    waybill::cli::main(std::env::args_os().skip(1).collect()).into()
}
