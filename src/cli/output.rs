//! The terminal: data to stdout, messages to stderr. A reader that went away (`waybill jobs | head`) is no failure.

use std::io::{ErrorKind, IsTerminal, Write};

use crate::exit::{Exit, Failure};

/// What stdout can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Characters in a line; `None` where nothing limits them, as in a file.
    pub width: Option<usize>,
    /// Lines of the terminal; `None` where nothing limits them.
    pub height: Option<usize>,
    /// True where colour is wanted: a terminal, and no `NO_COLOR`.
    pub colour: bool,
}

impl Screen {
    /// What this process's stdout can show. `COLUMNS` wins over the terminal's own width.
    pub fn of_stdout() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).filter(|columns| *columns > 0);
        let (own_width, own_height) = if is_terminal { terminal_size() } else { (None, None) };
        let width = columns.or(own_width);
        Self { width, height: own_height, colour: is_terminal && !is_dumb() && !set("NO_COLOR") }
    }
}

/// True where the terminal understands no control sequences.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

/// The terminal's width and height; 100 by 40 where it does not know its own.
fn terminal_size() -> (Option<usize>, Option<usize>) {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    let known = |length: u16, otherwise| if length > 0 { usize::from(length) } else { otherwise };
    size.map_or((Some(100), Some(40)), |size| (Some(known(size.ws_col, 100)), Some(known(size.ws_row, 40))))
}

/// A terminal whose whole screen is drawn anew for each frame. What stood there before comes back at the end.
#[derive(Debug)]
pub struct Canvas(());

impl Canvas {
    /// Takes the terminal over; `None` where stdout is none, or one that cannot be drawn on.
    pub fn of_stdout() -> Option<Self> {
        (std::io::stdout().is_terminal() && !is_dumb()).then(|| {
            // A terminal that is gone is met again by the first frame.
            let _ = write(ENTER);
            Self(())
        })
    }
    /// What it can show now; a window may have been resized.
    pub fn screen(&self) -> Screen {
        Screen::of_stdout()
    }
    /// Draws a frame over the one before. Lines below the window's last are not drawn, since they would scroll it.
    pub fn draw(&self, frame: &str) -> std::io::Result<()> {
        let height = self.screen().height.unwrap_or(usize::MAX);
        // Each line is cleared before it is written: behind the last cell of a line the cursor still stands on it.
        let lines: Vec<String> = frame.lines().take(height).map(|line| format!("\x1b[2K{line}")).collect();
        let below = if lines.len() < height { "\n\x1b[J" } else { "" };
        write(&format!("\x1b[H{}{below}", lines.join("\n")))
    }
    /// Gives the terminal back for as long as this process is stopped.
    pub fn suspend(&self) -> std::io::Result<()> {
        write(LEAVE)?;
        stop()?;
        write(ENTER)
    }
}

impl Drop for Canvas {
    fn drop(&mut self) {
        let _ = write(LEAVE);
    }
}

/// Stops this process as SIGTSTP would have; returns when it is continued.
pub fn stop() -> std::io::Result<()> {
    Ok(rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)?)
}

/// The other screen, without a cursor and without going on in the next line; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// Writes to stdout at once.
pub fn write(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
}

/// Writes data to stdout.
pub fn print(text: &str) -> Result<Exit, Failure> {
    match write(text) {
        Ok(()) => Ok(Exit::Done),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Exit::Done),
        Err(error) => Err(Failure::new(Exit::Failed, "cannot write to stdout", error)),
    }
}

/// Writes a message to stderr. Where even that fails there is nobody left to tell.
pub fn message(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
