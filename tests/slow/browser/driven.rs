//! A Chromium that a test drives as a person does, without a window. Each value has a browser of its own, with an empty profile.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::driver::{Driver, Refused};
use crate::support::wait::{until_paced, until_some_paced};

/// Width and height of the window, in pixels.
const WINDOW: (u32, u32) = (1280, 900);
/// The pause between two looks at a page. A look costs the driver and the browser some milliseconds.
const PAUSE: Duration = Duration::from_millis(25);
/// Keeps what a page must never cause: a violation of its policy, and an error that no script catches. The storage of the tab
/// survives the way from page to page.
const WITNESS: &str = r#"
    const keep = text => sessionStorage.setItem("faults", (sessionStorage.getItem("faults") ?? "") + text + "\n");
    document.addEventListener("securitypolicyviolation", e => keep(`policy: ${e.violatedDirective} ${e.blockedURI}`));
    addEventListener("error", e => keep(`error: ${e.message} in ${e.filename}:${e.lineno}`));
    addEventListener("unhandledrejection", e => keep(`rejected: ${e.reason}`));
"#;

/// Keys, as the standard numbers them.
pub const TAB: char = '\u{e004}';
pub const ENTER: char = '\u{e007}';
pub const SHIFT: char = '\u{e008}';
pub const ESCAPE: char = '\u{e00c}';
pub const HOME: char = '\u{e011}';
pub const LEFT: char = '\u{e012}';
pub const RIGHT: char = '\u{e014}';

/// A browser. Dropping the value ends it.
pub struct Browser(Driver);

impl Browser {
    /// Starts a browser; `None`, with a word on stderr, if this machine has none.
    pub fn start() -> Option<Browser> {
        let browser = Browser(Driver::start(WINDOW)?);
        browser.devtools("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": WITNESS }));
        Some(browser)
    }

    /// Opens an address and waits until it is loaded.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.0.post("/url", &json!({ "url": url })).expect(url);
    }

    /// Loads the page again.
    #[track_caller]
    pub fn reload(&self) {
        self.0.post("/refresh", &json!({})).unwrap();
    }

    /// Goes back to the page before.
    #[track_caller]
    pub fn back(&self) {
        self.0.post("/back", &json!({})).unwrap();
    }

    /// The path and the query of the page.
    #[track_caller]
    pub fn place(&self) -> String {
        self.run("return location.pathname + location.search").as_str().unwrap().to_owned()
    }

    /// Runs a script in the page, and returns the script's result.
    #[track_caller]
    pub fn run(&self, script: &str) -> Value {
        self.0.run(script).unwrap_or_else(|refused| panic!("{script}: {}", refused.0))
    }

    /// Waits until the expression is true. The page may change meanwhile.
    #[track_caller]
    pub fn until(&self, expression: &str) {
        let script = format!("return Boolean({expression})");
        until_paced(expression, PAUSE, || matches!(self.0.run(&script), Ok(Value::Bool(true))));
    }

    /// Waits until the page's element shows `text`.
    #[track_caller]
    pub fn until_shows(&self, css: &str, text: &str) {
        let (css, text) = (json!(css), json!(text));
        self.until(&format!("document.querySelector({css})?.textContent.includes({text})"));
    }

    /// Waits until the page is loaded and its address is `place`, a path with its query.
    #[track_caller]
    pub fn until_at(&self, place: &str) {
        let place = json!(place);
        self.until(&format!("location.pathname + location.search === {place} && document.readyState === 'complete'"));
    }

    /// Does something with an element, once the page has the element and lets a person reach it.
    #[track_caller]
    fn with<T>(&self, css: &str, act: impl Fn(&Driver, &str) -> Result<T, Refused>) -> T {
        until_some_paced(css, PAUSE, || act(&self.0, &self.0.find(css).ok()?).ok())
    }

    /// The visible text of an element.
    #[track_caller]
    pub fn text(&self, css: &str) -> String {
        let text = self.with(css, |driver, element| driver.get(&format!("{element}/text")));
        text.as_str().unwrap().to_owned()
    }

    /// The number of elements.
    #[track_caller]
    pub fn count(&self, css: &str) -> u64 {
        self.run(&format!("return document.querySelectorAll({}).length", json!(css))).as_u64().unwrap()
    }

    /// Clicks an element as a person does.
    #[track_caller]
    pub fn click(&self, css: &str) {
        self.with(css, |driver, element| driver.post(&format!("{element}/click"), &json!({})));
    }

    /// Types into a field.
    #[track_caller]
    pub fn type_into(&self, css: &str, text: &str) {
        self.with(css, |driver, element| driver.post(&format!("{element}/value"), &json!({ "text": text })));
    }

    /// Presses keys one after the other where the focus is. The last key may lead to another page.
    #[track_caller]
    pub fn press(&self, keys: &[char]) {
        self.0.keys(&[], keys).unwrap();
    }

    /// Presses a key while another is held down.
    #[track_caller]
    pub fn press_with(&self, held: char, key: char) {
        self.0.keys(&[held], &[key]).unwrap();
    }

    /// Calls a method of the developer tools.
    #[track_caller]
    pub fn devtools(&self, method: &str, params: &Value) -> Value {
        self.0.devtools(method, params).expect(method)
    }

    /// Gives the page another width, in pixels.
    pub fn width(&self, width: u32) {
        let size = json!({"width": width, "height": WINDOW.1, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Makes the reader prefer a dark or a light page.
    pub fn dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
        self.devtools("Emulation.setEmulatedMedia", &media);
    }

    /// Stops the scripts of every page from here on.
    pub fn without_scripts(&self) {
        self.devtools("Emulation.setScriptExecutionDisabled", &json!({"value": true}));
    }

    /// Opens `path`, signs in with the form, and waits for the page behind it.
    #[track_caller]
    pub fn sign_in(&self, url: &str, path: &str, token: &str) {
        self.open(&format!("{url}{path}"));
        self.enter(token);
        self.until_at(path);
    }

    /// Fills the form of the sign-in page and sends it.
    #[track_caller]
    pub fn enter(&self, token: &str) {
        self.type_into("#token", token);
        self.click("main button");
    }

    /// Saves the page to `target/screens/NAME.png`, from its top and at most three windows high.
    pub fn screenshot(&self, name: &str) {
        let height = self.run("return document.documentElement.scrollHeight").as_u64().unwrap();
        let width = self.run("return innerWidth");
        let height = height.min(3 * u64::from(WINDOW.1));
        let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
        let shown = self.devtools("Page.captureScreenshot", &json!({"captureBeyondViewport": true, "clip": clip}));
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screens");
        std::fs::create_dir_all(&folder).unwrap();
        let picture = STANDARD.decode(shown["data"].as_str().unwrap()).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }

    /// Fails if a page violated its policy or a script failed.
    #[track_caller]
    pub fn expect_no_fault(&self) {
        let faults = self.run("return sessionStorage.getItem('faults')");
        assert!(faults.is_null(), "{faults}");
    }
}
