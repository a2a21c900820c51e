//! Signals as futures.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use async_io::Timer;
use async_signal::{Signal, Signals};
use smol::stream::{Stream, StreamExt};

use crate::config::ConfigErrors;

/// Done when the process is asked to end (SIGTERM, SIGINT).
///
/// # Errors
/// Where the signals cannot be watched.
pub fn termination() -> io::Result<impl Future<Output = ()>> {
    let mut signals = Signals::new([Signal::Term, Signal::Int])?;
    Ok(async move {
        if let Some(Ok(signal)) = signals.next().await {
            log::info!("asked to end by {signal:?}: finishing the transaction in hand");
        }
    })
}

/// Why a command that watches something goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// The time is over.
    Elapsed,
    /// The terminal's window has another size.
    Resized,
    /// The shell wants the process to stop (SIGTSTP), which it has to do itself.
    Suspended,
    /// Somebody asked the process to end, or its terminal is gone (SIGTERM, SIGINT, SIGQUIT, SIGHUP).
    Ended,
}

/// What wakes a command that watches something.
#[derive(Debug)]
pub struct Wakes(Signals);

impl Wakes {
    /// From now on the signals are this command's.
    ///
    /// # Errors
    /// Where the signals cannot be watched.
    pub fn new() -> io::Result<Self> {
        let ends = [Signal::Term, Signal::Int, Signal::Quit, Signal::Hup];
        Signals::new(ends.into_iter().chain([Signal::Winch, Signal::Tstp])).map(Self)
    }
    /// Waits for a signal, at most for so long.
    pub fn next(&mut self, longest: Duration) -> Wake {
        let elapsed = async {
            Timer::after(longest).await;
            Wake::Elapsed
        };
        let signal = async {
            match self.0.next().await {
                Some(Ok(Signal::Winch)) => Wake::Resized,
                Some(Ok(Signal::Tstp)) => Wake::Suspended,
                Some(_) | None => Wake::Ended,
            }
        };
        async_io::block_on(smol::future::or(signal, elapsed))
    }
}

/// A new configuration for each SIGHUP, read from its file again. A file with faults is told in the log and changes
/// nothing.
///
/// # Errors
/// Where the signal cannot be watched.
pub fn reloads<C>(
    file: PathBuf,
    parse: fn(&str, &str) -> Result<C, ConfigErrors>,
) -> io::Result<impl Stream<Item = C>> {
    let signals = Signals::new([Signal::Hup])?;
    Ok(signals.filter_map(move |_| {
        let name = file.display();
        // A small file, read by the one thread: shorter than a transaction.
        let text = std::fs::read_to_string(&file);
        match text.map(|text| parse(&text, &name.to_string())) {
            Ok(Ok(config)) => Some(config),
            Ok(Err(faults)) => {
                log::error!("the configuration stays as it was: {faults}");
                None
            }
            Err(error) => {
                log::error!("the configuration stays as it was: cannot read {name}: {error}");
                None
            }
        }
    }))
}
