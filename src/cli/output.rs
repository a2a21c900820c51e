//! The terminal: data to stdout, messages to stderr. A reader that went away (`waybill jobs | head`) is no failure.

use std::io::{ErrorKind, IsTerminal, Write};

use crate::exit::{Exit, Failure};

/// What stdout can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Characters in a line; `None` where nothing limits them, as in a file.
    pub width: Option<usize>,
    /// True where colour is wanted: a terminal, and no `NO_COLOR`.
    pub colour: bool,
}

impl Screen {
    /// What this process's stdout can show. `COLUMNS` wins over the terminal's own width.
    pub fn of_stdout() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).filter(|columns| *columns > 0);
        let width = columns.or_else(|| is_terminal.then(terminal_width));
        Self { width, colour: is_terminal && !dumb && !set("NO_COLOR") }
    }
}

/// The terminal's width; 100 where it does not know its own.
fn terminal_width() -> usize {
    match rustix::termios::tcgetwinsize(std::io::stdout()) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        _ => 100,
    }
}

/// Writes data to stdout.
pub fn print(text: &str) -> Result<Exit, Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Exit::Done),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Exit::Done),
        Err(error) => Err(Failure::new(Exit::Failed, "cannot write to stdout", error)),
    }
}

/// Writes a message to stderr. Where even that fails there is nobody left to tell.
pub fn message(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
