//! The webhooks of a running server: it looks for changes of `webhooks.db`, and runs one delivery for each active webhook.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::sync::{Mutex as AsyncMutex, Notify, Semaphore};
use tokio::task::{AbortHandle, JoinError, JoinSet};

use super::delivery::{Around, Delivery};
use super::error::WebhookError;
use super::file::WebhookFile;
use super::post::Sender;
use super::settings::Settings;
use super::status::{Counts, Status, register};
use super::webhook::{NewWebhook, State, Webhook, WebhookId};
use crate::blocking::off_thread;
use crate::job::{OrgId, Position, Time};
use crate::ledger::Ledger;
use crate::tails::Tails;

/// How often the server looks whether another process changed the file.
const LOOK: Duration = Duration::from_millis(250);
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
    opened: Mutex<Opened>,
    known: Mutex<BTreeMap<WebhookId, Known>>,
    /// A request of this server changed the file.
    changed: Notify,
}

/// The file as the server has it open.
#[derive(Debug, Default)]
struct Opened {
    /// `None` until there is a file.
    file: Option<WebhookFile>,
    /// Device and inode. A file that takes another's place is opened anew.
    identity: Option<(u64, u64)>,
    /// The count of changes when the webhooks were last read.
    read_at: Option<i64>,
}

/// A webhook that the server knows.
#[derive(Debug)]
struct Known {
    revision: i64,
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
            opened: Mutex::default(),
            known: Mutex::default(),
            changed: Notify::new(),
        })))
    }

    /// Whether a receiver may have a loopback or private address, and be reached without TLS.
    pub fn allows_private(&self) -> bool {
        self.0.settings.allow_private
    }

    /// Adds a webhook that sends the events after `position`.
    ///
    /// # Errors
    /// See [`WebhookFile::add`].
    pub async fn add(&self, new: NewWebhook, position: Position, now: Time) -> Result<Webhook, WebhookError> {
        let path = self.0.path.clone();
        self.changing(move || WebhookFile::open(&path)?.add(&new, position, now)).await
    }

    /// Removes a webhook. A message that is under way may still arrive.
    ///
    /// # Errors
    /// See [`WebhookFile::remove`].
    pub async fn remove(&self, org: OrgId, id: String) -> Result<(), WebhookError> {
        let path = self.0.path.clone();
        self.changing(move || existing(&path, &id)?.remove(org, &id)).await
    }

    /// Starts a webhook again.
    ///
    /// # Errors
    /// See [`WebhookFile::replay`].
    pub async fn replay(
        &self,
        org: OrgId,
        id: String,
        from: Option<Position>,
        head: Position,
    ) -> Result<Webhook, WebhookError> {
        let path = self.0.path.clone();
        self.changing(move || existing(&path, &id)?.replay(org, &id, from, head)).await
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
            let same = known.get(&webhook.id).filter(|known| known.revision == webhook.revision);
            if let Some(known) = same {
                webhook.position = webhook.position.max(known.status.position(head));
            }
        }
        Ok(webhooks)
    }

    /// Adds figures of all webhooks to `registry`, for a log with this head.
    pub fn register(&self, head: Position, registry: &mut Registry) {
        let known = self.0.known.lock();
        register(&self.0.counts, known.iter().map(|(id, known)| (id, &*known.status)), head, registry);
    }

    async fn changing<T: Send + 'static>(
        &self,
        change: impl FnOnce() -> Result<T, WebhookError> + Send + 'static,
    ) -> Result<T, WebhookError> {
        let changed = off_thread(change).await;
        self.0.changed.notify_one();
        changed
    }

    /// Delivers until the server stops. Once it stops, messages under way have `drain` to end.
    pub async fn run(
        self,
        ledger: Ledger,
        tails: Arc<Tails>,
        stopping: tokio::sync::watch::Receiver<bool>,
        drain: Duration,
    ) {
        let mut stop = stopping.clone();
        let around = Around { shared: self.0.clone(), ledger, tails, stopping, drain };
        let mut deliveries = JoinSet::new();
        let mut told = String::new();
        loop {
            let shared = self.0.clone();
            match off_thread(move || shared.look()).await {
                Ok(Some(webhooks)) => self.0.arrange(webhooks, &around, &mut deliveries),
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

impl Shared {
    /// Runs `work` with the file; `false` if there is no file any more. Waits for SQLite, so it runs off the async threads.
    pub(super) fn with_file(
        &self,
        work: impl FnOnce(&WebhookFile) -> Result<bool, WebhookError>,
    ) -> Result<bool, WebhookError> {
        match &self.opened.lock().file {
            Some(file) => work(file),
            None => Ok(false),
        }
    }

    /// The webhooks of all organisations if the file has changed since the last look.
    fn look(&self) -> Result<Option<Vec<Webhook>>, WebhookError> {
        let mut opened = self.opened.lock();
        let identity = self.path.metadata().ok().map(|file| (file.dev(), file.ino()));
        if opened.identity != identity {
            *opened = Opened::default();
            if identity.is_none() {
                return Ok(Some(Vec::new()));
            }
            opened.file = Some(WebhookFile::open_to_note(&self.path)?);
            opened.identity = identity;
        }
        let Some(file) = &opened.file else { return Ok(None) };
        // Counted before the read: the next look notices a change made in between.
        let changes = file.changes()?;
        if opened.read_at == Some(changes) {
            return Ok(None);
        }
        let webhooks = file.list(None)?;
        opened.read_at = Some(changes);
        Ok(Some(webhooks))
    }

    /// Ends the deliveries of webhooks that were removed, replayed or parked by another process, and starts those of new ones.
    fn arrange(&self, webhooks: Vec<Webhook>, around: &Around, deliveries: &mut JoinSet<()>) {
        let mut known = self.known.lock();
        let mut before = std::mem::take(&mut *known);
        for webhook in webhooks {
            let id = webhook.id.clone();
            let now = match before.remove(&id) {
                Some(same) if same.revision == webhook.revision => same,
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
}

/// Starts the delivery of a webhook, unless the webhook is parked.
fn start(webhook: Webhook, turn: Arc<AsyncMutex<()>>, around: &Around, deliveries: &mut JoinSet<()>) -> Known {
    let (revision, status) = (webhook.revision, Arc::new(Status::new(webhook.position, webhook.state)));
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
