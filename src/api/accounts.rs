//! The accounts at a moment. A list is a copy of the root of a persistent map: it costs the one who keeps the
//! accounts nothing, and whoever shows it turns it into words, a page at a time, while they change.

use std::ops::Bound;
use std::sync::Arc;

use rpds::RedBlackTreeMapSync;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::reply::Account;
use crate::model::{AccountName, Boot, Now, Wall};

/// What is shown of an account, whenever that is asked: its instants are on the boot clock, which is never set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// All that does not depend on when it is asked for.
    account: Account,
    instants: Instants,
    /// Whether there is a refresh token.
    renewable: bool,
}

/// What of an account has a place in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Instants {
    /// When the access token expires.
    pub expires: Option<Boot>,
    /// When it was asked for.
    pub sent: Option<Boot>,
    /// When the next refresh is due.
    pub next: Option<Boot>,
    /// When the login ends.
    pub ends: Option<Boot>,
    /// From when on that is so near that the user should know.
    pub warns: Option<Boot>,
}

impl Listed {
    /// An account, and what of it has a place in time: that is taken from `instants` alone.
    #[must_use]
    pub fn new(account: Account, instants: Instants) -> Self {
        Self { account, instants, renewable: false }
    }

    /// The same, with or without a refresh token; without one if nothing is said.
    #[must_use]
    pub fn renewable(self, renewable: bool) -> Self {
        Self { renewable, ..self }
    }

    /// Whether there is a refresh token.
    #[must_use]
    pub fn is_renewable(&self) -> bool {
        self.renewable
    }

    /// What does not depend on the time: all but the fields that [`Instants`] are for.
    #[must_use]
    pub fn timeless(&self) -> &Account {
        &self.account
    }

    /// The account as it is shown at a moment.
    #[must_use]
    pub fn at(&self, now: Now) -> Account {
        let seconds = |at: Boot| now.wall_at(at).seconds();
        let Instants { expires, sent, next, ends, warns } = self.instants;
        Account {
            expires_at: expires.map(seconds),
            last_refresh: sent.map(seconds),
            next_refresh: next.map(seconds),
            login_ends_at: ends.map(seconds),
            login_ends_soon: warns.is_some_and(|from| from <= now.boot),
            ..self.account.clone()
        }
    }
}

/// Accounts by name.
pub type ByName = RedBlackTreeMapSync<AccountName, Arc<Listed>>;

/// The accounts as they are at a moment, or those among them that were asked for. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Accounts {
    by_name: ByName,
    /// Those behind this name.
    after: Option<AccountName>,
    /// So many of them at most.
    limit: usize,
    now: Now,
}

impl Accounts {
    /// Those of a map, as they are now.
    #[must_use]
    pub fn new(by_name: ByName, now: Now) -> Self {
        Self { by_name, after: None, limit: usize::MAX, now }
    }

    /// Those behind a name, and not more than so many.
    #[must_use]
    pub fn page(self, after: Option<AccountName>, limit: Option<usize>) -> Self {
        Self { after, limit: limit.unwrap_or(usize::MAX), ..self }
    }

    /// One of them alone, whichever page it is on.
    #[must_use]
    pub fn only(&self, name: &AccountName) -> Option<Self> {
        let (name, listed) = self.by_name.get_key_value(name)?;
        let mut one = ByName::default();
        one.insert_mut(name.clone(), Arc::clone(listed));
        Some(Self::new(one, self.now))
    }

    /// What is known of the accounts of this page, in the order of their names.
    pub fn listed(&self) -> impl Iterator<Item = &Arc<Listed>> {
        self.rest().take(self.limit).map(|(_, listed)| listed)
    }

    /// The same as it is shown.
    pub fn iter(&self) -> impl Iterator<Item = Account> + '_ {
        self.listed().map(|listed| listed.at(self.now))
    }

    /// The last name of this page, if there are more behind it.
    #[must_use]
    pub fn next(&self) -> Option<&AccountName> {
        let mut rest = self.rest().skip(self.limit.checked_sub(1)?);
        let (last, _) = rest.next()?;
        rest.next().map(|_| last)
    }

    /// Whether there are more than so many on this page.
    #[must_use]
    pub fn is_longer_than(&self, most: usize) -> bool {
        self.listed().nth(most).is_some()
    }

    /// This page cut into smaller ones; the first is there even if there is nothing on it.
    pub fn pieces(self, most: usize) -> impl Iterator<Item = Self> {
        let mut rest = Some(self);
        std::iter::from_fn(move || {
            let all = rest.take()?;
            let left = all.limit.saturating_sub(most);
            let piece = Self { limit: all.limit.min(most), ..all };
            if left > 0
                && let Some(next) = piece.next()
            {
                rest = Some(piece.clone().page(Some(next.clone()), Some(left)));
            }
            Some(piece)
        })
    }

    /// From where the page begins to the end of all of them.
    fn rest(&self) -> impl Iterator<Item = (&AccountName, &Arc<Listed>)> {
        let from = self.after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        self.by_name.range::<AccountName, _>((from, Bound::Unbounded))
    }
}

