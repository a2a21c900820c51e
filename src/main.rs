//! The `waybill` command: argv to command to exit code, no logic.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let exit = match arguments.next() {
        Some(command) if command == "run" => waybill::cli::run::main(arguments.collect()),
        _ => waybill::exit::Exit::Usage,
    };
    exit.into()
}
