//! Chromium, driven over a pipe (the `DevTools` protocol: JSON objects with a NUL behind each).

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::clock;
use crate::support::process::Kept;

/// How long anything in it may take. Only what is broken takes that long.
const PATIENCE: Duration = Duration::from_mins(1);

const GONE: &str = "chromium has ended, or is not installed: run tests/run, which installs it";

/// The browser, with a profile of its own and one page.
#[derive(Debug)]
pub(crate) struct Chromium {
    commands: ChildStdin,
    answers: ChildStdout,
    /// What was read behind the last message.
    rest: Vec<u8>,
    events: VecDeque<Value>,
    last: u64,
    session: String,
    process: Kept,
    _profile: TempDir,
}

/// How it is asked to show pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Light,
    Dark,
}

impl Chromium {
    /// Starts it with an empty page.
    ///
    /// # Panics
    ///
    /// If it is not installed: a test that needs it must not pass without it.
    pub(crate) fn start() -> Self {
        let program = std::env::var("OSTLER_TEST_CHROMIUM").unwrap_or_else(|_| "chromium".into());
        let profile = tempfile::Builder::new().prefix("ostler-chromium-").tempdir().unwrap();
        // it reads commands from descriptor 3, and answers on 4
        let mut command = Command::new("sh");
        command.args(["-c", r#"exec "$@" 3<&0 4>&1 0</dev/null 1>/dev/null 2>&1"#, "sh", &program]);
        command
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--remote-debugging-pipe", "--hide-scrollbars", "--force-color-profile=srgb"])
            // nothing leaves this machine, whatever it would like to look after
            .args(["--disable-background-networking", "--disable-component-update"])
            .args(["--no-first-run", "--no-default-browser-check", "--disable-sync"])
            .arg("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1")
            .arg(format!("--user-data-dir={}", profile.path().join("profile").display()))
            .arg("about:blank")
            .env("HOME", profile.path())
            .env("TMPDIR", profile.path())
            .env("XDG_CONFIG_HOME", profile.path())
            .env("XDG_CACHE_HOME", profile.path())
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .current_dir(profile.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Kept::spawn(&mut command).unwrap();
        let (commands, answers) = (process.stdin().unwrap(), process.stdout().unwrap());
        let mut browser = Self {
            commands,
            answers,
            rest: Vec::new(),
            events: VecDeque::new(),
            last: 0,
            session: String::new(),
            process,
            _profile: profile,
        };
        browser.session = browser.tab();
        for domain in ["Page", "Network", "Runtime", "Log", "Accessibility"] {
            browser.ask(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Goes to an address, and returns once what is there is shown.
    pub(crate) fn visit(&mut self, url: &str) {
        self.begin_to_visit(url);
        self.wait_shown();
    }

    /// Goes to an address, and does not wait for what is there.
    pub(crate) fn begin_to_visit(&mut self, url: &str) {
        self.events.clear();
        let session = self.session.clone();
        self.send("Page.navigate", &json!({ "url": url }), &session);
    }

    /// Waits until the page is shown that it is on the way to.
    pub(crate) fn wait_shown(&mut self) {
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let message = self.receive();
            self.events.push_back(message);
        }
    }

    /// What happened since the last visit began: the parameters of the events of a name.
    pub(crate) fn happened(&self, event: &str) -> Vec<&Value> {
        let events = self.events.iter().filter(|it| it["method"] == event);
        events.map(|event| &event["params"]).collect()
    }

    /// The value of an expression in the page, which may be a promise.
    #[track_caller]
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let session = self.session.clone();
        self.value_in(expression, &session)
    }

    /// All that somebody with a screen reader has: roles and names.
    pub(crate) fn accessible(&mut self) -> Vec<(String, String)> {
        let tree = self.ask("Accessibility.getFullAXTree", &json!({}));
        let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
        let nodes = tree["nodes"].as_array().unwrap().iter();
        let shown = nodes.filter(|node| node["ignored"] != json!(true));
        shown.map(|node| (text(&node["role"]), text(&node["name"]))).collect()
    }

    /// Has pages shown like that, on a window of that width.
    pub(crate) fn show(&mut self, scheme: Scheme, width: u32) {
        let scheme = match scheme {
            Scheme::Light => "light",
            Scheme::Dark => "dark",
        };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.ask("Emulation.setEmulatedMedia", &json!({ "features": features }));
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            &json!({ "width": width, "height": 640, "deviceScaleFactor": 1, "mobile": false }),
        );
    }

    /// A picture of what is shown, as PNG in base64; a copy of it goes into the directory
    /// `OSTLER_TEST_SCREENSHOTS`, for people.
    pub(crate) fn picture(&mut self, name: &str) -> String {
        let mut picture = self.ask("Page.captureScreenshot", &json!({ "format": "png" }));
        let Value::String(picture) = picture["data"].take() else { panic!("no picture") };
        if let Some(directory) = std::env::var_os("OSTLER_TEST_SCREENSHOTS") {
            let bytes = data_encoding::BASE64.decode(picture.as_bytes()).unwrap();
            std::fs::write(Path::new(&directory).join(format!("{name}.png")), bytes).unwrap();
        }
        picture
    }

    /// The colour of a picture at a place: red, green, blue, from 0 to 255.
    pub(crate) fn pixel(&mut self, picture: &str, x: u32, y: u32) -> [u64; 3] {
        // a page of its own: the one that is looked at allows no images
        let tab = self.tab();
        let data = self.value_in(
            &format!(
                "(async () => {{
                    const image = new Image();
                    image.src = 'data:image/png;base64,{picture}';
                    await image.decode();
                    const canvas = new OffscreenCanvas(image.width, image.height);
                    const context = canvas.getContext('2d');
                    context.drawImage(image, 0, 0);
                    return [...context.getImageData({x}, {y}, 1, 1).data].slice(0, 3);
                }})()"
            ),
            &tab,
        );
        serde_json::from_value(data).unwrap()
    }

