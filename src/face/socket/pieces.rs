//! Long answers: in pieces for a client that reads any number of replies, or as one that has an end.

use std::io;

use super::buffer::Outbox;
use super::reply::{self, After};
use crate::api::{Diagnosis, Fault, FaultKind, Response, Status};

/// How many accounts, uses or findings are in one reply of many: some 20 KiB, which take
/// a fraction of a millisecond.
const PIECE: usize = 64;

/// How long a single reply may be, in bytes. It takes that much memory as long as its client reads it.
const REPLY_MAX: usize = 16 * 1024 * 1024;

/// The answer as replies that together say the same, each of them short.
pub(super) fn pieces(response: Response) -> Box<dyn Iterator<Item = Response> + Send> {
    match response {
        Response::Accounts(accounts) => Box::new(accounts.pieces(PIECE).map(Response::Accounts)),
        Response::Status(Status { daemon, accounts, mut unrevoked }) => {
            Box::new(accounts.pieces(PIECE).map(move |accounts| {
                let (daemon, unrevoked) = (daemon.clone(), std::mem::take(&mut unrevoked));
                Response::Status(Status { daemon, accounts, unrevoked })
            }))
        }
        Response::Uses { uses } => Box::new(
            cut(uses.len()).map(move |(from, to)| Response::Uses { uses: uses[from..to].to_vec() }),
        ),
        Response::Diagnosis(diagnosis) => {
            Box::new(cut(diagnosis.findings.len()).map(move |(from, to)| {
                let findings = diagnosis.findings[from..to].to_vec();
                let daemon = diagnosis.daemon.clone();
                Response::Diagnosis(Diagnosis { daemon, findings }.into())
            }))
        }
        short => Box::new(std::iter::once(short)),
    }
}

/// Where the pieces of a list begin and end; the first is there even if there is nothing in it.
fn cut(length: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..length.max(1)).step_by(PIECE).map(move |from| (from, length.min(from + PIECE)))
}

/// Whether it takes so long to write an answer down that others should not have to wait for it.
pub(super) fn is_long(response: &Response) -> bool {
    match response {
        Response::Accounts(accounts) | Response::Status(Status { accounts, .. }) => {
            accounts.is_longer_than(PIECE)
        }
        Response::Uses { uses } => uses.len() > PIECE,
        Response::Diagnosis(diagnosis) => diagnosis.findings.len() > PIECE,
        _ => false,
    }
}

/// Writes a long answer down as one reply, in a thread of its own. What does not fit becomes a fault.
pub(super) async fn whole(
    mut out: Outbox,
    response: Response,
) -> io::Result<(Outbox, Result<(), Fault>)> {
    let write = move || -> io::Result<_> {
        out.limit(Some(REPLY_MAX));
        let written = reply::answer(&mut out, &response, After::End);
        out.limit(None);
        match written {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                out.wipe();
                Ok((out, Err(too_large())))
            }
            written => written.map(|()| (out, Ok(()))),
        }
    };
    tokio::task::spawn_blocking(write).await.map_err(io::Error::other)?
}

fn too_large() -> Fault {
    let message = format!("the answer has more than {} MiB", REPLY_MAX / 1024 / 1024);
    Fault::new(FaultKind::TooLarge, message)
        .hint("call the method with more, or list accounts with after and limit")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Area, DaemonInfo, Finding};

    fn daemon() -> DaemonInfo {
        DaemonInfo {
            version: "1".to_owned(),
            pid: 1,
            started_at: 0,
            now: 0,
            database: String::new(),
            protection: String::new(),
            bus: false,
            online: true,
        }
    }

    fn diagnosis(count: usize) -> Response {
        let finding = |number: usize| Finding::ok(Area::Account, number.to_string(), "well");
        Response::Diagnosis(
            Diagnosis { daemon: daemon(), findings: (0..count).map(finding).collect() }.into(),
        )
    }

    #[test]
    fn findings_come_in_pieces_in_their_order_and_none_is_lost() {
        for count in [0, 1, PIECE, PIECE + 1, 3 * PIECE] {
            let mut seen = Vec::new();
            let mut replies = 0;
            for piece in pieces(diagnosis(count)) {
                let Response::Diagnosis(piece) = piece else { panic!("another answer") };
                assert!(piece.findings.len() <= PIECE);
                seen.extend(piece.findings.iter().map(|finding| finding.subject.clone()));
                replies += 1;
            }
            assert_eq!(seen, (0..count).map(|number| number.to_string()).collect::<Vec<_>>());
            assert_eq!(replies, count.div_ceil(PIECE).max(1));
            assert_eq!(is_long(&diagnosis(count)), count > PIECE);
        }
    }

    #[tokio::test]
    async fn one_reply_has_an_end_and_the_buffer_is_as_good_as_before() {
        let (mut out, written) = whole(Outbox::default(), diagnosis(PIECE + 1)).await.unwrap();
        assert_eq!(written, Ok(()));
        assert_eq!(out.bytes().last(), Some(&0));
        out.wipe();
        let (mut out, written) = whole(out, diagnosis(REPLY_MAX / 64)).await.unwrap();
        assert_eq!(written.unwrap_err().kind, FaultKind::TooLarge);
        assert!(out.bytes().is_empty());
        reply::answer(&mut out, &diagnosis(1), After::End).unwrap();
    }
}
