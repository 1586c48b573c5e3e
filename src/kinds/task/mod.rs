//! The documented API of background jobs, `/api/v1/jobs`. Its document gives these jobs to administrators only.
//!
//! Not here: the rule that decides whether a job may be cancelled (`job::decide`).

mod cancel;
mod list;
mod model;
mod one;

pub(super) use model::TaskJob;

use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::http::{Api, Error, ErrorStyle, routes_with_errors};

/// The error body of this API, the same for every status.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskError)]
struct ErrorBody<'a> {
    /// The error.
    error: ErrorDetail<'a>,
}

/// An error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskErrorDetail)]
struct ErrorDetail<'a> {
    /// A stable code for programs.
    #[schema(example = "NOT_FOUND")]
    code: &'a str,
    /// A text for people.
    message: &'a str,
}

/// The routes and the error body of this API.
pub(super) fn api() -> Api {
    Api {
        routes: routes_with_errors::<ErrorBody>()
            .routes(routes!(list::list))
            .routes(routes!(list::running))
            .routes(routes!(one::get, cancel::cancel))
            .routes(routes!(one::progress)),
        errors: ErrorStyle {
            prefix: "/api/v1/jobs",
            content_type: "application/json",
            body: error_body,
            schema: ErrorBody::name,
        },
    }
}

fn error_body(error: &Error, _path: &str) -> Vec<u8> {
    let code = match error.status().as_u16() {
        401 => "UNAUTHORIZED",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        500.. => "INTERNAL_ERROR",
        _ => "VALIDATION_ERROR",
    };
    let body = ErrorBody { error: ErrorDetail { code, message: &error.detail } };
    serde_json::to_vec(&body).expect("text is JSON")
}
