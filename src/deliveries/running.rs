//! The webhooks of a running server: it looks for changes of `webhooks.db`, and runs one delivery for each active webhook.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::sync::{Mutex as AsyncMutex, Notify, Semaphore, watch};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::timeout;

use super::delivery::Delivery;
use super::post::Sender;
use super::settings::Settings;
use super::status::{Counts, Status, register};
use crate::blocking::off_thread;
use crate::job::{OrgId, Position};
use crate::ledger::{Ledger, SharedFiles};
use crate::tails::Tails;
use crate::webhooks::{
    FileVersion, NewWebhook, Noted, State, WatchedFile, Webhook, WebhookError, WebhookFile, WebhookId,
};

/// How often the server looks whether another process changed the file.
const LOOK: Duration = Duration::from_millis(250);
/// How long a change waits until the stream of a cluster has it.
const SHARED: Duration = Duration::from_secs(10);
/// Most events of over 64 KiB that deliveries hold at once, each of at most about 8 MiB.
const LARGE: usize = 4;

/// The webhooks of a running server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Webhooks(Arc<Shared>);

/// What the deliveries share with each other and with requests.
#[derive(Debug)]
pub(super) struct Shared {
    path: PathBuf,
    pub settings: Settings,
    pub sender: Sender,
    pub counts: Counts,
    /// The places for large events.
    pub large: Semaphore,
    watched: Mutex<WatchedFile>,
    known: Mutex<BTreeMap<WebhookId, Known>>,
    /// A request of this server changed the file.
    changed: Notify,
}

/// What all deliveries of a server use.
#[derive(Clone)]
pub(super) struct Around {
    pub shared: Arc<Shared>,
    pub ledger: Ledger,
    pub tails: Arc<Tails>,
    /// Turns true when the server stops.
    pub stopping: watch::Receiver<bool>,
    /// How long a message under way may take once the server stops.
    pub drain: Duration,
}

/// The webhooks of all organisations, as the file had them in this version.
struct Read {
    version: FileVersion,
    webhooks: Vec<Webhook>,
}

/// A webhook that the server knows.
#[derive(Debug)]
struct Known {
    /// `None` if this node has led before and does not now: the node that leads tells how the webhook stands.
    revision: Option<i64>,
    status: Arc<Status>,
    turn: Arc<AsyncMutex<()>>,
    /// `None` if the webhook was parked when the server read it.
    task: Option<AbortHandle>,
}

impl Webhooks {
    /// The webhooks in the file at `path`, which need not exist. Delivers nothing yet.
    ///
    /// # Errors
    /// There is a file, and it cannot be read.
    pub fn open(path: &Path, settings: Settings) -> Result<Webhooks, WebhookError> {
        if path.exists() {
            WebhookFile::open_to_read(path)?;
        }
        Ok(Webhooks(Arc::new(Shared {
            path: path.to_owned(),
            sender: Sender::new(&settings),
            settings,
            counts: Counts::default(),
            large: Semaphore::new(LARGE),
            watched: Mutex::new(WatchedFile::new(path)),
            known: Mutex::default(),
            changed: Notify::new(),
        })))
    }

    /// Whether a receiver may have a loopback or private address, and be reached without TLS.
    pub fn allows_private(&self) -> bool {
        self.0.settings.allow_private
    }

    /// Adds a webhook that sends the events from now on.
    ///
    /// # Errors
    /// See [`WebhookFile::add`].
    pub async fn add(&self, ledger: &Ledger, new: NewWebhook) -> Result<Webhook, WebhookError> {
        let (path, head, now) = (self.0.path.clone(), ledger.head(), ledger.now());
        self.changing(ledger, move || WebhookFile::open(&path)?.add(&new, head, now)).await
    }

    /// Removes a webhook. A message that is under way may still arrive.
    ///
    /// # Errors
    /// See [`WebhookFile::remove`].
    pub async fn remove(&self, ledger: &Ledger, org: OrgId, id: String) -> Result<(), WebhookError> {
        let path = self.0.path.clone();
        self.changing(ledger, move || existing(&path, &id)?.remove(org, &id)).await
    }

