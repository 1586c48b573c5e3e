//! The shared files of a cluster: the node that leads sends its tokens, sessions and webhooks to the others, when it begins to lead and
//! when they change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::{Cluster, lease};
use crate::access::{Access, AccessError};
use crate::blocking::off_thread;
use crate::job::Time;
use crate::ledger::{Folder, Ledger, Node, SharedFiles};
use crate::webhooks::{FileVersion, WatchedFile, WebhookCopy, WebhookError, WebhookFile};

/// How often the node looks for changes.
const LOOK: Duration = Duration::from_millis(100);
/// How often it notes in the file of the tokens whether it leads.
const NOTE: Duration = Duration::from_secs(3);
/// How often it sends how far the receivers of webhooks were told. After the loss of the leader a receiver may get again the events of
/// so long.
const PROGRESS: Duration = Duration::from_secs(10);
/// How long a node that stops waits until the file of the tokens has the note.
const LAST_NOTE: Duration = Duration::from_secs(1);
/// How long a node that stops waits until the stream has its files.
const ANSWER: Duration = Duration::from_secs(2);

/// Held while a thread notes whether the node leads. A lock on the tokens holds a note up, and the task that asked for it may have ended
/// when the note lands. So without this order an older note could land after the last one.
pub(super) type Noting = Arc<Mutex<()>>;

/// The shared files of this node, and what the other nodes have of them.
struct Files {
    tokens: PathBuf,
    webhooks: PathBuf,
    noting: Noting,
    /// `None` after a failure.
    open: Option<Open>,
    sent: Option<Sent>,
}

/// The open files, and what they held when they were last read.
struct Open {
    access: Access,
    webhooks: WatchedFile,
    /// A version counts for this connection only.
    read: Option<(Version, Arc<SharedFiles>)>,
    /// The failure of the webhooks that was logged last.
    told: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    tokens: i64,
    /// `None` if the file of the webhooks cannot be opened.
    webhooks: Option<FileVersion>,
}

/// What the stream has.
struct Sent {
    files: Arc<SharedFiles>,
    at: Instant,
}

impl Sent {
    /// Whether the others need these files now.
    fn is_outdated_by(&self, files: &Arc<SharedFiles>) -> bool {
        if Arc::ptr_eq(&self.files, files) || self.files == *files {
            return false;
        }
        let is_progress = match (&self.files.webhooks, &files.webhooks) {
            (Some(sent), Some(now)) => self.files.tokens == files.tokens && sent.has_webhooks_of(now),
            _ => false,
        };
        !is_progress || self.at.elapsed() >= PROGRESS
    }
}

impl Cluster {
    /// Sends this node's files while it leads, and notes in the file of the tokens whether it does. Never returns.
    pub(super) async fn send_files(self, ledger: Ledger) {
        let Some(node) = ledger.node() else { return std::future::pending().await };
        let mut files = Files::of(ledger.folder(), self.noting.clone());
        let (mut noted, mut told): (Option<Instant>, String) = (None, String::new());
        loop {
            let leads = node.leads();
            // A follower notes it once: each change of the file makes its server read the tokens again.
            let is_due = noted.is_none_or(|noted| leads && noted.elapsed() >= NOTE);
            let until = ledger.now().plus(if leads { lease::LAPSE.as_nanos() as i64 } else { 0 });
            let done = async {
                if leads {
                    // Before the note, which a lock on the tokens holds up.
                    files.send(node).await?;
                } else {
                    // A node that begins to lead sends its files, also if it sent the same when it led before.
                    files.sent = None;
                }
                if is_due {
                    files.note(until).await?;
                    noted = Some(Instant::now());
                }
                Ok::<(), AccessError>(())
            };
            match done.await {
                Err(error) if told != error.to_string() => {
                    told = error.to_string();
                    warn(&error);
                }
                Err(_) => {}
                Ok(()) => told.clear(),
            }
            if timeout(LOOK, node.until_leading(!leads)).await.is_ok() {
                noted = None;
            }
        }
    }

    /// Sends this node's files once more before it stops, if it leads: the next leader goes on where the webhooks are. From then on
    /// commands change no token in this folder, because the next leader would not have the change.
    ///
    /// Another process may lock the file of the tokens for longer than the note waits. Commands may then change tokens until the last
    /// note lapses, for 10 s at the most, and the next leader lacks these changes.
    pub async fn send_last_files(&self, ledger: &Ledger) {
        let Some(node) = ledger.node().filter(|node| node.leads()) else { return };
        let (mut files, now) = (Files::of(ledger.folder(), self.noting.clone()), ledger.now());
        match timeout(LAST_NOTE, files.note(now)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn(&error),
            Err(_) => tracing::warn!("the tokens are locked: a change of tokens in this folder within 10 s is lost"),
        }
        // Without an answer a receiver may get its newest events again.
        if let Ok(Err(error)) = timeout(ANSWER, files.send(node)).await {
            warn(&error);
        }
    }
}

