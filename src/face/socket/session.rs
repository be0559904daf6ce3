//! One connection: read a frame, ask, write the answer, until either side ends it.

use std::future::pending;
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, Interest};
use tokio::net::UnixStream;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tracing::debug;

use super::buffer::{Inbox, Outbox, TooLong};
use super::call::{self, Asked, Call, Malformed, Wants};
use super::reply::{self, After, Refusal};
use super::seats::Seat;
use super::{Limits, Places, crowded, pieces, service};
use crate::api::{Event, Fault, FaultKind, Listing, REQUEST_MAX, Request, Response};
use crate::engine::Handle;
use crate::model::Caller;
use crate::sys::peer::Peer;

/// After how many accounts of a stream others have their turn.
const STRIDE: usize = 64;

/// A connection and what it needs to be served.
pub(super) struct Session {
    stream: UnixStream,
    caller: Caller,
    handle: Handle,
    seat: Arc<Seat>,
    places: Arc<Places>,
    /// Ready when the daemon stops, and from then on. Kept, because to make one costs more than to
    /// look at it.
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    limits: Limits,
    inbox: Inbox,
    outbox: Outbox,
}

/// Why a session is over.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the client hung up")]
    HungUp,
    #[error("the client was silent for too long")]
    Silent,
    #[error("a request was begun and not finished")]
    HalfSent,
    #[error("a request was too long")]
    TooLong,
    #[error("a request was not understood")]
    Malformed,
    #[error("the client does not read its answers")]
    Unread,
    #[error("the seat is needed for others")]
    Dismissed,
    #[error("the daemon stops")]
    Stopping,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<TooLong> for End {
    fn from(TooLong: TooLong) -> Self {
        Self::TooLong
    }
}

impl Session {
    pub(super) fn new(
        stream: UnixStream,
        caller: Caller,
        handle: Handle,
        seat: Arc<Seat>,
        places: Arc<Places>,
        shutdown: CancellationToken,
        limits: Limits,
    ) -> Self {
        Self {
            stream,
            caller,
            handle,
            seat,
            places,
            stop: Box::pin(shutdown.cancelled_owned()),
            limits,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
        }
    }

    /// Serves the client to the end.
    pub(super) async fn run(mut self) {
        if let Some(pid) = self.caller.pid
            && let Some(peer) = Peer::of_socket(self.stream.as_fd(), pid)
        {
            self.caller.identity = peer.identify().await;
        }
        let end = loop {
            if let Err(end) = self.exchange().await {
                break end;
            }
        };
        debug!(pid = self.caller.pid, %end, "session over");
    }

    /// One call, from its first byte to the last of its answer.
    async fn exchange(&mut self) -> Result<(), End> {
        self.seat.rest();
        let frame = match self.next_frame().await {
            Err(End::TooLong) => {
                let message = format!("a request has at most {REQUEST_MAX} bytes");
                return self.give_up(&message, End::TooLong).await;
            }
            other => other?,
        };
        self.seat.work();
        let call = call::parse(self.inbox.at(frame.clone()));
        self.inbox.consume(frame);
        match call {
            Ok(call) => self.serve(call).await,
            // where the next frame begins is anybody's guess
            Err(Malformed) => {
                self.give_up("a request is a JSON object with a method", End::Malformed).await
            }
        }
    }

    async fn give_up(&mut self, message: &str, end: End) -> Result<(), End> {
        reply::fault(&mut self.outbox, &Fault::new(FaultKind::InvalidOption, message))?;
        self.flush().await?;
        Err(end)
    }

    async fn serve(&mut self, call: Call) -> Result<(), End> {
        let Call { method, asked, wants } = call;
        let out = &mut self.outbox;
        let outcome = match asked {
            Ok(Asked::Engine(request)) => match self.ask(request, wants).await? {
                Ok(_) if wants == Wants::Nothing => "ok",
                Ok(response) if wants == Wants::Stream => {
                    self.record(method, "ok");
                    return self.stream(response).await;
                }
                Ok(response) if pieces::is_long(&response) => {
                    return self.at_length(method, response).await;
                }
                Ok(response) => {
                    reply::answer(&mut self.outbox, &response, After::End)?;
                    "ok"
                }
                Err(fault) => {
                    reply::fault(&mut self.outbox, &fault)?;
                    fault.kind.name()
                }
            },
            Ok(Asked::Monitor) if wants == Wants::Stream => return self.monitor(method).await,
            Ok(Asked::Monitor) => refuse(out, &Refusal::ExpectedMore {})?,
            Ok(Asked::Info) => {
                reply::answer(out, &service::INFO, After::End)?;
                "ok"
            }
            Ok(Asked::Description { interface }) => match service::description(&interface) {
                Some(description) => {
                    reply::answer(out, &description, After::End)?;
                    "ok"
                }
                None => refuse(out, &Refusal::InterfaceNotFound { interface })?,
            },
            Err(refusal) => refuse(out, &refusal)?,
        };
        self.record(method, outcome);
        if wants == Wants::Nothing {
            self.outbox.wipe();
            return Ok(());
        }
        self.flush().await
    }

