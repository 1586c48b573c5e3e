//! `/openapi.json`, `/docs` and `/schema/…`: the description of the API, as JSON and as pages.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use include_dir::{Dir, include_dir};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::http::answer::{Code, Error};
use crate::http::app::App;

static EVENT_SCHEMAS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/schema/events");

/// What a browser may load for `/docs`: what this server has, and the pictures that its style sheet carries in itself.
const FROM_HERE_ONLY: &str = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
                              base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What caches may do with an answer that is the same for everyone: keep it, and ask whether it is still good.
const FOR_EVERYONE: &str = "no-cache";

/// `/docs`: the description as a page that needs nothing from outside. By itself it would show a badge that another host
/// draws.
pub fn reference() -> Router<App> {
    let config = Config::from("/openapi.json").use_base_layout().validator_url("none").try_it_out_enabled(false);
    Router::from(SwaggerUi::new("/docs").config(config)).route_layer(map_response(async |mut page: Response| {
        page.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(FROM_HERE_ONLY));
        page.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(FOR_EVERYONE));
        page
    }))
}

/// The API description (OpenAPI 3.1).
#[utoipa::path(get, path = "/openapi.json", tag = "description", security(()),
    responses((status = 200, description = "The description", body = Object, content_type = "application/json")))]
pub async fn openapi(State(app): State<App>) -> Response {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, FOR_EVERYONE)], app.openapi.clone()).into_response()
}

/// The JSON Schema of an event's data.
#[utoipa::path(get, path = "/schema/events/{name}", tag = "description", security(()),
    params(("name" = String, Path, description = "`<type>.v<N>.json`", example = "job.created.v1.json")),
    responses(
        (status = 200, description = "The schema", body = Object, content_type = "application/schema+json"),
        (status = 404, description = "No such schema"),
    ))]
pub async fn event_schema(Path(name): Path<String>) -> Result<Response, Error> {
    match EVENT_SCHEMAS.get_file(&name) {
        Some(file) => {
            let headers = [(CONTENT_TYPE, "application/schema+json"), (CACHE_CONTROL, FOR_EVERYONE)];
            Ok((headers, file.contents()).into_response())
        }
        None => Err(Error::new(Code::NO_SUCH_SCHEMA, "no such schema; names are `<type>.v<N>.json`")),
    }
}
