//! The delivery of one webhook: a loop that reads the events after its position, posts each, and waits for the bell.

use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::page::{Notice, Page};
use super::post::{Message, PostError};
use super::running::Around;
use super::status::Status;
use crate::blocking::off_thread;
use crate::job::Position;
use crate::log::{self, Filter, Types};
use crate::tails::Bell;
use crate::webhooks::{Failed, Noted, Reached, Webhook, WebhookError, WebhookFile};

/// Least time between two notes of the position in the file. After a crash a receiver gets again what it got since the last note.
const NOTE_EVERY: Duration = Duration::from_millis(100);
/// Events that the webhook does not send, after which the position is noted all the same: a start need not read them again.
const NOTE_AFTER: u64 = 10_000;
/// The pause after a failed read of the log.
const RETRY: Duration = Duration::from_secs(1);
/// Longest text of an error that is kept, in characters.
const ERROR: usize = 256;

/// One webhook on its way through the log.
pub(super) struct Delivery {
    around: Around,
    webhook: Arc<Webhook>,
    status: Arc<Status>,
    /// Held while a message is under way.
    turn: Arc<AsyncMutex<()>>,
    /// The receiver has every event up to here.
    position: Position,
    /// Failed tries of the next event, in a row.
    failures: u32,
    /// Up to where the file says that the receiver has every event, and when that was noted.
    noted: Position,
    noted_at: Instant,
    /// Whether the file is to be told of a newer position.
    note_soon: bool,
}

/// How a part of a delivery ends.
enum Next {
    /// The delivery goes on after a pause.
    Pause(Duration),
    /// The delivery ends: the server stops, or the webhook is parked, removed or replayed.
    End,
}

impl Delivery {
    pub(super) fn new(around: Around, webhook: Webhook, status: Arc<Status>, turn: Arc<AsyncMutex<()>>) -> Delivery {
        let (position, failures) = (webhook.position, webhook.failures);
        let (noted_at, webhook) = (Instant::now(), Arc::new(webhook));
        Delivery { around, webhook, status, turn, position, failures, noted: position, noted_at, note_soon: false }
    }

    /// Delivers until the server stops, or the webhook is parked, removed or replayed.
    pub(super) async fn run(mut self) {
        let filter = filter(&self.webhook);
        let mut pause = self.pause_left();
        loop {
            if self.rest(pause).await.is_break() {
                return;
            }
            match self.deliver(&filter).await {
                Next::Pause(next) => pause = next,
                Next::End => return,
            }
        }
    }

    /// The rest of the pause that an earlier server began.
    fn pause_left(&self) -> Duration {
        let whole = self.around.shared.settings.pauses.after(self.failures).unwrap_or_default();
        let left = self.webhook.next_try.map_or(0, |next| next.micros() - self.around.ledger.now().micros());
        Duration::from_micros(u64::try_from(left).unwrap_or(0)).min(whole)
    }

    /// Waits for `pause`. Breaks if the server stops.
    async fn rest(&mut self, pause: Duration) -> ControlFlow<()> {
        tokio::select! {
            biased;
            () = stopped(&mut self.around.stopping) => Break(()),
            () = sleep(pause) => Continue(()),
        }
    }

    /// Delivers until a try fails, or the delivery ends.
    async fn deliver(&mut self, filter: &Filter) -> Next {
        // Before the first read: an event after that read rings the bell.
        let _listening = self.around.tails.listen();
        let mut bell = self.around.tails.bell(filter);
        loop {
            let flow = match self.page(filter).await {
                Ok(page) => self.send_page(page).await,
                Err(error) => {
                    tracing::error!(
                        webhook = %self.webhook.id, error = &error as &dyn std::error::Error,
                        "a webhook cannot read the log; it tries again"
                    );
                    Break(Next::Pause(RETRY))
                }
            };
            let flow = match flow {
                Continue(true) => continue,
                Continue(false) => self.wait(&mut bell).await,
                Break(next) => Break(next),
            };
            if let Break(next) = flow {
                return next;
            }
        }
    }