impl Serialize for Accounts {
    /// `accounts` and, if there are more, `next`. Never are all accounts in memory as they are shown.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut page = serializer.serialize_struct("Accounts", 2)?;
        page.serialize_field("accounts", &Shown(self))?;
        match self.next() {
            Some(next) => page.serialize_field("next", next)?,
            None => page.skip_field("next")?,
        }
        page.end()
    }
}

/// The accounts of a page, one after the other.
struct Shown<'a>(&'a Accounts);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter())
    }
}

impl Default for Accounts {
    /// None, at no particular moment.
    fn default() -> Self {
        Self::new(ByName::default(), Now { wall: Wall(0), boot: Boot(0) })
    }
}

impl FromIterator<Account> for Accounts {
    /// Accounts as they were shown, at a moment that is not known.
    fn from_iter<I: IntoIterator<Item = Account>>(accounts: I) -> Self {
        let at = |seconds: i64| Boot(seconds.saturating_mul(1000));
        let listed = accounts.into_iter().map(|account| {
            let instants = Instants {
                expires: account.expires_at.map(at),
                sent: account.last_refresh.map(at),
                next: account.next_refresh.map(at),
                ends: account.login_ends_at.map(at),
                warns: account.login_ends_soon.then_some(Boot::LONG_AGO),
            };
            (account.name.clone(), Arc::new(Listed::new(account, instants)))
        });
        Self { by_name: listed.collect(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str) -> Account {
        Account { expires_at: Some(1000), next_refresh: Some(900), ..Account::for_tests(name) }
    }

    fn accounts(count: usize) -> Accounts {
        (0..count).map(|number| account(&format!("n{number:03}"))).collect()
    }

    fn names(accounts: &Accounts) -> Vec<String> {
        accounts.iter().map(|account| account.name.to_string()).collect()
    }

    #[test]
    fn pages_have_each_account_once_and_say_whether_there_are_more() {
        let all = names(&accounts(10));
        for limit in 1..12 {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = accounts(10).page(after.take(), Some(limit));
                seen.extend(names(&page));
                after = page.next().cloned();
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, all, "by {limit}");
        }
        assert!(names(&accounts(3).page(None, Some(0))).is_empty());
        let gone = "n001x".parse().unwrap();
        assert_eq!(names(&accounts(4).page(Some(gone), None)), ["n002", "n003"]);
    }

    #[test]
    fn pieces_are_the_page_cut() {
        for count in [0, 1, 4, 5, 9] {
            for limit in [None, Some(0), Some(3), Some(5), Some(100)] {
                let page = accounts(count).page(None, limit);
                let pieces: Vec<Accounts> = page.clone().pieces(4).collect();
                assert_eq!(pieces.iter().flat_map(names).collect::<Vec<_>>(), names(&page));
                assert!(pieces.iter().all(|piece| !piece.is_longer_than(4)));
                assert!(pieces.iter().skip(1).all(|piece| piece.iter().next().is_some()));
                let last = pieces.last().unwrap();
                assert_eq!(last.next(), page.next(), "{count} by {limit:?}");
            }
        }
    }

    #[test]
    fn what_has_a_place_in_time_is_shown_by_the_clock_of_the_moment() {
        let instants =
            Instants { expires: Some(Boot(5000)), warns: Some(Boot(4000)), ..Instants::default() };
        let listed = Listed::new(account("a"), instants);
        let before = listed.at(Now { wall: Wall(100_000), boot: Boot(3000) });
        assert_eq!((before.expires_at, before.login_ends_soon), (Some(102), false));
        assert_eq!(before.next_refresh, None, "what is not known is not shown");
        // the wall clock was set, and time passed
        let after = listed.at(Now { wall: Wall(900_000), boot: Boot(4000) });
        assert_eq!((after.expires_at, after.login_ends_soon), (Some(901), true));
    }

    #[test]
    fn on_the_wire_it_is_a_list_and_where_the_next_page_begins() {
        let page = serde_json::to_value(accounts(3).page(None, Some(2))).unwrap();
        assert_eq!(page["next"], "n001");
        assert_eq!(page["accounts"][1]["name"], "n001");
        assert_eq!(page["accounts"][1]["expires_at"], 1000);
        let all = serde_json::to_value(accounts(3)).unwrap();
        assert!(all.get("next").is_none());
    }
}
