//! Interactive sign-ins: open until the user comes back, then redeeming, then gone.
//!
//! Where the user agrees on another device, nobody comes back: the provider is asked again and again
//! whether it has happened ([RFC 8628, 3.5](https://www.rfc-editor.org/rfc/rfc8628#section-3.5)). Each time is a flight
//! like the one that redeems a code.

use std::time::Duration;

use super::words::{Effect, Rules, SignInEnd, SignInSeed};
use crate::model::{
    AccountId, AccountName, AccountSeed, Boot, ClientKey, Failure, FailureClass, Now, RequestId,
    Values,
};

/// What `slow_down` adds to the interval, for good.
const SLOWER: Duration = Duration::from_secs(5);

/// The longest pause between two questions.
const INTERVAL_MAX: Duration = Duration::from_mins(2);

/// The sign-ins under way. There is one for each account at most, and the engine opens a handful at a time.
#[derive(Default)]
pub(super) struct SignIns(Vec<SignIn>);

/// A sign-in under way.
struct SignIn {
    request: RequestId,
    seed: AccountSeed,
    rules: Rules,
    deadline: Boot,
    stage: Stage,
}

/// How far a sign-in has come.
enum Stage {
    /// The user is at the provider, and comes back with a code.
    AwaitsCode,
    /// The code is being redeemed. A code can be redeemed once, so that cannot be cancelled.
    Redeeming,
    /// The user is at the provider, with another device.
    AwaitsPoll {
        interval: Duration,
        /// When the provider is asked next whether the user has agreed.
        next: Boot,
    },
    /// The provider is being asked. The sign-in can be cancelled, and ends when the answer is there.
    Polling {
        interval: Duration,
        /// Why it ends then, unless the answer brings a login.
        ends: Option<SignInEnd>,
    },
}

impl SignIn {
    fn is_open(&self) -> bool {
        matches!(self.stage, Stage::AwaitsCode | Stage::AwaitsPoll { .. })
    }

    /// When something is to be done about it: it ends by itself while it waits for the user, or the
    /// provider is to be asked, unless the machine is at rest.
    fn wakes(&self, rests: bool) -> Option<Boot> {
        match self.stage {
            Stage::AwaitsPoll { next, .. } if !rests => Some(next.min(self.deadline)),
            Stage::AwaitsCode | Stage::AwaitsPoll { .. } => Some(self.deadline),
            Stage::Redeeming | Stage::Polling { .. } => None,
        }
    }

    /// Ends it for a reason, or has it end when the answer is there. Says whether it is over.
    fn end(&mut self, why: &SignInEnd) -> bool {
        if let Stage::Polling { ends, .. } = &mut self.stage {
            *ends = Some(why.clone());
        }
        self.is_open()
    }
}

/// How the provider is asked again after an answer that brought no login: at that interval, or not at all. What became of
/// the question may be unknown: then the code may be used, and a provider that sees it again ends the login that it
/// brought with all that it takes for one with it (RFC 6749, 4.1.2). So nothing is asked where other logins are
/// `at_stake`, at the cost of a sign-in that has to be started again.
fn next_interval(interval: Duration, failure: &Failure, at_stake: bool) -> Option<Duration> {
    let longer = match (failure.code.as_deref(), failure.class) {
        (Some("authorization_pending"), _) => Duration::ZERO,
        (Some("slow_down"), _) => SLOWER,
        // the user said no: where refresh tokens are at stake, this code is not believed
        (Some("access_denied"), _) => return None,
        (_, FailureClass::Ambiguous) if at_stake => return None,
        // RFC 8628, 3.5: on a timeout, twice as long
        (
            _,
            FailureClass::NotSent
            | FailureClass::Ambiguous
            | FailureClass::Transient
            | FailureClass::Captive,
        ) => interval,
        _ => return None,
    };
    let asked = failure.retry_after.unwrap_or_default();
    Some((interval + longer).max(asked).min(INTERVAL_MAX))
}