    async fn page(&mut self, filter: &Filter) -> Result<Page, log::Error> {
        let (ledger, id, filter, position) =
            (self.around.ledger.clone(), self.webhook.id.clone(), filter.clone(), self.position);
        let page = off_thread(move || {
            let head = ledger.log(|log| log.head())?;
            Page::read(&ledger, &id, &filter, position.min(head))
        })
        .await?;
        if page.scanned < self.position {
            tracing::warn!(
                webhook = %self.webhook.id, position = self.position.get(), head = page.scanned.get(),
                "the log ends before the position of a webhook, so it was restored from an older copy; the webhook goes on from its end"
            );
        }
        Ok(page)
    }

    /// Sends the events of a page. Continues with whether the log goes on after it.
    async fn send_page(&mut self, page: Page) -> ControlFlow<Next, bool> {
        for notice in page.notices {
            // An event that was read before a redaction may show what the redaction erased.
            if self.around.ledger.newest_redaction() != page.redacted {
                return Continue(true);
            }
            // A copy of a ledger must not call the receivers of the original.
            if self.around.ledger.read_only().is_some() {
                return Break(Next::End);
            }
            let position = notice.position;
            match self.send(notice).await? {
                Ok(()) => self.took(position).await?,
                Err(error) => return Break(self.failed(&error).await),
            }
        }
        self.reached(page.scanned);
        Continue(page.more)
    }

    /// Sends one event. Breaks if the server stops meanwhile.
    async fn send(&mut self, notice: Notice) -> ControlFlow<Next, Result<(), PostError>> {
        let Delivery { around, webhook, turn, .. } = self;
        let mut stopping = around.stopping.clone();
        let sending = async {
            let (_permit, body) = match notice.event {
                Some(event) => (None, event),
                None => {
                    let permit = around.shared.large.acquire().await.expect("the semaphore is never closed");
                    let (ledger, position) = (around.ledger.clone(), notice.position);
                    let read = off_thread(move || Notice::read_large(&ledger, position)).await;
                    (Some(permit), read.map_err(PostError::Unread)?)
                }
            };
            let turn = turn.clone().lock_owned().await;
            let (url, secret) = (webhook.receiver.to_string(), webhook.secret.clone());
            let timestamp = around.ledger.now().micros().div_euclid(1_000_000);
            around.shared.sender.send(Message { url, id: notice.id, timestamp, secret, body }, turn).await
        };
        let drain = around.drain;
        let outcome = tokio::select! {
            outcome = sending => Some(outcome),
            () = async { stopped(&mut stopping).await; sleep(drain).await } => None,
        };
        match outcome {
            Some(outcome) => Continue(outcome),
            None => {
                self.note().await?;
                Break(Next::End)
            }
        }
    }

    /// The receiver has taken the event at `position`.
    async fn took(&mut self, position: Position) -> ControlFlow<Next> {
        self.around.shared.counts.deliveries.inc();
        self.reached(position);
        self.note_soon = true;
        let recovered = std::mem::take(&mut self.failures) > 0;
        if recovered {
            tracing::info!(webhook = %self.webhook.id, "a receiver takes events again");
        }
        let stops = *self.around.stopping.borrow();
        if recovered || stops || self.noted_at.elapsed() >= NOTE_EVERY {
            self.note().await?;
        }
        if stops { Break(Next::End) } else { Continue(()) }
    }

    fn reached(&mut self, position: Position) {
        self.position = position;
        self.status.reached(position);
    }

    /// Notes a failed try, and says how the delivery goes on.
    async fn failed(&mut self, error: &PostError) -> Next {
        self.around.shared.counts.failures.inc();
        self.failures = self.failures.saturating_add(1);
        let error: String = crate::chain(error).chars().take(ERROR).collect();
        let pauses = self.around.shared.settings.pauses;
        let pause = pauses.after(self.failures);
        let now = self.around.ledger.now();
        let next_try = pause.map(|pause| now.plus(i64::try_from(pause.as_nanos()).unwrap_or(i64::MAX)));
        match pause {
            None => tracing::warn!(
                webhook = %self.webhook.id, error,
                "a webhook is parked, because its receiver failed for too long; `jobledger webhook replay` starts it again"
            ),
            Some(_) if self.failures == 1 => {
                tracing::warn!(webhook = %self.webhook.id, error, "a receiver did not take an event; it is sent again");
            }
            Some(_) => tracing::debug!(webhook = %self.webhook.id, error, failures = self.failures, "a receiver fails"),
        }
        let failed = Failed { failures: self.failures, error, next_try };
        match (self.tell(move |file, webhook, reached| file.failed(webhook, reached, &failed)).await, pause) {
            (Some(Noted::Gone), _) => Next::End,
            (Some(Noted::Moved(found)), _) => self.moved(found),
            (Some(Noted::Here), None) => {
                self.status.park();
                Next::End
            }
            (Some(Noted::Here), Some(pause)) => {
                self.is_noted();
                Next::Pause(pause)
            }
            (None, pause) => Next::Pause(pause.unwrap_or(pauses.longest)),
        }
    }

