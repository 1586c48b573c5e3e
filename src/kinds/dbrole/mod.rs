//! The documented API of database-role jobs, `/dbroles/jobs`: the read of its document, and the creation of a job as hoop's public
//! source has it.
//!
//! Not here: lists, which the document does not have, and reports, which are events of workers (`/ledger/events`).

mod create;
mod model;
mod routes;

pub(super) use model::DbRoleJob;

use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::http::{Api, Code, Error, ErrorStyle, routes_with_errors};

/// The error body of this API, the same for every status.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DbRoleError)]
struct ErrorBody<'a> {
    /// The error.
    #[schema(example = "job not found")]
    message: &'a str,
}

/// The routes and the error body of this API.
pub(super) fn api() -> Api {
    Api {
        routes: routes_with_errors::<ErrorBody>().routes(routes!(create::create)).routes(routes!(routes::get)),
        errors: ErrorStyle {
            prefix: "/dbroles/jobs",
            content_type: "application/json",
            body: error_body,
            schema: ErrorBody::name,
        },
    }
}

fn error_body(error: &Error, _path: &str) -> Vec<u8> {
    // The document gives the words of these two errors.
    let message = match (error.status(), error.code) {
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => "access denied",
        (_, Code::NO_SUCH_JOB) => "job not found",
        _ => &error.detail,
    };
    serde_json::to_vec(&ErrorBody { message }).expect("text is JSON")
}
