//! A model of authorization servers, and of what the daemon has in its hands: it knows of each refresh
//! token whether it still works, and whether the daemon could know its successor.

use std::collections::{HashMap, HashSet};

use super::robots::{self, Assertion};
use super::tokens::{account_of, number_of, parse};

/// What a server does to a refresh token that was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is dead at once, and a second use ends the grant.
    Strict,
    /// It works for [`GRACE`] more; a use after that ends the grant.
    Timed,
    /// It works until its successor is used; a use after that ends the grant.
    Confirmed,
    /// It is never replaced.
    Static,
    /// There is none: the client asks again, by its secret.
    Secret,
    /// There is none: the client asks again, by an assertion that it signs. One that comes twice ends the grant.
    Key,
}

impl Kind {
    /// Whether the client has new tokens for the asking.
    pub(super) fn renews_itself(self) -> bool {
        matches!(self, Self::Secret | Self::Key)
    }
}

/// How long a [`Kind::Timed`] server forgives a second use, in milliseconds.
pub(super) const GRACE: i64 = 30_000;

/// Where a refresh token is, as far as the daemon is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Custody {
    /// In an answer on its way.
    Away,
    /// In the memory of the daemon that runs.
    Held,
    /// On the disk, in the answer as it came.
    Recorded,
    /// On the disk, and in force.
    Durable,
    /// In an answer that never arrived, or in the memory of a daemon that crashed.
    Lost,
}

struct Refresh {
    custody: Custody,
    used: Option<i64>,
    successors: Vec<usize>,
}

/// An access token as it was given out.
pub(super) struct Access {
    pub(super) expires: i64,
    /// Which boot it was given out in.
    pub(super) boot: u32,
    pub(super) durable: bool,
    /// Whether the answer that brought it is on the disk, as it came.
    pub(super) recorded: bool,
    /// The refresh token that came with it, if one did.
    with: Option<String>,
}

/// The grant of one account.
pub(super) struct Grant {
    pub(super) kind: Kind,
    /// Why the server does not honour it any more.
    pub(super) over: Option<&'static str>,
    /// Whether the user has agreed, and whether the code for that was used.
    pub(super) agreed: bool,
    redeemed: bool,
    /// Where the client renews itself, one that stands for the login as the daemon has it.
    tokens: Vec<Refresh>,
    lifetime: i64,
    /// Whether the server may still call the sound grant dead once by mistake.
    may_err: bool,
}

/// What a server makes of a refresh token.
pub(super) enum Verdict {
    Granted {
        refresh: Option<String>,
        access: String,
        lifetime: i64,
    },
    Dead,
    /// Nobody knows the client.
    Stranger,
    /// The user has not agreed yet.
    Pending,
}

/// All servers.
#[derive(Default)]
pub(super) struct Servers {
    /// By the name of the login: the account's for the first one, and `ACCOUNT.NUMBER` for later ones.
    pub(super) grants: HashMap<String, Grant>,
    pub(super) accesses: HashMap<String, Access>,
    /// What must never happen, and did.
    pub(super) wrong: Vec<String>,
    pub(super) refreshes: u64,
    pub(super) logins: u64,
    /// The numbers of assertions that have come.
    assertions: HashSet<String>,
    /// The logins that the daemon was refused for good to save.
    refused: HashSet<String>,
    next_access: u64,
    pub(super) boot: u32,
}

impl Servers {
    /// A grant whose first tokens the daemon has on its disk.
    pub(super) fn add(&mut self, account: &'static str, kind: Kind, lifetime: i64, expires: i64) {
        let first = Refresh { custody: Custody::Durable, used: None, successors: Vec::new() };
        let tokens = vec![first];
        let grant = Grant { tokens, ..Grant::new(kind, lifetime) };
        self.grants.insert(account.to_owned(), Grant { agreed: true, redeemed: true, ..grant });
        let access = Access { expires, boot: 0, durable: true, recorded: true, with: None };
        self.accesses.insert(format!("at-{account}"), access);
    }

    /// A refresh token arrives at its server.
    pub(super) fn take(&mut self, token: &str, now: i64) -> Verdict {
        if let Some(shown) = token.strip_prefix("secret-") {
            return self.take_secret(shown, now);
        }
        if let Some(jwt) = token.strip_prefix("assertion-") {
            return self.take_assertion(jwt, now);
        }
        if let Some(login) = token.strip_prefix("code-") {
            return self.redeem(login, now);
        }
        let Some((account, number)) = parse(token) else { return Verdict::Dead };
        let Some(grant) = self.grants.get_mut(account) else { return Verdict::Dead };
        if grant.over.is_some() {
            return Verdict::Dead;
        }
        if grant.newer_at_hand(number) {
            self.wrong.push(format!("{token} was sent though its successor was at hand"));
        }
        if !grant.honours(number, now) {
            grant.over = Some("a refresh token was used twice");
            return Verdict::Dead;
        }
        grant.tokens[number].used.get_or_insert(now);
        let lifetime = grant.lifetime;
        let refresh = (grant.kind != Kind::Static).then(|| {
            let next = grant.tokens.len();
            grant.tokens[number].successors.push(next);
            let custody = Custody::Away;
            grant.tokens.push(Refresh { custody, used: None, successors: Vec::new() });
            format!("rt-{account}-{next}")
        });
        self.refreshes += 1;
        self.give(account, lifetime, refresh, now)
    }

