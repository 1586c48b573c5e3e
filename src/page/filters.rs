//! The query of a page's path, so that a page shows its filters again and links to the page behind it.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use form_urlencoded::Serializer;

/// The parameters of the query that have a value, in their order.
pub(super) struct Filters(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Filters {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Filters, Infallible> {
        let query = form_urlencoded::parse(parts.uri.query().unwrap_or("").as_bytes()).into_owned();
        Ok(Filters(query.filter(|(_, value)| !value.is_empty()).collect()))
    }
}

impl Filters {
    /// Whether the query has a parameter besides `after`.
    pub fn any(&self) -> bool {
        self.0.iter().any(|(name, _)| name != "after")
    }

    /// The first value of `name`; empty without one.
    pub fn value(&self, name: &str) -> String {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// The query with `value` as the only value of `name`.
    pub fn with(&self, name: &str, value: &str) -> String {
        let mut query = self.others(&[name]);
        query.append_pair(name, value).finish()
    }

    /// The query of the first page with `value` as the only value of `name`, or without `name` for an empty value.
    pub fn first_page_with(&self, name: &str, value: &str) -> String {
        let mut query = self.others(&[name, "after"]);
        if !value.is_empty() {
            query.append_pair(name, value);
        }
        query.finish()
    }

    fn others(&self, without: &[&str]) -> Serializer<'static, String> {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(self.0.iter().filter(|(key, _)| !without.contains(&key.as_str())));
        query
    }
}

/// A value that a filter can have.
pub(super) struct Choice {
    pub value: &'static str,
    pub chosen: bool,
}

/// The values of a filter, of which `chosen` is the one in force.
pub(super) fn choices(values: impl Iterator<Item = &'static str>, chosen: &str) -> Vec<Choice> {
    values.map(|value| Choice { value, chosen: value == chosen }).collect()
}
