//! From the lifecycle's reasons to the faults that callers see: what happened, to which account, and
//! what to do next.

use crate::api::{self, Fault, FaultKind};
use crate::lifecycle::{Refusal, SignInEnd};
use crate::model::{About, AccountName, ClientKey, Failure, FailureClass, Now, OLDER_COPY};
use crate::oauth::{DiscoveryError, OauthError};
use crate::provider::Provider;
use crate::store::StoreError;

/// No account has that name.
pub(super) fn no_such_account(account: AccountName) -> Fault {
    Fault::new(FaultKind::NoSuchAccount, "there is no such account").of(account)
}

/// Why a provider did not let a sign-in begin.
pub(super) fn not_authorized(provider: &Provider, error: OauthError) -> Fault {
    let message = format!("{}: {error}", provider.title);
    match error {
        OauthError::Device(failure)
        | OauthError::Pushed(failure)
        | OauthError::Registration(failure) => {
            let fault = Fault::new(kind_of(&failure), message);
            match failure.class {
                FailureClass::ClientBroken | FailureClass::RequestBroken => fault.hint(
                    "see whether the client may sign in like that with this provider, and give its \
                     secret if it has one",
                ),
                _ => fault,
            }
        }
        OauthError::Certificate { .. } => unusable(&error),
        OauthError::NoDeviceFlow => Fault::new(FaultKind::InvalidOption, message)
            .hint("sign in by the browser: without --device"),
        _ => Fault::new(FaultKind::Internal, message),
    }
}

/// Why a client cannot show who it is.
pub(super) fn unusable(error: &OauthError) -> Fault {
    let fault = Fault::new(FaultKind::InvalidOption, error.to_string());
    match error {
        OauthError::Certificate { .. } => {
            fault.hint("give a certificate and its key with --client-certificate and --client-key")
        }
        _ => fault,
    }
}

/// What everybody is told whose tokens cannot be kept.
#[must_use]
pub fn unkept(error: &StoreError) -> Fault {
    let kind = match error {
        StoreError::Key(_) => FaultKind::Locked,
        _ => FaultKind::Storage,
    };
    Fault::new(kind, error.to_string()).hint("mend that, then run: systemctl --user restart ostler")
}

/// The daemon stops.
pub(super) fn stopping() -> Fault {
    Fault::new(FaultKind::ShuttingDown, "the daemon is stopping")
}

