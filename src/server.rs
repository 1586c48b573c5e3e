//! The whole server put together: ledger, access, tails, routes. The caller brings the folder, the socket and the signal.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::access::{Access, AccessError, LiveAccess};
use crate::blocking::off_thread;
use crate::cluster::{Cluster, ClusterError, Settings};
use crate::deliveries::Webhooks;
use crate::http::{
    self, App, AppState, HttpOptions, Limits, Openings, Pages, RenderedEvents, RenderedJobs, Requests, SharedWith,
    Site, Tls, Transport,
};
use crate::job::Span;
use crate::kinds;
use crate::ledger::{Folder, Ledger, Node, OpenError, Options, Role};
use crate::memory::Share;
use crate::page;
use crate::tails::{self, LiveJobs, Tails};
use crate::webhooks::WebhookError;
use crate::workers::{self, Claims};

/// How long the start of a node waits until the node has caught up.
const CATCH_UP: Duration = Duration::from_secs(10);
/// How often the server looks for tokens that another process revoked, to end their tails.
const ACCESS_POLL: Duration = Duration::from_millis(250);
/// How often the server looks at the files of the certificate.
const CERTIFICATE_POLL: Duration = Duration::from_secs(2);
/// How often the server writes the times at which tokens were used.
const NOTE_USE: Duration = Duration::from_secs(10);

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] OpenError),
    /// The tokens cannot be read.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The webhooks cannot be read.
    #[error(transparent)]
    Webhooks(#[from] WebhookError),
    /// The cluster cannot be reached, or is not set as it must be.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// A server that is ready to serve.
pub struct Server {
    app: App,
    site: Site,
    serving: HttpOptions,
    stopping: watch::Receiver<bool>,
    metrics: Option<TcpListener>,
    /// After how long a running job without a lease and without a report ends; `None` for never.
    stale_after: Option<Span>,
}

impl Server {
    /// Opens everything in `folder`. Serves nothing yet.
    pub fn open(
        folder: Folder,
        options: Options,
        serving: HttpOptions,
        stopping: watch::Receiver<bool>,
    ) -> Result<Server, StartError> {
        Server::open_with(folder, serving, stopping, options.clone(), |folder| {
            Ok((Ledger::open(folder, options)?, None))
        })
    }

    /// Opens everything in `folder`, which is a node's, and connects to its cluster. Returns when the node has all that the cluster
    /// has, or after 10 s: until it has, it then shows its own state alone. Serves nothing yet.
    pub async fn open_node(
        folder: Folder,
        options: Options,
        serving: HttpOptions,
        stopping: watch::Receiver<bool>,
        settings: Settings,
    ) -> Result<Server, StartError> {
        let (cluster, replication) = Cluster::connect(settings, &folder).await?;
        let mut stopped = stopping.clone();
        let server = Server::open_with(folder, serving, stopping, options.clone(), |folder| {
            Ok((Ledger::open_node(folder, options, replication)?, Some(cluster)))
        })?;
        if let Some(mut node) = server.ledger().node().map(Node::watch) {
            tokio::select! {
                _ = node.wait_for(|state| state.role != Role::CatchingUp) => {}
                _ = stopped.wait_for(|stopping| *stopping) => {}
                () = tokio::time::sleep(CATCH_UP) => {
                    tracing::warn!("this node has not caught up yet: it answers 503 to everything but its own state");
                }
            }
        }
        Ok(server)
    }

    fn open_with(
        folder: Folder,
        serving: HttpOptions,
        stopping: watch::Receiver<bool>,
        options: Options,
        open: impl FnOnce(Folder) -> Result<(Ledger, Option<Cluster>), StartError>,
    ) -> Result<Server, StartError> {
        // Tokens that cannot be read stop a start before it makes a ledger.
        let tokens = folder.access();
        if tokens.exists() {
            match Access::open_to_read(&tokens) {
                Ok(_) | Err(AccessError::Older { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let webhooks = Webhooks::open(&folder.webhooks(), serving.webhooks.clone())?;
        let Options { memory, stale_after, .. } = options;
        let (ledger, cluster) = open(folder)?;
        // A start that fails closes the ledger, because its threads use the runtime, which ends soon.
        let access = LiveAccess::open(&tokens).inspect_err(|_| ledger.close())?;
        let (routes, description, styles) = http::described(kinds::apis());
        let app = App::new(AppState {
            ledger,
            access,
            limits: Limits::new(&serving.bounds, &memory.of(Share::Bodies)),
            rendered_events: RenderedEvents::new(memory.of(Share::RenderedEvents)),
            rendered_jobs: RenderedJobs::new(memory.of(Share::RenderedJobs)),
            pages: Pages::new(memory.of(Share::Pages)),
            tails: Arc::new(Tails::new(&memory)),
            openings: Openings::default(),
            live_jobs: LiveJobs::default(),
            claims: Claims::default(),
            webhooks,
            cluster,
            stopping: stopping.clone(),
            origins: serving.origins(),
            shared_with: SharedWith::new(&serving.cors_origins),
            requests: Requests::new(description.paths.paths.keys().map(String::as_str).chain(page::PATHS)),
            dropped_lines: serving.dropped_lines.clone(),
            once: serving.once.clone(),
            openapi: text(&description),
        });
        let site = Site::new(app.clone(), routes.merge(page::routes()), styles);
        Ok(Server { app, site, serving, stopping, metrics: None, stale_after })
    }

    /// Serves the metrics on `listener` too, in clear and without a token.
    pub fn with_metrics_on(self, listener: Option<TcpListener>) -> Server {
        Server { metrics: listener, ..self }
    }

    /// The ledger that is served.
    pub fn ledger(&self) -> &Ledger {
        &self.app.ledger
    }

    /// Serves until told to stop; then ends every stream, gives every answer, and closes the ledger.
    pub async fn run(self, listener: TcpListener) {
        let mut tasks = vec![
            self.start("publisher of the tails", tails::publish(self.app.ledger.clone(), self.app.tails.clone())),
            self.start("watcher of the tokens", watch_access(self.app.clone())),
            self.start("writer of the tokens' use", note_use(self.app.clone())),
            self.start("reader of the leases", while_leading(self.app.ledger.clone(), workers::resume_leases)),
            self.start("watcher of the leases", while_leading(self.app.ledger.clone(), workers::end_lost_jobs)),
            self.start("repeater of failed jobs", while_leading(self.app.ledger.clone(), workers::repeat_failed_jobs)),
        ];
        if let Some(after) = self.stale_after {
            let stale = move |ledger| workers::end_stale_jobs(ledger, after);
            tasks.push(self.start("watcher of stale jobs", while_leading(self.app.ledger.clone(), stale)));
        }
        if let Some(cluster) = self.app.cluster.clone() {
            tasks.push(
                self.start("keeper of the membership", cluster.run(self.app.ledger.clone(), self.app.access.clone())),
            );
        }
        if let Some(tls) = self.serving.transport.tls().cloned() {
            tasks.push(self.start("watcher of the certificate", watch_certificate(tls)));
        }
        // Dropped when the deliveries have ended.
        let (delivering, mut delivered) = watch::channel(());
        let webhooks = self.app.webhooks.clone().run(
            self.app.ledger.clone(),
            self.app.tails.clone(),
            self.stopping.clone(),
            self.serving.drain,
        );
        let deliverer = async move {
            webhooks.await;
            drop(delivering);
        };
        tasks.push(self.start("deliverer of the webhooks", deliverer));
        let metrics = async {
            if let Some(listener) = self.metrics {
                let options = HttpOptions { transport: Transport::Clear, ..self.serving.clone() };
                http::serve(listener, Site::of_metrics(self.app.clone()), options, self.stopping.clone()).await;
            }
        };
        let main = http::serve(listener, self.site, self.serving.clone(), self.stopping.clone());
        tokio::join!(main, metrics);
        // Returns an error when the sender is dropped.
        let _ = delivered.changed().await;
        tasks.iter().for_each(AbortHandle::abort);
        if let Some(cluster) = &self.app.cluster {
            cluster.send_last_files(&self.app.ledger).await;
            cluster.stop_leading().await;
            cluster.tell_last_position(&self.app.ledger).await;
        }
        store_use(&self.app).await;
        let ledger = self.app.ledger.clone();
        // `close` waits for threads, so it runs on a thread that may block.
        let _ = tokio::task::spawn_blocking(move || ledger.close()).await;
    }

    /// Starts a task that the server cannot work without: if it panics, the process ends.
    fn start(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let (task, threads) = (tokio::spawn(task), self.app.ledger.threads().clone());
        let abort = task.abort_handle();
        tokio::spawn(async move {
            if let Err(ended) = task.await
                && let Ok(panic) = ended.try_into_panic()
            {
                // `panicked` waits a moment for the last log lines, so it runs on a thread that may block. Other tasks answer meanwhile.
                let _ = tokio::task::spawn_blocking(move || threads.panicked(name, &*panic)).await;
            }
        });
        abort
    }
}

/// Runs `work`, which never ends, as long as this ledger leads.
async fn while_leading<W: Future<Output = ()>>(ledger: Ledger, work: impl Fn(Ledger) -> W) {
    loop {
        ledger.until_leading(true).await;
        tokio::select! {
            () = work(ledger.clone()) => {}
            () = ledger.until_leading(false) => {}
        }
    }
}

/// The API description as text, the same in `/openapi.json` and `schema/openapi.json`.
pub fn openapi() -> String {
    text(&http::described(kinds::apis()).1)
}

fn text(description: &utoipa::openapi::OpenApi) -> String {
    let mut text = description.to_pretty_json().expect("a description is JSON");
    text.push('\n');
    text
}

/// Looks for a renewed certificate, and serves new connections with it. Warns once about an unusable pair of files.
async fn watch_certificate(tls: Tls) {
    let mut told = String::new();
    loop {
        tokio::time::sleep(CERTIFICATE_POLL).await;
        let tls = tls.clone();
        match off_thread(move || tls.reload()).await {
            Ok(true) => tracing::info!("the server uses a new certificate"),
            Ok(false) => told.clear(),
            Err(error) if error.to_string() == told => {}
            Err(error) => {
                told = error.to_string();
                tracing::warn!(error = told, "the new certificate cannot be used, the old one stays in use");
            }
        }
    }
}

/// Ends open tails whose token was revoked by another process, or whose session has ended. Requests check by themselves.
async fn watch_access(app: App) {
    loop {
        tokio::time::sleep(ACCESS_POLL).await;
        if let Err(error) = app.access.poll(app.ledger.now()).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "access.db cannot be read just now");
        }
    }
}

/// Writes to `access.db` when each token was last used. A task apart from [`watch_access`], because a write may wait for a lock.
async fn note_use(app: App) {
    loop {
        tokio::time::sleep(NOTE_USE).await;
        store_use(&app).await;
    }
}

/// Stores when the tokens were last used, and tells the other nodes of a cluster.
async fn store_use(app: &App) {
    match app.access.flush_used().await {
        Ok(used) => {
            if let Some(cluster) = &app.cluster {
                cluster.tell_used(&app.ledger, &used).await;
            }
        }
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the use of tokens was not written down");
        }
    }
}
