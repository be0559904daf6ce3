//! Asks the daemon: Varlink over its Unix socket, one frame out, one frame in.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::failure::{Failure, Unreachable};
use crate::api::{Account, DaemonInfo, Fault, FaultKind, INTERFACE, Listing};
use crate::model::AccountName;

/// How long to wait for answers that the daemon gives at once.
pub(super) const PROMPT: Duration = Duration::from_secs(30);

/// The longest reply taken, in bytes.
const ANSWER_MAX: usize = 16 * 1024 * 1024;

/// Room for the usual answer to `token`.
const ROOM: usize = 8 * 1024;

/// Where the socket is: as said, or as the environment says.
pub(super) fn socket_path(
    said: Option<PathBuf>,
    variables: &dyn Fn(&str) -> Option<OsString>,
) -> Result<PathBuf, Failure> {
    let variable = |name| variables(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = said.or_else(|| variable("OSTLER_SOCKET")) {
        return Ok(path);
    }
    let runtime = variable("XDG_RUNTIME_DIR").ok_or(Unreachable::NoRuntimeDir)?;
    Ok(runtime.join("ostler/socket"))
}

/// A connection to the daemon.
pub(super) struct Client {
    stream: UnixStream,
    /// What was read: tokens arrive here, so it is wiped and leaves no copies when it grows.
    inbox: Zeroizing<Vec<u8>>,
    /// How much of the inbox is filled.
    filled: usize,
    /// How much of it is an answer that was dealt with.
    done: usize,
}

#[derive(Serialize)]
struct Call<'a, P> {
    method: Method<'a>,
    parameters: &'a P,
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<bool>,
}

struct Method<'a>(&'a str);

impl Serialize for Method<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{INTERFACE}.{}", self.0))
    }
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow, default)]
    parameters: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<Cow<'a, str>>,
    #[serde(default)]
    continues: bool,
}

/// Whether the stream goes on after a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// That was the last one.
    End,
    /// There is more to come.
    More,
}

/// The parameters of the errors that the interface declares.
#[derive(Deserialize)]
struct FaultParameters {
    #[serde(default)]
    account: Option<AccountName>,
    message: String,
    hint: String,
    #[serde(default)]
    retry_at: Option<i64>,
}

impl Client {
    pub(super) fn connect(path: &Path) -> Result<Self, Unreachable> {
        let stream = UnixStream::connect(path).map_err(|source| match source.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                Unreachable::NotRunning { path: path.to_owned() }
            }
            _ => Unreachable::Connect { path: path.to_owned(), source },
        })?;
        Ok(Self { stream, inbox: Zeroizing::default(), filled: 0, done: 0 })
    }

    /// Asks, and waits for the answer at most this long.
    pub(super) fn call<P: Serialize, R: for<'a> Deserialize<'a>>(
        &mut self,
        method: &str,
        parameters: &P,
        patience: Duration,
    ) -> Result<R, Failure> {
        self.send(method, parameters, None)?;
        parse(self.receive(Some(patience))?.0)
    }

    /// Asks for what takes a while: `meanwhile` is told each second how many have passed. Gives all replies.
    pub(super) fn call_patiently<P: Serialize, R: for<'a> Deserialize<'a>>(
        &mut self,
        method: &str,
        parameters: &P,
        patience: Duration,
        mut meanwhile: impl FnMut(u64),
    ) -> Result<Vec<R>, Failure> {
        self.send(method, parameters, Some(true))?;
        let mut answers = Vec::new();
        for seconds in 1..=patience.as_secs() {
            match self.receive(Some(Duration::from_secs(1))) {
                // what has come by then stays in the inbox
                Err(Failure::Unreachable(Unreachable::Silent)) => meanwhile(seconds),
                answer => {
                    let (answer, mut after) = answer?;
                    answers.push(parse(answer)?);
                    while after == After::More {
                        let (answer, then) = self.receive(Some(PROMPT))?;
                        answers.push(parse(answer)?);
                        after = then;
                    }
                    return Ok(answers);
                }
            }
        }
        Err(Unreachable::Silent.into())
    }

    /// Asks, and gives each reply as it comes to `take`, with whether there are more.
    pub(super) fn call_each<P: Serialize>(
        &mut self,
        method: &str,
        parameters: &P,
        patience: Duration,
        mut take: impl FnMut(&RawValue, After) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.send(method, parameters, Some(true))?;
        loop {
            let (reply, after) = self.receive(Some(patience))?;
            take(reply, after)?;
            if after == After::End {
                return Ok(());
            }
        }
    }

    /// Asks, and gives the answer's own text, which may hold a token.
    pub(super) fn call_raw<P: Serialize>(
        &mut self,
        method: &str,
        parameters: &P,
        patience: Duration,
    ) -> Result<&RawValue, Failure> {
        self.send(method, parameters, None)?;
        Ok(self.receive(Some(patience))?.0)
    }

    /// Asks for a stream of answers, which [`Self::next`] gives.
    pub(super) fn call_more<P: Serialize>(
        &mut self,
        method: &str,
        parameters: &P,
    ) -> Result<(), Failure> {
        self.send(method, parameters, Some(true))
    }

    /// The next answer of a stream, however long it takes.
    pub(super) fn next(&mut self) -> Result<&RawValue, Failure> {
        Ok(self.receive(None)?.0)
    }

    /// Some accounts.
    pub(super) fn accounts(
        &mut self,
        listing: &Listing,
        patience: Duration,
    ) -> Result<Vec<Account>, Failure> {
        #[derive(Deserialize)]
        struct Accounts {
            accounts: Vec<Account>,
        }
        let Accounts { accounts } = self.call("ListAccounts", listing, patience)?;
        Ok(accounts)
    }

    /// The daemon itself.
    pub(super) fn daemon(&mut self, patience: Duration) -> Result<DaemonInfo, Failure> {
        #[derive(Deserialize)]
        struct Status {
            daemon: DaemonInfo,
        }
        let Status { daemon } = self.call("Status", &Listing::first(0), patience)?;
        Ok(daemon)
    }

    fn send<P: Serialize>(
        &mut self,
        method: &str,
        parameters: &P,
        more: Option<bool>,
    ) -> Result<(), Failure> {
        // a request may hold a client secret or a code; the usual one fits without growing
        let mut frame = Zeroizing::new(Vec::with_capacity(ROOM));
        let call = Call { method: Method(method), parameters, more };
        serde_json::to_writer(&mut *frame, &call)
            .map_err(|error| Unreachable::Broken(error.into()))?;
        frame.push(0);
        match self.stream.write_all(&frame) {
            // a daemon that turns us away says why before it closes
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(Unreachable::Broken(error).into())
            }
            _ => Ok(()),
        }
    }

    fn receive(&mut self, patience: Option<Duration>) -> Result<(&RawValue, After), Failure> {
        self.stream.set_read_timeout(patience).map_err(Unreachable::Broken)?;
        self.discard();
        let end = self.fill()?;
        self.done = end + 1;
        let reply: Reply<'_> = serde_json::from_slice(&self.inbox[..end])
            .map_err(|_| Unreachable::Foreign("not a Varlink reply"))?;
        let parameters = match reply.parameters {
            Some(parameters) => parameters,
            None => nothing(),
        };
        match reply.error {
            None => Ok((parameters, if reply.continues { After::More } else { After::End })),
            Some(error) => Err(read_error(&error, parameters)),
        }
    }

    /// Wipes the answer that was dealt with; what came after it moves to the front.
    fn discard(&mut self) {
        self.inbox.copy_within(self.done..self.filled, 0);
        let rest = self.filled - self.done;
        self.inbox[rest..self.filled].fill(0);
        (self.filled, self.done) = (rest, 0);
    }

    /// Reads until there is a whole frame at the front. Returns where it ends.
    fn fill(&mut self) -> Result<usize, Unreachable> {
        let mut scanned = 0;
        loop {
            let found = self.inbox[scanned..self.filled].iter().position(|byte| *byte == 0);
            if let Some(offset) = found {
                return Ok(scanned + offset);
            }
            scanned = self.filled;
            if self.filled >= ANSWER_MAX {
                return Err(Unreachable::Foreign("it has no end"));
            }
            if self.filled == self.inbox.len() {
                let mut larger = Zeroizing::new(vec![0; (self.filled * 2).max(ROOM)]);
                larger[..self.filled].copy_from_slice(&self.inbox[..self.filled]);
                self.inbox = larger;
            }
            match self.stream.read(&mut self.inbox[self.filled..]) {
                Ok(0) => return Err(Unreachable::HungUp),
                Ok(count) => self.filled += count,
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    // SO_RCVTIMEO, socket(7)
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Err(Unreachable::Silent),
                    ErrorKind::ConnectionReset => return Err(Unreachable::HungUp),
                    _ => return Err(Unreachable::Broken(error)),
                },
            }
        }
    }
}