    /// Starts a webhook again.
    ///
    /// # Errors
    /// See [`WebhookFile::replay`].
    pub async fn replay(
        &self,
        ledger: &Ledger,
        org: OrgId,
        id: String,
        from: Option<Position>,
    ) -> Result<Webhook, WebhookError> {
        let (path, head) = (self.0.path.clone(), ledger.head());
        self.changing(ledger, move || existing(&path, &id)?.replay(org, &id, from, head)).await
    }

    /// The webhooks of an organisation, the oldest first, as deliveries stand now in a log with this head.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn list(&self, org: OrgId, head: Position) -> Result<Vec<Webhook>, WebhookError> {
        let path = self.0.path.clone();
        let mut webhooks = off_thread(move || match path.exists() {
            true => WebhookFile::open_to_read(&path)?.list(Some(org)),
            false => Ok(Vec::new()),
        })
        .await?;
        let known = self.0.known.lock();
        for webhook in &mut webhooks {
            // The file learns of a position a moment later.
            let same = known.get(&webhook.id).filter(|known| known.revision == Some(webhook.revision));
            if let Some(known) = same {
                webhook.position = webhook.position.max(known.status.position(head));
            }
        }
        Ok(webhooks)
    }

    /// Adds figures of all webhooks to `registry`, for a log with this head.
    pub fn register(&self, head: Position, registry: &mut Registry) {
        let known = self.0.known.lock();
        let now = known.iter().filter(|(_, known)| known.revision.is_some());
        register(&self.0.counts, now.map(|(id, known)| (id, &*known.status)), head, registry);
    }

    /// Changes the file. On a cluster the other nodes have the change before the answer.
    async fn changing<T: Send + 'static>(
        &self,
        ledger: &Ledger,
        change: impl FnOnce() -> Result<T, WebhookError> + Send + 'static,
    ) -> Result<T, WebhookError> {
        let changed = off_thread(change).await?;
        self.0.changed.notify_one();
        match timeout(SHARED, share(ledger)).await {
            Ok(true) => Ok(changed),
            Ok(false) | Err(_) => Err(WebhookError::NotShared),
        }
    }

    /// Delivers while this node leads, until the server stops. Once it stops, messages under way have `drain` to end.
    pub async fn run(self, ledger: Ledger, tails: Arc<Tails>, stopping: watch::Receiver<bool>, drain: Duration) {
        let mut stop = stopping.clone();
        let around = Around { shared: self.0.clone(), ledger: ledger.clone(), tails, stopping, drain };
        loop {
            tokio::select! {
                () = ledger.until_leading(true) => {}
                _ = stop.wait_for(|stopping| *stopping) => return,
            }
            tokio::select! {
                () = self.deliver(&around) => return,
                () = ledger.until_leading(false) => self.0.rest(),
            }
        }
    }

    /// Delivers until the server stops.
    async fn deliver(&self, around: &Around) {
        let mut stop = around.stopping.clone();
        let mut deliveries = JoinSet::new();
        let (mut read, mut told) = (None, String::new());
        loop {
            let shared = self.0.clone();
            match off_thread(move || shared.look(read)).await {
                Ok(Some(Read { version, webhooks })) => {
                    read = Some(version);
                    self.0.arrange(webhooks, around, &mut deliveries);
                }
                Ok(None) => {}
                Err(error) if error.to_string() == told => {}
                Err(error) => {
                    told = error.to_string();
                    tracing::warn!(error = &error as &dyn std::error::Error, "webhooks.db cannot be read just now");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.0.changed.notified() => {}
                Some(ended) = deliveries.join_next() => pass_on(ended),
                _ = stop.wait_for(|stopping| *stopping) => break,
            }
        }
        while let Some(ended) = deliveries.join_next().await {
            pass_on(ended);
        }
    }
}