    /// Answers in pieces, each of which is made when the one before has been taken. Of all sessions one makes a
    /// piece at a time, and then everybody else has a turn: so whoever wants a token waits for one piece, however
    /// many read lists.
    async fn stream(&mut self, response: Response) -> Result<(), End> {
        let mut pieces = pieces::pieces(response).peekable();
        let places = Arc::clone(&self.places);
        while let Some(piece) = pieces.next() {
            let after = if pieces.peek().is_some() { After::More } else { After::End };
            let turn = places.pieces.acquire().await;
            reply::answer(&mut self.outbox, &piece, after)?;
            yield_now().await;
            drop(turn);
            self.flush().await?;
        }
        Ok(())
    }

    /// Answers with one long reply, of which there are not many in memory at the same time.
    async fn at_length(&mut self, method: &'static str, response: Response) -> Result<(), End> {
        let places = Arc::clone(&self.places);
        let turn = tokio::select! {
            biased;
            turn = places.long_replies.acquire() => turn,
            () = hung_up(&mut self.stream, &mut self.inbox) => return Err(End::HungUp),
        };
        let outbox = std::mem::take(&mut self.outbox);
        let (outbox, written) = pieces::whole(outbox, response).await?;
        self.outbox = outbox;
        let outcome = match written {
            Ok(()) => "ok",
            Err(fault) => {
                reply::fault(&mut self.outbox, &fault)?;
                fault.kind.name()
            }
        };
        self.record(method, outcome);
        let flushed = self.flush().await;
        drop(turn);
        flushed
    }

    fn record(&self, method: &'static str, outcome: &'static str) {
        debug!(pid = self.caller.pid, method, outcome, "call");
    }

    /// Asks the engine. If the client hangs up before it has its answer, the question is withdrawn.
    async fn ask(
        &mut self,
        request: Request,
        wants: Wants,
    ) -> Result<Result<Response, Fault>, End> {
        let Self { stream, caller, handle, stop, limits, inbox, .. } = self;
        let cut_off = async {
            stop.as_mut().await;
            sleep(limits.drain).await;
        };
        tokio::select! {
            biased;
            // first: an answer that is there is delivered, whatever else happened
            answer = handle.ask(caller.clone(), request) => Ok(answer),
            // whoever wants no answer may leave at once and still have it done
            () = hung_up(stream, inbox), if wants != Wants::Nothing => Err(End::HungUp),
            // last: it is the most patient
            () = cut_off => Ok(Err(stopping())),
        }
    }

    /// Streams the accounts as they are and then what happens, until the client hangs up or the
    /// daemon stops.
    async fn monitor(&mut self, method: &'static str) -> Result<(), End> {
        let places = Arc::clone(&self.places);
        let Ok(_place) = places.monitors.try_acquire() else {
            self.record(method, FaultKind::RateLimited.name());
            reply::fault(&mut self.outbox, &crowded("monitors"))?;
            return self.flush().await;
        };
        // before the snapshot, so that nothing falls between the two
        let mut watch = match self.handle.watch_for(&self.caller) {
            Ok(watch) => watch,
            Err(fault) => {
                self.record(method, fault.kind.name());
                reply::fault(&mut self.outbox, &fault)?;
                return self.flush().await;
            }
        };
        self.record(method, "ok");
        match self.ask(Request::ListAccounts(Listing::default()), Wants::Stream).await? {
            Ok(Response::Accounts(accounts)) => {
                for (number, account) in accounts.iter().enumerate() {
                    self.tell(&Event::Account { account: Box::new(account), new_token: false })
                        .await?;
                    if number % STRIDE == STRIDE - 1 {
                        yield_now().await;
                    }
                }
            }
            Ok(_) => return Err(End::Stopping),
            Err(fault) => {
                reply::fault(&mut self.outbox, &fault)?;
                return self.flush().await;
            }
        }
        loop {
            let event = tokio::select! {
                biased;
                // first, or a busy stream would go on to nobody
                () = hung_up(&mut self.stream, &mut self.inbox) => return Err(End::HungUp),
                () = self.stop.as_mut() => None,
                event = watch.next() => event,
            };
            let Some(event) = event else {
                reply::fault(&mut self.outbox, &stopping())?;
                self.flush().await?;
                return Err(End::Stopping);
            };
            self.tell(&event).await?;
        }
    }

