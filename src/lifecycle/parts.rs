//! Tokens for a part of a login: who gets one, and what becomes of a flight that was to bring one.

use std::sync::Arc;
use std::time::Duration;

use super::account::{Account, News};
use super::flight::{Refresh, What};
use super::login::Fate;
use super::machine::Lifecycle;
use super::policy::Matter;
use super::schedule;
use super::state::Work;
use super::token::Cached;
use super::words::{Ask, Effect, Refusal};
use crate::model::{
    AccessToken, Boot, Failure, FlightId, Identity, Issued, Now, Portion, Scopes, Target,
};

/// The life that a token must have left to be exchanged.
const SUBJECT_LIFE: Duration = Duration::from_secs(30);

const TOO_MUCH: &str = "it was asked for less, and gave a token that is good for more";

impl Account {
    /// The token at hand that could be an answer.
    pub(super) fn token_for(&self, ask: &Ask) -> Option<&Cached> {
        match &ask.portion {
            None => self.login.token(),
            Some(portion) => self.login.portions.token(portion),
        }
    }

    /// The part of the login that a question is about, if not all of it. A token for one API is not given to
    /// who asks for it for another's sake: of a login for several, each is its own part.
    pub(super) fn part_of(&self, ask: &Ask) -> Option<Arc<Portion>> {
        let wanted = &ask.target.resources;
        // of what [`Target::of_one`] gives, and without a copy: every question comes by here
        let is_own = || wanted.iter().eq(self.seed.target.resources.iter().take(1));
        match &ask.portion {
            Some(portion) if !self.is_whole(portion) => Some(Arc::clone(portion)),
            _ if !wanted.is_empty() && !is_own() => Some(Arc::new(Portion {
                scopes: Scopes::default(),
                target: self.aimed(&ask.target),
            })),
            _ => None,
        }
    }

    /// The part that has the scopes of a question and no others, if it names some and not all.
    pub(super) fn narrowest(&self, ask: &Ask) -> Option<Arc<Portion>> {
        let portion = Portion { scopes: ask.scopes.clone(), target: self.aimed(&ask.target) };
        let narrows = !portion.scopes.is_empty() && !self.is_whole(&portion);
        narrows.then(|| Arc::new(portion))
    }

    /// What the rules have to say something about: a token for all of the login, or for a part.
    pub(super) fn matter<'a>(
        &'a self,
        who: &'a Identity,
        portion: Option<&'a Portion>,
    ) -> Matter<'a> {
        let scopes = portion.map(|portion| &portion.scopes).filter(|scopes| !scopes.is_empty());
        let scopes = scopes.unwrap_or(self.granted_scopes());
        Matter { account: &self.seed.id, who, scopes }
    }

    /// What a token is asked for: an audience stays what it is.
    fn aimed(&self, wanted: &Target) -> Target {
        let target = &self.seed.target.of_one();
        let resources = if wanted.resources.is_empty() { target } else { wanted };
        Target { resources: resources.resources.clone(), audience: target.audience.clone() }
    }

    fn is_whole(&self, portion: &Portion) -> bool {
        let granted = self.granted_scopes();
        let all_scopes =
            portion.scopes.is_empty() || (!granted.is_empty() && portion.scopes.covers(granted));
        let all_targets = portion.target.is_empty() || portion.target == self.seed.target.of_one();
        all_scopes && all_targets
    }

    /// Why no token of a part can be had, if so. Makes room for it.
    pub(super) fn part_refused(&mut self, portion: &Arc<Portion>, now: Boot) -> Option<Refusal> {
        if self.rules.as_ref().is_some_and(|rules| !rules.narrows) {
            let why = "the provider gives no token for a part of a login".to_owned();
            return Some(Refusal::NotNarrowed { why });
        }
        if let Some(why) = self.login.portions.refused(portion, now) {
            return Some(Refusal::NotNarrowed { why: why.to_owned() });
        }
        (!self.login.portions.admit(portion, now)).then_some(Refusal::TooMany)
    }

    /// What the next flight is for: the login's own token if that is due, else what is waited for longest.
    pub(super) fn next_part(&self, now: Boot) -> Option<Arc<Portion>> {
        if self.due().is_some_and(|due| due <= now) {
            return None;
        }
        self.waiters.first()?.portion.clone()
    }

    /// What a token is good for whose answer does not say: what was asked for (RFC 6749, 5.1 and 6).
    pub(super) fn scopes_of(&self, portion: Option<&Portion>) -> Option<Scopes> {
        let named = portion.map(|portion| portion.scopes.clone());
        let whole = || self.login.issued().map(|issued| issued.scopes.clone());
        named.filter(|scopes| !scopes.is_empty()).or_else(whole)
    }

    /// When the last flight with that part began, and until when the rate limit keeps the next one.
    pub(super) fn part_began(&self, portion: &Portion, now: Boot) -> (Option<Boot>, Option<Boot>) {
        let Some(part) = self.login.portions.find(portion) else { return (None, None) };
        let forced = part.token.as_ref().is_some_and(|token| token.due > now);
        let limited = part.forced.conforms_at().filter(|at| forced && *at > now);
        (part.last_start, limited)
    }

    /// A flight for a part begins.
    pub(super) fn part_begins(&mut self, portion: &Portion, now: Boot) {
        let Some(part) = self.login.portions.find_mut(portion) else { return };
        part.last_start = Some(now);
        if let Some(rules) = &self.rules {
            let stated = part.token.as_ref().and_then(Cached::lifetime);
            part.forced.count(schedule::scheduling_lifetime(stated, rules), now);
        }
    }

    /// The token that the next one for a part is asked for with, where it is exchanged.
    pub(super) fn subject(&self, now: Boot) -> Option<Arc<AccessToken>> {
        let token = self.login.token()?;
        let exchanges = self.rules.as_ref().is_some_and(|rules| rules.exchanges);
        let lives = token.expires.is_none_or(|expires| expires.since(now) > SUBJECT_LIFE);
        let may_be = exchanges && !self.login.portions.exchange_refused && lives;
        if may_be { token.issued.access.open().cloned() } else { None }
    }

    /// Whether a question for a part meets the rate limit, for the first time in this storm.
    pub(super) fn storms_for(&mut self, portion: &Portion, now: Boot) -> bool {
        let kept = self.part_began(portion, now).1.is_some();
        kept && self.login.portions.find_mut(portion).is_some_and(|part| part.forced.tell())
    }
}