impl Files {
    fn of(folder: &Folder, noting: Noting) -> Files {
        Files { tokens: folder.access(), webhooks: folder.webhooks(), noting, open: None, sent: None }
    }

    /// Notes that the node leads until this time, after every note that began before.
    async fn note(&mut self, until: Time) -> Result<(), AccessError> {
        let noting = self.noting.clone();
        self.with(move |open| {
            let _turn = noting.lock();
            open.access.leads_until(until)
        })
        .await
    }

    /// Sends the files if the others need them.
    async fn send(&mut self, node: &Node) -> Result<(), AccessError> {
        let _turn = node.files_turn().await;
        let files = self.with(Open::read).await?;
        if self.sent.as_ref().is_some_and(|sent| !sent.is_outdated_by(&files)) {
            return Ok(());
        }
        if node.send_files(&files).await {
            self.sent = Some(Sent { files, at: Instant::now() });
        }
        Ok(())
    }

    /// Works with the open files. A failure closes them: the next call opens them again.
    async fn with<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Open) -> Result<T, AccessError> + Send + 'static,
    ) -> Result<T, AccessError> {
        let (tokens, webhooks, open) = (self.tokens.clone(), self.webhooks.clone(), self.open.take());
        let worked = off_thread(move || {
            let mut open = match open {
                Some(open) => open,
                None => {
                    let (access, webhooks) = (Access::open(&tokens)?, WatchedFile::new(&webhooks));
                    Open { access, webhooks, read: None, told: String::new() }
                }
            };
            let done = work(&mut open)?;
            Ok::<_, AccessError>((open, done))
        });
        let (open, done) = worked.await?;
        self.open = Some(open);
        Ok(done)
    }
}

impl Open {
    /// What the files hold. Reads again only what has changed.
    fn read(&mut self) -> Result<Arc<SharedFiles>, AccessError> {
        // Taken before the reads: the next look notices a change made in between.
        let tokens = self.access.version()?;
        let webhooks = self.webhooks.version();
        let version = Version { tokens, webhooks: self.or_told(webhooks) };
        let files = match self.read.take() {
            Some((read, files)) if read == version => files,
            before => {
                let tokens = match &before {
                    Some((read, files)) if read.tokens == version.tokens => files.tokens.clone(),
                    _ => self.access.copy()?,
                };
                let webhooks = version.webhooks.and_then(|_| {
                    let copy = self.webhooks.file().map_or(Ok(WebhookCopy::default()), WebhookFile::copy);
                    self.or_told(copy)
                });
                Arc::new(SharedFiles { tokens, webhooks })
            }
        };
        self.read = Some((version, files.clone()));
        Ok(files)
    }

    /// The result of a read of the webhooks; `None` if it failed. Logs a failure once. The node sends its tokens without the webhooks
    /// then.
    fn or_told<T>(&mut self, read: Result<T, WebhookError>) -> Option<T> {
        match read {
            Ok(read) => Some(read),
            Err(error) if self.told == error.to_string() => None,
            Err(error) => {
                self.told = error.to_string();
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the webhooks cannot be sent to the other nodes now"
                );
                None
            }
        }
    }
}

fn warn(error: &AccessError) {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "this node cannot read its tokens now, or note whether it leads"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{OrgId, Position};
    use crate::webhooks::{NewWebhook, Reached};

    #[test]
    fn progress_of_webhooks_waits_ten_seconds_and_every_other_change_is_sent_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path());
        let file = WebhookFile::open(&folder.webhooks()).unwrap();
        let (org, now) = (OrgId::default(), Time::from_micros(0));
        let new = NewWebhook { org, receiver: "https://r.example/".parse().unwrap(), types: Vec::new(), kind: None };
        let one = file.add(&new, Position::GENESIS, now).unwrap();
        let read = || Arc::new(SharedFiles::read(&folder).unwrap());
        let sent = Sent { files: read(), at: Instant::now() };
        assert!(!sent.is_outdated_by(&read()));
        file.reached(&one, Reached { before: Position::GENESIS, now: Position::new(7) }).unwrap();
        let further = read();
        assert!(!sent.is_outdated_by(&further));
        let sent = Sent { at: sent.at - PROGRESS, ..sent };
        assert!(sent.is_outdated_by(&further));
        let sent = Sent { files: further, at: Instant::now() };
        file.replay(org, one.id.as_str(), None, Position::new(7)).unwrap();
        assert!(sent.is_outdated_by(&read()), "a replay");
        let sent = Sent { files: read(), at: Instant::now() };
        file.add(&new, Position::GENESIS, now).unwrap();
        assert!(sent.is_outdated_by(&read()), "another webhook");
    }
}
