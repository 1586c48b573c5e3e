//! `GET /ledger/jobs/{id}/output`: a hook's output, whole, in parts, or live.

use async_stream::try_stream;
use axum::extract::State;
use axum::http::header::{ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::{Buf, Bytes};

use crate::access::Capability;
use crate::http::POSITION;
use crate::http::answer::{Code, Error, LongAnswer, streamed};
use crate::http::app::App;
use crate::http::observe::off_thread;
use crate::http::request::{ByteRange, Caller, JobRead, Params, Segment, accept, refuse_heartbeat};
use crate::http::tail::{live_output, or_busy};
use crate::job::{Position, Summary};
use crate::ledger::{FromEnd, OutputStart, ReadError, hook_chunk, output_start};

/// Most lines of `tail`.
const MOST_LINES: usize = 100_000;
/// What a client may ask for.
const FORMS: [&str; 2] = ["text/plain", "text/event-stream"];

/// Read a job's hook output.
///
/// `Range` takes one range of bytes, and `tail` the last lines. With `Accept: text/event-stream` the output is live: each
/// `event: output` has `{"offset":bytes,"text":"…"}`, and `event: closed` ends it.
#[utoipa::path(
    get, path = "/ledger/jobs/{id}/output", tag = "ledger", operation_id = "get_job_output",
    params(
        ("id" = String, Path, description = "The job"),
        ("as_of" = Option<String>, Query, description = "A position or an RFC 3339 time of recording"),
        ("tail" = Option<usize>, Query, description = "The last lines alone", minimum = 1, maximum = 100_000),
        ("org" = Option<uuid::Uuid>, Query, description = "The job's organisation, for auditors"),
        ("min_position" = Option<u64>, Query, description = "Answer only when the views show this position"),
        ("heartbeat" = Option<u64>, Query, description = "A stream sends `event: heartbeat` after so many seconds without another message", minimum = 1, maximum = 60),
        ("Range" = Option<String>, Header, description = "One range of bytes, such as `bytes=0-1023` or `bytes=-1024`"),
        ("Last-Event-ID" = Option<String>, Header, description = "The position after which a stream goes on"),
    ),
    responses(
        (status = 200, description = "The hook's output, stdout and stderr in the order of arrival",
            content((String = "text/plain; charset=utf-8"), (String = "text/event-stream"))),
        (status = 204, description = "The client has seen the job end"),
        (status = 206, description = "The bytes that `Range` asks for", body = String, content_type = "text/plain; charset=utf-8"),
        (status = 400, description = "A parameter is not what was expected"),
        (status = 404, description = "No such job, or none yet at `as_of`"),
        (status = 416, description = "The output does not have the bytes that `Range` asks for"),
        (status = 503, description = "The views have not reached the position in time, or too many exports (`too-many-exports`) or streams (`too-many-tails`) are being sent"),
    )
)]
pub async fn output(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, Error> {
    caller.require(Capability::ReadLedger)?;
    let lines = params.count_if_any("tail", MOST_LINES)?;
    let read = params.job_read(&caller, &id)?;
    if accept::choose(&headers, &FORMS) == Some("text/event-stream") {
        if read.as_of.is_some() {
            return Err(Error::live_as_of());
        }
        return or_busy(&app, &caller, live_output(&app, &caller, &headers, &read, lines).await);
    }
    refuse_heartbeat(read.heartbeat)?;
    let long = LongAnswer::new(&app, &caller, app.limits.exports.acquire(&caller, 1).await?);
    let (position, job) = shown(&app, &read).await?;
    let len = job.hook.as_ref().map_or(0, |hook| hook.len);
    let (status, part, content_range) = match (ByteRange::of(&headers, len), lines) {
        (ByteRange::Whole, None) => (StatusCode::OK, Part::whole(), None),
        (ByteRange::Whole, Some(lines)) => {
            let start = start(&app, &job, FromEnd::Lines(lines)).await?;
            (StatusCode::OK, Part { start, len: u64::MAX }, None)
        }
        (_, Some(_)) => return Err(Error::parameter("tail", "expected none beside the header `Range`")),
        (ByteRange::Part(bytes), None) => {
            let start = start_of(&app, &job, bytes.start, len).await?;
            let told = format!("bytes {}-{}/{len}", bytes.start, bytes.end - 1);
            (StatusCode::PARTIAL_CONTENT, Part { start, len: bytes.end - bytes.start }, Some(told))
        }
        (ByteRange::Beyond, None) => {
            let detail = format!("`Range`: expected bytes of the {len} bytes of output that there are");
            return Ok(with_range(
                Error::new(Code::RANGE_NOT_SATISFIABLE, detail).into_response(),
                &format!("bytes */{len}"),
            ));
        }
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (POSITION, HeaderValue::from(position.get())),
    ];
    let answer = (status, headers, streamed::<ReadError>(long, chunks(app, job, part))).into_response();
    Ok(match content_range {
        Some(told) => with_range(answer, &told),
        None => answer,
    })
}

fn with_range(mut answer: Response, range: &str) -> Response {
    let value = HeaderValue::from_str(range).expect("numbers and ASCII letters");
    answer.headers_mut().insert(CONTENT_RANGE, value);
    answer
}

/// The job as the read shows it, and the position that it shows.
async fn shown(app: &App, read: &JobRead) -> Result<(Position, Summary), Error> {
    let (position, job) = match read.as_of {
        None => {
            let shown = app.ledger.job(&read.key, read.min).await?;
            (shown.position, shown.value.map(|job| (*job).clone()))
        }
        Some(moment) => {
            let turn = app.ledger.turn(read.min).await?;
            let shown = app.ledger.job_as_of(&turn, &read.key, moment).await?;
            (shown.position, shown.value.map(|job| job.summary.clone()))
        }
    };
    Ok((position, job.ok_or_else(Error::no_such_job)?))
}

/// Where the part of the output begins that starts `offset` bytes after its beginning: found from the nearer end.
async fn start_of(app: &App, job: &Summary, offset: u64, len: u64) -> Result<OutputStart, Error> {
    match len - offset {
        to_the_end if to_the_end < offset => start(app, job, FromEnd::Bytes(to_the_end)).await,
        _ => Ok(OutputStart::at(offset)),
    }
}

/// Where a part of the output begins that is counted from its end. Searches on another thread.
pub async fn start(app: &App, job: &Summary, part: FromEnd) -> Result<OutputStart, Error> {
    let (ledger, job) = (app.ledger.clone(), job.clone());
    Ok(off_thread(move || output_start(&ledger, &job, part)).await?)
}

/// A part of an output.
struct Part {
    start: OutputStart,
    /// Most bytes of the part.
    len: u64,
}

impl Part {
    fn whole() -> Part {
        Part { start: OutputStart::at(0), len: u64::MAX }
    }
}

/// The bytes of a part of the job's output.
fn chunks(app: App, job: Summary, part: Part) -> impl tokio_stream::Stream<Item = Result<Bytes, ReadError>> {
    try_stream! {
        let (mut skip, mut left) = (part.start.skip, part.len);
        let mut after = job.hook.is_some().then_some(part.start.after);
        while let Some(from) = after.filter(|_| left > 0) {
            let (ledger, key, upto) = (app.ledger.clone(), job.key.clone(), job.position);
            let (chunk, next) = off_thread(move || hook_chunk(&ledger, &key, from, upto)).await?;
            let mut chunk = Bytes::from(chunk);
            let before = chunk.len().min(usize::try_from(skip).unwrap_or(usize::MAX));
            skip -= before as u64;
            chunk.advance(before);
            chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= chunk.len() as u64;
            yield chunk;
            after = next;
        }
    }
}
