//! A page of jobs as an answer.

use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;

use super::POSITION;
use crate::ledger::Shown;

/// A read model as text.
pub fn json(model: &impl Serialize) -> Bytes {
    serde_json::to_vec(model).expect("the models are JSON").into()
}

/// The answer with a page that is rendered already.
pub fn page(shown: Shown<Bytes>) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(CONTENT_TYPE, json), (POSITION, HeaderValue::from(shown.position.get()))], shown.value).into_response()
}
