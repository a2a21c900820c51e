//! How slow a peer may be: in every window of time it must move so many bytes, or it is cut off.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use async_io::Timer;
use smol::future;

/// Why a transfer came to its end too early.
#[derive(Debug)]
pub enum Cut {
    /// The peer closed its side.
    Ended,
    /// The peer was too slow.
    TooSlow,
    /// The connection broke.
    Broken(io::Error),
}

/// A minimum rate, watched over successive windows.
#[derive(Debug)]
pub struct Pace {
    timer: Timer,
    window: Duration,
    least: usize,
    moved: usize,
}

impl Pace {
    /// At least `least` bytes in every `window`.
    pub fn at_least(least: usize, window: Duration) -> Self {
        Self { timer: Timer::after(window), window, least, moved: 0 }
    }
    /// All within one window, however many bytes.
    pub fn within(window: Duration) -> Self {
        Self::at_least(usize::MAX, window)
    }
    /// No limit: somebody else watches the time.
    pub fn unwatched() -> Self {
        Self { timer: Timer::never(), window: Duration::MAX, least: 0, moved: 0 }
    }

    /// Waits for one read or write, which tells how many bytes it moved.
    pub async fn step(&mut self, transfer: impl Future<Output = io::Result<usize>>) -> Result<usize, Cut> {
        let mut transfer = pin!(transfer);
        loop {
            let timer = &mut self.timer;
            let elapsed = async {
                timer.await;
                None
            };
            match future::or(async { Some(transfer.as_mut().await) }, elapsed).await {
                Some(Ok(0)) => return Err(Cut::Ended),
                Some(Ok(count)) => {
                    self.moved = self.moved.saturating_add(count);
                    return Ok(count);
                }
                Some(Err(error)) => return Err(Cut::Broken(error)),
                None if self.moved < self.least => return Err(Cut::TooSlow),
                None => {
                    self.moved = 0;
                    self.timer.set_after(self.window);
                }
            }
        }
    }
}
