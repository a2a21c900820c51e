//! How work that goes on beside the loop is started.

use std::future::Future;
use std::pin::Pin;

use smol::{LocalExecutor, Task};

/// Starts something; dropping the task ends it. On the heap, so that the executor's code is there once and not once for
/// each kind of work: it was a twentieth of the binary.
pub fn start(executor: &LocalExecutor<'static>, work: impl Future<Output = ()> + 'static) -> Task<()> {
    let work: Pin<Box<dyn Future<Output = ()>>> = Box::pin(work);
    executor.spawn(work)
}
