//! Tokens that are good for a part of their login. They are asked for when somebody wants one, by the same
//! flights as the login's own, kept in memory, and renewed only for those who ask again.

use std::sync::Arc;
use std::time::Duration;

use super::account::{Account, Cached, News};
use super::machine::Lifecycle;
use super::policy::Matter;
use super::schedule::{self, StormGuard};
use super::words::{Ask, Effect, Refusal};
use crate::model::{Boot, Failure, FlightId, Identity, Issued, Now, Portion, Scopes, Target};

/// How many parts of one login there are tokens of.
const PARTS_MAX: usize = 16;

/// How long a part that the provider refused is not asked for again, whoever asks: programs ask in loops, and what
/// the user has to agree to takes them some minutes.
const REFUSED_PAUSE: Duration = Duration::from_mins(10);

/// The life that a token must have left to be exchanged.
const SUBJECT_LIFE: Duration = Duration::from_secs(30);

const TOO_MUCH: &str = "it was asked for less, and gave a token that is good for more";

/// The parts of a login that somebody wanted a token of.
#[derive(Default)]
pub(super) struct Portions {
    parts: Vec<Part>,
    /// Whether the provider would not exchange the login's token for one that is good for less.
    exchange_refused: bool,
}

struct Part {
    portion: Arc<Portion>,
    token: Option<Cached>,
    last_start: Option<Boot>,
    guard: StormGuard,
    /// Why the provider does not give it, and until when it is not asked.
    refused: Option<(String, Boot)>,
}

impl Portions {
    /// The token at hand.
    pub(super) fn token(&self, portion: &Portion) -> Option<&Cached> {
        self.find(portion)?.token.as_ref()
    }

    /// Makes a token the one at hand.
    pub(super) fn put(&mut self, portion: &Portion, token: Option<Cached>) {
        if let Some(part) = self.find_mut(portion) {
            part.token = token;
            part.refused = None;
        }
    }

    /// The provider does not give it.
    fn refuse(&mut self, portion: &Portion, why: &str, now: Boot) {
        if let Some(part) = self.find_mut(portion) {
            part.refused = Some((why.to_owned(), now + REFUSED_PAUSE));
        }
    }

    fn refused(&self, portion: &Portion, now: Boot) -> Option<&str> {
        let (why, until) = self.find(portion)?.refused.as_ref()?;
        (*until > now).then_some(why)
    }

    /// From now on such tokens are asked for by a refresh; the next one for that part at once.
    fn exchange_refused(&mut self, portion: &Portion) {
        self.exchange_refused = true;
        if let Some(part) = self.find_mut(portion) {
            part.last_start = None;
        }
    }

    /// Makes room for a part, if need be that of one whose token is over; `false` if there is none.
    fn admit(&mut self, portion: &Arc<Portion>, now: Boot) -> bool {
        if self.find(portion).is_some() {
            return true;
        }
        if self.parts.len() >= PARTS_MAX {
            let over = |token: &Cached| token.expires.is_some_and(|expires| expires <= now);
            let spent = self.parts.iter().position(|part| part.token.as_ref().is_some_and(over));
            let Some(spent) = spent else { return false };
            self.parts.swap_remove(spent);
        }
        let portion = Arc::clone(portion);
        let guard = StormGuard::default();
        self.parts.push(Part { portion, token: None, last_start: None, guard, refused: None });
        true
    }

    fn find(&self, portion: &Portion) -> Option<&Part> {
        self.parts.iter().find(|part| *part.portion == *portion)
    }

    fn find_mut(&mut self, portion: &Portion) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| *part.portion == *portion)
    }
}

