//! Tokens that are bound to a key (RFC 9449): which logins get one, and what an answer is worth that
//! brings another kind of token than was asked for.

use std::sync::Arc;

use super::flying::Flying;
use crate::api::{Fault, FaultKind};
use crate::model::{Failure, FailureClass, Granted, Landing, ProofKey, TokenType};
use crate::oauth::Prover;
use crate::provider::{DpopUse, Provider};

pub(super) fn opened(key: Arc<ProofKey>) -> Option<Arc<Prover>> {
    match Prover::open(key) {
        Ok(prover) => Some(Arc::new(prover)),
        Err(error) => {
            tracing::error!(%error, "a key on record is left out");
            None
        }
    }
}

/// The key that a login's tokens will be bound to: a new one for each login, so that no two grants and no two
/// providers ever see the same. `asked` is what the user said, `was_bound` how the login before was.
pub(super) fn key_for_login(
    provider: &Provider,
    asked: Option<bool>,
    was_bound: bool,
) -> Result<Option<Arc<Prover>>, Fault> {
    let wanted = match (&provider.dpop, asked) {
        (None, Some(true)) => {
            let message = format!("{} is not known to bind tokens to keys (DPoP)", provider.title);
            return Err(Fault::new(FaultKind::InvalidOption, message)
                .hint("sign in without --dpop, or say in the provider's file that it does"));
        }
        (None, _) => false,
        (Some(dpop), asked) => dpop.when == DpopUse::Always || asked.unwrap_or(was_bound),
    };
    if !wanted {
        return Ok(None);
    }
    let made =
        Prover::generate().map_err(|error| Fault::new(FaultKind::Internal, error.to_string()));
    made.map(|prover| Some(Arc::new(prover)))
}

/// Whether a type is that of tokens that are bound to a key.
pub(super) fn is_bound(token_type: &str) -> bool {
    token_type.eq_ignore_ascii_case("DPoP")
}

/// What new tokens are worth. Those that are bound to a key that nobody has are not handed out; the
/// refresh token that came with them is kept, for the one before may be spent. A provider that was asked
/// for such tokens and gives others is believed (RFC 9449, 5): they are good, and protected less.
pub(super) fn judge(flying: &Flying, mut granted: Granted) -> Landing {
    match (is_bound(granted.token_type.as_str()), flying.key.is_some()) {
        (true, false) => {
            let words =
                "the access token is bound to a key, which nobody asked for: sign in with --dpop";
            let failure = Failure::new(FailureClass::RequestBroken, words);
            // a code is spent all the same, and so is the sign-in
            let rescued = granted.refresh.take().filter(|_| !flying.is_sign_in);
            Landing::Failed { failure, rescued }
        }
        (false, true) => {
            tracing::warn!(
                account = %flying.account.name, provider = %flying.provider.id,
                token_type = granted.token_type.as_str(),
                "the provider was shown a key and has not bound the access token to it"
            );
            Landing::Granted(granted)
        }
        (true, true) => {
            // in its usual spelling, which is how it is to be presented
            granted.token_type = TokenType::Other("DPoP".to_owned());
            Landing::Granted(granted)
        }
        (false, false) => Landing::Granted(granted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        AccessToken, AccountId, AccountSeed, Boot, BootId, ClientKey, GrantType, Now, RawAnswer,
        RefreshToken, Scopes, Stamp, Target, Values, Wall,
    };

    fn flying(key: Option<Arc<Prover>>, is_sign_in: bool) -> Flying {
        let seed = AccountSeed {
            id: AccountId::from_random([1; 8]),
            name: "me".parse().unwrap(),
            client: ClientKey { provider: "x".parse().unwrap(), client: "app".parse().unwrap() },
            scopes: Scopes::default(),
            target: Target::default(),
            grant: GrantType::Code,
            values: Values::default(),
        };
        let provider = Provider::parse(
            "id = \"x\"\ntitle = \"X\"\nauthorization_url = \"https://x.example/a\"\n\
             token_url = \"https://x.example/t\"\n",
        );
        let at = Now { wall: Wall(0), boot: Boot(0) };
        let sent = Stamp { at, boot_id: BootId("boot".into()) };
        let answer = RawAnswer {
            status: 200,
            content_type: None,
            retry_after: None,
            date: None,
            www_authenticate: None,
            body: Vec::new().into(),
        };
        let provider = Arc::new(provider.unwrap());
        let mut flying = Flying::resumed(seed, provider, sent, is_sign_in, answer);
        flying.key = key;
        flying
    }

    fn granted(token_type: &str) -> Granted {
        Granted {
            access: AccessToken::new("at".to_owned()),
            token_type: TokenType::parse(token_type),
            lifetime: None,
            scopes: None,
            refresh: Some(RefreshToken::new("rt".to_owned())),
            refresh_lifetime: None,
            values: Values::default(),
            id_token: None,
        }
    }

    #[test]
    fn a_bound_token_that_nobody_asked_for_is_not_handed_out_and_its_refresh_token_is_kept() {
        let Landing::Failed { failure, rescued } = judge(&flying(None, false), granted("dpop"))
        else {
            panic!("it was taken")
        };
        assert_eq!(failure.class, FailureClass::RequestBroken);
        assert_eq!(rescued.unwrap().expose(), "rt");
        let landing = judge(&flying(None, true), granted("DPoP"));
        assert!(matches!(landing, Landing::Failed { rescued: None, .. }), "{landing:?}");
    }

    #[test]
    fn who_shows_a_key_may_be_given_either_kind() {
        let key = || Some(Arc::new(Prover::generate().unwrap()));
        for (said, meant) in [("dpop", "DPoP"), ("DPoP", "DPoP"), ("bearer", "Bearer")] {
            let Landing::Granted(taken) = judge(&flying(key(), false), granted(said)) else {
                panic!("{said} was not taken")
            };
            assert_eq!(taken.token_type.as_str(), meant);
            assert!(taken.refresh.is_some());
        }
    }
}
