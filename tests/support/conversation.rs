//! `ostler login` under way: what it says, where it sends the person, and what the person pastes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::login::LoginError;
use super::process::{Finished, Kept, text};

/// How long the command may take to say where to sign in.
const PATIENCE: Duration = Duration::from_secs(30);

/// The command, from the moment when it has said which URL to visit.
#[derive(Debug)]
pub(crate) struct Conversation {
    process: Kept,
    stdin: ChildStdin,
    lines: mpsc::Receiver<String>,
    said: String,
    stderr: File,
    url: url::Url,
}

impl Conversation {
    /// Starts the command, with that as the first of its input, and waits for the URL.
    pub(crate) fn begin(command: &mut Command, input: &str) -> Result<Self, LoginError> {
        Self::begin_with(command, input, |line| {
            line.starts_with("http").then(|| line.parse().ok())?
        })
    }

    /// The same, with the URL found in a line in another way.
    pub(crate) fn begin_with(
        command: &mut Command,
        input: &str,
        url_in: impl Fn(&str) -> Option<url::Url>,
    ) -> Result<Self, LoginError> {
        let stderr = tempfile::tempfile()?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr.try_clone()?);
        let mut process = Kept::spawn(command)?;
        let mut stdin = process.stdin()?;
        match stdin.write_all(input.as_bytes()) {
            // it may have ended without reading its input
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
            _ => {}
        }
        let lines = read_lines(process.stdout()?);
        let mut said = String::new();
        let url = loop {
            match lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    said.push_str(&line);
                    said.push('\n');
                    if let Some(url) = url_in(&line) {
                        break url;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Err(LoginError::NoUrl(said + &text(stderr)?));
                }
            }
        };
        Ok(Self { process, stdin, lines, said, stderr, url })
    }

    /// Where the person is sent.
    pub(crate) fn url(&self) -> &url::Url {
        &self.url
    }

    /// A parameter of that URL, decoded.
    pub(crate) fn param(&self, name: &str) -> Option<String> {
        self.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The next line that it says.
    pub(crate) fn line(&self) -> Option<String> {
        self.lines.recv_timeout(PATIENCE).ok()
    }

    /// Pastes a line, if there is one, and waits for the end.
    pub(crate) fn finish(
        mut self,
        paste: Option<&str>,
        patience: Duration,
    ) -> Result<Finished, LoginError> {
        if let Some(paste) = paste {
            self.stdin.write_all(format!("{paste}\n").as_bytes())?;
        }
        drop(self.stdin);
        let status = self.process.wait(patience)?;
        for line in self.lines {
            self.said.push_str(&line);
            self.said.push('\n');
        }
        Ok(Finished { status, stdout: self.said, stderr: text(self.stderr)? })
    }
}

/// The lines of a pipe as they come, so that waiting for one can have an end.
pub(crate) fn read_lines(pipe: impl io::Read + Send + 'static) -> mpsc::Receiver<String> {
    // more lines than a test reads late
    let (send, lines) = mpsc::sync_channel(256);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if send.send(line.trim().to_owned()).is_err() {
                break;
            }
        }
    });
    lines
}