/// Brings the shared files of a node into the stream. Answers whether the stream has them; a ledger on one machine shares nothing.
async fn share(ledger: &Ledger) -> bool {
    let Some(node) = ledger.node() else { return true };
    let _turn = node.files_turn().await;
    let folder = ledger.folder().clone();
    match off_thread(move || SharedFiles::read(&folder)).await {
        Ok(files) => node.send_files(&files).await,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a change of webhooks cannot be shared");
            false
        }
    }
}

impl Shared {
    /// Makes a note in the file. Waits for SQLite, so it runs off the async threads.
    pub(super) fn note(
        &self,
        note: impl FnOnce(&WebhookFile) -> Result<Noted, WebhookError>,
    ) -> Result<Noted, WebhookError> {
        self.watched.lock().file().map_or(Ok(Noted::Gone), note)
    }

    /// The webhooks if the file has changed since the version `read`.
    fn look(&self, read: Option<FileVersion>) -> Result<Option<Read>, WebhookError> {
        let mut watched = self.watched.lock();
        // Taken before the read: the next look notices a change made in between.
        let version = watched.version()?;
        if read == Some(version) {
            return Ok(None);
        }
        let webhooks = watched.file().map_or(Ok(Vec::new()), |file| file.list(None))?;
        Ok(Some(Read { version, webhooks }))
    }

    /// Forgets how the webhooks stand, because this node no longer leads. A message that is under way keeps its turn: if the node leads
    /// again, the next message waits for it.
    fn rest(&self) {
        for known in self.known.lock().values_mut() {
            known.end();
            (known.revision, known.task) = (None, None);
        }
    }

    /// Ends the deliveries of webhooks that were removed, replayed or parked by another process, and starts those of new ones.
    fn arrange(&self, webhooks: Vec<Webhook>, around: &Around, deliveries: &mut JoinSet<()>) {
        let mut known = self.known.lock();
        let mut before = std::mem::take(&mut *known);
        for webhook in webhooks {
            let id = webhook.id.clone();
            let now = match before.remove(&id) {
                Some(same) if same.revision == Some(webhook.revision) && !same.is_to_start(&webhook) => same,
                older => {
                    // The new delivery takes its turn after a message of the old one that is under way.
                    let turn = older.as_ref().map_or_else(Arc::default, |older| older.turn.clone());
                    older.iter().for_each(Known::end);
                    start(webhook, turn, around, deliveries)
                }
            };
            known.insert(id, now);
        }
        before.values().for_each(Known::end);
    }
}

impl Known {
    fn end(&self) {
        self.task.iter().for_each(AbortHandle::abort);
    }

    /// Whether the webhook is active and its delivery has ended, as it does while the file is not there.
    fn is_to_start(&self, webhook: &Webhook) -> bool {
        webhook.state == State::Active && self.task.as_ref().is_some_and(AbortHandle::is_finished)
    }
}

/// Starts the delivery of a webhook, unless the webhook is parked.
fn start(webhook: Webhook, turn: Arc<AsyncMutex<()>>, around: &Around, deliveries: &mut JoinSet<()>) -> Known {
    let (revision, status) = (Some(webhook.revision), Arc::new(Status::new(webhook.position, webhook.state)));
    let task = (webhook.state == State::Active)
        .then(|| deliveries.spawn(Delivery::new(around.clone(), webhook, status.clone(), turn.clone()).run()));
    Known { revision, status, turn, task }
}

/// The file at `path`, for a change of the webhook `id`, which no file that is missing has.
fn existing(path: &Path, id: &str) -> Result<WebhookFile, WebhookError> {
    if path.exists() { WebhookFile::open(path) } else { Err(WebhookError::Unknown(id.to_owned())) }
}

/// Passes a panic of a delivery on. An ended or aborted delivery is no fault.
fn pass_on(ended: Result<(), JoinError>) {
    if let Err(ended) = ended
        && let Ok(panic) = ended.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}
