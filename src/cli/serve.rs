//! `jobledger serve`.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::cluster::ClusterOptions;
use super::duration::duration;
use super::limits::Limits;
use super::listen::Listen;
use super::masking::Masking;
use super::open_files;
use super::stop::{at_hangup, stop_signal};
use super::{AnchorDir, Data, Failure, Outcome, logging};
use crate::deliveries::Settings;
use crate::http::{HttpOptions, NotAnOrigin, Origin, Tls, Transport};
use crate::job::Span;
use crate::ledger::{Identity, Options};
use crate::server::Server;

/// Serve the ledger over HTTP
///
/// Serves the ledger in the folder, or a new ledger if the folder is empty. The server answers 401 until `jobledger token
/// create` has made a token. Ctrl-C and SIGTERM end the server cleanly. At SIGHUP the server reads again the certificate, its
/// key, and the option `log` in the file of --config.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger serve --create --data ledger
  jobledger serve --data ledger --listen 0.0.0.0:8347 --tls-cert cert.pem --tls-key key.pem")]
pub(super) struct Serve {
    #[command(flatten)]
    data: Data,

    #[command(flatten)]
    anchor: AnchorDir,

    /// Make the folder if it is missing, or start a new ledger in a folder that has files of other programs
    #[arg(long, env = "JOBLEDGER_CREATE")]
    create: bool,

    /// Start a new ledger with a new name and key, if the log is missing and a key, an anchor or views are still there
    ///
    /// The server renames these files to `*.before-…`; the tokens stay valid. The server refuses this option if there is a log.
    #[arg(long, env = "JOBLEDGER_NEW_LEDGER")]
    new_ledger: bool,

    /// Where to listen; port 0 takes a free one
    #[arg(long, env = "JOBLEDGER_LISTEN", default_value = "127.0.0.1:8347", value_name = "ADDRESS:PORT", value_parser = Listen::parse)]
    listen: Listen,

    /// Also serve /metrics here, without TLS and without a token, for Prometheus
    #[arg(long, env = "JOBLEDGER_METRICS_LISTEN", value_name = "ADDRESS:PORT", value_parser = Listen::parse)]
    metrics_listen: Option<Listen>,

    /// Certificate chain for TLS, PEM
    #[arg(long, env = "JOBLEDGER_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// Key of the certificate, PEM
    #[arg(long, env = "JOBLEDGER_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// Serve without TLS on an address that other machines reach; tokens are then readable on the network
    #[arg(long, env = "JOBLEDGER_INSECURE_HTTP")]
    insecure_http: bool,

    /// A proxy in front of this server does TLS, so browsers use https; browsers then send cookies over https only
    ///
    /// The server then believes the headers `Forwarded` and `X-Forwarded-Proto`, which say how the client reached the proxy.
    #[arg(long, env = "JOBLEDGER_BEHIND_TLS")]
    behind_tls: bool,

    /// The address under which browsers reach this server, if a proxy in front changes the header `Host`
    ///
    /// A write by cookie, and a sign-in by form, must come from a page of this server: from this address, or from the one in `Host`.
    #[arg(long, env = "JOBLEDGER_PUBLIC_URL", value_name = "URL", value_parser = origin)]
    public_url: Option<Origin>,

    /// An origin whose pages may read and append with a token, such as https://portal.example; may repeat
    ///
    /// By default no page of another origin may. A page of another origin never uses this server's cookie.
    #[arg(long, env = "JOBLEDGER_CORS_ORIGIN", value_name = "ORIGIN", value_delimiter = ',', value_parser = origin)]
    cors_origin: Vec<Origin>,

    /// Let webhooks call loopback and private addresses, and receivers without TLS
    ///
    /// By default an administrator cannot make the server call the machines of its own network.
    #[arg(long, env = "JOBLEDGER_WEBHOOK_ALLOW_PRIVATE")]
    webhook_allow_private: bool,

    /// The program that copies the WAL into log.db: the ledger itself (internal), or another one, such as Litestream (external)
    #[arg(long, env = "JOBLEDGER_CHECKPOINT", value_enum, default_value_t = Checkpoint::Internal)]
    checkpoint: Checkpoint,

    /// Appends that may wait for the writer; one more is answered 503
    #[arg(long, env = "JOBLEDGER_QUEUE", default_value_t = 4096, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    queue: u32,

    /// End a running job without a lease after so long without a report, such as 24h; by default never
    ///
    /// The ledger appends `job.failed`. The time begins with the job's newest event. Jobs with a lease end by their lease.
    #[arg(long, env = "JOBLEDGER_STALE_AFTER", value_name = "DURATION")]
    stale_after: Option<Span>,

    /// How long the server waits for open answers when it stops
    #[arg(long, env = "JOBLEDGER_DRAIN", default_value = "5s", value_name = "DURATION", value_parser = duration)]
    drain: Duration,

    #[command(flatten)]
    cluster: ClusterOptions,

    #[command(flatten)]
    limits: Limits,

    #[command(flatten)]
    masking: Masking,

    /// Print the first line and the log as JSON, one object a line
    #[arg(long, env = "JOBLEDGER_JSON")]
    json: bool,

