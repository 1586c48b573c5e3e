//! `Content-Encoding` of request bodies (RFC 9110, section 8.4): gzip and zstd. The limits of a body hold for its decoded bytes,
//! and decoding stops at the limit.

use std::io::{self, Read};

use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use crate::http::answer::{Code, Error};

/// The largest window of a zstd body, as a power of two: 8 MiB (RFC 9659). The decoder holds a window beside its output.
const WINDOW: u32 = 23;
/// Bytes that are decoded at a time.
const STEP: usize = 64 << 10;

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// No encoding.
    Identity,
    /// gzip (RFC 1952).
    Gzip,
    /// zstd (RFC 8878).
    Zstd,
}

impl Encoding {
    /// The encoding that the headers name.
    ///
    /// # Errors
    ///
    /// 415 for an unknown encoding, and for several.
    pub fn of(headers: &HeaderMap) -> Result<Encoding, Error> {
        let mut lines = headers.get_all(CONTENT_ENCODING).iter();
        let first = lines.next().map_or(Some("identity"), |line| line.to_str().ok());
        let name = first.map(|name| name.trim().to_ascii_lowercase());
        match (name.as_deref(), lines.next()) {
            // A list may be empty (RFC 9110, section 5.6.1).
            (Some("identity" | ""), None) => Ok(Encoding::Identity),
            (Some("gzip" | "x-gzip"), None) => Ok(Encoding::Gzip),
            (Some("zstd"), None) => Ok(Encoding::Zstd),
            _ => {
                let detail = "expected `Content-Encoding: gzip` or `zstd`, or none";
                Err(Error::new(Code::UNSUPPORTED_ENCODING, detail))
            }
        }
    }

    /// The decoded `body`. Calls `grow` with the number of bytes before it keeps them. May take long.
    ///
    /// # Errors
    ///
    /// 400 for a body that does not decode, and the error of `grow`.
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
