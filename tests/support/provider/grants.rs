//! Codes, tokens and the families they belong to: what the provider remembers. No I/O.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use super::super::secret;
use super::config::{OldAccess, Rotation};
use super::robot::Assertion;

/// How long a code is good for (RFC 6749, 4.1.2: ten minutes at most).
const CODE_LIFETIME: Duration = Duration::from_mins(1);

/// Everything issued so far.
#[derive(Debug)]
pub(super) struct Grants {
    rotation: Rotation,
    old_access: OldAccess,
    access_lifetime: Duration,
    families: Vec<Family>,
    codes: HashMap<String, Code>,
    refresh: HashMap<String, Refresh>,
    access: HashMap<String, Access>,
    /// The assertions that have come, by number, and the families that they brought.
    assertions: HashMap<String, usize>,
}

/// What came of one sign-in.
#[derive(Debug)]
struct Family {
    user: String,
    scopes: Vec<String>,
    alive: bool,
    /// The refresh token that was issued last.
    newest: Option<String>,
}

/// What an authorization request said, for the code exchange to be held to.
#[derive(Debug, Clone)]
pub(super) struct Consent {
    pub(super) user: String,
    pub(super) scopes: Vec<String>,
    pub(super) redirect_uri: String,
    /// The PKCE challenge (RFC 7636, 4.3).
    pub(super) challenge: Option<String>,
}

#[derive(Debug)]
struct Code {
    family: usize,
    redirect_uri: String,
    challenge: Option<String>,
    issued: Instant,
    spent: bool,
}

#[derive(Debug)]
struct Refresh {
    family: usize,
    /// When it was first used, if it rotates.
    replaced: Option<Instant>,
}

#[derive(Debug)]
struct Access {
    family: usize,
    expires: Instant,
}

/// Tokens for an answer.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) access: String,
    pub(super) refresh: Option<String>,
    pub(super) scopes: Vec<String>,
}

/// Why there are none: an error code of RFC 6749, 5.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Under this code.
    Plain(&'static str),
    /// Under `invalid_grant`, and the family has been killed.
    Reuse,
}

const INVALID_GRANT: Refusal = Refusal::Plain("invalid_grant");

impl Grants {
    pub(super) fn new(
        rotation: Rotation,
        old_access: OldAccess,
        access_lifetime: Duration,
    ) -> Self {
        Self {
            rotation,
            old_access,
            access_lifetime,
            families: Vec::new(),
            codes: HashMap::new(),
            refresh: HashMap::new(),
            access: HashMap::new(),
            assertions: HashMap::new(),
        }
    }

    /// A code for a user's consent.
    pub(super) fn authorize(&mut self, consent: Consent, now: Instant) -> String {
        let Consent { user, scopes, redirect_uri, challenge } = consent;
        self.families.push(Family { user, scopes, alive: true, newest: None });
        let code = secret::make(secret::CODE);
        let family = self.families.len() - 1;
        let entry = Code { family, redirect_uri, challenge, issued: now, spent: false };
        self.codes.insert(code.clone(), entry);
        code
    }

    /// Tokens for a code. A code that comes twice kills what the first one brought (RFC 6749,
    /// 4.1.2).
    pub(super) fn exchange(
        &mut self,
        code: &str,
        redirect_uri: Option<&str>,
        verifier: Option<&str>,
        now: Instant,
    ) -> Result<Issued, Refusal> {
        let code = self.codes.get_mut(code).ok_or(INVALID_GRANT)?;
        let family = code.family;
        if code.spent {
            self.families[family].alive = false;
            return Err(Refusal::Reuse);
        }
        let proven = code.challenge == verifier.map(challenge_of);
        let expired = now.saturating_duration_since(code.issued) > CODE_LIFETIME;
        if expired || !proven || redirect_uri != Some(code.redirect_uri.as_str()) {
            return Err(INVALID_GRANT);
        }
        code.spent = true;
        let scopes = self.families[family].scopes.clone();
        Ok(self.issue(family, scopes, NewRefresh::Yes, now))
    }