    /// What to log: error, warn, info, debug or trace, also by part (`info,jobledger::http=debug`)
    #[arg(long, env = "JOBLEDGER_LOG", default_value = "info", value_name = "FILTER")]
    log: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Checkpoint {
    Internal,
    External,
}

impl Serve {
    /// Serves until a signal stops the server. The log gets `warnings`, which are about the command line and the environment.
    pub(super) fn run(self, warnings: &[String]) -> Outcome {
        logging::start(&self.log, self.json)?;
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        open_files::make_room_for(self.limits.bounds().tails.total);
        let transport = match (&self.tls_cert, &self.tls_key) {
            (Some(_), Some(_)) if self.behind_tls => {
                let why =
                    "--tls-cert and --behind-tls exclude each other: either this server encrypts, or a proxy does";
                return Err(Failure::CouldNotRun(why.into()));
            }
            (Some(certificate), Some(key)) => Transport::Tls(Tls::load(certificate.clone(), key.clone())?),
            (None, None) if self.behind_tls => Transport::BehindTls,
            (None, None) => Transport::Clear,
            _ => return Err(Failure::CouldNotRun("--tls-cert and --tls-key belong together; give both".into())),
        };
        if let Some(public) = self.public_url.as_ref().filter(|public| public.scheme() != transport.scheme()) {
            return Err(Failure::CouldNotRun(format!(
                "--public-url {public} contradicts the way in which browsers reach this server, which is {}\n  hint: give \
                 --behind-tls if a proxy in front does TLS",
                transport.scheme()
            )));
        }
        if !self.listen.is_loopback() && matches!(transport, Transport::Clear) && !self.insecure_http {
            return Err(Failure::CouldNotRun(format!(
                "other machines can reach {}, and without TLS they could read every token\n  hint: give --tls-cert and \
                 --tls-key, or --behind-tls if a proxy in front does TLS, or --insecure-http to serve without TLS",
                self.listen
            )));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let served = runtime.block_on(self.serve(transport));
        // Does not wait for work that still runs on threads of the runtime: no client waits for its result.
        runtime.shutdown_background();
        served
    }

    /// The option `--log`.
    pub(super) fn filter(self) -> String {
        self.log
    }

    async fn serve(self, transport: Transport) -> Outcome {
        let stopping = stop_signal(None)?;
        at_hangup({
            let transport = transport.clone();
            move || reload(transport.tls())
        })?;
        let options = self.options()?;
        // The scheme of the address that the server prints. Behind a TLS proxy the server itself speaks plain HTTP.
        let scheme = if transport.tls().is_some() { "https" } else { "http" };
        let http = self.http_options(transport);
        // Binds before it opens the folder, so that a start at a taken address does not change the folder.
        let listener = self.listen.bind()?;
        let metrics = match &self.metrics_listen {
            Some(listen) => Some(listen.bind()?),
            None => None,
        };
        let metrics_url = metrics.as_ref().and_then(|metrics| metrics.local_addr().ok());
        let url = format!("{scheme}://{}", listener.local_addr()?);
        let folder = self.anchor.of(self.data.folder());
        let server = match self.cluster.settings()? {
            Some(settings) => Server::open_node(folder, options, http, stopping, settings).await?,
            None => Server::open(folder, options, http, stopping)?,
        };
        if let Err(error) = announce(&url, self.json) {
            tracing::warn!(error = &error as &dyn std::error::Error, "the first line cannot be printed");
        }
        if server.ledger().is_new() {
            // A warning, because the operator may have expected an existing ledger here.
            let Identity { origin, keys } = server.ledger().identity();
            tracing::warn!(origin, key = %keys[0], "new ledger");
        }
        if let Some(why) = server.ledger().read_only() {
            tracing::warn!(why, "the ledger is read-only");
        }
        tracing::info!(url, head = server.ledger().head().get(), origin = server.ledger().identity().origin, "serving");
        if let Some(address) = metrics_url {
            tracing::info!(url = format!("http://{address}/metrics"), "serving metrics without a token");
        }
        server.with_metrics_on(metrics).run(listener).await;
        tracing::info!("stopped");
        Ok(())
    }

    /// What the command line says of the ledger.
    fn options(&self) -> Result<Options, Failure> {
        Ok(Options {
            create: self.create,
            new_ledger: self.new_ledger,
            external_copy_back: self.checkpoint == Checkpoint::External,
            queue: self.queue as usize,
            stale_after: self.stale_after,
            memory: self.limits.memory.clone(),
            mask: self.masking.rules()?,
            end: logging::end,
            ..Options::default()
        })
    }

    /// What the command line says of HTTP.
    fn http_options(&self, transport: Transport) -> HttpOptions {
        HttpOptions {
            transport,
            public_url: self.public_url.clone(),
            cors_origins: self.cors_origin.clone(),
            bounds: self.limits.bounds(),
            stall_timeout: self.limits.stall_timeout,
            drain: self.drain,
            dropped_lines: logging::dropped(),
            webhooks: Settings { allow_private: self.webhook_allow_private, ..Settings::default() },
            ..HttpOptions::default()
        }
    }
}

/// Reads an origin, also with a slash at its end.
fn origin(text: &str) -> Result<Origin, NotAnOrigin> {
    text.strip_suffix('/').unwrap_or(text).parse()
}

/// Prints the first line on stdout and flushes: the program that started the server may wait for this line.
fn announce(url: &str, json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::json!({ "listening": url }))?;
    } else {
        writeln!(out, "listening on {url}")?;
    }
    out.flush()
}

/// Reads the certificate, its key and the log filter again. A part that cannot be read stays unchanged.
fn reload(tls: Option<&Tls>) {
    match tls.map(Tls::reload).transpose() {
        Ok(Some(true)) => tracing::info!("the server uses a new certificate"),
        Ok(_) => {}
        Err(error) => tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the new certificate cannot be used, the old one stays in use"
        ),
    }
    match super::filter_now().and_then(|filter| logging::refilter(&filter)) {
        Ok(()) => tracing::info!("read the certificate and the log filter again"),
        Err(failure) => tracing::warn!("the log filter stays unchanged: {failure}"),
    }
}
