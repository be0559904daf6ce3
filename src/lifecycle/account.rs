//! One account as the lifecycle sees it: what it has, what it is doing, who waits for it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::login::{Access, Login};
use super::schedule::{self, RateLimit};
use super::state::{Airborne, State, Work};
use super::token::Cached;
use super::words::{Ask, Refusal, Rules, TokenEndpoint};
use crate::model::{AccountSeed, Boot, BootId, FlightId, Issued, Mode, Now, Scopes};

/// An account.
pub(super) struct Account {
    pub(super) seed: AccountSeed,
    /// `None` while the provider's definition is missing: nothing can be sent then.
    pub(super) rules: Option<Rules>,
    pub(super) state: State,
    pub(super) login: Login,
    /// Other logins on their way in.
    pub(super) incoming: Incoming,
    pub(super) mode: Mode,
    /// Whether the user wants it used.
    pub(super) enabled: bool,
    /// When somebody last asked for a token.
    pub(super) asked: Option<Boot>,
    /// When the last refresh was started.
    pub(super) last_start: Option<Boot>,
    /// What keeps refreshes that nobody's schedule asks for within bounds.
    pub(super) forced: RateLimit,
    /// The questions that wait for a token.
    pub(super) waiters: Vec<Ask>,
    /// What watchers have not been told yet.
    pub(super) news: News,
}

/// Logins that sign-ins are about to bring, by their flights. There is hardly ever more than one: a sign-in on another
/// device whose question is under way when its user starts again.
#[derive(Debug, Default)]
pub(super) struct Incoming(Vec<(FlightId, Arrival)>);

/// How far a login has come that is on its way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    /// The provider is asked for it.
    Asked,
    /// It is on its way to the disk: the one in force is as good as over.
    Saving,
}

impl Incoming {
    /// The provider is asked for one.
    pub(super) fn ask(&mut self, flight: FlightId) {
        self.0.push((flight, Arrival::Asked));
    }

    /// One is on its way to the disk.
    pub(super) fn save(&mut self, flight: FlightId) {
        self.end(flight);
        self.0.push((flight, Arrival::Saving));
    }

    /// One is in force, or does not come.
    pub(super) fn end(&mut self, flight: FlightId) {
        self.0.retain(|(known, _)| *known != flight);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn is_saving(&self) -> bool {
        self.0.iter().any(|(_, arrival)| *arrival == Arrival::Saving)
    }
}

/// What watchers have not been told yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum News {
    Nothing,
    Changed,
    NewToken,
}

impl Account {
    /// An account that nothing is known of but its name.
    pub(super) fn new(seed: AccountSeed, rules: Option<Rules>) -> Self {
        Self {
            seed,
            rules,
            state: State::Good(Work::Idle),
            login: Login::default(),
            incoming: Incoming::default(),
            mode: Mode::default(),
            enabled: true,
            asked: None,
            last_start: None,
            forced: RateLimit::default(),
            waiters: Vec::new(),
            news: News::Nothing,
        }
    }

    /// Where its refreshes go, if that is known.
    pub(super) fn endpoint(&self) -> Option<&TokenEndpoint> {
        Some(&self.rules.as_ref()?.endpoint)
    }

    /// Whether a flight of its own is in the air, or what it brought is on its way to the disk.
    pub(super) fn is_busy(&self) -> bool {
        match self.state.airborne() {
            // what nobody can read is not under way
            Some(Airborne::Unread(_)) => self.rules.is_some(),
            Some(Airborne::Flying(_) | Airborne::Saving(_)) => true,
            None => false,
        }
    }

    /// Whether a login is on its way to the disk that takes the place of the one in force.
    pub(super) fn is_superseded(&self) -> bool {
        self.incoming.is_saving()
    }

    /// What stands in the way of any refresh.
    pub(super) fn obstacle(&self) -> Option<Refusal> {
        match &self.state {
            State::NeedsLogin { why } => {
                return Some(Refusal::LoginRequired { why: why.clone() });
            }
            State::Held { why, .. } => return Some(Refusal::Held { why: why.clone() }),
            State::Good(_) | State::Leaving { .. } | State::Erasing { .. } => {}
        }
        if self.rules.is_none() {
            return Some(Refusal::Held { why: self.undefined() });
        }
        if !self.login.is_renewable() {
            return Some(Refusal::LoginRequired { why: NOT_RENEWABLE.into() });
        }
        None
    }

