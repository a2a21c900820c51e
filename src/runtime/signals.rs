//! Signals as futures.

use std::io;
use std::path::PathBuf;

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
