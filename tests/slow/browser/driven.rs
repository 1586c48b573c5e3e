//! A Chromium that a test drives, without a window. Each value has a browser of its own, with an empty profile.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::prelude::*;
use tokio::runtime::Runtime;

use crate::support::skipped;
use crate::support::wait::until;

/// Width and height of the window, in pixels.
const WINDOW: (u32, u32) = (1280, 900);
/// Keeps what a page must never cause: a violation of its policy, and an error that no script catches. The storage of the tab
/// survives the way from page to page.
const WITNESS: &str = r#"
    const keep = text => sessionStorage.setItem("faults", (sessionStorage.getItem("faults") ?? "") + text + "\n");
    document.addEventListener("securitypolicyviolation", e => keep(`policy: ${e.violatedDirective} ${e.blockedURI}`));
    addEventListener("error", e => keep(`error: ${e.message} in ${e.filename}:${e.lineno}`));
    addEventListener("unhandledrejection", e => keep(`rejected: ${e.reason}`));
"#;

/// A key: its name and its code.
pub type Key = (&'static str, u32);
pub const LEFT: Key = ("ArrowLeft", 37);
pub const RIGHT: Key = ("ArrowRight", 39);
pub const HOME: Key = ("Home", 36);

/// A browser. Dropping the value ends it.
pub struct Browser {
    runtime: Runtime,
    driver: Option<WebDriver>,
    process: Child,
    _profile: TempDir,
}

impl Browser {
    /// Starts a browser; `None`, with a word on stderr, if this machine has none.
    pub fn start() -> Option<Browser> {
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new("chromedriver");
        // The browser keeps its own folders in the profile too.
        command.arg("--port=0").env("HOME", profile.path()).stdout(Stdio::piped()).stderr(Stdio::null());
        let Ok(mut process) = command.spawn() else {
            skipped("chromium and chromium-driver");
            return None;
        };
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| port_in(&line.unwrap())).expect("the driver says its port");
        // The driver must never wait for a reader of what it says.
        std::thread::spawn(move || lines.for_each(drop));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let started = runtime.block_on(WebDriver::new(format!("http://127.0.0.1:{port}"), options(profile.path())));
        let browser = Browser { runtime, driver: Some(started.expect("chromium starts")), process, _profile: profile };
        browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WITNESS }));
        Some(browser)
    }

    fn driver(&self) -> &WebDriver {
        self.driver.as_ref().expect("the browser has not ended")
    }

    /// Opens an address and waits until it is loaded.
    pub fn open(&self, url: &str) {
        self.runtime.block_on(self.driver().goto(url)).unwrap();
    }

    /// Loads the page again.
    pub fn reload(&self) {
        self.runtime.block_on(self.driver().refresh()).unwrap();
    }

    /// Goes back to the page before.
    pub fn back(&self) {
        self.runtime.block_on(self.driver().back()).unwrap();
    }

    /// The path and the query of the page.
    pub fn place(&self) -> String {
        self.run("return location.pathname + location.search").as_str().unwrap().to_owned()
    }

    /// Runs a script in the page, and returns what it returns.
    #[track_caller]
    pub fn run(&self, script: &str) -> Value {
        self.try_run(script).unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    fn try_run(&self, script: &str) -> WebDriverResult<Value> {
        let ran = self.runtime.block_on(self.driver().execute(script, Vec::new()))?;
        Ok(ran.json().clone())
    }

    /// Waits until the expression is true. The page may change meanwhile.
    #[track_caller]
    pub fn until(&self, expression: &str) {
        let script = format!("return Boolean({expression})");
        until(expression, || matches!(self.try_run(&script), Ok(Value::Bool(true))));
    }

    /// Waits until the page's element shows `text`.
    #[track_caller]
    pub fn until_shows(&self, css: &str, text: &str) {
        let (css, text) = (json!(css), json!(text));
        self.until(&format!("document.querySelector({css})?.textContent.includes({text})"));
    }

    /// The visible text of an element.
    #[track_caller]
    pub fn text(&self, css: &str) -> String {
        self.runtime.block_on(async { self.driver().find(By::Css(css)).await?.text().await }).expect(css)
    }

    /// The number of elements.
    pub fn count(&self, css: &str) -> u64 {
        self.run(&format!("return document.querySelectorAll({}).length", json!(css))).as_u64().unwrap()
    }

    /// Clicks an element as a person does.
    #[track_caller]
    pub fn click(&self, css: &str) {
        self.runtime.block_on(async { self.driver().find(By::Css(css)).await?.click().await }).expect(css);
    }

    /// Types into a field.
    #[track_caller]
    pub fn type_into(&self, css: &str, text: &str) {
        let typed = async { self.driver().find(By::Css(css)).await?.send_keys(text).await };
        self.runtime.block_on(typed).expect(css);
    }

    /// Presses a key where the focus is. The key may lead to another page.
    pub fn press(&self, (key, code): Key) {
        for kind in ["rawKeyDown", "keyUp"] {
            let pressed = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
            self.devtools("Input.dispatchKeyEvent", pressed);
        }
    }

    /// A command of the developer tools.
    pub fn devtools(&self, method: &str, params: Value) -> Value {
        self.runtime.block_on(self.driver().cdp().send_raw(method, params)).expect(method)
    }

    /// Gives the page another width, in pixels.
    pub fn width(&self, width: u32) {
        let size = json!({"width": width, "height": WINDOW.1, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", size);
    }

    /// Makes the reader prefer a dark or a light page.
    pub fn dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
        self.devtools("Emulation.setEmulatedMedia", media);
    }

    /// Signs in with the form, and waits for the page behind it.
    pub fn sign_in(&self, url: &str, path: &str, token: &str) {
        self.open(&format!("{url}{path}"));
        self.type_into("#token", token);
        self.click("main button");
        self.until("!location.pathname.startsWith('/sign-in')");
    }

    /// Saves the whole page to `target/screenshots/NAME.png`.
    pub fn screenshot(&self, name: &str) {
        let shown =
            self.devtools("Page.captureScreenshot", json!({"captureBeyondViewport": true, "clip": self.clip()}));
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), STANDARD.decode(shown["data"].as_str().unwrap()).unwrap())
            .unwrap();
    }

    /// The page from its top, at most three windows high.
    fn clip(&self) -> Value {
        let height = self.run("return document.documentElement.scrollHeight").as_u64().unwrap();
        let width = self.run("return innerWidth");
        json!({"x": 0, "y": 0, "width": width, "height": height.min(3 * u64::from(WINDOW.1)), "scale": 1})
    }

    /// Fails if a page violated its policy or a script failed.
    #[track_caller]
    pub fn expect_no_fault(&self) {
        let faults = self.run("return sessionStorage.getItem('faults')");
        assert!(faults.is_null(), "{faults}");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            // If the browser has died, the test has failed for that reason already.
            let _ = self.runtime.block_on(driver.quit());
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The port in the driver's line `… was started successfully on port N.`
fn port_in(line: &str) -> Option<u16> {
    let (_, port) = line.split_once("successfully on port ")?;
    port.trim_end_matches('.').parse().ok()
}

fn options(profile: &Path) -> Capabilities {
    let mut options = DesiredCapabilities::chrome();
    let (width, height) = WINDOW;
    let (profile, window) =
        (format!("--user-data-dir={}", profile.display()), format!("--window-size={width},{height}"));
    // A browser of root, as in a container, has no sandbox.
    for arg in [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        &profile,
        &window,
    ] {
        options.add_arg(arg).unwrap();
    }
    options.into()
}