impl SignIns {
    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&RequestId, &AccountSeed)> {
        self.0.iter().map(|sign_in| (&sign_in.request, &sign_in.seed))
    }

    /// Whether one would make an account of that name.
    pub(super) fn for_name(&self, name: &AccountName) -> bool {
        self.0.iter().any(|sign_in| sign_in.seed.name == *name)
    }

    /// The one for an account.
    pub(super) fn for_account(&self, account: &AccountId) -> Option<&RequestId> {
        let mut all = self.0.iter();
        all.find(|sign_in| sign_in.seed.id == *account).map(|sign_in| &sign_in.request)
    }

    /// Whether the code of one for that name is being redeemed.
    pub(super) fn is_redeeming(&self, name: &AccountName) -> bool {
        let redeeming = |sign_in: &SignIn| {
            sign_in.seed.name == *name && matches!(sign_in.stage, Stage::Redeeming)
        };
        self.0.iter().any(redeeming)
    }

    /// The client of one.
    pub(super) fn client_of(&self, request: &RequestId) -> Option<&ClientKey> {
        let mut all = self.0.iter();
        all.find(|sign_in| sign_in.request == *request).map(|sign_in| &sign_in.seed.client)
    }

    /// One begins.
    pub(super) fn open(&mut self, start: SignInSeed, now: Now) {
        let SignInSeed { request, seed, rules, deadline, poll } = start;
        let stage = match poll {
            None => Stage::AwaitsCode,
            Some(interval) => Stage::AwaitsPoll { interval, next: now.boot + interval },
        };
        self.0.push(SignIn { request, seed, rules, deadline, stage });
    }

    /// The code of one is redeemed, or the provider is asked: gives what that is for.
    pub(super) fn redeem(
        &mut self,
        request: &RequestId,
        values: &Values,
    ) -> Option<(AccountSeed, Rules)> {
        let open = |sign_in: &&mut SignIn| sign_in.request == *request && sign_in.is_open();
        let sign_in = self.0.iter_mut().find(open)?;
        sign_in.stage = match sign_in.stage {
            Stage::AwaitsPoll { interval, .. } => Stage::Polling { interval, ends: None },
            Stage::AwaitsCode | Stage::Redeeming | Stage::Polling { .. } => Stage::Redeeming,
        };
        sign_in.seed.values = sign_in.seed.values.with(values);
        Some((sign_in.seed.clone(), sign_in.rules.clone()))
    }

    /// The exchange of one is under way, from an earlier run: it must not be asked again before its answer is read.
    pub(super) fn is_asked_already(&mut self, request: &RequestId) {
        self.redeem(request, &Values::default());
    }

    /// An exchange brought nothing. If the user has not agreed yet, or the provider could not say, it
    /// is asked again later; everything else ends the sign-in. Gives why, if it does.
    pub(super) fn not_exchanged(
        &mut self,
        request: &RequestId,
        failure: Failure,
        draining: bool,
        at_stake: bool,
        now: Now,
    ) -> Option<SignInEnd> {
        let sign_in = self.0.iter_mut().find(|sign_in| sign_in.request == *request);
        let Some(SignIn { stage, .. }) = sign_in else { return Some(SignInEnd::Failed(failure)) };
        let Stage::Polling { interval, ends } = stage else {
            return Some(SignInEnd::Failed(failure));
        };
        if let Some(why) = ends.take().or(draining.then_some(SignInEnd::Stopping)) {
            return Some(why);
        }
        match next_interval(*interval, &failure, at_stake) {
            Some(interval) => {
                *stage = Stage::AwaitsPoll { interval, next: now.boot + interval };
                None
            }
            None => Some(SignInEnd::Failed(failure)),
        }
    }

    /// Those whose providers are to be asked by now.
    pub(super) fn due(&self, now: Now) -> Vec<RequestId> {
        let is_due = |sign_in: &&SignIn| matches!(sign_in.stage, Stage::AwaitsPoll { next, .. } if next <= now.boot);
        self.0.iter().filter(is_due).map(|sign_in| sign_in.request.clone()).collect()
    }

    /// When one of them needs attention.
    pub(super) fn next_deadline(&self, rests: bool) -> Option<Boot> {
        self.0.iter().filter_map(|sign_in| sign_in.wakes(rests)).min()
    }

    /// Takes one off the list: it ended like that.
    pub(super) fn finish(
        &mut self,
        request: &RequestId,
        result: Result<AccountId, SignInEnd>,
        out: &mut Vec<Effect>,
    ) {
        self.0.retain(|sign_in| sign_in.request != *request);
        out.push(Effect::SignInEnded { request: request.clone(), result });
    }

    /// One ends without a code, unless that is being redeemed.
    pub(super) fn end(&mut self, request: &RequestId, why: &SignInEnd, out: &mut Vec<Effect>) {
        self.end_those(|sign_in| sign_in.request == *request, why, out);
    }

    /// Another one begins, for the same account or name: starting again is how people recover from a browser window
    /// that they closed.
    pub(super) fn make_way(&mut self, seed: &AccountSeed, out: &mut Vec<Effect>) {
        let same = |sign_in: &SignIn| sign_in.seed.id == seed.id || sign_in.seed.name == seed.name;
        self.end_those(same, &SignInEnd::Cancelled, out);
    }

    /// The account is logged out.
    pub(super) fn cancel(&mut self, account: &AccountId, out: &mut Vec<Effect>) {
        self.end_those(|sign_in| sign_in.seed.id == *account, &SignInEnd::Cancelled, out);
    }

    /// Ends those whose time is over.
    pub(super) fn expire(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.end_those(|sign_in| sign_in.deadline <= now.boot, &SignInEnd::Expired, out);
    }

    /// The daemon stops.
    pub(super) fn end_all(&mut self, out: &mut Vec<Effect>) {
        self.end_those(|_| true, &SignInEnd::Stopping, out);
    }

    fn end_those(
        &mut self,
        which: impl Fn(&SignIn) -> bool,
        why: &SignInEnd,
        out: &mut Vec<Effect>,
    ) {
        self.0.retain_mut(|sign_in| {
            let is_over = which(sign_in) && sign_in.end(why);
            if is_over {
                let request = sign_in.request.clone();
                out.push(Effect::SignInEnded { request, result: Err(why.clone()) });
            }
            !is_over
        });
    }
}
