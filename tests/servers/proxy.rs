//! What stands before a token endpoint: it passes requests on, takes note of them, and loses or holds an
//! answer on order. Each connection has one request, as the daemon's have.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::clock;
use crate::support::secret;

/// How long a test waits for something to happen here. Only what is broken takes that long.
const PATIENCE: Duration = Duration::from_mins(1);

/// What becomes of the answer to a refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The server has acted, and the connection ends without its answer.
    Lost,
    /// It waits until the test lets it go.
    Held,
}

/// A request and its answer.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Its parameters.
    pub(crate) form: Vec<(String, String)>,
    /// The answer's status.
    pub(crate) status: u16,
    /// The answer; null if it is not JSON.
    pub(crate) answer: Value,
    /// When it came.
    pub(crate) at: Instant,
}

impl Seen {
    /// A parameter of the request.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// What the request was for.
    pub(crate) fn is(&self, grant_type: &str) -> bool {
        self.param("grant_type") == grant_type
    }

    /// The error code in the answer.
    pub(crate) fn error(&self) -> &str {
        self.answer["error"].as_str().unwrap_or_default()
    }
}

/// It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    seen: Vec<Seen>,
    fates: VecDeque<Fate>,
    holding: usize,
    releases: usize,
    over: bool,
}

impl Proxy {
    /// Stands before the server at an address.
    pub(crate) fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Mutex::default();
        let shared = Arc::new(Shared { server, state, changed: Condvar::new() });
        let ours = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if ours.state().over {
                    break;
                }
                let ours = Arc::clone(&ours);
                // either side may hang up at any time
                std::thread::spawn(move || ours.pass(client).map(drop));
            }
        });
        Self { address, shared }
    }

    /// The URL here of a path at the server.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Orders what becomes of the answer to the next refresh.
    pub(crate) fn next(&self, fate: Fate) {
        self.shared.state().fates.push_back(fate);
    }

    /// Everything that was answered so far, in the order of the answers.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.state().seen.clone()
    }

    /// The refreshes among it.
    pub(crate) fn refreshes(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.is("refresh_token")).collect()
    }

    /// The refresh tokens that were sent, in order, as numbers: the first one is 0, the next one that
    /// is another is 1.
    pub(crate) fn spent(&self) -> Vec<usize> {
        let mut known = Vec::new();
        let refreshes = self.refreshes();
        let tokens = refreshes.iter().map(|seen| secret::fingerprint(seen.param("refresh_token")));
        tokens
            .map(|token| {
                known.iter().position(|it| *it == token).unwrap_or_else(|| {
                    known.push(token);
                    known.len() - 1
                })
            })
            .collect()
    }

    /// The refresh token that the server gave last.
    pub(crate) fn newest_refresh_token(&self) -> String {
        let seen = self.seen();
        let mut given = seen.iter().rev().filter_map(|seen| seen.answer["refresh_token"].as_str());
        given.next().unwrap().to_owned()
    }

    /// Waits until what was seen is enough.
    pub(crate) fn wait(&self, is_enough: impl Fn(&[Seen]) -> bool) {
        self.shared.wait(|state| is_enough(&state.seen));
    }

    /// Waits until an answer is held.
    pub(crate) fn wait_held(&self) {
        self.shared.wait(|state| state.holding > 0);
    }

    /// Lets go of the answers that are held.
    pub(crate) fn release(&self) {
        self.shared.state().releases += 1;
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.state().over = true;
        self.shared.changed.notify_all();
        // wakes the thread that accepts; if it is gone, there is nobody to wake
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // whoever panicked with it was looking on
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[track_caller]
    fn wait(&self, is_it: impl Fn(&State) -> bool) {
        let deadline = clock::now() + PATIENCE;
        let mut state = self.state();
        while !is_it(&state) {
            let left = clock::until(deadline);
            assert!(!left.is_zero(), "it did not happen at the proxy: {state:#?}");
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    fn pass(&self, mut client: TcpStream) -> io::Result<()> {
        let request = read_request(&mut client)?;
        let mut server = TcpStream::connect(self.server)?;
        server.write_all(&request)?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer)?;
        let fate = self.note(&request, &answer);
        match fate {
            Some(Fate::Lost) => return Ok(()),
            Some(Fate::Held) => {
                let mut state = self.state();
                let releases = state.releases;
                state.holding += 1;
                self.changed.notify_all();
                while state.releases == releases && !state.over {
                    state = self.changed.wait(state).unwrap();
                }
                state.holding -= 1;
            }
            None => {}
        }
        client.write_all(&answer)
    }

    fn note(&self, request: &[u8], answer: &[u8]) -> Option<Fate> {
        let (_, body) = split(request);
        let form = url::form_urlencoded::parse(body).into_owned().collect();
        let (head, body) = split(answer);
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
        let answer = serde_json::from_slice(body).unwrap_or_default();
        let seen = Seen { form, status, answer, at: clock::now() };
        let mut state = self.state();
        let fate = if seen.is("refresh_token") { state.fates.pop_front() } else { None };
        state.seen.push(seen);
        self.changed.notify_all();
        fate
    }
}

/// A request, whole, that asks for the connection's end behind its answer.
fn read_request(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut wire = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = client.read(&mut chunk)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        wire.extend_from_slice(&chunk[..count]);
        let (head, body) = split(&wire);
        let named = |name: &str, line: &str| {
            line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name))
        };
        let length = head.lines().find(|line| named("content-length", line));
        let length = length.and_then(|line| line.split_once(':')?.1.trim().parse().ok());
        if head.is_empty() || body.len() < length.unwrap_or(0) {
            continue;
        }
        let lines = head.split("\r\n").filter(|line| !named("connection", line));
        let mut request = lines.collect::<Vec<_>>().join("\r\n").into_bytes();
        request.extend_from_slice(b"\r\nConnection: close\r\n\r\n");
        request.extend_from_slice(body);
        return Ok(request);
    }
}

/// Head and body; no head if it is not whole.
fn split(wire: &[u8]) -> (&str, &[u8]) {
    let end = wire.windows(4).position(|window| window == b"\r\n\r\n");
    let Some(end) = end else { return ("", wire) };
    (std::str::from_utf8(&wire[..end]).unwrap_or_default(), &wire[end + 4..])
}
