//! Floor 2: the database. One thread, one connection; [`Command`]s go in, [`Report`]s come out, and the
//! order of sends is the order of commits.
//!
//! ```text
//! engine -- Command --> thread ---- up to 64 at once ----> writer: one transaction, a savepoint each
//!        <-- Report ---        <-- after the commit only --
//! ```
//!
//! | part | does |
//! |---|---|
//! | `command` | the words that go in and come out |
//! | `open` | finds or makes the files, migrates, opens the key, loads; what is to be changed is checked before |
//! | `checkup` | looks at the files of a store at work, from beside it |
//! | `thread` | the thread and its two channels |
//! | `writer`, `apply` | commits a batch; what each command means |
//! | `table` | one file for each table: its rows and its SQL |
//! | `schema` | the list of migrations, what makes a file ours, the pragmas |
//! | `seal` | encrypts a value so that it opens in its own row and nowhere else |
//! | `keys`, `keyfile` | where the data key comes from |
//! | `log` | makes sure that what an earlier run wrote last is on the disk |
//! | `reserve` | keeps room on the disk for an answer before a request may leave |
//! | `marks` | keeps outside the database how new it must be, so that an older copy is noticed |
//!
//! What never happens here: a file is recreated or removed because it could not be read; a refresh
//! token in force is deleted by anything but [`Command::Erase`] or thirty days after the provider called
//! it dead; an older generation replaces a newer
//! one; a report arrives before its commit; anything is
//! written into a database whose pages have not been looked at.

mod apply;
mod checkup;
mod command;
mod error;
mod files;
mod keyfile;
mod keys;
mod log;
mod marks;
mod open;
mod raw;
mod reserve;
mod schema;
mod seal;
mod sql;
mod table;
mod thread;
mod writer;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::by_hand;

pub use checkup::{Checkup, Sound, check};
pub use command::{
    Attempt, AttemptKind, Begin, BeginKind, Command, Credentials, DeviceSignIn, Erased, ErrandPart,
    Exchange, Left, Loaded, Notes, OpenedClient, Opener, Owed, ProofKeys, Renewal, Report,
};
pub use error::{KeyError, Refusal, StoreError, Unwritable};
pub use open::{Opened, Places, open};
pub use thread::{Reports, Store};
