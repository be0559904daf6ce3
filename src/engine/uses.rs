//! Who was given tokens: what a user can look up who wonders which program uses an account. It lives as long
//! as the daemon does, and is bounded: of each account the programs that came last are kept.

use std::collections::HashMap;

use crate::api::Use;
use crate::model::{AccountName, Caller, Identity, Now};

/// How many programs are remembered of an account.
const PROGRAMS_MAX: usize = 64;

/// The uses of all accounts.
#[derive(Debug, Default)]
pub(super) struct Uses(HashMap<AccountName, Vec<Program>>);

/// A program that was given tokens of an account.
#[derive(Debug)]
struct Program {
    /// As it came last.
    caller: Caller,
    first: i64,
    last: i64,
    count: u64,
}

impl Uses {
    /// A caller is given a token.
    pub(super) fn note(&mut self, account: &AccountName, caller: &Caller, now: Now) {
        let seconds = now.wall.seconds();
        let programs = match self.0.get_mut(account) {
            Some(programs) => programs,
            None => self.0.entry(account.clone()).or_default(),
        };
        let same = |identity: &Identity| *identity == caller.identity;
        if let Some(program) = programs.iter_mut().find(|it| same(&it.caller.identity)) {
            (program.last, program.count) = (seconds, program.count + 1);
            (program.caller.face, program.caller.pid) = (caller.face, caller.pid);
            return;
        }
        let program = Program { caller: caller.clone(), first: seconds, last: seconds, count: 1 };
        if programs.len() < PROGRAMS_MAX {
            programs.push(program);
        } else if let Some(oldest) = programs.iter_mut().min_by_key(|it| it.last) {
            *oldest = program;
        }
    }

    /// Those of an account, or of all; whoever came last first.
    pub(super) fn list(&self, account: Option<&AccountName>) -> Vec<Use> {
        let wanted = self.0.iter().filter(|(name, _)| account.is_none_or(|it| it == *name));
        let mut uses: Vec<Use> = wanted
            .flat_map(|(name, programs)| programs.iter().map(|program| program.shown(name)))
            .collect();
        uses.sort_by(|a, b| (b.last, &a.account, &a.caller).cmp(&(a.last, &b.account, &b.caller)));
        uses
    }

    /// An account is gone.
    pub(super) fn forget(&mut self, account: &AccountName) {
        self.0.remove(account);
    }
}

impl Program {
    fn shown(&self, account: &AccountName) -> Use {
        let Caller { face, pid, identity, .. } = &self.caller;
        Use {
            account: account.clone(),
            caller: identity.to_string(),
            tier: identity.tier().as_str().to_owned(),
            face: face.as_str().to_owned(),
            pid: *pid,
            first: self.first,
            last: self.last,
            count: self.count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Boot, Face, IdentityKind, Wall};

    fn caller(exe: &str) -> Caller {
        let identity = Identity::new(IdentityKind::Exe, exe);
        Caller { face: Face::Socket, uid: 1000, pid: Some(7), identity }
    }

    fn at(seconds: i64) -> Now {
        Now { wall: Wall(seconds * 1000), boot: Boot(5) }
    }

    #[test]
    fn a_program_is_one_however_often_it_comes_and_whichever_process_it_is() {
        let (mut uses, door) = (Uses::default(), "door".parse().unwrap());
        uses.note(&door, &caller("/usr/bin/curl"), at(10));
        let again = Caller { face: Face::Bus, pid: Some(8), ..caller("/usr/bin/curl") };
        uses.note(&door, &again, at(20));
        uses.note(&door, &caller("/usr/bin/mail"), at(15));
        let listed = uses.list(None);
        assert_eq!(listed.len(), 2);
        let curl = &listed[0];
        assert_eq!((curl.first, curl.last, curl.count), (10, 20, 2));
        assert_eq!((curl.caller.as_str(), curl.tier.as_str()), ("exe:/usr/bin/curl", "claimed"));
        assert_eq!((curl.face.as_str(), curl.pid), ("dbus", Some(8)));
        assert_eq!(listed[1].caller, "exe:/usr/bin/mail");
    }

    #[test]
    fn accounts_are_kept_apart_and_forgotten_with_their_uses() {
        let (mut uses, door, mail) =
            (Uses::default(), "door".parse().unwrap(), "mail".parse().unwrap());
        uses.note(&door, &caller("/a"), at(1));
        uses.note(&mail, &caller("/a"), at(2));
        assert_eq!(uses.list(Some(&door)).len(), 1);
        uses.forget(&door);
        assert!(uses.list(Some(&door)).is_empty());
        assert_eq!(uses.list(None)[0].account, mail);
    }

    #[test]
    fn a_flood_of_programs_leaves_those_that_came_last() {
        let (mut uses, door) = (Uses::default(), "door".parse().unwrap());
        for number in 0..1000 {
            uses.note(&door, &caller(&format!("/{number}")), at(number));
        }
        let listed = uses.list(None);
        assert_eq!(listed.len(), PROGRAMS_MAX);
        assert_eq!((listed[0].last, listed[PROGRAMS_MAX - 1].last), (999, 936));
    }
}