/// Parameters of a method, or of its answer, that has none.
#[derive(Serialize, Deserialize)]
pub(super) struct Nothing {}

fn nothing() -> &'static RawValue {
    serde_json::from_str("{}").expect("an empty object is JSON")
}

/// Reads the parameters of an answer.
pub(super) fn parse<'a, R: Deserialize<'a>>(parameters: &'a RawValue) -> Result<R, Failure> {
    serde_json::from_str(parameters.get())
        .map_err(|_| Unreachable::Foreign("it lacks what was asked for").into())
}

fn read_error(error: &str, parameters: &RawValue) -> Failure {
    let (interface, name) = error.rsplit_once('.').unwrap_or(("", error));
    if interface == "org.varlink.service" {
        #[derive(Default, Deserialize)]
        struct Which {
            parameter: Option<String>,
            #[serde(alias = "interface")]
            method: Option<String>,
        }
        let which: Which = serde_json::from_str(parameters.get()).unwrap_or_default();
        let what = match (which.parameter, which.method) {
            (Some(parameter), _) => format!("such a parameter ({parameter})"),
            (None, Some(method)) => method,
            (None, None) => "what was asked".to_owned(),
        };
        return Unreachable::Older(what).into();
    }
    let Ok(FaultParameters { account, message, hint, retry_at }) =
        serde_json::from_str(parameters.get())
    else {
        return Unreachable::Foreign("an error without a message").into();
    };
    // a later daemon may know more kinds: its words are still good
    let kind = FaultKind::from_name(name).unwrap_or(FaultKind::Internal);
    Fault { kind, account, message, hint, retry_at }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_where_it_is_said_to_be() {
        let runtime = |name: &str| (name == "XDG_RUNTIME_DIR").then(|| "/run/user/7".into());
        let path = socket_path(None, &runtime).unwrap();
        assert_eq!(path, Path::new("/run/user/7/ostler/socket"));
        let both = |name: &str| Some(OsString::from(format!("/{name}")));
        assert_eq!(socket_path(None, &both).unwrap(), Path::new("/OSTLER_SOCKET"));
        assert_eq!(socket_path(Some("/said".into()), &both).unwrap(), Path::new("/said"));
        let error = socket_path(None, &|_| Some(OsString::new())).unwrap_err();
        assert!(matches!(error, Failure::Unreachable(Unreachable::NoRuntimeDir)));
    }
}