/// Why a question got no token.
pub(super) fn refused(
    account: AccountName,
    client: Option<&ClientKey>,
    refusal: Refusal,
    now: Now,
) -> Fault {
    let login = login_command(&account, client);
    let fault = match refusal {
        Refusal::NoSuchAccount | Refusal::LoggedOut => return no_such_account(account),
        Refusal::LoginRequired { why } => {
            Fault::new(FaultKind::LoginRequired, login_required(&why)).hint(login)
        }
        Refusal::ScopeNotGranted { missing } => {
            Fault::new(FaultKind::ScopeNotGranted, format!("not granted: {}", missing.join(" ")))
        }
        Refusal::NotForThat { missing } => {
            let words = missing.join(" ");
            Fault::new(FaultKind::ScopeNotGranted, format!("the login is not for {words}"))
                .hint("sign in again with --resource or --audience")
        }
        Refusal::StepUp => {
            Fault::new(FaultKind::LoginRequired, "an API wants the user to show again who they are")
                .hint(login)
        }
        Refusal::NotNarrowed { why } => Fault::new(
            FaultKind::ScopeNotGranted,
            format!("no token for that part of the login alone: {why}"),
        )
        .hint("ask without --narrow for one that can do all that the login can"),
        Refusal::Held { why } => Fault::new(
            FaultKind::ClientRejected,
            format!("the provider rejects the request ({why})"),
        )
        .hint(format!("check client id and secret, then {}", login.trim_start_matches("run: "))),
        Refusal::Unavailable { failure, retry_at } => {
            let fault = Fault::new(kind_of(&failure), unavailable(&failure));
            let fault = match failure.about {
                About::Account => fault.hint(format!("if it stays like that, {login}")),
                About::Nobody => fault,
            };
            match retry_at {
                Some(at) => fault.retry_at(now.wall_at(at).seconds()),
                None => fault,
            }
        }
        Refusal::TooSoon { retry_at } => {
            let words = "its token was renewed a moment ago, and the next refresh has to wait";
            let fault = Fault::new(FaultKind::RateLimited, words);
            match retry_at {
                Some(at) => fault.retry_at(now.wall_at(at).seconds()),
                None => fault,
            }
        }
        Refusal::Disabled => Fault::new(FaultKind::Denied, "you have put the account out of use")
            .hint(format!("run: ostler enable {account}")),
        Refusal::NameTaken => Fault::new(FaultKind::AccountExists, "another account has that name")
            .hint("choose another name"),
        Refusal::SigningIn => {
            Fault::new(FaultKind::RateLimited, "a sign-in of the account is under way")
                .hint("finish or cancel it first")
        }
        Refusal::TimedOut => {
            Fault::new(FaultKind::Timeout, "no fresh token could be had in the time given")
        }
        Refusal::NotSaved { why } => Fault::new(FaultKind::Storage, why),
        Refusal::ApprovalRequired { question } => Fault::new(
            FaultKind::ApprovalRequired,
            format!("the user has to allow this program to have tokens (question {question})"),
        )
        .hint(format!("run: ostler access approve {question}")),
        Refusal::Denied { rule: Some(rule) } => Fault::new(
            FaultKind::Denied,
            format!("a rule says that this program gets no tokens ({rule})"),
        )
        .hint("run: ostler access list"),
        Refusal::Denied { rule: None } => {
            Fault::new(FaultKind::Denied, "the user said that this program gets no tokens")
                .hint("ask again in ten minutes, or run: ostler access allow")
        }
        Refusal::TooMany => Fault::new(FaultKind::RateLimited, "too many callers wait already"),
        Refusal::Stopping => stopping(),
    };
    fault.of(account)
}

/// Why an account has to be signed in again, or looked at by the user at least.
pub(super) fn login_required(why: &str) -> String {
    // nobody has said that this one is over
    if why.starts_with(OLDER_COPY) { why.to_owned() } else { format!("the login is over ({why})") }
}

/// Why a sign-in ended without an account.
pub(super) fn sign_in_failed(account: AccountName, client: &ClientKey, why: SignInEnd) -> Fault {
    let login = login_command(&account, Some(client));
    let fault = match why {
        SignInEnd::Cancelled => Fault::new(FaultKind::Cancelled, "the sign-in was cancelled"),
        SignInEnd::Expired => {
            Fault::new(FaultKind::LoginFailed, "nobody finished the sign-in in time")
        }
        SignInEnd::Refused { why } => Fault::new(
            FaultKind::LoginFailed,
            format!("the provider sent you back with an error ({why})"),
        ),
        SignInEnd::Failed(failure) if failure.class == FailureClass::ClientBroken => {
            let message = format!("the provider rejects the client ({failure})");
            let hint = "check client id and secret, then sign in again";
            return Fault::new(FaultKind::ClientRejected, message).of(account).hint(hint);
        }
        SignInEnd::Failed(failure) => {
            let message = format!("the code could not be exchanged for tokens ({failure})");
            Fault::new(FaultKind::LoginFailed, message)
        }
        SignInEnd::NotSaved { why } => {
            let message = format!("nothing was sent, since nothing can be written down: {why}");
            return Fault::new(FaultKind::Storage, message).of(account);
        }
        SignInEnd::Stopping => return stopping().of(account),
    };
    fault.of(account).hint(login)
}

