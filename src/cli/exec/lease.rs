//! The thread that renews the lease under which `exec` reports.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

use super::run::Heard;
use crate::cli::client::Problem;
use crate::cli::output::remark;
use crate::cli::server::Server;
use crate::client::HeldLease;
use crate::job::JobId;

/// Renews the lease three times as often as it runs out, until `ended` disconnects. Tells `heard` if the lease is lost.
pub(super) fn keep(
    server: Server,
    job: JobId,
    lease: HeldLease,
    seconds: u32,
    ended: Receiver<()>,
    heard: SyncSender<Heard>,
) {
    let pause = Duration::from_secs(seconds.into()) / 3;
    thread::spawn(move || {
        // Nothing is ever sent.
        while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            let Some(token) = lease.token() else { continue };
            // While the server is away, the next try may succeed: a server that starts gives every lease its full time.
            let Ok(mut answer) = server.renew(&job, &token) else { continue };
            if answer.status() == 409 {
                let problem = Problem::of(&mut answer);
                // The main thread may be past listening.
                let _ = heard.send(problem.state.map_or(Heard::Lost, Heard::of_state));
                return;
            }
            if answer.status().is_client_error() {
                remark!("jobledger: the lease cannot be renewed: {}", Problem::of(&mut answer).text);
            }
        }
    });
}