    /// What to say when the provider's definition is missing.
    pub(super) fn undefined(&self) -> String {
        format!("no definition of provider {} is at hand", self.seed.client.provider)
    }

    /// Why nothing better can be had at the moment.
    pub(super) fn unavailable(&self) -> Refusal {
        if self.is_superseded() {
            return Refusal::NotSaved { why: LOGIN_UNSAVED.to_owned() };
        }
        let work = self.state.work();
        let retry_at = match work {
            Work::Waiting(until) => Some(until),
            Work::Idle | Work::Queued(_) | Work::Airborne(_) => None,
        };
        match (&self.login.failure, retry_at) {
            (Some(failure), _) if matches!(work, Work::Airborne(Airborne::Saving(_))) => {
                Refusal::NotSaved { why: failure.detail.clone() }
            }
            (Some(failure), _) => Refusal::Unavailable { failure: failure.clone(), retry_at },
            (None, Some(_)) => Refusal::TooSoon { retry_at },
            (None, None) => Refusal::TimedOut,
        }
    }

    /// A token as it is kept at hand; `None` as long as the wall clock cannot tell how old it is.
    pub(super) fn cache(&self, boot_id: &BootId, issued: &Arc<Issued>, now: Now) -> Option<Cached> {
        let sent = issued.sent.on_boot_clock(boot_id, now)?;
        let default = self.rules.as_ref().and_then(|rules| rules.default_lifetime);
        let stated = issued.lifetime.or(default);
        let due = self.rules.as_ref().map_or(sent, |rules| {
            let lifetime = schedule::scheduling_lifetime(stated, rules);
            schedule::due(sent, lifetime, rules, &self.seed.id, &issued.sent)
        });
        Some(Cached {
            fingerprint: OnceLock::new(),
            expires: stated.map(|span| sent + span),
            due,
            sent,
            issued: Arc::clone(issued),
        })
    }

    /// Makes a token the one at hand; none is, as long as the wall clock cannot tell how old it is.
    pub(super) fn take_token(&mut self, boot_id: &BootId, issued: Arc<Issued>, now: Now) {
        self.login.access = match self.cache(boot_id, &issued, now) {
            Some(token) => Access::Dated(token),
            None => Access::Undated(issued),
        };
    }

    /// Finds the place of its refresh token's life on today's boot clock.
    pub(super) fn place_term(&mut self, boot_id: &BootId, now: Now) {
        if let Some(term) = &mut self.login.refresh {
            term.place(boot_id, now);
        }
    }

    /// The life of its access tokens, as far as the schedule is concerned.
    pub(super) fn lifetime(&self) -> Option<Duration> {
        let stated = self.login.token().and_then(Cached::lifetime);
        self.rules.as_ref().map(|rules| schedule::scheduling_lifetime(stated, rules))
    }

    /// How long its token lives from now; one of unknown life does not run out.
    pub(super) fn left(&self, now: Boot) -> Duration {
        match self.login.token() {
            Some(token) => token.expires.map_or(Duration::MAX, |expires| expires.since(now)),
            None => Duration::ZERO,
        }
    }

    /// What its tokens are good for, as far as the provider says.
    pub(super) fn granted_scopes(&self) -> &Scopes {
        self.login.token().map_or(&self.seed.scopes, |token| &token.issued.scopes)
    }

    /// The scopes that it is not granted.
    pub(super) fn missing_scopes(&self, wanted: &Scopes) -> Option<Scopes> {
        let granted = self.granted_scopes();
        // a provider that names no scopes at all cannot be held to them
        if wanted.is_empty() || granted.is_empty() {
            return None;
        }
        let folds = self.rules.as_ref().is_some_and(|rules| rules.case_insensitive);
        let has = |scope: &str| {
            granted.iter().any(|granted| {
                let granted = granted.as_str();
                granted == scope || (folds && granted.eq_ignore_ascii_case(scope))
            })
        };
        let missing: Scopes = wanted.iter().filter(|scope| !has(scope.as_str())).cloned().collect();
        (!missing.is_empty()).then_some(missing)
    }
}

const LOGIN_UNSAVED: &str = "a new login is there, but it cannot be written down";

/// Why an account without a refresh token ends.
pub(super) const NOT_RENEWABLE: &str =
    "the provider gave no refresh token, so the login ends with its access token";
