//! axe-core finds no fault in any page, light, dark and narrow.

use std::process::Command;

use jobledger::access::Role;
use serde_json::Value;

use super::driven::Browser;
use super::pages::pages;
use super::signed_in;
use crate::python::python;
use crate::support::skipped;

/// The variable that names a Python with the packages of `requirements.txt`.
const PYTHON: &str = "JOBLEDGER_TEST_AXE";
/// The width of a small telephone, in pixels.
const NARROW: u32 = 375;
const WIDE: u32 = 1280;

/// The script of axe-core; `None`, with a word on stderr, if this machine does not have it.
fn axe() -> Option<String> {
    let mut ask = Command::new(python(PYTHON, "axe"));
    ask.args(["-c", "import axe_playwright_python as axe; print(axe.__path__[0])"]);
    let found = ask.output().ok().filter(|said| said.status.success());
    let Some(found) = found else {
        skipped("axe-core: a Python in target/axe with tests/slow/browser/requirements.txt");
        return None;
    };
    let folder = String::from_utf8(found.stdout).unwrap();
    Some(std::fs::read_to_string(format!("{}/axe.min.js", folder.trim_end())).unwrap())
}

/// Adds axe-core's findings in the page as it is now, each with the rule, the place and the reason.
fn find(browser: &Browser, axe: &str, page: &str, found: &mut Vec<String>) {
    let script = format!(
        "{axe}
         return axe.run(document, {{ resultTypes: ['violations'] }}).then(({{ violations }}) => violations.flatMap(({{ id, nodes }}) =>
           nodes.map(node => `${{id}}: ${{node.target.join(' ')}}: ${{node.failureSummary}}`)))"
    );
    let Value::Array(findings) = browser.run(&script) else { panic!("axe-core answers with a list") };
    found.extend(findings.iter().map(|finding| format!("{page}: {}", finding.as_str().unwrap())));
}

/// Looks at the page wide and light, wide and dark, narrow and light.
fn look(browser: &Browser, axe: &str, page: &str, found: &mut Vec<String>) {
    find(browser, axe, page, found);
    browser.dark(true);
    find(browser, axe, &format!("{page}, dark"), found);
    browser.dark(false);
    browser.width(NARROW);
    find(browser, axe, &format!("{page}, narrow"), found);
    browser.width(WIDE);
}

#[test]
fn every_page_is_accessible() {
    let Some(axe) = axe() else { return };
    let Some((server, _worker, browser)) = signed_in(Role::Admin, "/") else { return };
    let mut found = Vec::new();
    for (name, path) in pages() {
        browser.open(&format!("{}{path}", server.url));
        look(&browser, &axe, name, &mut found);
    }
    browser.open(&server.url);
    browser.click("[data-bulk]");
    browser.until("document.querySelector('dialog').open");
    look(&browser, &axe, "the dialog of many cancellations", &mut found);
    assert!(found.is_empty(), "{}", found.join("\n"));
}
