//! The documented API of authorization-rule jobs, `/authorization/rules/jobs`: a job, its state, and the creation of a job.
//!
//! Not here: times, which the document does not show, and reports, which are events of workers (`/ledger/events`).

mod create;
mod model;
mod routes;

pub(super) use model::RuleJob;

use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::http::{Api, Code, Error, ErrorStyle, routes_with_errors};

/// The error body of this API, the same for every status.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RuleError)]
#[serde(rename_all = "camelCase")]
struct ErrorBody<'a> {
    /// The version of the representation.
    version: u8,
    /// The status.
    http_status_code: u16,
    /// Always 0.
    error_code: u32,
    /// The error.
    message: &'a str,
    /// The path of the request.
    details: Vec<String>,
    /// Always empty.
    #[schema(value_type = Vec<Object>)]
    links: [(); 0],
}

/// The routes and the error body of this API.
pub(super) fn api() -> Api {
    Api {
        routes: routes_with_errors::<ErrorBody>()
            .routes(routes!(create::create))
            .routes(routes!(routes::get))
            .routes(routes!(routes::state)),
        errors: ErrorStyle {
            prefix: "/authorization/rules/jobs",
            content_type: "application/vnd.sas.error+json",
            body: error_body,
            schema: ErrorBody::name,
        },
    }
}

fn error_body(error: &Error, path: &str) -> Vec<u8> {
    let message = match error.code {
        Code::NO_SUCH_JOB => "No rule job with the specified ID was found.",
        _ => &error.detail,
    };
    let body = ErrorBody {
        version: 2,
        http_status_code: error.status().as_u16(),
        error_code: 0,
        message,
        details: vec![format!("path: {path}")],
        links: [],
    };
    serde_json::to_vec(&body).expect("text and numbers are JSON")
}
