//! JSON answers.

use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;

use crate::http::POSITION;
use crate::ledger::Shown;
use crate::model::line;

/// A read model of a documented API as JSON, without the newline that ends the ledger's own models.
pub fn json(model: &impl Serialize) -> Bytes {
    serde_json::to_vec(model).expect("the models are JSON").into()
}

/// An answer of the ledger's own API: a line of JSON.
pub struct JsonLine<T>(pub T);

impl<T: Serialize> IntoResponse for JsonLine<T> {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], line(&self.0)).into_response()
    }
}

/// The answer with a page of JSON that is rendered already.
pub fn page(shown: Shown<Bytes>) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(CONTENT_TYPE, json), (POSITION, HeaderValue::from(shown.position.get()))], shown.value).into_response()
}
