//! Ctrl-C and SIGTERM, which `exec` passes on to its command.

use std::sync::mpsc::channel;
use std::thread;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

/// Tells each signal, until `tell` answers that it hears no more. Returns when the signals are caught.
pub(super) fn watch(mut tell: impl FnMut(Signal) -> bool + Send + 'static) {
    let (ready, is_ready) = channel::<()>();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
            drop(ready);
            loop {
                let signal = tokio::select! {
                    _ = interrupt.recv() => Signal::INT,
                    _ = terminate.recv() => Signal::TERM,
                };
                if !tell(signal) {
                    return Ok::<_, std::io::Error>(());
                }
            }
        })
    });
    // Nothing is ever sent. The channel disconnects when the signals are caught, or cannot be.
    let _ = is_ready.recv();
}
