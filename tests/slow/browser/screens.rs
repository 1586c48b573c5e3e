//! Every page on a wide and a narrow screen, light and dark, as pictures in `target/screens/`.

use jobledger::access::Role;
use serde_json::json;

use super::driven::Browser;
use super::pages::pages;
use super::signed_in;

/// The width of a small telephone, in pixels.
const NARROW: u32 = 375;
const WIDE: u32 = 1280;

/// The parts of a page that scroll sideways.
const SIDEWAYS: &str = "return [document.documentElement, ...document.querySelectorAll('.scroll')]
    .filter(part => part.scrollWidth > part.clientWidth).map(part => part.outerHTML.slice(0, 200))";

/// Takes the pictures of a page, and fails if the page or a table of it scrolls sideways on a narrow screen.
fn pictures(browser: &Browser, url: &str, name: &str) {
    browser.open(url);
    browser.screenshot(&format!("{name}-light"));
    browser.dark(true);
    browser.screenshot(&format!("{name}-dark"));
    browser.width(NARROW);
    let sideways = browser.run(SIDEWAYS);
    browser.screenshot(&format!("{name}-narrow-dark"));
    browser.dark(false);
    browser.screenshot(&format!("{name}-narrow"));
    browser.width(WIDE);
    assert_eq!(sideways, json!([]), "{name} scrolls sideways");
}

#[test]
fn every_page_has_room_on_a_narrow_screen_and_follows_its_policy() {
    let Some((server, _worker, browser)) = signed_in(Role::Admin, "/") else { return };
    for (name, path) in pages() {
        pictures(&browser, &format!("{}{path}", server.url), name);
        browser.expect_no_fault();
    }
    // The page of the API's description is another project's, in frames of its own.
    browser.open(&format!("{}/docs", server.url));
    browser.expect_no_fault();
}