impl Account {
    /// The token at hand that could be an answer.
    pub(super) fn token_for(&self, ask: &Ask) -> Option<&Cached> {
        match &ask.portion {
            None => self.login.token.as_ref(),
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
        let whole = || self.issued().map(|issued| issued.scopes.clone());
        named.filter(|scopes| !scopes.is_empty()).or_else(whole)
    }

    /// When the last flight with that part began, and until when the storm guard keeps the next one.
    pub(super) fn began(&self, portion: &Portion, now: Boot) -> (Option<Boot>, Option<Boot>) {
        let Some(part) = self.login.portions.find(portion) else { return (None, None) };
        let forced = part.token.as_ref().is_some_and(|token| token.due > now);
        let opens = part.guard.opens().filter(|opens| forced && *opens > now);
        (part.last_start, opens)
    }

    /// A flight for a part begins.
    pub(super) fn begins(&mut self, portion: &Portion, now: Boot) {
        let Some(part) = self.login.portions.find_mut(portion) else { return };
        part.last_start = Some(now);
        if let Some(rules) = &self.rules {
            let stated = part.token.as_ref().and_then(Cached::lifetime);
            part.guard.count(schedule::scheduling_lifetime(stated, rules), now);
        }
    }

    /// The token that the next one for a part is asked for with, where it is exchanged.
    pub(super) fn subject(&self, now: Boot) -> Option<Arc<Issued>> {
        let token = self.login.token.as_ref()?;
        let exchanges = self.rules.as_ref().is_some_and(|rules| rules.exchanges);
        let lives = token.expires.is_none_or(|expires| expires.since(now) > SUBJECT_LIFE);
        (exchanges && !self.login.portions.exchange_refused && lives)
            .then(|| Arc::clone(&token.issued))
    }

    /// Whether a question for a part meets the storm guard, for the first time in this storm.
    pub(super) fn storms_for(&mut self, portion: &Portion, now: Boot) -> bool {
        let kept = self.began(portion, now).1.is_some();
        kept && self.login.portions.find_mut(portion).is_some_and(|part| part.guard.tell())
    }
}

impl Lifecycle {
    /// The provider gives no token for that part. The login is as good as before: a refresh token is not
    /// spent by a request that was refused for what it asked for (RFC 6749, 5.2).
    pub(super) fn not_narrowed(
        &mut self,
        flight: FlightId,
        place: usize,
        portion: &Portion,
        failure: &Failure,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let by_exchange = self.flights.remove(&flight).is_some_and(|flight| flight.is_exchange());
        let Some(account) = &mut self.accounts[place] else { return };
        account.rest_if_flying();
        // the provider has spoken
        account.login.unresolved = None;
        let account = account.seed.id.clone();
        out.push(Effect::Abandon { flight, account, standing: None });
        self.refuse_or_refresh(place, portion, &failure.to_string(), by_exchange, now, out);
        self.leave_if_free(place, out);
        self.rearm(place);
    }

    /// The grant that came with a token for a part is durable: whoever waits for that may have it, if it
    /// is what was asked for.
    pub(super) fn bring_part_into_force(
        &mut self,
        place: usize,
        portion: &Portion,
        issued: &Arc<Issued>,
        by_exchange: bool,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        self.touch(place, News::Changed);
        if portion.is_exceeded_by(&issued.scopes) {
            self.refuse_or_refresh(place, portion, TOO_MUCH, by_exchange, now, out);
            return;
        }
        let Some(account) = &mut self.accounts[place] else { return };
        let token = account.cache(&self.boot_id, issued, now);
        account.login.portions.put(portion, token);
        self.answer_waiters(place, Some(portion), now, out);
    }

    /// What did not come by an exchange may come by a refresh (RFC 6749, 6); what did not come by that does
    /// not come.
    fn refuse_or_refresh(
        &mut self,
        place: usize,
        portion: &Portion,
        why: &str,
        by_exchange: bool,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        match &mut self.accounts[place] {
            Some(account) if by_exchange => {
                account.login.portions.exchange_refused(portion);
                self.go_on(place, now);
            }
            _ => self.refuse_part(place, portion, why, now, out),
        }
    }

    /// Those who wait for a token of a part that cannot be had are told; the others go on.
    pub(super) fn refuse_part(
        &mut self,
        place: usize,
        portion: &Portion,
        why: &str,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        if let Some(account) = &mut self.accounts[place] {
            account.login.portions.refuse(portion, why, now.boot);
        }
        let refusal = Refusal::NotNarrowed { why: why.to_owned() };
        self.take_waiters(place, out, |account, ask| {
            let concerned = ask.portion.as_deref() == Some(portion);
            concerned.then(|| account.second_best(ask, now.boot, refusal.clone()))
        });
        self.go_on(place, now);
    }
}
