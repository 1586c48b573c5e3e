//! A hook's output, live: first the stored output, then each addition, then the event `closed`.

use std::pin::pin;

use async_stream::stream;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use serde_json::json;
use tokio::time::{Instant, sleep_until};
use tokio_stream::Stream;

use super::{Ending, Woken, answer, last_event_id, seen_to_the_end};
use crate::http::answer::Error;
use crate::http::app::App;
use crate::http::observe::off_thread;
use crate::http::request::{Caller, JobRead};
use crate::http::routes::output::start;
use crate::job::{JobKey, Position, Summary};
use crate::ledger::{AsOf, FromEnd, OutputStart, ReadError, hook_chunk};
use crate::log::Filter;
use crate::tails::{Bell, PACE, frame};

/// Answers with the job's output from its beginning on, or from its last `lines` lines on. A client that names the last position that
/// it saw gets the output after that. A client that has seen the job end gets 204.
pub async fn live_output(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    reading: &JobRead,
    lines: Option<usize>,
) -> Result<Response, Error> {
    // A position beyond the head is of a ledger that was restored from an older copy since.
    let resumed = last_event_id(headers)?.filter(|seen| *seen <= app.ledger.head());
    let (ending, held) = Ending::open(app, caller, reading.heartbeat).await?;
    let key = reading.key.clone();
    // The bell is taken before the job is read: an event in between rings it.
    let bell = app.tails.bell(&Filter::of_job(&key));
    let job = app.ledger.job(&key, reading.min).await?.value.ok_or_else(Error::no_such_job)?;
    if let Some(answer) = seen_to_the_end(app, &key, resumed)? {
        return Ok(answer);
    }
    let reader = Reader::new(app, &job, resumed, lines).await?;
    let messages = messages(app.clone(), reader, bell, ending);
    Ok(answer(
        job.position,
        stream! {
            let _held = held;
            yield frame::RETRY;
            for await message in messages {
                yield message;
            }
        },
    ))
}

/// The messages of the stream: output and heartbeats, and `closed` at the end of the job.
fn messages(app: App, mut reader: Reader, mut bell: Bell, mut ending: Ending) -> impl Stream<Item = Bytes> {
    stream! {
        loop {
            let seen = reader.after;
            let next = {
                let mut next = pin!(reader.next(&app));
                loop {
                    match ending.during(next.as_mut()).await {
                        Woken::Done(next) => break next,
                        Woken::Heartbeat => yield ending.beat(seen),
                        Woken::End => return,
                    }
                }
            };
            let Ok(Next { message, more }) = next else { return };
            if let Some(message) = message {
                yield message;
                ending.sent();
            }
            if more {
                continue;
            }
            if let Ok(Some(ended)) = app.ledger.final_position(&reader.key)
                && ended <= reader.after
            {
                yield frame::position_frame("closed", ended);
                return;
            }
            match ending.wait(&mut bell, reader.after).await {
                Woken::Done(()) => {}
                Woken::Heartbeat => {
                    reader.after = reader.after.max(bell.skip_quiet(reader.after));
                    yield ending.beat(reader.after);
                }
                Woken::End => return,
            }
        }
    }
}

/// Reads the output piece by piece.
struct Reader {
    key: JobKey,
    /// The pieces up to here are read.
    after: Position,
    /// Bytes of the next piece that are before the part that the client asked for.
    skip: u64,
    /// Bytes of output before the next piece, those to skip left out.
    offset: u64,
    looked: Instant,
}

/// What the next read gave.
struct Next {
    message: Option<Bytes>,
    /// More can be read at once.
    more: bool,
}

impl Reader {
    async fn new(app: &App, job: &Summary, resumed: Option<Position>, lines: Option<usize>) -> Result<Reader, Error> {
        let start = match (resumed, lines) {
            (Some(seen), _) => OutputStart { after: seen, skip: 0, offset: offset_at(app, job, seen).await? },
            (None, Some(lines)) => start(app, job, FromEnd::Lines(lines)).await?,
            (None, None) => OutputStart::at(0),
        };
        let OutputStart { after, skip, offset } = start;
        Ok(Reader { key: job.key.clone(), after, skip, offset, looked: Instant::now() - PACE })
    }

    /// The next piece of output, at most five a second once the client has caught up.
    async fn next(&mut self, app: &App) -> Result<Next, ReadError> {
        sleep_until(self.looked + PACE).await;
        let (ledger, key, after, head) = (app.ledger.clone(), self.key.clone(), self.after, app.ledger.head());
        if head <= after {
            return Ok(Next { message: None, more: false });
        }
        let (text, next) = off_thread(move || hook_chunk(&ledger, &key, after, head)).await?;
        if next.is_none() {
            self.looked = Instant::now();
        }
        self.after = next.unwrap_or(head);
        let skipped = text.floor_char_boundary(usize::try_from(self.skip).unwrap_or(usize::MAX));
        self.skip -= skipped as u64;
        let text = &text[skipped..];
        let message = (!text.is_empty()).then(|| {
            let data = json!({"offset": self.offset, "text": text}).to_string();
            frame::event_frame(Some(self.after), "output", data.as_bytes())
        });
        self.offset += text.len() as u64;
        Ok(Next { message, more: next.is_some() })
    }
}

/// The bytes of output that the job had at `seen`.
async fn offset_at(app: &App, job: &Summary, seen: Position) -> Result<u64, Error> {
    let output = |job: &Summary| job.hook.as_ref().map_or(0, |hook| hook.len);
    if seen >= job.position {
        return Ok(output(job));
    }
    let turn = app.ledger.turn(None).await?;
    let then = app.ledger.job_as_of(&turn, &job.key, AsOf::Position(seen)).await?.value;
    Ok(then.map_or(0, |job| output(&job)))
}
