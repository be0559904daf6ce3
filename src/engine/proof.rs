//! What a sign-in is completed with.

use std::sync::Arc;

use super::flying::Flying;
use crate::model::{
    AccountSeed, AuthorizationCode, DeviceCode, Failure, FailureClass, GrantType, Granted, Landing,
    Now, RawAnswer, RefreshToken,
};
use crate::oauth::{Authorization, Client, OauthError, Prover, TokenRequest, is_access_token};
use crate::provider::{Provider, Send};

/// What a sign-in is completed with.
pub(super) enum Proof {
    /// The code with which the browser comes back.
    Code {
        authorization: Box<Authorization>,
        /// Once it is back.
        code: Option<AuthorizationCode>,
    },
    /// The code by which the provider knows which device the user has agreed on.
    Device(Arc<DeviceCode>),
    /// A refresh token that another program kept until now.
    Refresh(Arc<RefreshToken>),
    /// The client's own secret or key.
    Client,
}

impl Proof {
    /// The request that brings the first tokens. A code is given away with it: it can be redeemed once.
    pub(super) fn token_request(
        &mut self,
        provider: &Provider,
        seed: &AccountSeed,
        key: Option<&Arc<Prover>>,
        client: Client<'_>,
        now: Now,
    ) -> Result<TokenRequest, OauthError> {
        let target = &seed.target.of_one();
        let code = match self {
            Self::Code { code, .. } => code.take(),
            Self::Device(_) | Self::Refresh(_) | Self::Client => None,
        };
        let code = code.unwrap_or_else(|| AuthorizationCode::new(String::new()));
        let proof = &*self;
        TokenRequest::bound(key, now, || match proof {
            Self::Code { authorization, .. } => {
                let (verifier, uri) = (authorization.verifier(), authorization.redirect_uri());
                TokenRequest::exchange(provider, client, &code, verifier, uri, target, now)
            }
            Self::Device(code) => TokenRequest::device(provider, client, code, now),
            Self::Refresh(token) => {
                TokenRequest::refresh(provider, client, token, None, target, now)
            }
            Self::Client => by_client(provider, client, seed, now),
        })
    }

    /// What an ID token must repeat.
    pub(super) fn nonce(&self) -> Option<&str> {
        match self {
            Self::Code { authorization, .. } => authorization.nonce(),
            Self::Device(_) | Self::Refresh(_) | Self::Client => None,
        }
    }

    /// The refresh token that another program kept, if the sign-in takes one over.
    pub(super) fn imported(&self) -> Option<RefreshToken> {
        match self {
            Self::Refresh(token) => Some(RefreshToken::new(token.expose().to_owned())),
            Self::Code { .. } | Self::Device(_) | Self::Client => None,
        }
    }
}

/// What renews a grant from now on, if it is not what did before. `sent` is the refresh token that
/// brought it.
pub(super) fn renewal(
    flying: &Flying,
    sent: Option<RefreshToken>,
    granted: &mut Granted,
) -> Option<RefreshToken> {
    let is_sign_in = flying.is_sign_in;
    if flying.subject.is_some() {
        return None;
    }
    if flying.account.grant.renews_itself() {
        return is_sign_in.then(RefreshToken::unneeded);
    }
    if flying.provider.refresh.send == Send::AccessToken {
        return Some(RefreshToken::new(granted.access.expose().to_owned()));
    }
    // one that was taken over and is not replaced is the one from now on
    granted.refresh.take().or(sent.filter(|_| is_sign_in))
}

/// What an exchange of access tokens brought: an access token and nothing else. A refresh token that came with
/// it is not the login's, and is dropped.
pub(super) fn exchanged(provider: &Provider, answer: &RawAnswer, landing: Landing) -> Landing {
    match landing {
        Landing::Granted(_) if !is_access_token(provider, answer) => {
            let words = "the provider gave a token of another kind in exchange";
            let failure = Failure::new(FailureClass::RequestBroken, words);
            Landing::Failed { failure, rescued: None }
        }
        Landing::Granted(_) => landing,
        Landing::Failed { failure, .. } => Landing::Failed { failure, rescued: None },
    }
}

/// The request by which a client has tokens without a user.
pub(super) fn by_client(
    provider: &Provider,
    client: Client<'_>,
    seed: &AccountSeed,
    now: Now,
) -> Result<TokenRequest, OauthError> {
    let (scopes, target) = (&seed.scopes, &seed.target.of_one());
    match &seed.grant {
        GrantType::JwtBearer { subject } => {
            let subject = subject.as_deref();
            TokenRequest::jwt_bearer(provider, client, subject, scopes, target, now)
        }
        GrantType::Code | GrantType::ClientCredentials => {
            TokenRequest::client_credentials(provider, client, scopes, target, now)
        }
    }
}
