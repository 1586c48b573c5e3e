//! Spools that an earlier `exec` left behind: a thread delivers them beside the command.

use std::path::Path;
use std::sync::mpsc::Sender;

use super::courier::Courier;
use crate::cli::Failure;
use crate::cli::client::Remote;
use crate::cli::output::{remark, shown};
use crate::cli::server::Server;
use crate::client::{HeldLease, Spool};

/// Starts to deliver every spool in `folder` that no process has. Drops `done` at the end.
///
/// # Errors
/// The authorities that vouch for the server cannot be read.
pub(super) fn deliver(remote: &Remote, folder: &Path, done: Sender<()>) -> Result<(), Failure> {
    let (remote, folder) = (remote.clone(), folder.to_owned());
    // Checked here, so that a mistake is said at once.
    Server::new(remote.clone())?;
    std::thread::spawn(move || {
        let _done = done;
        if let Err(error) = deliver_all(&remote, &folder) {
            remark!("jobledger: cannot deliver what waits in `{}`: {error}", shown(&folder.to_string_lossy()));
        }
    });
    Ok(())
}

fn deliver_all(remote: &Remote, folder: &Path) -> Result<(), std::io::Error> {
    for path in Spool::waiting_in(folder)? {
        let Some(spool) = Spool::reopen(&path)? else { continue };
        let Ok(server) = Server::new(remote.clone()) else { return Ok(()) };
        // The first events of the file started the job. Sent again, their answer has the lease, if the lease still lasts.
        Courier { server, spool, lease: HeldLease::default(), heard: None }.run();
    }
    Ok(())
}
