//! Floor 2: the protocol: what is asked of an authorization server, how it travels, and what the
//! answers mean. No policy: when to ask, and what to do with a failure, is decided elsewhere.
//!
//! | step | where |
//! |---|---|
//! | from an issuer to a provider's definition (RFC 8414, OIDC Discovery) | [`discover`] |
//! | a client that registers itself (RFC 7591, 7592) | [`register`], [`renew`], [`adapt`], [`unregister`] |
//! | a client that a document describes, as providers see it | [`published`] |
//! | the authorization request, and the callback that answers it | [`Authorization`] |
//! | the page on this machine where a browser ends | [`Loopback`] |
//! | a code that the user types in on another device (RFC 8628) | [`authorize_device`] |
//! | a request that is pushed instead of carried (RFC 9126) | [`push`] |
//! | a token request | [`TokenRequest`] |
//! | the proof that a token is its holder's (RFC 9449) | [`Prover`] |
//! | one connection, one request, one answer | [`Http::send`] |
//! | what the answer means | [`read_answer`] |
//! | who has signed in (OpenID Connect Core, 3.1.3.7) | [`identity`] |
//! | what else can be learnt of tokens and their user (RFC 7662; Core, 5.3) | [`introspect`], [`userinfo`] |
//! | the end of a grant at the provider (RFC 7009) | [`revoke`] |
//! | whether a provider is there at all | [`Http::probe`] |
//! | what can be shown of an answer | [`sketch`] |
//!
//! Two rules hold everywhere below. A URL of a token endpoint may be a secret (some providers want
//! the parameters in the query), so no URL reaches an error or a log. And an answer is read so that
//! a rotated refresh token is found in it however odd the rest is.

mod about;
mod answer;
mod assertion;
mod authorize;
mod callback;
mod certificate;
mod classify;
mod client;
mod coding;
mod device;
mod discovery;
mod document;
mod dpop;
mod encode;
mod error;
mod fields;
mod http;
mod id_token;
mod lifetime;
mod loopback;
mod page;
mod par;
mod pkce;
mod probe;
mod register;
mod renew;
mod replay;
mod request;
mod revoke;
mod scrub;
mod sketch;

#[cfg(test)]
mod tests;

pub use about::{Introspected, Person, introspect, is_bound, userinfo};
pub use answer::{Sent, is_access_token, read_answer};
pub use assertion::check_key;
pub use authorize::{Asked, Authorization};
pub use callback::CallbackError;
pub use certificate::certificate_end;
pub use client::Client;
pub use device::{DeviceAuthorization, authorize_device};
pub use discovery::{DiscoveryError, discover};
pub use document::published;
pub use dpop::{Demand, Prover};
pub use error::OauthError;
pub use http::{Courier, Delivery, Http, HttpOptions, SendError};
pub use id_token::{Claim, IdTokenError, Keys, fetch_keys, identity};
pub use loopback::Loopback;
pub use page::CallbackPage;
pub use par::push;
pub use probe::{Missing, Probe, Reached, Unreached, proxies};
pub use register::{Registered, register, unregister};
pub use renew::{Managed, Renewed, adapt, renew};
pub use replay::{expect, recorded, replay};
pub use request::{SentSecrets, TokenRequest};
pub use revoke::{Revoked, revoke};
pub use sketch::{Sketch, sketch};
