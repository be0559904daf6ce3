//! A Varlink client written by hand: JSON objects with a NUL behind each (varlink.org, "Protocol"),
//! and bytes that are neither.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};

/// How long a read may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to a service.
#[derive(Debug)]
pub(crate) struct Varlink {
    stream: UnixStream,
    /// What has been read behind the last frame.
    rest: Vec<u8>,
}

/// Why a call brought no reply.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The service answered with an error.
    #[error("{name} {parameters}")]
    Answered {
        /// Its full name.
        name: String,
        /// Its parameters.
        parameters: Value,
    },
    /// The service hung up.
    #[error("the service hung up")]
    HungUp,
    /// It did not come, or not as Varlink.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl CallError {
    /// The error's name, if the service answered with one.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Answered { name, .. } => Some(name),
            Self::HungUp | Self::Io(_) => None,
        }
    }
}

impl Varlink {
    /// Connects to a socket.
    pub(crate) fn connect(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, rest: Vec::new() })
    }

    /// With another patience for reads.
    pub(crate) fn patience(self, patience: Duration) -> io::Result<Self> {
        self.stream.set_read_timeout(Some(patience))?;
        Ok(self)
    }

    /// Calls a method and waits for its reply.
    pub(crate) fn call(&mut self, method: &str, parameters: &Value) -> Result<Value, CallError> {
        self.send(&json!({ "method": method, "parameters": parameters }))?;
        self.answer()
    }

    /// Calls a method of the daemon.
    pub(crate) fn ask(&mut self, method: &str, parameters: &Value) -> Result<Value, CallError> {
        self.call(&format!("dev.ostler.Ostler1.{method}"), parameters)
    }

    /// Calls a method that replies more than once. The replies end with the service's last one, or
    /// with an error.
    pub(crate) fn call_more(&mut self, method: &str, parameters: &Value) -> io::Result<More<'_>> {
        self.send(&json!({ "method": method, "parameters": parameters, "more": true }))?;
        Ok(More { varlink: self, open: true })
    }

    /// Sends one frame.
    pub(crate) fn send(&mut self, message: &Value) -> io::Result<()> {
        let mut frame = serde_json::to_vec(message)?;
        frame.push(0);
        self.send_bytes(&frame)
    }

    /// Sends bytes as they are.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// The next frame without its NUL; nothing if the service hung up before a new one began.
    pub(crate) fn receive(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut chunk = [0; 16 * 1024];
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == 0) {
                let mut frame: Vec<u8> = self.rest.drain(..=end).collect();
                frame.pop();
                return Ok(Some(frame));
            }
            match self.stream.read(&mut chunk) {
                Ok(0) if self.rest.is_empty() => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.rest.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // a service that hangs up on unread bytes resets the connection
                Err(error)
                    if error.kind() == io::ErrorKind::ConnectionReset && self.rest.is_empty() =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether something has come that has not been read: an answer, or the end.
    pub(crate) fn has_answer(&self) -> io::Result<bool> {
        let mut watched = [PollFd::new(&self.stream, PollFlags::IN)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        Ok(!self.rest.is_empty() || poll(&mut watched, Some(&at_once))? > 0)
    }

    /// Waits for the reply to a call that was sent.
    pub(crate) fn answer(&mut self) -> Result<Value, CallError> {
        self.reply().map(|reply| reply.parameters)
    }

    fn reply(&mut self) -> Result<Reply, CallError> {
        let frame = self.receive()?.ok_or(CallError::HungUp)?;
        let mut message: Value = serde_json::from_slice(&frame).map_err(io::Error::from)?;
        let parameters = message["parameters"].take();
        match message["error"].as_str() {
            Some(name) => Err(CallError::Answered { name: name.to_owned(), parameters }),
            None => Ok(Reply { parameters, continues: message["continues"] == json!(true) }),
        }
    }
}

struct Reply {
    parameters: Value,
    continues: bool,
}

/// The replies of a call with `more`.
#[derive(Debug)]
pub(crate) struct More<'a> {
    varlink: &'a mut Varlink,
    open: bool,
}

impl Iterator for More<'_> {
    type Item = Result<Value, CallError>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.open {
            return None;
        }
        let reply = self.varlink.reply();
        self.open = reply.as_ref().is_ok_and(|reply| reply.continues);
        Some(reply.map(|reply| reply.parameters))
    }
}