    /// A code arrives at its server: the browser's, or a device's. One that was used ends the login that it
    /// brought, and what the account has besides, which the server takes for one with it.
    fn redeem(&mut self, login: &str, now: i64) -> Verdict {
        let Some(grant) = self.grants.get_mut(login) else { return Verdict::Dead };
        if !grant.agreed {
            return Verdict::Pending;
        }
        if grant.redeemed {
            self.end_all(account_of(login), "a code was used twice");
            return Verdict::Dead;
        }
        grant.redeemed = true;
        let custody = Custody::Away;
        grant.tokens.push(Refresh { custody, used: None, successors: Vec::new() });
        let lifetime = grant.lifetime;
        self.logins += 1;
        self.give(login, lifetime, Some(format!("rt-{login}-0")), now)
    }

    /// A client shows its secret: `CLIENT:SECRET`.
    fn take_secret(&mut self, shown: &str, now: i64) -> Verdict {
        let known = shown.split_once(':').and_then(|(id, secret)| robots::by_secret(id, secret));
        match known.and_then(|account| self.renew(account, now)) {
            Some(granted) => granted,
            // whose client was taken away is nobody
            None => Verdict::Stranger,
        }
    }

    /// A client shows what its key has signed.
    fn take_assertion(&mut self, jwt: &str, now: i64) -> Verdict {
        let Some(assertion) = Assertion::read(jwt) else { return Verdict::Dead };
        let Some(account) = assertion.account() else { return Verdict::Dead };
        if !self.assertions.insert(assertion.jti.clone()) {
            self.end_all(account, "an assertion was used twice");
            return Verdict::Dead;
        }
        self.renew(account, now).unwrap_or(Verdict::Dead)
    }

    /// A client that renews itself has asked for tokens. `None` if it is not let in.
    fn renew(&mut self, account: &str, now: i64) -> Option<Verdict> {
        let of_account = self.grants.iter().filter(|(login, _)| account_of(login) == account);
        let (login, grant) = of_account.max_by_key(|(login, _)| number_of(login))?;
        if grant.over.is_some() || !grant.kind.renews_itself() {
            return None;
        }
        let (login, lifetime) = (login.clone(), grant.lifetime);
        self.refreshes += 1;
        Some(self.give(&login, lifetime, None, now))
    }

    /// Ends all that an account has.
    fn end_all(&mut self, account: &str, why: &'static str) {
        for (_, grant) in self.grants.iter_mut().filter(|(name, _)| account_of(name) == account) {
            grant.over.get_or_insert(why);
        }
    }

    /// Its owner lets a client in that is about to sign itself in.
    pub(super) fn admit_client(&mut self, login: &str, kind: Kind, lifetime: i64) {
        self.logins += 1;
        let stands_for_it = Refresh { custody: Custody::Away, used: None, successors: Vec::new() };
        let grant = Grant { tokens: vec![stands_for_it], ..Grant::new(kind, lifetime) };
        self.grants.insert(login.to_owned(), Grant { agreed: true, redeemed: true, ..grant });
    }

    /// The user is about to sign in: tokens come of that once a code is redeemed. `agreed` where that is at once.
    pub(super) fn admit(&mut self, login: &str, kind: Kind, lifetime: i64, agreed: bool) {
        let grant = Grant { agreed, ..Grant::new(kind, lifetime) };
        self.grants.insert(login.to_owned(), grant);
    }

    /// Another program has signed in, and has its refresh token, which is given.
    pub(super) fn admit_elsewhere(&mut self, login: &str, kind: Kind, lifetime: i64) -> String {
        let first = Refresh { custody: Custody::Away, used: None, successors: Vec::new() };
        let grant = Grant { tokens: vec![first], ..Grant::new(kind, lifetime) };
        self.grants.insert(login.to_owned(), Grant { agreed: true, redeemed: true, ..grant });
        format!("rt-{login}-0")
    }

    /// The number of the last login of an account of which the daemon has a refresh token, and whether it stands.
    pub(super) fn newest(&self, account: &str, now: i64) -> Option<(u32, bool)> {
        let held = self.grants.iter().filter(|(login, grant)| {
            account_of(login) == account && grant.tokens.iter().any(Refresh::is_at_hand)
        });
        let numbered = held.map(|(login, grant)| (number_of(login), grant.stands(now)));
        numbered.max_by_key(|(number, _)| *number)
    }

    /// The daemon was refused for good to save what an access token came with.
    pub(super) fn refuse(&mut self, token: &str) {
        self.refused.extend(token.split('-').nth(1).map(str::to_owned));
    }

    /// Whether the last login of an account is one that could not be saved, as its person was told: the one before is in
    /// force until the next start.
    pub(super) fn newest_is_refused(&self, account: &str) -> bool {
        self.newest_of(account)
            .is_some_and(|(login, grant)| self.refused.contains(login) && !grant.is_in_force())
    }

