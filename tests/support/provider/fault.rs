//! What can go wrong at a token endpoint, on order.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use serde_json::Value;

/// A misbehaviour of the token endpoint.
///
/// Those of the first kind happen to the next request whatever it is, and nothing is done for it.
/// Those of the second happen to the next request that succeeds: codes are spent and tokens rotated,
/// and then the answer goes wrong.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fault {
    /// Before: the connection closes.
    ResetBefore,
    /// Before: an answer of the test's choice.
    Status {
        /// Its status.
        code: u16,
        /// Its headers.
        headers: Vec<(&'static str, String)>,
        /// Its body.
        body: String,
    },
    /// Before: a proxy's 502 in HTML.
    Http502Html,
    /// Before: 429, with so many seconds to wait.
    Http429 {
        /// The value of `Retry-After`.
        retry_after: u64,
    },
    /// Before: 200 with the login page of a Wi-Fi.
    CaptiveHtml200,
    /// Before: 503 `temporarily_unavailable` in JSON.
    TemporarilyUnavailable503,
    /// Before: a redirect to another address of this server, which counts who comes
    /// ([`super::Log::trapped`]).
    Redirect307,
    /// Before: no answer until the client gives up.
    Hang,
    /// Before: an answer that begins like that and goes on byte by byte, until the test lets it go
    /// ([`super::Provider::release`]) or the client gives up.
    Drip(&'static str),
    /// Before: 400 with that error code, and the whole request repeated in its description.
    Echo(&'static str),
    /// After: the connection closes without an answer.
    LostResponse,
    /// After: the connection closes in the middle of the answer.
    Truncate,
    /// After: the answer comes late.
    Delay(Duration),
    /// After: the answer comes when the test lets it go ([`super::Provider::release`]).
    Hold,
    /// After: `expires_in` has that value.
    ExpiresIn(Value),
    /// After: a field is missing.
    DropField(&'static str),
    /// After: a field has that value.
    SetField(&'static str, Value),
    /// After: the refresh token, the new one or else the one that was sent, has blanks and line ends around it.
    PaddedRefresh,
    /// After: the answer is packed, although nobody asked for that.
    Packed(Packing),
    /// After: `token_type` is `bearer`.
    TokenTypeLower,
    /// After: 200 with an error in it, as GitHub does.
    Error200,
    /// After: 200 with `ok: false`, as Slack does.
    SlackError,
    /// After: the answer is form-encoded, as GitHub's is without `Accept`.
    FormEncoded,
    /// After: the answer starts well and does not end for 100 MiB.
    HugeBody,
    /// After: the same in chunks, of which no one is the last.
    EndlessChunks,
    /// After: 200, said to be JSON, and is not.
    Garbage,
}

/// A content coding (RFC 9110, 8.4.1) and how it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Gzip,
    XGzip,
    /// As the standard has it: zlib.
    Deflate,
    /// As some servers have it: the bare stream.
    RawDeflate,
    /// gzip, of a body that goes on and on.
    Bomb,
}

impl Fault {
    /// Whether it swallows the request.
    pub(super) fn is_before(&self) -> bool {
        matches!(
            self,
            Self::ResetBefore
                | Self::Status { .. }
                | Self::Http502Html
                | Self::Http429 { .. }
                | Self::CaptiveHtml200
                | Self::TemporarilyUnavailable503
                | Self::Redirect307
                | Self::Hang
                | Self::Drip(_)
                | Self::Echo(_)
        )
    }
}

/// The faults on order: that of a sign-in first, then those in the queue, each once, then the standing one.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// By the number of the family.
    families: HashMap<usize, Fault>,
    queue: VecDeque<Fault>,
    standing: Option<Fault>,
}

impl Orders {
    pub(super) fn push(&mut self, fault: Fault) {
        self.queue.push_back(fault);
    }

    pub(super) fn stand(&mut self, fault: Fault) {
        self.standing = Some(fault);
    }

    /// Whatever that family asks for goes wrong like that.
    pub(super) fn afflict(&mut self, family: usize, fault: Fault) {
        self.families.insert(family, fault);
    }

    /// The fault for a request of a family that has just come, if there is one for it alone.
    pub(super) fn of_family(&self, family: usize) -> Option<Fault> {
        self.families.get(&family).cloned()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The fault for a request that has just come.
    pub(super) fn before(&mut self) -> Option<Fault> {
        self.take(Fault::is_before)
    }

    /// The fault for a request that has just succeeded.
    pub(super) fn after(&mut self) -> Option<Fault> {
        self.take(|fault| !fault.is_before())
    }

    fn take(&mut self, fits: impl Fn(&Fault) -> bool) -> Option<Fault> {
        match self.queue.front() {
            Some(first) if fits(first) => self.queue.pop_front(),
            Some(_) => None,
            None => self.standing.clone().filter(fits),
        }
    }
}
