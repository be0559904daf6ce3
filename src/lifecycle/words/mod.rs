//! What goes into the lifecycle and what comes out of it.

mod effect;
mod errand;
mod event;
mod refusal;
mod registration;
mod rules;
mod ruling;

pub use effect::{Effect, HandOut, Purpose};
pub use errand::{ErrandEffect, ErrandEvent, ErrandSeed};
pub use event::{Ask, Event, Parting, SignInSeed, Unsaved, WaiterId};
pub use refusal::{Refusal, SignInEnd};
pub use registration::RegistrationEvent;
pub use rules::{Origin, Rules, TokenEndpoint};
pub use ruling::{RuleDraft, RuleRefusal, Unasked, Verdict};