    /// Whether that login is in force on the disk, and not only on its way there.
    pub(super) fn newest_is_in_force(&self, account: &str) -> bool {
        self.newest_of(account).is_some_and(|(_, grant)| grant.is_in_force())
    }

    fn newest_of(&self, account: &str) -> Option<(&String, &Grant)> {
        let held = self.grants.iter().filter(|(login, grant)| {
            account_of(login) == account && grant.tokens.iter().any(Refresh::is_at_hand)
        });
        held.max_by_key(|(login, _)| number_of(login))
    }

    fn give(&mut self, login: &str, lifetime: i64, refresh: Option<String>, now: i64) -> Verdict {
        self.next_access += 1;
        let access = format!("at-{login}-{}", self.next_access);
        let boot = self.boot;
        let (expires, with) = (now + lifetime, refresh.clone());
        let given = Access { expires, boot, durable: false, recorded: false, with };
        self.accesses.insert(access.clone(), given);
        Verdict::Granted { refresh, access, lifetime }
    }

    /// Whether a server calls a sound grant dead by mistake: once, and none that says what it means.
    pub(super) fn errs(&mut self, token: &str) -> bool {
        let Some((account, _)) = parse(token) else { return false };
        let Some(grant) = self.grants.get_mut(account) else { return false };
        grant.kind != Kind::Strict && std::mem::take(&mut grant.may_err)
    }

    /// Whether what came with an access token is safe: then the token itself may be lost. It is so of a token for a part
    /// of a login, which is kept in memory alone.
    pub(super) fn is_covered(&self, access: &Access) -> bool {
        let Some((account, number)) = access.with.as_deref().and_then(parse) else { return true };
        let kept = |grant: &Grant| matches!(grant.tokens[number].custody, Custody::Durable);
        access.recorded || self.grants.get(account).is_some_and(kept)
    }

    /// What happened to a refresh token on its way.
    pub(super) fn note(&mut self, token: &str, custody: Custody) {
        let Some((account, number)) = parse(token) else { return };
        let Some(grant) = self.grants.get_mut(account) else { return };
        let Some(refresh) = grant.tokens.get_mut(number) else { return };
        refresh.pass_to(custody);
    }

    /// The same of an access token: where it is, a login is whose client renews itself.
    pub(super) fn note_access(&mut self, token: &str, custody: Custody) {
        let Some(access) = self.accesses.get_mut(token) else { return };
        match custody {
            Custody::Recorded => access.recorded = true,
            Custody::Durable => access.durable = true,
            Custody::Away | Custody::Held | Custody::Lost => {}
        }
        let login = token.split('-').nth(1).unwrap_or_default();
        let Some(grant) = self.grants.get_mut(login) else { return };
        if grant.kind.renews_itself() {
            grant.tokens[0].pass_to(custody);
        }
    }

    /// The daemon crashed: what was not on its disk is lost.
    pub(super) fn forget_memory(&mut self) {
        for token in self.grants.values_mut().flat_map(|grant| &mut grant.tokens) {
            token.pass_to(Custody::Lost);
        }
    }
}

impl Refresh {
    fn is_at_hand(&self) -> bool {
        matches!(self.custody, Custody::Durable | Custody::Recorded | Custody::Held)
    }

    /// What is on the disk stays there.
    fn pass_to(&mut self, custody: Custody) {
        match (self.custody, custody) {
            (Custody::Durable, _) | (Custody::Recorded, Custody::Held | Custody::Lost) => {}
            (_, custody) => self.custody = custody,
        }
    }
}

impl Grant {
    fn new(kind: Kind, lifetime: i64) -> Self {
        let tokens = Vec::new();
        Self { kind, over: None, agreed: false, redeemed: false, tokens, lifetime, may_err: true }
    }

    /// Whether the server takes this refresh token.
    fn honours(&self, number: usize, now: i64) -> bool {
        let token = &self.tokens[number];
        match self.kind {
            _ if self.over.is_some() => false,
            Kind::Static | Kind::Secret | Kind::Key => true,
            Kind::Strict => token.successors.is_empty(),
            Kind::Timed => token.used.is_none_or(|used| used + GRACE > now),
            Kind::Confirmed => {
                !token.successors.iter().any(|next| self.tokens[*next].used.is_some())
            }
        }
    }

    fn is_in_force(&self) -> bool {
        self.tokens.iter().any(|token| token.custody == Custody::Durable)
    }

    fn newer_at_hand(&self, number: usize) -> bool {
        self.tokens[number]
            .successors
            .iter()
            .any(|next| self.tokens[*next].is_at_hand() || self.newer_at_hand(*next))
    }

    /// Whether the newest refresh token that the daemon has works, and will go on working.
    pub(super) fn stands(&self, now: i64) -> bool {
        let newest = self.tokens.iter().rposition(Refresh::is_at_hand);
        newest.is_some_and(|number| {
            let forgiven = self.kind == Kind::Timed && !self.tokens[number].successors.is_empty();
            !forgiven && self.honours(number, now)
        })
    }
}