    /// Waits for an event that the webhook sends. Meanwhile notes the position.
    async fn wait(&mut self, bell: &mut Bell) -> ControlFlow<Next> {
        // Everything is sent, so an event that failed is gone: the log was restored from an older copy.
        let failure_is_over = std::mem::take(&mut self.failures) > 0;
        let is_far = self.position.get().saturating_sub(self.noted.get()) >= NOTE_AFTER;
        self.note_soon |= failure_is_over || is_far;
        self.status.wait(true);
        let flow = loop {
            let due = self.note_soon.then(|| self.noted_at + NOTE_EVERY);
            let flow = tokio::select! {
                rung = bell.rings_after(self.position) => if rung { Some(Continue(())) } else { Some(Break(Next::End)) },
                () = until(due) => None,
                () = stopped(&mut self.around.stopping) => Some(Break(Next::End)),
            };
            match flow {
                Some(Continue(())) => break Continue(()),
                Some(Break(next)) => {
                    let _ = self.note().await;
                    break Break(next);
                }
                None => {
                    if let Break(next) = self.note().await {
                        break Break(next);
                    }
                }
            }
        };
        self.status.wait(false);
        self.reached(bell.skip_quiet(self.position));
        flow
    }

    /// Notes the position in the file, unless a failure has noted it. Breaks if the file has another position, or the webhook no more.
    /// If the file cannot be written, a later note has this position too.
    async fn note(&mut self) -> ControlFlow<Next> {
        // A note says that the newest try went well. A stop must not make the file forget the failures.
        if self.failures > 0 {
            return Continue(());
        }
        match self.tell(WebhookFile::reached).await {
            Some(Noted::Here) => self.is_noted(),
            Some(Noted::Moved(found)) => return Break(self.moved(found)),
            Some(Noted::Gone) => return Break(Next::End),
            None => self.noted_at = Instant::now() + RETRY,
        }
        Continue(())
    }

    /// Makes a note in the file; `None` if the file cannot be written.
    async fn tell(
        &self,
        note: impl FnOnce(&WebhookFile, &Webhook, Reached) -> Result<Noted, WebhookError> + Send + 'static,
    ) -> Option<Noted> {
        let (shared, webhook) = (self.around.shared.clone(), self.webhook.clone());
        let reached = Reached { before: self.noted, now: self.position };
        let told = off_thread(move || shared.note(|file| note(file, &webhook, reached))).await;
        let told = told.inspect_err(|error| {
            tracing::warn!(error = error as &dyn std::error::Error, "webhooks.db cannot be written just now");
        });
        told.ok()
    }

    /// The file has the position `found`: another node has led since the last note, or an earlier delivery has made a late note. The
    /// receiver has the events up to both positions.
    fn moved(&mut self, found: Position) -> Next {
        self.noted = found;
        self.reached(self.position.max(found));
        Next::Pause(Duration::ZERO)
    }

    fn is_noted(&mut self) {
        (self.noted, self.noted_at, self.note_soon) = (self.position, Instant::now(), false);
    }
}

/// The events that a webhook sends.
fn filter(webhook: &Webhook) -> Filter {
    let named = webhook.types.iter().map(|word| Types::spelled(word)).fold(Types::NONE, Types::with);
    let types = if webhook.types.is_empty() { Types::ALL } else { named };
    Filter { org: Some(webhook.org), kind: webhook.kind, types, ..Filter::default() }
}

/// Returns when the server stops.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // Without a sender the server has ended.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Returns at `due`; never if there is none.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}
