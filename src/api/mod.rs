//! Floor 1: what can be asked, what is answered, and what can go wrong: the one source of truth for
//! all faces. The socket is the serde form of these types; each D-Bus method and each command builds
//! one [`Request`] and shows one [`Response`] or [`Fault`].

mod access;
mod accounts;
mod diagnosis;
mod fault;
mod proof;
mod provider;
mod reply;
mod request;

pub use access::{Grant, ListUses, Pending, RemoveGrant, Respond, SetGrant, Use, Verdict};
pub use accounts::{Accounts, ByName, Instants, Listed};
pub use diagnosis::{Answer, Area, Diagnosis, Finding, Level};
pub use fault::{EXIT_PROBLEM, EXIT_UNAVAILABLE, EXIT_USAGE, Fault, FaultKind, login_command};
pub use proof::{Proof, SignProof};
pub use provider::{CheckProvider, Checked, Definition, DraftProvider, Remark, ShowProvider};
pub use reply::{
    Account, DaemonInfo, Event, Gap, LoggedOut, LoginEnded, LoginStarted, ProviderInfo, Refreshed,
    Response, Revocation, State, Status, Token, Unrevoked,
};
pub use request::{
    Flow, GetToken, Imported, Listing, Login, Logout, Redirect, Refresh, Rename, Request,
    RequestRef, Resume, Revoke, Secret, SetEnabled,
};

/// The name of the interface on the socket, and the stem of all D-Bus names.
pub const INTERFACE: &str = "dev.ostler.Ostler1";

/// The interface on the socket in Varlink's own language: what `GetInterfaceDescription` answers.
pub const INTERFACE_DESCRIPTION: &str = include_str!("dev.ostler.Ostler1.varlink");

/// The longest request frame that the socket takes, in bytes, without its NUL.
pub const REQUEST_MAX: usize = 64 * 1024;
