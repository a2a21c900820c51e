//! Signals as futures.

use std::io;

use async_signal::{Signal, Signals};
use smol::stream::StreamExt;

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
