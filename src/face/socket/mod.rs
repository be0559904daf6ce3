//! The socket: Varlink (<https://varlink.org/Interface-Definition>) over a Unix stream. Messages are
//! JSON objects, each ended by a NUL.
//!
//! One task per connection, so that a slow refresh, an idle client or one that does not read its
//! answers delays nobody else. The requests of one connection are answered in order.
//!
//! | file | does |
//! |---|---|
//! | `session` | one connection: read, ask, write, until either side ends it |
//! | `call` | a frame becomes a call |
//! | `parameters` | names the parameter that is wrong |
//! | `pieces` | long answers: in pieces, or as one reply that has an end |
//! | `reply` | an answer or a refusal becomes a frame |
//! | `service` | what every Varlink service says about itself |
//! | `buffer` | frames in memory that is wiped |
//! | `seats` | who has to leave when it gets crowded |

mod buffer;
mod call;
mod parameters;
mod pieces;
mod reply;
mod seats;
mod service;
mod session;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::api::{Fault, FaultKind};
use crate::engine::Handle;
use crate::model::{Caller, Face, Identity};

use buffer::Outbox;
use seats::Seats;
use session::Session;

/// What a client may take from the daemon, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time. One more, and the one that has been silent longest is closed; if all
    /// of them wait for answers, the new one is turned away.
    pub connections: usize,
    /// How many of them may be `Monitor` streams, which are never silent and so never make room.
    pub monitors: usize,
    /// How many may have a long answer in one reply at the same time; the others wait for their turn. Answers in
    /// pieces are not limited.
    pub long_replies: usize,
    /// How long a frame may take from its first byte to its last.
    pub frame: Duration,
    /// How long a connection may stay silent between frames.
    pub idle: Duration,
    /// How long a client may take to make room for an answer.
    pub write: Duration,
    /// How long a call in progress may still take when the daemon stops.
    pub drain: Duration,
}

impl Default for Limits {
    /// 1536 connections are enough for a thousand callers that wait and some more. Each can hold
    /// 64 KiB of a request that is not finished and `SEND_BUFFER` of answers that are not read, and two of
    /// them 16 MiB of a long one, which together is less than the memory that the service may have
    /// (`MemoryMax=`).
    fn default() -> Self {
        Self {
            connections: 1536,
            monitors: 128,
            long_replies: 2,
            frame: Duration::from_secs(10),
            idle: Duration::from_mins(5),
            write: Duration::from_secs(10),
            drain: Duration::from_secs(5),
        }
    }
}

/// What the sessions of a socket share.
#[derive(Debug)]
struct Places {
    monitors: Semaphore,
    long_replies: Semaphore,
    /// Held while a piece of a list is made.
    pieces: Semaphore,
}

/// How many bytes of answers the kernel takes off the daemon's hands for a client that does not read
/// them, as `SO_SNDBUF` counts them (socket(7)). The kernel's own default is ten times that.
const SEND_BUFFER: usize = 16 * 1024;

/// How long to wait before accepting again when there are no file descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// Where callers come in, and who may.
#[derive(Debug)]
pub struct Door {
    /// What is listened on.
    pub listener: UnixListener,
    /// Which of the sockets that is.
    pub face: Face,
    /// The user whose processes are let in.
    pub owner: u32,
}

/// Serves the owner, and nobody else, until `shutdown`. Then no connection is accepted any more, silent
/// ones are closed, and calls in progress are answered. Returns when the last session has ended.
pub async fn serve(door: Door, handle: Handle, shutdown: CancellationToken, limits: Limits) {
    let Door { listener, face, owner } = door;
    let places = Arc::new(Places {
        monitors: Semaphore::new(limits.monitors),
        long_replies: Semaphore::new(limits.long_replies),
        pieces: Semaphore::new(1),
    });
    let mut seats = Seats::new(limits.connections);
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            // first, or a flood of connections could put the end off
            () = shutdown.cancelled() => break,
            // before the next guest, so that an empty seat is known to be empty
            Some(ended) = sessions.join_next_with_id(), if !sessions.is_empty() => {
                seats.empty(ended.map_or_else(|failed| failed.id(), |(id, ())| id));
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => match admit(&stream, face, owner) {
                    Err(fault) => turn_away(stream, &fault),
                    Ok(caller) => match seats.take() {
                        None => turn_away(stream, &crowded("connections")),
                        Some(seat) => {
                            let session = Session::new(
                                stream,
                                caller,
                                handle.clone(),
                                Arc::clone(&seat),
                                Arc::clone(&places),
                                shutdown.clone(),
                                limits,
                            );
                            let task = sessions.spawn(session.run());
                            seats.fill(task.id(), seat);
                        }
                    },
                },
                // EMFILE and ENFILE come back at once until somebody leaves: accept(2)
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    seats.dismiss();
                    sleep(PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    // each session keeps to this by itself; the limit is for one that does not
    let drained = async { while sessions.join_next().await.is_some() {} };
    if timeout(limits.drain + limits.write, drained).await.is_err() {
        warn!("sessions did not end in time");
    }
}

/// Who is at the other end, if it is the owner.
fn admit(stream: &UnixStream, face: Face, owner: u32) -> Result<Caller, Fault> {
    // SO_PEERCRED: the credentials at the time of connect(2), which nobody can forge (unix(7))
    let peer = stream
        .peer_cred()
        .map_err(|_| Fault::new(FaultKind::Denied, "the kernel does not say who is asking"))?;
    check_user(peer.uid(), owner)?;
    // it is a limit to what a client can make the daemon hold, and fails for no client
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(stream, SEND_BUFFER);
    // what it is known by takes a moment, and its own session's
    let identity = Identity::default();
    Ok(Caller { face, pid: peer.pid(), identity })
}

fn check_user(uid: u32, owner: u32) -> Result<(), Fault> {
    if uid == owner {
        return Ok(());
    }
    Err(Fault::new(FaultKind::Denied, format!("this daemon serves user {owner}, not user {uid}")))
}

fn crowded(what: &str) -> Fault {
    Fault::new(FaultKind::RateLimited, format!("the daemon has too many {what}"))
        .hint("try again in a moment")
}

/// Says why, and closes. Never waits: a fresh socket has room for a few hundred bytes, and who turns
/// out not to have it learns nothing.
fn turn_away(stream: UnixStream, fault: &Fault) {
    let say = || -> io::Result<()> {
        let mut out = Outbox::default();
        reply::fault(&mut out, fault)?;
        stream.into_std()?.write_all(out.bytes())
    };
    match say() {
        Ok(()) => debug!(outcome = fault.kind.name(), "turned away"),
        Err(error) => debug!(outcome = fault.kind.name(), %error, "turned away"),
    }
}
