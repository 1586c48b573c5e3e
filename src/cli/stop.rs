//! The signals that a server takes.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::exit::Exit;

/// Turns true at the first Ctrl-C or SIGTERM, or one of the signals `also`. A second one ends the process at once.
pub(super) fn stop_signal(also: Option<SignalKind>) -> std::io::Result<watch::Receiver<bool>> {
    let (sender, receiver) = watch::channel(false);
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut also = also.map(signal).transpose()?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = received(also.as_mut()) => {}
            }
            if sender.send_replace(true) {
                std::process::exit(Exit::Interrupted.code().into());
            }
        }
    });
    Ok(receiver)
}

/// Calls `reload` at each SIGHUP, on a thread that may block, because `reload` reads files.
pub(super) fn at_hangup(reload: impl Fn() + Clone + Send + 'static) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let _ = tokio::task::spawn_blocking(reload.clone()).await;
        }
    });
    Ok(())
}

async fn received(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}
