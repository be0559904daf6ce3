//! Everything that goes over a bus, as `dbus-monitor` writes it down.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use crate::dbus::Client;
use crate::support::process::Kept;

/// How long the monitor may take to write something down.
const PATIENCE: Duration = Duration::from_secs(30);

/// A name that nobody has, to know what was said before somebody asked for it.
const MARKER: &str = "com.example.ThisIsTheEnd";

/// A monitor at work.
pub(crate) struct Recorder {
    lines: Receiver<String>,
    _monitor: Kept,
}

/// What it wrote down, a message each.
pub(crate) struct Traffic {
    messages: Vec<Message>,
    /// How many tokens were handed out.
    pub(crate) token_answers: usize,
}

struct Message {
    text: String,
    /// Whether it is the answer to a question for a token.
    is_token_answer: bool,
}

impl Recorder {
    /// Starts it, and waits until it hears everything.
    pub(crate) fn start(address: &str) -> Self {
        let mut command = Command::new("dbus-monitor");
        command.args(["--address", address]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut monitor = Kept::spawn(&mut command)
            .unwrap_or_else(|error| panic!("this test needs dbus-monitor (package dbus): {error}"));
        let stdout = monitor.stdout().unwrap();
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    break;
                }
            }
        });
        let recorder = Self { lines, _monitor: monitor };
        // a monitor has no name any more (D-Bus Specification, "BecomeMonitor")
        while !recorder.line().contains("member=NameLost") {}
        recorder
    }

    /// Everything up to now.
    pub(crate) fn end(self, client: &Client) -> Traffic {
        client.ping(MARKER);
        let mut lines = Vec::new();
        loop {
            let line = self.line();
            if line.contains(MARKER) {
                return Traffic::read(&lines);
            }
            lines.push(line);
        }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("dbus-monitor goes on")
    }
}

impl Traffic {
    fn read(lines: &[String]) -> Self {
        let mut questions = HashSet::new();
        let mut messages: Vec<Message> = Vec::new();
        for line in lines {
            let kind = ["method call ", "method return ", "error ", "signal "];
            if !kind.iter().any(|kind| line.starts_with(kind)) {
                if let Some(message) = messages.last_mut() {
                    message.text.push('\n');
                    message.text.push_str(line);
                }
                continue;
            }
            if line.contains("member=GetAccessToken") {
                questions.insert((word(line, "sender="), word(line, " serial=")));
            }
            let answer = (word(line, "destination="), word(line, "reply_serial="));
            let is_token_answer = line.starts_with("method return ") && questions.contains(&answer);
            messages.push(Message { text: line.clone(), is_token_answer });
        }
        let token_answers = messages.iter().filter(|message| message.is_token_answer).count();
        Self { messages, token_answers }
    }

    /// The messages in which no token may be, each with a name for it.
    pub(crate) fn without_token_answers(&self) -> impl Iterator<Item = (String, String)> {
        let others = self.messages.iter().filter(|message| !message.is_token_answer);
        others.map(|message| ("a message on the bus".to_owned(), message.text.clone()))
    }

    /// The messages that hand tokens out.
    pub(crate) fn answers(&self) -> impl Iterator<Item = &String> {
        self.messages.iter().filter(|message| message.is_token_answer).map(|message| &message.text)
    }
}

/// The word behind a name.
fn word(line: &str, name: &str) -> Option<String> {
    let rest = line.split_once(name)?.1;
    rest.split([' ', ';']).next().map(str::to_owned)
}
