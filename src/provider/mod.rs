//! Floor 1: what a provider is: an authorization server and its dialect, as data.
//!
//! A definition is a TOML file: a preset in `presets/`, embedded in the binary, or a user's file
//! below `$XDG_CONFIG_HOME/ostler/providers/`, or one made from an issuer's metadata. All three
//! read into the one [`Provider`]; the first two are found in the [`Catalog`].

mod catalog;
mod definition;
mod presets;
mod soundness;

pub use catalog::{Catalog, FileError};
pub use definition::{
    Answer, AnswerError, AtRefresh, Body, ClientAuth, ErrorWhen, Expires, Http, MaxRefreshes,
    Method, Pkce, Provider, Redirect, Revocation, RevocationStyle, Rotation, ScopeRules,
};
pub use presets::{preset, presets};
pub use soundness::{DefinitionError, check_endpoint, is_loopback};
