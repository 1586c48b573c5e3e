//! The API description: the file in `schema/` is the served one, and it covers every route, error and parameter.

use std::collections::BTreeSet;
use std::path::Path;

use jobledger::server::openapi;
use serde_json::Value;

use crate::support::TestServer;

const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];
/// The paths that need no token.
const PUBLIC: [&str; 5] = ["/healthz", "/openapi.json", "/readyz", "/schema/events/{name}", "/sign-out"];

fn description() -> Value {
    serde_json::from_str(&openapi()).unwrap()
}

/// Every operation with its path and method.
fn operations(description: &Value) -> Vec<(String, Value)> {
    let mut operations = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(METHODS.contains(&method.as_str()), "{path}: an unknown member `{method}`");
            operations.push((format!("{} {path}", method.to_uppercase()), operation.clone()));
        }
    }
    operations
}

fn references<'v>(value: &'v Value, found: &mut BTreeSet<&'v str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn the_description_that_is_checked_in_is_the_one_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/openapi.json");
    if std::env::var_os("JOBLEDGER_UPDATE").is_some() {
        std::fs::write(&path, openapi()).unwrap();
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = checked_in.lines().zip(openapi().lines()).position(|(old, new)| old != new);
    assert!(
        checked_in == openapi(),
        "schema/openapi.json is not what the code describes, from line {}; if the change of the API is meant, \
         `JOBLEDGER_UPDATE=1 cargo test openapi` writes it, and the diff shows it",
        differs.unwrap_or_else(|| checked_in.lines().count()) + 1
    );
}

#[test]
fn the_description_that_is_served_is_the_one_of_the_code() {
    let answer = TestServer::start().anonymous().get("/openapi.json").expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.text(), openapi());
}

#[test]
fn the_description_is_openapi_3_1_of_this_version() {
    let description = description();
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1."));
    assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn every_operation_has_a_unique_name() {
    let mut names = BTreeSet::new();
    for (operation, says) in operations(&description()) {
        let name = says["operationId"].as_str().unwrap_or_else(|| panic!("{operation}: no operationId"));
        assert!(names.insert(name.to_owned()), "{operation}: `{name}` is taken");
        assert!(says["summary"].is_string() && says["tags"].is_array(), "{operation}: a summary and a tag");
    }
    assert!(names.len() >= 22);
}

#[test]
fn every_error_has_the_body_of_its_path() {
    for (operation, says) in operations(&description()) {
        let path = operation.split_once(' ').unwrap().1;
        let (content_type, schema) = match path {
            "/readyz" => ("application/json", "Ready"),
            _ if path.starts_with("/dbroles/jobs") => ("application/json", "DbRoleError"),
            _ if path.starts_with("/api/v1/jobs") => ("application/json", "TaskError"),
            _ if path.starts_with("/authorization/rules/jobs") => ("application/vnd.sas.error+json", "RuleError"),
            _ => ("application/problem+json", "Problem"),
        };
        for (status, answer) in says["responses"].as_object().unwrap() {
            assert!(!answer["description"].as_str().unwrap().is_empty(), "{operation} {status}");
            if status.starts_with(['4', '5']) {
                let expected = serde_json::json!({
                    content_type: {"schema": {"$ref": format!("#/components/schemas/{schema}")}}
                });
                assert_eq!(answer["content"], expected, "{operation} {status}");
            }
        }
    }
}

#[test]
fn a_token_is_asked_for_everywhere_but_on_the_public_paths() {
    let description = description();
    assert_eq!(description["security"], serde_json::json!([{"bearer": []}]));
    assert_eq!(description["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    for (operation, says) in operations(&description) {
        let path = operation.split_once(' ').unwrap().1;
        if PUBLIC.contains(&path) {
            assert_eq!(says["security"], serde_json::json!([{}]), "{operation}");
            assert!(says["responses"].get("401").is_none(), "{operation}");
        } else {
            match operation.as_str() {
                // A form signs in without `Authorization`: its token stands in a field.
                "POST /session" => assert_eq!(says["security"], serde_json::json!([{"bearer": []}, {}])),
                _ => {
                    assert!(says.get("security").is_none(), "{operation}: the security of the whole description holds")
                }
            }
            assert!(says["responses"].get("401").is_some(), "{operation}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let description = description();
    let mut found = BTreeSet::new();
    references(&description, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads out of the description"));
        assert!(description.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn every_path_names_its_parameters() {
    for (operation, says) in operations(&description()) {
        let in_path = operation.split(['{', '}']).skip(1).step_by(2).collect::<BTreeSet<_>>();
        let none = Vec::new();
        let parameters = says["parameters"].as_array().unwrap_or(&none);
        let named = parameters.iter().filter(|parameter| parameter["in"] == "path");
        assert_eq!(named.map(|parameter| parameter["name"].as_str().unwrap()).collect::<BTreeSet<_>>(), in_path);
    }
}
