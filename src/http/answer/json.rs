//! A page of jobs as an answer.

use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;

use crate::http::POSITION;
use crate::ledger::Shown;
use crate::model::line;

/// A read model of a documented API as text: nothing but the JSON.
pub fn json(model: &impl Serialize) -> Bytes {
    serde_json::to_vec(model).expect("the models are JSON").into()
}

/// An answer of the ledger's own API.
pub struct Line<T>(pub T);

impl<T: Serialize> IntoResponse for Line<T> {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], line(&self.0)).into_response()
    }
}

/// The answer with a page that is rendered already.
pub fn page(shown: Shown<Bytes>) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(CONTENT_TYPE, json), (POSITION, HeaderValue::from(shown.position.get()))], shown.value).into_response()
}