impl Lifecycle {
    /// The provider gives no token for that part. The login is as good as before: a refresh token is not
    /// spent by a request that was refused for what it asked for (RFC 6749, 5.2).
    pub(super) fn part_not_given(
        &mut self,
        flight: FlightId,
        refresh: &Refresh,
        portion: &Portion,
        failure: &Failure,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        self.flights.remove(&flight);
        let slot = refresh.slot;
        let Some(account) = self.accounts.get_mut(slot) else { return };
        account.state.work_on(Work::Idle);
        // the provider has spoken
        account.login.fate = Fate::Known;
        let account = account.seed.id.clone();
        out.push(Effect::Abandon { flight, account, standing: None });
        self.refuse_or_refresh(slot, &refresh.what, portion, &failure.to_string(), now, out);
        self.leave_if_free(slot, out);
        self.rearm(slot);
    }

    /// The grant that came with a token for a part is durable: whoever waits for that may have it, if it
    /// is what was asked for.
    pub(super) fn bring_part_into_force(
        &mut self,
        slot: usize,
        what: &What,
        portion: &Portion,
        issued: &Arc<Issued>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        self.accounts.touch(slot, News::Changed);
        if portion.is_exceeded_by(&issued.scopes) {
            self.refuse_or_refresh(slot, what, portion, TOO_MUCH, now, out);
            return;
        }
        let Some(account) = self.accounts.get_mut(slot) else { return };
        let token = account.cache(&self.boot_id, issued, now);
        account.login.portions.put(portion, token);
        self.answer_waiters(slot, Some(portion), now, out);
    }

    /// What did not come by an exchange may come by a refresh (RFC 6749, 6); what did not come by that does
    /// not come.
    fn refuse_or_refresh(
        &mut self,
        slot: usize,
        what: &What,
        portion: &Portion,
        why: &str,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        match (what, self.accounts.get_mut(slot)) {
            (What::Exchanged(_), Some(account)) => {
                account.login.portions.refuse_exchange(portion);
                self.go_on(slot, now);
            }
            _ => self.refuse_part(slot, portion, why, now, out),
        }
    }

    /// Those who wait for a token of a part that cannot be had are told; the others go on.
    pub(super) fn refuse_part(
        &mut self,
        slot: usize,
        portion: &Portion,
        why: &str,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        if let Some(account) = self.accounts.get_mut(slot) {
            account.login.portions.refuse(portion, why, now.boot);
        }
        let refusal = Refusal::NotNarrowed { why: why.to_owned() };
        self.take_waiters(slot, out, |account, ask| {
            let concerned = ask.portion.as_deref() == Some(portion);
            concerned.then(|| account.second_best(ask, now.boot, refusal.clone()))
        });
        self.go_on(slot, now);
    }
}
