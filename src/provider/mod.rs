//! Floor 1: what a provider is: an authorization server and its dialect, as data.
//!
//! A definition is a TOML file: a preset in `presets/`, embedded in the binary, or a user's file
//! below `$XDG_CONFIG_HOME/ostler/providers/`, or one made from an issuer's metadata. All three
//! read into the one [`Provider`]; the first two are found in the [`Catalog`]. A definition may have
//! gaps, which a name fills: `zendesk:acme` is the provider `zendesk` of the subdomain `acme`.

mod advice;
mod answer;
mod catalog;
mod checkup;
mod definition;
mod dialect;
mod example;
mod extend;
mod life;
mod mtls;
mod presets;
mod soundness;
mod template;

pub use answer::{Answer, AnswerError, ErrorWhen, Expires};
pub use catalog::{Catalog, Entry, FileError, Unresolved};
pub use checkup::{Checkup, check};
pub use definition::Provider;
pub use dialect::{
    Body, Capture, ClientAuth, Dpop, DpopUse, Http, LoopbackHost, Method, Pkce, Redirect, Refresh,
    Revocation, RevocationStyle, ScopeRules, Send,
};
pub use example::{Example, ExampleOf, Expectation, examples};
pub use life::{AtRefresh, MaxRefreshes, Rotation};
pub use mtls::Mtls;
pub use presets::{preset, preset_text, presets};
pub use soundness::{DefinitionError, check_endpoint, is_loopback};
pub use template::{Variable, VariableKind};
