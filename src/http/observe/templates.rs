//! Finds the route of a path. Paths that differ only in a job's id have the same route, so that metrics have one series for all
//! jobs.

use std::sync::Arc;

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};

/// A route as the API description names it, such as `/ledger/jobs/{id}`; `other` for a path of no route.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Route(Arc<str>);

impl Route {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl EncodeLabelValue for Route {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        self.as_str().encode(encoder)
    }
}

/// All routes. The router finds a route by the same rules, but does not tell the code around the router which one it found.
pub(super) struct Templates {
    routes: matchit::Router<Route>,
    other: Route,
}

impl Templates {
    /// The routes of the paths in the API description, and of the pages under `/docs`.
    pub(super) fn new<'p>(paths: impl Iterator<Item = &'p str>) -> Templates {
        let mut routes = matchit::Router::new();
        for path in paths.chain(["/docs", "/docs/{file}"]) {
            // An index and a file may have several segments, which OpenAPI has no words for.
            let pattern = path.replace("{index}", "{*index}").replace("{file}", "{*file}");
            let inserted = routes.insert(pattern, Route(path.into()));
            inserted.expect("no two routes contradict each other, or the router would refuse them");
        }
        Templates { routes, other: Route("other".into()) }
    }

    pub(super) fn of(&self, path: &str) -> Route {
        self.routes.at(path).map_or(&self.other, |found| found.value).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_one_route_for_all_values_of_its_parameters() {
        let paths =
            ["/ledger/jobs", "/ledger/jobs/{id}", "/ledger/tile/entries/{index}", "/ledger/tile/{level}/{index}"];
        let templates = Templates::new(paths.into_iter());
        for (path, route) in [
            ("/ledger/jobs", "/ledger/jobs"),
            ("/ledger/jobs/a%2Fb", "/ledger/jobs/{id}"),
            ("/ledger/jobs/a/b", "other"),
            ("/ledger/tile/entries/x001/234.p/5", "/ledger/tile/entries/{index}"),
            ("/ledger/tile/0/x001/234", "/ledger/tile/{level}/{index}"),
            ("/docs", "/docs"),
            ("/docs/index.css", "/docs/{file}"),
            ("*", "other"),
            ("", "other"),
        ] {
            assert_eq!(templates.of(path).as_str(), route, "{path}");
        }
    }
}