/// Why nothing can be found out about an issuer. Where it is the address that is wrong, to wait does
/// not help.
pub(super) fn not_discovered(error: DiscoveryError) -> Fault {
    let message = error.to_string();
    let kind = match error {
        DiscoveryError::NotAnIssuer { .. } | DiscoveryError::AnotherIssuer { .. } => {
            FaultKind::InvalidOption
        }
        DiscoveryError::NoMetadata { status } if status != 429 && status < 500 => {
            FaultKind::InvalidOption
        }
        DiscoveryError::Unreachable(error) => {
            return Fault::new(kind_of(&error.into_failure()), message)
                .hint("check the network and the issuer's address");
        }
        _ => FaultKind::ProviderError,
    };
    let hint = "check the issuer's address, or describe the provider in a file";
    Fault::new(kind, message).hint(hint)
}

/// The command that signs an account in again.
fn login_command(account: &AccountName, client: Option<&ClientKey>) -> String {
    match client {
        Some(client) => format!("run: {}", api::login_command(&client.provider, account)),
        None => "run: ostler login".to_owned(),
    }
}

fn kind_of(failure: &Failure) -> FaultKind {
    match failure.class {
        FailureClass::NotSent | FailureClass::Ambiguous | FailureClass::Captive => {
            FaultKind::Offline
        }
        FailureClass::Transient if failure.status == Some(429) => FaultKind::RateLimited,
        FailureClass::ClientBroken | FailureClass::RequestBroken => FaultKind::ClientRejected,
        FailureClass::Transient | FailureClass::DeadGrant => FaultKind::ProviderError,
    }
}

fn unavailable(failure: &Failure) -> String {
    match failure.class {
        FailureClass::NotSent => format!("the provider cannot be reached ({failure})"),
        FailureClass::Ambiguous => format!("the provider's answer did not arrive ({failure})"),
        FailureClass::Captive => format!("something else than the provider answered ({failure})"),
        _ if failure.about == About::Account => {
            format!("the provider does not renew this login at the moment ({failure})")
        }
        _ => format!("the provider is in trouble ({failure})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Boot, Scopes, Wall};

    const NOW: Now = Now { wall: Wall(1_000_000_000), boot: Boot(5_000) };

    fn client() -> ClientKey {
        ClientKey { provider: "parqex".parse().unwrap(), client: "c".parse().unwrap() }
    }

    #[test]
    fn a_refusal_says_which_command_mends_it() {
        let why = || Refusal::LoginRequired { why: "invalid_grant".into() };
        let named = refused("door".parse().unwrap(), Some(&client()), why(), NOW);
        assert_eq!(
            named.to_string(),
            "door: the login is over (invalid_grant); run: ostler login parqex --as door"
        );
        let plain = refused("parqex".parse().unwrap(), Some(&client()), why(), NOW);
        assert_eq!(plain.hint, "run: ostler login parqex");
        let missing = Scopes::parse_lenient("b");
        let scopes = Refusal::ScopeNotGranted { missing };
        let fault = refused("door".parse().unwrap(), Some(&client()), scopes, NOW);
        assert_eq!(fault.kind, FaultKind::ScopeNotGranted);
    }

    #[test]
    fn an_issuer_that_is_wrong_is_told_from_one_that_is_in_trouble() {
        let kind = |error| not_discovered(error).kind;
        let problem = "must be https";
        assert_eq!(kind(DiscoveryError::NotAnIssuer { problem }), FaultKind::InvalidOption);
        assert_eq!(kind(DiscoveryError::NoMetadata { status: 404 }), FaultKind::InvalidOption);
        assert_eq!(kind(DiscoveryError::NoMetadata { status: 503 }), FaultKind::ProviderError);
        let field = "token_endpoint";
        assert_eq!(kind(DiscoveryError::Unusable { field, problem }), FaultKind::ProviderError);
    }

    #[test]
    fn trouble_says_when_to_come_back() {
        let failure =
            Failure { status: Some(429), ..Failure::new(FailureClass::Transient, String::new()) };
        let refusal = Refusal::Unavailable { failure, retry_at: Some(Boot(65_000)) };
        let fault = refused("door".parse().unwrap(), None, refusal, NOW);
        assert_eq!(fault.kind, FaultKind::RateLimited);
        assert_eq!(fault.retry_at, Some(1_000_060));
    }
}
