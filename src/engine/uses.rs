//! Who was given tokens: what a user can look up who wonders which program uses an account. It is bounded: of
//! each account the programs that came last are kept. What is new is written down now and then, for no
//! token is to wait for that.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use rpds::HashTrieMapSync;
use tokio::sync::Semaphore;
use tokio::task::JoinError;

use super::roster::STRIDE;
use crate::api::{Accounts, Fault, FaultKind, Use};
use crate::model::{AccountId, AccountName, Boot, Caller, Face, Identity, Now, Usage, Wall};

/// How many programs are remembered of an account.
const PROGRAMS_MAX: usize = 64;
/// How long what is new may be in memory alone.
const UNWRITTEN_MAX: Duration = Duration::from_mins(1);

/// The uses of all accounts.
#[derive(Debug, Default)]
pub(super) struct Uses {
    of: ByAccount,
    /// The accounts with uses that are not written down.
    unwritten: HashSet<AccountId>,
    /// When they are to be, if there are any.
    due: Option<Boot>,
    listing: Turn,
}

/// Held while the uses of all accounts are listed: one such list at a time is in memory, and one thread sorts it.
#[derive(Debug, Clone)]
pub(super) struct Turn(Arc<Semaphore>);

impl Default for Turn {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

/// Programs by account: a copy costs nothing, so that a list is read beside the engine.
pub(super) type ByAccount = HashTrieMapSync<AccountId, Vec<Program>>;

/// A program that was given tokens of an account.
#[derive(Debug, Clone)]
pub(super) struct Program {
    who: Identity,
    /// As it came last.
    face: Face,
    pid: Option<i32>,
    first: Wall,
    last: Wall,
    count: u64,
    is_new: bool,
}

impl Uses {
    /// What is on record; who came last, last.
    pub(super) fn take_up(records: Vec<Usage>) -> Self {
        let mut of: HashMap<AccountId, Vec<Program>> = HashMap::new();
        for Usage { account, who, face, pid, first, last, count } in records {
            let program = Program { who, face, pid, first, last, count, is_new: false };
            keep(of.entry(account).or_default(), program);
        }
        Self { of: of.into_iter().collect(), ..Self::default() }
    }

    /// A caller is given a token.
    pub(super) fn note(&mut self, account: &AccountId, caller: &Caller, now: Now) {
        self.due.get_or_insert(now.boot + UNWRITTEN_MAX);
        if !self.unwritten.contains(account) {
            self.unwritten.insert(account.clone());
        }
        if !self.of.contains_key(account) {
            self.of.insert_mut(account.clone(), Vec::new());
        }
        let Some(programs) = self.of.get_mut(account) else { return };
        let Caller { face, pid, .. } = *caller;
        if let Some(program) = programs.iter_mut().find(|it| it.who == caller.identity) {
            (program.face, program.pid, program.last) = (face, pid, now.wall);
            program.count += 1;
            program.is_new = true;
            return;
        }
        let (who, at) = (caller.identity.clone(), now.wall);
        keep(programs, Program { who, face, pid, first: at, last: at, count: 1, is_new: true });
    }

    /// When [`Self::take_new`] is to be called next.
    pub(super) fn due(&self) -> Option<Boot> {
        self.due
    }

    /// What is to be written down.
    pub(super) fn take_new(&mut self) -> Vec<Usage> {
        self.due = None;
        let mut new = Vec::new();
        for account in self.unwritten.drain() {
            let Some(programs) = self.of.get_mut(&account) else { continue };
            for program in programs.iter_mut().filter(|program| program.is_new) {
                program.is_new = false;
                new.push(Usage {
                    account: account.clone(),
                    who: program.who.clone(),
                    face: program.face,
                    pid: program.pid,
                    first: program.first,
                    last: program.last,
                    count: program.count,
                });
            }
        }
        new
    }

    /// Those of all accounts, for [`list_all`].
    pub(super) fn all(&self) -> (ByAccount, Turn) {
        (self.of.clone(), self.listing.clone())
    }

    /// Those of an account of that name.
    pub(super) fn of(&self, account: &AccountId, name: &AccountName) -> Vec<Use> {
        let programs = self.of.get(account).into_iter().flatten();
        let mut uses: Vec<Use> = programs.map(|it| it.shown(name.clone())).collect();
        sort(&mut uses);
        uses
    }

