//! Request bodies: bounded in size and time. One that is too large is drained before it is refused, because a client that
//! still writes would otherwise see a broken connection instead of the answer.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

use super::error::Error;

/// The largest body: 16 MiB.
pub const MAX_BODY: usize = 16 * 1024 * 1024;
/// How much more is read and thrown away before the connection is given up.
const MAX_DRAIN: usize = 64 * 1024 * 1024;
/// How long a body may take.
const TIME: Duration = Duration::from_secs(60);

/// Reads a body of at most [`MAX_BODY`] bytes.
pub async fn read(body: Body) -> Result<Bytes, Error> {
    match tokio::time::timeout(TIME, collect(body)).await {
        Ok(read) => read,
        Err(_) => {
            let detail = format!("expected the whole body within {} s", TIME.as_secs());
            Err(Error::new(StatusCode::REQUEST_TIMEOUT, "body-timeout", detail))
        }
    }
}

async fn collect(mut body: Body) -> Result<Bytes, Error> {
    let mut collected = BytesMut::new();
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Error::bad_request("the body ended before it was complete"))?;
        let Ok(data) = frame.into_data() else { continue };
        read += data.len();
        if read <= MAX_BODY {
            collected.extend_from_slice(&data);
        } else if read > MAX_BODY + MAX_DRAIN {
            break;
        }
    }
    if read <= MAX_BODY {
        return Ok(collected.freeze());
    }
    let detail = format!("expected a body of at most {MAX_BODY} bytes; send the events in more requests");
    Err(Error::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail))
}
