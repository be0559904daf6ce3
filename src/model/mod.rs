//! Floor 0: the words every room shares. No I/O, no clock, no policy.
//!
//! | word | where |
//! |---|---|
//! | account, provider, client, request, flight, generation | [`names`] |
//! | access token, refresh token, client secret, code, verifier | [`secret`] |
//! | instants on the two clocks, lifetimes | [`time`] |
//! | clients that are described by a document | [`document`](mod@document) |
//! | scopes | [`scope`] |
//! | APIs and audiences that tokens are for | [`target`] |
//! | who asks | [`caller`] |
//! | which programs may have whose tokens | [`access`] |
//! | what a token endpoint gave, and why it did not | [`landing`] |
//! | what brings an account its tokens | [`grant`] |
//! | what answers say besides tokens | [`values`] |
//! | what an API wanted that refused a token | [`challenge`] |
//! | which accounts are kept fresh ahead of time | [`mode`] |
//! | what is written down about a client, an account and a grant | [`record`] |
//! | what an account that is gone leaves to be done | [`errand`] |

pub mod access;
pub mod caller;
pub mod challenge;
pub mod document;
pub mod errand;
pub mod grant;
pub mod landing;
pub mod mode;
pub mod names;
#[cfg(test)]
pub(crate) mod noise;
pub mod portion;
pub mod record;
pub mod scope;
pub mod secret;
pub mod target;
pub mod time;
pub mod values;

pub use access::{Decision, Pattern, QuestionId, Rule, RuleId, Usage};
pub use caller::{Caller, Face, Identity, IdentityKind, Tier};
pub use challenge::Lack;
pub use document::{DOCUMENT_REDIRECTS, check_document, check_document_url, document, is_document};
pub use errand::{ErrandId, ErrandRecord};
pub use grant::{GrantType, GrantTypeError};
pub use landing::{About, Failure, FailureClass, Granted, Landing, RawAnswer, TokenType};
pub use mode::{Mode, Modes};
pub use names::{
    AccountId, AccountName, ClientId, ClientKey, FlightId, Generation, NameError, ProviderId,
    RequestId,
};
pub use portion::Portion;
pub use record::{
    AccountRecord, AccountSeed, Adjustment, ChangeId, ClientRecord, GrantChange, Issued, Kept,
    LazyToken, OLDER_COPY, RefreshRecord, Standing,
};
pub use scope::{Scope, Scopes};
pub use secret::{
    AccessToken, AuthorizationCode, ClientSecret, DeviceCode, Fingerprint, IdToken, PkceVerifier,
    ProofKey, RefreshToken, Registration, RegistrationToken,
};
pub use target::{Audience, Resource, Target};
pub use time::{Boot, BootId, Now, Stamp, Wall, span};
pub use values::{BASE_URL, CERTIFICATE_BOUND, CERTIFICATE_ENDS, IDENTITY, SUBJECT, Values};
