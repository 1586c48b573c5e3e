//! `Content-Encoding` of request bodies (RFC 9110, section 8.4): gzip and zstd. A body is decoded within the limits that hold
//! for a body as it is, and the rest of one that decodes to more is never decoded.

use std::io::{self, Read};

use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use crate::http::answer::Error;

/// The largest window of a zstd body, 8 MiB as a power of two (RFC 9659): a decoder holds that much beside what it has decoded.
const WINDOW: u32 = 23;
/// Bytes that are decoded at a time.
const STEP: usize = 64 << 10;

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Encoding {
    /// The encoding that the headers name; `None` for one that is unknown here, and for more than one.
    pub fn of(headers: &HeaderMap) -> Option<Encoding> {
        let mut lines = headers.get_all(CONTENT_ENCODING).iter();
        let name = lines.next().map_or(Some("identity"), |line| line.to_str().ok())?.trim().to_ascii_lowercase();
        match (name.as_str(), lines.next()) {
            // A list may be empty (RFC 9110, section 5.6.1).
            ("identity" | "", None) => Some(Encoding::Identity),
            ("gzip" | "x-gzip", None) => Some(Encoding::Gzip),
            ("zstd", None) => Some(Encoding::Zstd),
            _ => None,
        }
    }

    /// 415, which names the encodings that are known here.
    pub fn unsupported() -> Response {
        let detail = "expected `Content-Encoding: gzip` or `zstd`, or none";
        let mut answer = Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-encoding", detail).into_response();
        answer.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd"));
        answer
    }

    /// What `body` decodes to. `grow` is told of bytes before they are kept, and may refuse them. May take long.
    pub fn decode(self, body: &Bytes, grow: impl FnMut(usize) -> Result<(), Error>) -> Result<Bytes, Error> {
        let wrong = |error: io::Error| {
            let detail = format!("the body does not decode as its `Content-Encoding` says: {error}");
            Error::bad_request(detail)
        };
        match self {
            Encoding::Identity => Ok(body.clone()),
            Encoding::Gzip => read(MultiGzDecoder::new(&body[..]), grow, wrong),
            Encoding::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(&body[..]).map_err(wrong)?;
                decoder.window_log_max(WINDOW).map_err(wrong)?;
                read(decoder, grow, wrong)
            }
        }
    }
}

fn read(
    mut decoder: impl Read,
    mut grow: impl FnMut(usize) -> Result<(), Error>,
    wrong: impl Fn(io::Error) -> Error,
) -> Result<Bytes, Error> {
    let (mut decoded, mut step) = (Vec::new(), vec![0; STEP]);
    loop {
        match decoder.read(&mut step).map_err(&wrong)? {
            0 => return Ok(decoded.into()),
            read => {
                grow(read)?;
                decoded.extend_from_slice(&step[..read]);
            }
        }
    }
}
