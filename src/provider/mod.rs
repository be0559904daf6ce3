//! Floor 1: what a provider is: an authorization server and its dialect, as data.
//!
//! A definition is a TOML file: a preset in `presets/`, embedded in the binary, or a user's file
//! below `$XDG_CONFIG_HOME/ostler/providers/`, or one made from an issuer's metadata. All three read
//! into the one [`Provider`].

mod definition;
mod presets;

pub use definition::{
    Answer, AnswerError, AtRefresh, Body, ClientAuth, DefinitionError, ErrorWhen, Expires, Http,
    MaxRefreshes, Method, Pkce, Provider, Redirect, Revocation, RevocationStyle, Rotation,
    ScopeRules, check_endpoint,
};
pub use presets::{preset, presets};
