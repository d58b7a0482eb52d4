//! A real browser without a screen: Chromium, told what to do by the `WebDriver` protocol.
//!
//! The protocol is JSON over HTTP, and the test kit has a client for that.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use base64::Engine as _;
use mainstay_testing::Call;
use serde_json::{Value, json};

use crate::support::{text, until};

/// Ends all that was started here when its input ends, so in whatever way the test does. What is in
/// the folder cannot be removed before the last process has gone.
const GUARD: &str = r#"
chromedriver --port=0 &
trap '' TERM
cat >/dev/null
kill -TERM 0
until rm -rf "$1" 2>/dev/null; do sleep 0.05; done
"#;

/// Root has no sandbox, containers have little shared memory, and nobody is to be asked anything.
const ARGUMENTS: [&str; 8] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--lang=en",
];

/// A browser with one page; it ends with this.
#[derive(Debug)]
pub(super) struct Browser {
    guard: Child,
    driver: SocketAddr,
    session: String,
}

impl Browser {
    /// Starts it.
    pub(super) async fn start() -> Self {
        let profile = tempfile::tempdir().expect("a temporary folder").keep();
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, "browser"]).arg(&profile).process_group(0);
        guard.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut guard = guard.spawn().expect("a shell");
        let said = BufReader::new(guard.stdout.take().expect("its output"));
        let port = said.lines().map_while(Result::ok).find_map(|line| {
            line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
        });
        let port: u16 = port.expect("`apt-get install chromium chromium-driver`");
        let driver = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut browser = Self { guard, driver, session: String::new() };
        let mut arguments = ARGUMENTS.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", profile.display()));
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } } });
        let started = browser.ask("POST", "/session", &wanted).await;
        browser.session = text(&started["sessionId"]);
        browser.resize(1280, 800).await;
        // Its first page is its own, and asks for things of its own.
        browser.open("about:blank").await;
        browser.asked_for().await;
        browser
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let call = Call::new(self.driver, method.parse().expect("a method"), path);
        let call = if method == "GET" { call } else { call.json(body) };
        let reply = call.send().await.json();
        let value = reply["value"].clone();
        assert!(value.get("error").is_none(), "{path}: {value}");
        value
    }

    async fn of_session(&self, path: &str, body: Value) -> Value {
        self.ask("POST", &format!("/session/{}{path}", self.session), &body).await
    }

    /// Goes to an address, and waits until everything that belongs to it is there.
    pub(super) async fn open(&self, url: &str) {
        self.of_session("/url", json!({ "url": url })).await;
    }

    /// Runs the body of a function in the page, and gives what it returns.
    pub(super) async fn run(&self, script: &str) -> Value {
        self.of_session("/execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Waits until an expression is true.
    pub(super) async fn wait_for(&self, expression: &str) {
        let script = format!("return Boolean({expression})");
        let look = async || (self.run(&script).await == true).then_some(());
        until(expression, look).await;
    }

    /// Types into an element, as a person does.
    pub(super) async fn fill_in(&self, selector: &str, words: &str) {
        let found = json!({ "using": "css selector", "value": selector });
        let found = self.of_session("/element", found).await;
        let id = found.as_object().and_then(|object| object.values().next());
        let id = text(id.expect("an element"));
        self.of_session(&format!("/element/{id}/value"), json!({ "text": words })).await;
    }

    /// Makes the page as large as a screen of this size.
    pub(super) async fn resize(&self, width: u32, height: u32) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Lets the system like light or dark pages.
    pub(super) async fn prefer(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    async fn devtools(&self, command: &str, parameters: Value) {
        let command = json!({ "cmd": command, "params": parameters });
        self.of_session("/goog/cdp/execute", command).await;
    }

    /// Keeps what is to be seen, for whoever looks at it after the run: `target/screenshots`.
    pub(super) async fn keep_picture(&self, name: &str) {
        let path = format!("/session/{}/screenshot", self.session);
        let picture = text(&self.ask("GET", &path, &Value::Null).await);
        let picture = base64::engine::general_purpose::STANDARD.decode(picture).expect("base64");
        let mut folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        folder.set_file_name("screenshots");
        fs::create_dir_all(&folder).expect("a folder for pictures");
        fs::write(folder.join(format!("{name}.png")), picture).expect("a picture");
    }

    /// What the browser has complained about since the last time: errors of scripts, what a policy
    /// has forbidden, what could not be loaded.
    pub(super) async fn complaints(&self) -> Vec<String> {
        let log = self.of_session("/se/log", json!({ "type": "browser" })).await;
        let entries = log.as_array().cloned().unwrap_or_default();
        let is_bad = |entry: &&Value| entry["level"] == "SEVERE" || entry["level"] == "WARNING";
        entries.iter().filter(is_bad).map(|entry| text(&entry["message"])).collect()
    }

    /// Addresses that the page has asked for since the last time.
    pub(super) async fn asked_for(&self) -> Vec<String> {
        let log = self.of_session("/se/log", json!({ "type": "performance" })).await;
        let entries = log.as_array().cloned().unwrap_or_default();
        let messages = entries.iter().filter_map(|entry| {
            let told: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let told = &told["message"];
            let is_request = told["method"] == "Network.requestWillBeSent";
            is_request.then(|| text(&told["params"]["request"]["url"]))
        });
        messages.collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // Nobody can be told when it fails.
        let _ = self.guard.wait();
    }
}