    async fn tell(&mut self, event: &Event) -> Result<(), End> {
        reply::answer(&mut self.outbox, event, After::More)?;
        self.flush().await
    }

    /// The place of the next frame in the inbox.
    async fn next_frame(&mut self) -> Result<Range<usize>, End> {
        let Self { stream, seat, stop, limits, inbox, .. } = self;
        // several may have come in one read
        if let Some(frame) = inbox.frame()? {
            return Ok(frame);
        }
        let receive = async {
            if inbox.is_empty() {
                timeout(limits.idle, fill(stream, inbox)).await.map_err(|_| End::Silent)??;
            }
            let finish = async {
                loop {
                    if let Some(frame) = inbox.frame()? {
                        return Ok(frame);
                    }
                    fill(stream, inbox).await?;
                }
            };
            timeout(limits.frame, finish).await.map_err(|_| End::HalfSent)?
        };
        tokio::select! {
            biased;
            // first: a request that has arrived is served, even if the session is to end
            frame = receive => frame,
            () = seat.dismissed() => Err(End::Dismissed),
            () = stop.as_mut() => Err(End::Stopping),
        }
    }

    /// Writes what is in the outbox, and wipes it.
    async fn flush(&mut self) -> Result<(), End> {
        let Self { stream, seat, outbox, limits, .. } = self;
        let mut rest = outbox.bytes();
        // at once, as a rule: only a client that does not read needs a timer
        write_some(stream, &mut rest)?;
        if !rest.is_empty() {
            let finish = async {
                while !rest.is_empty() {
                    stream.writable().await?;
                    write_some(stream, &mut rest)?;
                }
                Ok::<(), io::Error>(())
            };
            // whoever does not read keeps nobody else out
            seat.rest();
            tokio::select! {
                biased;
                written = timeout(limits.write, finish) => written.map_err(|_| End::Unread)??,
                () = seat.dismissed() => return Err(End::Dismissed),
            }
            seat.work();
        }
        outbox.wipe();
        Ok(())
    }
}

fn refuse(out: &mut Outbox, refusal: &Refusal) -> Result<&'static str, End> {
    reply::refusal(out, refusal)?;
    Ok(refusal.name())
}

fn stopping() -> Fault {
    Fault::new(FaultKind::ShuttingDown, "the daemon is stopping")
}

/// Reads what is there, at least a byte. Nothing is lost when it is dropped.
async fn fill(stream: &mut UnixStream, inbox: &mut Inbox) -> Result<(), End> {
    match stream.read_buf(inbox.room()).await? {
        0 => Err(End::HungUp),
        _ => Ok(()),
    }
}

fn write_some(stream: &UnixStream, rest: &mut &[u8]) -> io::Result<()> {
    match stream.try_write(rest) {
        Ok(count) => *rest = &rest[count..],
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Returns when nobody can read an answer any more. A client that only ended its own side, as
/// `nc -N` does, still can. What it sends meanwhile is kept for later.
async fn hung_up(stream: &mut UnixStream, inbox: &mut Inbox) {
    loop {
        if inbox.is_full() {
            return pending().await;
        }
        match stream.read_buf(inbox.room()).await {
            Ok(0) => break,
            Ok(_) => {}
            Err(_) => return,
        }
    }
    // The client's side is closed. EPOLLHUP says that both are, EPOLLRDHUP only that one is
    // (epoll_ctl(2)); the event may not have been seen yet, so the readiness known is given up first.
    let unknown = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
    let _ = stream.try_io(Interest::READABLE, unknown);
    let _ = stream.ready(Interest::READABLE).await;
    match stream.ready(Interest::WRITABLE).await {
        Ok(ready) if !ready.is_write_closed() => pending().await,
        _ => {}
    }
}
