//! What an account that is gone leaves to be done at its provider.

use std::time::Duration;

use super::names::{AccountId, AccountName};
use super::record::ClientRecord;
use super::time::Stamp;

/// An errand's number: tokens to be revoked, and perhaps a client to be unregistered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrandId(pub u64);

/// What is on record of an errand, but for its secrets: they stay sealed until it is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrandRecord {
    /// Its number.
    pub errand: ErrandId,
    /// The account that is gone, or has given its login back.
    pub account: AccountId,
    /// Its name.
    pub name: AccountName,
    /// The client that the tokens were issued to.
    pub client: ClientRecord,
    /// When the account went.
    pub since: Stamp,
    /// How long its tokens live from then, where that is known.
    pub worth: Option<Duration>,
    /// Whether its client registered itself and is to be unregistered.
    pub registered: bool,
}
