//! A WebDriver client (W3C WebDriver: JSON over HTTP), as small as these tests need: one `chromedriver`, one session, one Chromium.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::http::Method;

use crate::support::{Client, skipped};

/// The member that holds an element's name. The standard gives this text.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// A browser of root, as in a container, has no sandbox. Containers often have a small `/dev/shm`.
const ARGS: [&str; 5] =
    ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];

/// The driver's refusal: the code of the standard, such as `no such element`, and the driver's words.
#[derive(Debug)]
pub struct Refused(pub String);

/// Runs the driver until stdin ends, which it also does if the test's process is killed. Then ends the driver and its browser, which are
/// in the shell's group.
const RUN: &str = "chromedriver --port=0 </dev/null & read -r end; kill -KILL 0";

/// A browser's session. Dropping the value ends the driver and its browser.
pub struct Driver {
    client: Client,
    /// `/session/ID`
    session: String,
    process: Child,
    _profile: TempDir,
}

impl Driver {
    /// Starts a browser with an empty profile; `None`, with a word on stderr, if this machine has none.
    pub fn start((width, height): (u32, u32)) -> Option<Driver> {
        if !is_installed() {
            skipped("chromium and chromium-driver");
            return None;
        }
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new("/bin/sh");
        // The browser keeps its own folders in the profile too.
        command.args(["-c", RUN]).env("HOME", profile.path()).process_group(0);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| port_in(&line.unwrap())).expect("the driver says its port");
        // The driver must never wait for a reader of its words.
        std::thread::spawn(move || lines.for_each(drop));
        let client = Client::new(&format!("http://127.0.0.1:{port}"), None);
        let mut driver = Driver { client, session: "/session".to_owned(), process, _profile: profile };
        let folder = format!("--user-data-dir={}", driver._profile.path().join("profile").display());
        let window = format!("--window-size={width},{height}");
        let args: Vec<&str> = ARGS.into_iter().chain([folder.as_str(), window.as_str()]).collect();
        let options = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": args}}}});
        let made = driver.post("", &options).expect("chromium starts");
        driver.session = format!("/session/{}", made["sessionId"].as_str().unwrap());
        Some(driver)
    }

    /// Sends a command with parameters.
    pub fn post(&self, command: &str, params: &Value) -> Result<Value, Refused> {
        self.send(Method::POST, command, params.to_string().as_bytes())
    }

    /// Asks for a value.
    pub fn get(&self, command: &str) -> Result<Value, Refused> {
        self.send(Method::GET, command, b"")
    }

    fn send(&self, method: Method, command: &str, body: &[u8]) -> Result<Value, Refused> {
        let path = format!("{}{command}", self.session);
        let answer = self.client.send(method, &path, &[("content-type", "application/json")], body);
        let value = answer.json()["value"].take();
        if answer.status == 200 { Ok(value) } else { Err(Refused(format!("{}: {}", value["error"], value["message"]))) }
    }

    /// Runs a script in the page, and returns the script's result.
    pub fn run(&self, script: &str) -> Result<Value, Refused> {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// The path of the first element that matches.
    pub fn find(&self, css: &str) -> Result<String, Refused> {
        let found = self.post("/element", &json!({"using": "css selector", "value": css}))?;
        Ok(format!("/element/{}", found[ELEMENT].as_str().unwrap()))
    }

    /// Presses keys one after the other, each with `held` down.
    pub fn keys(&self, held: &[char], keys: &[char]) -> Result<(), Refused> {
        let (down, up) = (
            |key: &char| json!({"type": "keyDown", "value": key}),
            |key: &char| json!({"type": "keyUp", "value": key}),
        );
        let presses = keys.iter().flat_map(|key| [down(key), up(key)]);
        let steps: Vec<Value> = held.iter().map(down).chain(presses).chain(held.iter().map(up)).collect();
        self.post("/actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": steps}]})).map(drop)
    }

    /// Calls a method of the developer tools.
    pub fn devtools(&self, method: &str, params: &Value) -> Result<Value, Refused> {
        self.post("/goog/cdp/execute", &json!({"cmd": method, "params": params}))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The browser ends first, or it would write into its profile while that is deleted. After a failure the signal is enough.
        if !std::thread::panicking() {
            let _ = self.send(Method::DELETE, "", b"");
        }
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Whether this machine has the browser and its driver.
fn is_installed() -> bool {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    let starts =
        |program: &str| Command::new(program).arg("--version").output().is_ok_and(|said| said.status.success());
    *INSTALLED.get_or_init(|| starts("chromium") && starts("chromedriver"))
}

/// The port in the driver's line `… was started successfully on port N.`
fn port_in(line: &str) -> Option<u16> {
    let (_, port) = line.split_once("successfully on port ")?;
    port.trim_end_matches('.').parse().ok()
}