    /// Tokens for a refresh token, with the scopes asked for if that is fewer.
    pub(super) fn refresh(
        &mut self,
        token: &str,
        scopes: Option<Vec<String>>,
        now: Instant,
    ) -> Result<Issued, Refusal> {
        let entry = self.refresh.get_mut(token).ok_or(INVALID_GRANT)?;
        let family = entry.family;
        if !self.families[family].alive {
            return Err(INVALID_GRANT);
        }
        let granted = &self.families[family].scopes;
        let scopes = scopes.unwrap_or_else(|| granted.clone());
        if scopes.iter().any(|scope| !granted.contains(scope)) {
            return Err(Refusal::Plain("invalid_scope"));
        }
        let forgiven = match self.rotation {
            Rotation::Strict => Duration::ZERO,
            Rotation::Grace(grace) => grace,
            Rotation::Off => Duration::MAX,
        };
        match entry.replaced {
            Some(at) if now.saturating_duration_since(at) >= forgiven => {
                self.families[family].alive = false;
                return Err(Refusal::Reuse);
            }
            Some(_) => {}
            None if self.rotation == Rotation::Off => {}
            None => entry.replaced = Some(now),
        }
        if self.old_access == OldAccess::Dies {
            self.access.retain(|_, access| access.family != family);
        }
        let renewal = if self.rotation == Rotation::Off { NewRefresh::No } else { NewRefresh::Yes };
        Ok(self.issue(family, scopes, renewal, now))
    }

    /// Tokens for an assertion. One that comes twice kills what the first one brought.
    pub(super) fn assert(
        &mut self,
        assertion: Assertion,
        scopes: Vec<String>,
        now: Instant,
    ) -> Result<Issued, Refusal> {
        let Assertion { subject, number } = assertion;
        if let Some(family) = self.assertions.get(&number) {
            self.families[*family].alive = false;
            return Err(Refusal::Reuse);
        }
        let family = self.families.len();
        self.families.push(Family {
            user: subject,
            scopes: scopes.clone(),
            alive: true,
            newest: None,
        });
        self.assertions.insert(number, family);
        Ok(self.issue(family, scopes, NewRefresh::No, now))
    }

    /// Whose access token that is, if it is good.
    pub(super) fn owner(&self, access: &str, now: Instant) -> Option<&str> {
        let access = self.access.get(access)?;
        let family = &self.families[access.family];
        (family.alive && now < access.expires).then_some(family.user.as_str())
    }

    /// The number of the family that an access token belongs to.
    pub(super) fn family_of_access(&self, access: &str) -> Option<usize> {
        Some(self.access.get(access)?.family)
    }

    /// That of a refresh token.
    pub(super) fn family_of_refresh(&self, refresh: &str) -> Option<usize> {
        Some(self.refresh.get(refresh)?.family)
    }

    /// How long an access token will be good.
    pub(super) fn access_left(&self, access: &str, now: Instant) -> Duration {
        match self.access.get(access) {
            Some(access) if self.families[access.family].alive => {
                access.expires.saturating_duration_since(now)
            }
            _ => Duration::ZERO,
        }
    }

    /// The refresh token that was issued to a user last, if it still works.
    pub(super) fn newest_refresh(&self, user: &str) -> Option<&str> {
        let family = self.families.iter().rev().find(|family| family.user == user)?;
        family.newest.as_deref().filter(|_| family.alive)
    }

    /// Kills all that a user has; says how many families that were.
    pub(super) fn revoke_user(&mut self, user: &str) -> usize {
        let alive = self.families.iter_mut().filter(|family| family.alive && family.user == user);
        alive.map(|family| family.alive = false).count()
    }

    /// Kills a user's access tokens alone.
    pub(super) fn expire_access(&mut self, user: &str, now: Instant) {
        for access in self.access.values_mut() {
            if self.families[access.family].user == user {
                access.expires = now;
            }
        }
    }

    /// Kills what a token belongs to (RFC 7009, 2.1): a refresh token takes its family with it.
    pub(super) fn revoke_token(&mut self, token: &str) {
        self.access.remove(token);
        if let Some(refresh) = self.refresh.get(token) {
            self.families[refresh.family].alive = false;
        }
    }

    fn issue(
        &mut self,
        family: usize,
        scopes: Vec<String>,
        renewal: NewRefresh,
        now: Instant,
    ) -> Issued {
        let access = secret::make(secret::ACCESS);
        let expires = now + self.access_lifetime;
        self.access.insert(access.clone(), Access { family, expires });
        let refresh = (renewal == NewRefresh::Yes).then(|| {
            let token = secret::make(secret::REFRESH);
            self.refresh.insert(token.clone(), Refresh { family, replaced: None });
            self.families[family].newest = Some(token.clone());
            token
        });
        Issued { access, refresh, scopes }
    }
}

/// Whether an answer brings a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NewRefresh {
    Yes,
    No,
}

/// The S256 challenge of a verifier (RFC 7636, 4.2).
fn challenge_of(verifier: &str) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()))
}