    /// Opens a page. Gives its session.
    fn tab(&mut self) -> String {
        let target = self.ask_in("Target.createTarget", &json!({ "url": "about:blank" }), "");
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.ask_in("Target.attachToTarget", &attach, "");
        attached["sessionId"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn value_in(&mut self, expression: &str, session: &str) -> Value {
        let ask = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.ask_in("Runtime.evaluate", &ask, session);
        assert!(answer.get("exceptionDetails").is_none(), "{answer}");
        answer["result"]["value"].take()
    }

    #[track_caller]
    fn ask(&mut self, method: &str, parameters: &Value) -> Value {
        let session = self.session.clone();
        self.ask_in(method, parameters, &session)
    }

    #[track_caller]
    fn ask_in(&mut self, method: &str, parameters: &Value, session: &str) -> Value {
        let id = self.send(method, parameters, session);
        loop {
            let mut message = self.receive();
            if message["id"] == json!(id) {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].take();
            }
            self.events.push_back(message);
        }
    }

    fn send(&mut self, method: &str, parameters: &Value, session: &str) -> u64 {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if !session.is_empty() {
            message["sessionId"] = json!(session);
        }
        self.commands.write_all(format!("{message}\0").as_bytes()).expect(GONE);
        self.last
    }

    fn receive(&mut self) -> Value {
        let deadline = clock::now() + PATIENCE;
        let mut chunk = vec![0; 64 * 1024];
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == 0) {
                let message = serde_json::from_slice(&self.rest[..end]).unwrap();
                self.rest.drain(..=end);
                return message;
            }
            let patience = Timespec::try_from(clock::until(deadline)).unwrap();
            let mut watched = [PollFd::new(&self.answers, PollFlags::IN)];
            let ready = poll(&mut watched, Some(&patience)).unwrap();
            assert!(ready > 0, "chromium does not answer: {:#?}", self.events);
            let count = self.answers.read(&mut chunk).unwrap();
            assert!(count > 0, "{GONE}");
            self.rest.extend_from_slice(&chunk[..count]);
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // it ends its own processes then; whatever goes wrong with that, it is killed next
        let close = json!({ "id": self.last + 1, "method": "Browser.close" });
        let _ = self.commands.write_all(format!("{close}\0").as_bytes());
        let _ = self.process.wait(PATIENCE);
    }
}
