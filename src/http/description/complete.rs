//! Completes the description of every route: the errors of routes that need a token, and the form of errors under each path.

use std::collections::BTreeMap;

use utoipa::ToSchema;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Components, Content, OpenApi, OpenApiBuilder, Ref, RefOr, Response};
use utoipa_axum::router::OpenApiRouter;

use crate::http::answer::ErrorStyle;
use crate::http::app::App;

/// What every route that needs a token may answer.
const WITH_TOKEN: [(&str, &str); 2] =
    [("401", "No token, or none that is valid"), ("500", "The ledger could not do this; its log says why")];

/// Starts the routes of an API whose errors are `E`.
pub fn routes_with_errors<E: ToSchema>() -> OpenApiRouter<App> {
    let mut schemas = vec![(E::name().into_owned(), E::schema())];
    E::schemas(&mut schemas);
    let mut components = Components::new();
    components.schemas = schemas.into_iter().collect::<BTreeMap<_, _>>();
    OpenApiRouter::with_openapi(OpenApiBuilder::new().components(Some(components)).build())
}

/// Adds the shared answers that a route does not list itself.
pub fn complete(description: &mut OpenApi, styles: &[ErrorStyle]) {
    for (path, item) in &mut description.paths.paths {
        let style = ErrorStyle::of(styles, path);
        for operation in operations(item) {
            if operation.security != Some(vec![SecurityRequirement::default()]) {
                for (status, said) in WITH_TOKEN {
                    let answers = &mut operation.responses.responses;
                    answers.entry(status.to_owned()).or_insert_with(|| RefOr::T(Response::new(said)));
                }
            }
            give_bodies(operation, style);
        }
    }
}

/// Gives every error without a body the body of its path.
fn give_bodies(operation: &mut Operation, style: &ErrorStyle) {
    for (status, answer) in &mut operation.responses.responses {
        if let RefOr::T(answer) = answer
            && status.starts_with(['4', '5'])
            && answer.content.is_empty()
        {
            let body = Content::new(Some(Ref::from_schema_name((style.schema)())));
            answer.content.insert(style.content_type.to_owned(), RefOr::T(body));
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}