    /// An account is gone.
    pub(super) fn forget(&mut self, account: &AccountId) {
        self.of.remove_mut(account);
        self.unwritten.remove(account);
    }
}

/// Those of all accounts, read some at a time.
async fn of_all(programs: ByAccount, accounts: Accounts) -> Vec<Use> {
    let mut uses = Vec::new();
    for stride in accounts.pieces(STRIDE) {
        for listed in stride.listed() {
            let account = listed.timeless();
            let programs = programs.get(&account.id).into_iter().flatten();
            uses.extend(programs.map(|it| it.shown(account.name.clone())));
        }
        tokio::task::yield_now().await;
    }
    uses
}

/// Whoever came last first.
fn sort(uses: &mut [Use]) {
    uses.sort_by(|a, b| (b.last, &a.account, &a.caller).cmp(&(a.last, &b.account, &b.caller)));
}

/// Adds a program; the one that came longest ago makes room if need be.
fn keep(programs: &mut Vec<Program>, program: Program) {
    if programs.len() < PROGRAMS_MAX {
        programs.push(program);
    } else if let Some(oldest) = programs.iter_mut().min_by_key(|it| it.last) {
        *oldest = program;
    }
}

impl Program {
    fn shown(&self, account: AccountName) -> Use {
        Use {
            account,
            caller: self.who.to_string(),
            tier: self.who.tier().as_str().to_owned(),
            face: self.face.as_str().to_owned(),
            pid: self.pid,
            first: self.first.seconds(),
            last: self.last.seconds(),
            count: self.count,
        }
    }
}

/// Those of all accounts, as an answer; one such list at a time.
pub(super) async fn list_all(
    programs: ByAccount,
    accounts: Accounts,
    turn: Turn,
) -> Result<Vec<Use>, Fault> {
    let Turn(turn) = turn;
    let _turn = turn.acquire().await;
    let mut uses = of_all(programs, accounts).await;
    // a thread of its own for what cannot be done in strides
    let sorted = tokio::task::spawn_blocking(move || {
        sort(&mut uses);
        uses
    });
    let failed = |error: JoinError| Fault::new(FaultKind::Internal, error.to_string());
    sorted.await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::IdentityKind;

    fn caller(exe: &str) -> Caller {
        let identity = Identity::new(IdentityKind::Exe, exe);
        Caller { face: Face::Socket, pid: Some(7), identity }
    }

    fn at(seconds: i64) -> Now {
        Now { wall: Wall(seconds * 1000), boot: Boot(seconds * 1000) }
    }

    fn account(number: u8) -> AccountId {
        AccountId::from_random([number; 8])
    }

    fn listed(uses: &Uses, of: Option<u8>) -> Vec<Use> {
        let of = of.map(account);
        let name = |id: &AccountId| ["a", "b"][usize::from(*id == account(2))].parse().unwrap();
        let wanted = uses.of.keys().filter(|id| of.as_ref().is_none_or(|of| of == *id));
        let mut listed: Vec<Use> = wanted.flat_map(|id| uses.of(id, &name(id))).collect();
        sort(&mut listed);
        listed
    }

    #[test]
    fn a_program_is_one_however_often_it_comes_and_whichever_process_it_is() {
        let mut uses = Uses::default();
        uses.note(&account(1), &caller("/usr/bin/curl"), at(10));
        let again = Caller { face: Face::Bus, pid: Some(8), ..caller("/usr/bin/curl") };
        uses.note(&account(1), &again, at(20));
        uses.note(&account(1), &caller("/usr/bin/mail"), at(15));
        let listed = listed(&uses, None);
        assert_eq!(listed.len(), 2);
        let curl = &listed[0];
        assert_eq!((curl.first, curl.last, curl.count), (10, 20, 2));
        assert_eq!((curl.caller.as_str(), curl.tier.as_str()), ("exe:/usr/bin/curl", "claimed"));
        assert_eq!((curl.face.as_str(), curl.pid), ("dbus", Some(8)));
        assert_eq!(listed[1].caller, "exe:/usr/bin/mail");
    }

    #[test]
    fn accounts_are_kept_apart_and_forgotten_with_their_uses() {
        let mut uses = Uses::default();
        uses.note(&account(1), &caller("/a"), at(1));
        uses.note(&account(2), &caller("/a"), at(2));
        assert_eq!(listed(&uses, Some(1)).len(), 1);
        uses.forget(&account(1));
        assert!(listed(&uses, Some(1)).is_empty());
        assert_eq!(listed(&uses, None)[0].account.as_str(), "b");
    }

    #[test]
    fn a_flood_of_programs_leaves_those_that_came_last() {
        let mut uses = Uses::default();
        for number in 0..1000 {
            uses.note(&account(1), &caller(&format!("/{number}")), at(number));
        }
        let listed = listed(&uses, None);
        assert_eq!(listed.len(), PROGRAMS_MAX);
        assert_eq!((listed[0].last, listed[PROGRAMS_MAX - 1].last), (999, 936));
    }

    #[test]
    fn what_is_new_is_written_down_once_a_minute_and_taken_up_again() {
        let mut uses = Uses::default();
        assert_eq!(uses.due(), None);
        uses.note(&account(1), &caller("/a"), at(10));
        uses.note(&account(1), &caller("/a"), at(30));
        uses.note(&account(2), &caller("/b"), at(40));
        assert_eq!(uses.due(), Some(Boot(70_000)));
        let mut written = uses.take_new();
        assert_eq!((written.len(), uses.due(), uses.take_new().len()), (2, None, 0));
        written.sort_by_key(|usage| usage.last);
        let mut again = Uses::take_up(written);
        assert_eq!(listed(&again, None), listed(&uses, None));
        again.note(&account(1), &caller("/a"), at(90));
        assert_eq!(again.take_new()[0].count, 3);
    }
}
