//! The log of `serve` and `demo` on stderr, as text or as JSON, one line an event. Lines of the access log are always JSON.
//!
//! Not here: the output of commands (`cli::output`).

mod lines;

use std::io::IsTerminal;
use std::sync::OnceLock;

use prometheus_client::metrics::counter::Counter;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{DefaultFields, Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, Layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, reload};

use self::lines::Lines;
use super::exit::Exit;
use super::{Failure, Outcome};
use crate::http::{ACCESS_LOG, in_request};

/// The log of this process; empty until `start`.
static LOG: OnceLock<Log> = OnceLock::new();

struct Log {
    lines: Lines,
    filter: reload::Handle<EnvFilter, Registry>,
}

/// Starts the log. From then on the log also gets a line for each panic.
pub(super) fn start(filter: &str, json: bool) -> Outcome {
    let (filter, handle) = reload::Layer::new(parse(filter)?);
    let lines = Lines::start(std::io::stderr())?;
    let layer = Layer::new().with_writer(lines.clone()).with_ansi(std::io::stderr().is_terminal());
    let layer = layer.log_internal_errors(false);
    let registry = Registry::default().with(filter);
    let access = Format::default().json().with_current_span(false).with_span_list(false);
    if json {
        // A line names its span but lists no parent spans: each request has one span only.
        let rest = Format::default().json().with_span_list(false);
        registry.with(layer.event_format(Mixed { access, rest }).fmt_fields(JsonFields::new())).init();
    } else {
        let rest = Format::default();
        registry.with(layer.event_format(Mixed { access, rest }).fmt_fields(DefaultFields::new())).init();
    }
    let _ = LOG.set(Log { lines, filter: handle });
    std::panic::set_hook(Box::new(panicked));
    Ok(())
}

/// Changes what is logged.
pub(super) fn refilter(filter: &str) -> Outcome {
    let filter = parse(filter)?;
    match LOG.get() {
        Some(log) => log.filter.reload(filter).map_err(Failure::from),
        None => Ok(()),
    }
}

/// Counts the lines that were dropped.
pub(super) fn dropped() -> Counter {
    LOG.get().map(|log| log.lines.dropped().clone()).unwrap_or_default()
}

/// Waits until all lines are written, for at most a second.
pub(super) fn flush() {
    LOG.get().inspect(|log| log.lines.flush());
}

/// Ends the process with exit code 2, after the last lines of its log.
pub(super) fn end() -> ! {
    flush();
    std::process::exit(Exit::CouldNotRun.code().into())
}

fn parse(filter: &str) -> Result<EnvFilter, Failure> {
    EnvFilter::try_new(filter).map_err(|error| Failure::CouldNotRun(format!("--log: cannot read `{filter}`: {error}")))
}

fn panicked(panic: &std::panic::PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let said = crate::ledger::panic_text(panic.payload());
    let (thread, place) = (thread.name().unwrap_or(""), panic.location().map(tracing::field::display));
    let trace = std::backtrace::Backtrace::capture();
    let trace = (trace.status() == std::backtrace::BacktraceStatus::Captured).then(|| tracing::field::display(trace));
    in_request(|| tracing::error!(thread, place, trace, "a panic: {said}"));
}

/// Two formats: one for the access log, and one for the rest.
struct Mixed<R> {
    access: Format<Json>,
    rest: Format<R>,
}

impl<S, N, R> FormatEvent<S, N> for Mixed<R>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
    Format<R>: FormatEvent<S, N>,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> std::fmt::Result {
        if event.metadata().target() == ACCESS_LOG {
            self.access.format_event(ctx, writer, event)
        } else {
            self.rest.format_event(ctx, writer, event)
        }
    }
}
