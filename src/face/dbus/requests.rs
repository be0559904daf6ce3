//! The sign-ins under way that were asked for over the bus: who started each, how many each caller
//! has, and what becomes of them when a caller leaves.

use std::collections::BTreeMap;
use std::sync::Mutex;

use zbus::OwnedObjectPath;
use zbus::names::{OwnedUniqueName, UniqueName};

use super::context::locked;
use super::refusal::invalid;
use crate::api::{Fault, FaultKind, LoginEnded};
use crate::model::{Caller, RequestId};

/// How many sign-ins one connection can have open at once.
pub(super) const PER_CALLER: usize = 8;
/// How many all can: connections cost a process nothing.
const IN_ALL: usize = 64;

/// What a sign-in's life depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bond {
    /// It ends when its creator leaves the bus: nobody would hear how it ended.
    Creator,
    /// It goes on without its creator: the account is what matters.
    Detached,
}

/// A place among the open sign-ins. Never given out twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// A sign-in as the engine knows it, and who may end it.
#[derive(Debug, Clone)]
pub(super) struct SignIn {
    pub(super) request: RequestId,
    pub(super) caller: Caller,
}

/// How a sign-in ended, on its way to the bus.
pub(super) struct Ending {
    pub(super) ticket: Ticket,
    pub(super) path: OwnedObjectPath,
    pub(super) creator: OwnedUniqueName,
    pub(super) outcome: Result<LoginEnded, Fault>,
}

/// The open sign-ins.
#[derive(Default)]
pub(super) struct Requests(Mutex<Book>);

#[derive(Default)]
struct Book {
    next: u64,
    open: BTreeMap<Ticket, Entry>,
}

struct Entry {
    creator: OwnedUniqueName,
    token: Option<String>,
    bond: Bond,
    /// Absent while the engine has not answered yet.
    sign_in: Option<SignIn>,
}

impl Requests {
    /// Takes a place before the engine is asked, so that the limit holds however many calls are in
    /// flight, and a creator that leaves meanwhile is noticed.
    pub(super) fn reserve(
        &self,
        creator: &OwnedUniqueName,
        token: Option<String>,
        bond: Bond,
    ) -> Result<Place<'_>, Fault> {
        let mut book = locked(&self.0);
        let of_creator = || book.open.values().filter(|entry| entry.creator == *creator);
        if of_creator().count() >= PER_CALLER || book.open.len() >= IN_ALL {
            return Err(Fault::new(FaultKind::RateLimited, "too many sign-ins are open")
                .hint("finish or cancel one first"));
        }
        if token.is_some() && of_creator().any(|entry| entry.token == token) {
            return Err(invalid("option handle_token is that of another open sign-in"));
        }
        let ticket = Ticket(book.next);
        book.next += 1;
        book.open.insert(ticket, Entry { creator: creator.clone(), token, bond, sign_in: None });
        Ok(Place { requests: self, ticket, kept: false })
    }

    /// Whether a sign-in is still wanted.
    pub(super) fn is_open(&self, ticket: Ticket) -> bool {
        locked(&self.0).open.contains_key(&ticket)
    }

    /// Gives a place back.
    pub(super) fn close(&self, ticket: Ticket) {
        locked(&self.0).open.remove(&ticket);
    }

    /// A connection is gone: gives back the places of what depended on it, and tells which sign-ins
    /// are to be ended.
    pub(super) fn depart(&self, creator: &UniqueName<'_>) -> Vec<SignIn> {
        self.release(|entry| entry.creator.as_str() == creator.as_str())
    }

    /// The bus is gone, and all connections with it.
    pub(super) fn depart_all(&self) -> Vec<SignIn> {
        self.release(|_| true)
    }

    fn release(&self, concerns: impl Fn(&Entry) -> bool) -> Vec<SignIn> {
        let mut ended = Vec::new();
        locked(&self.0).open.retain(|_, entry| {
            let stays = entry.bond == Bond::Detached || !concerns(entry);
            if !stays {
                ended.extend(entry.sign_in.take());
            }
            stays
        });
        ended
    }
}

/// A reserved place, given back when dropped unless it is kept.
pub(super) struct Place<'a> {
    requests: &'a Requests,
    ticket: Ticket,
    kept: bool,
}

impl Place<'_> {
    /// Enters the sign-in that the place was taken for; `false` if its creator has left meanwhile.
    #[must_use]
    pub(super) fn fill(&self, sign_in: SignIn) -> bool {
        match locked(&self.requests.0).open.get_mut(&self.ticket) {
            Some(entry) => {
                entry.sign_in = Some(sign_in);
                true
            }
            None => false,
        }
    }

    /// Keeps the place until [`Requests::close`].
    pub(super) fn keep(mut self) -> Ticket {
        self.kept = true;
        self.ticket
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.requests.close(self.ticket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Face, Identity};

    fn name(text: &str) -> OwnedUniqueName {
        text.try_into().unwrap()
    }

    fn sign_in(number: u8) -> SignIn {
        let caller = Caller { face: Face::Bus, pid: None, identity: Identity::default() };
        SignIn { request: RequestId::from_random([number; 10]), caller }
    }

    #[test]
    fn a_caller_has_eight_places_and_all_have_sixty_four() {
        let requests = Requests::default();
        let mut kept = Vec::new();
        for caller in 0..IN_ALL / PER_CALLER {
            let caller = name(&format!(":1.{caller}"));
            for _ in 0..PER_CALLER {
                kept.push(requests.reserve(&caller, None, Bond::Creator).unwrap().keep());
            }
            let over = requests.reserve(&caller, None, Bond::Creator).map(|_| ()).unwrap_err();
            assert_eq!(over.kind, FaultKind::RateLimited);
        }
        let newcomer = name(":1.999");
        assert!(requests.reserve(&newcomer, None, Bond::Creator).is_err());
        requests.close(kept[0]);
        assert!(requests.reserve(&newcomer, None, Bond::Creator).is_ok());
    }

    #[test]
    fn a_place_that_is_not_kept_is_given_back() {
        let requests = Requests::default();
        for _ in 0..3 * PER_CALLER {
            drop(requests.reserve(&name(":1.1"), None, Bond::Creator).unwrap());
        }
    }

    #[test]
    fn a_token_is_used_once_at_a_time_by_one_caller() {
        let requests = Requests::default();
        let token = || Some("login".to_owned());
        let ticket = requests.reserve(&name(":1.1"), token(), Bond::Creator).unwrap().keep();
        assert!(requests.reserve(&name(":1.1"), token(), Bond::Creator).is_err());
        assert!(requests.reserve(&name(":1.2"), token(), Bond::Creator).is_ok());
        requests.close(ticket);
        assert!(requests.reserve(&name(":1.1"), token(), Bond::Creator).is_ok());
    }

    #[test]
    fn a_creator_that_leaves_takes_its_sign_ins_along_but_for_detached_ones() {
        let requests = Requests::default();
        let (one, two) = (name(":1.1"), name(":1.2"));
        let mut tickets = Vec::new();
        for (number, (creator, bond)) in
            [(&one, Bond::Creator), (&one, Bond::Detached), (&two, Bond::Creator)]
                .iter()
                .enumerate()
        {
            let place = requests.reserve(creator, None, *bond).unwrap();
            assert!(place.fill(sign_in(u8::try_from(number).unwrap())));
            tickets.push(place.keep());
        }
        let ended = requests.depart(&one);
        assert_eq!(ended.len(), 1);
        assert_eq!(ended[0].request, sign_in(0).request);
        let open: Vec<bool> = tickets.iter().map(|ticket| requests.is_open(*ticket)).collect();
        assert_eq!(open, [false, true, true]);
        assert_eq!(requests.depart_all()[0].request, sign_in(2).request);
    }

    #[test]
    fn a_creator_that_leaves_before_the_engine_answers_is_noticed() {
        let requests = Requests::default();
        let creator = name(":1.1");
        let place = requests.reserve(&creator, None, Bond::Creator).unwrap();
        assert!(requests.depart(&creator).is_empty(), "there is nothing to end yet");
        assert!(!place.fill(sign_in(1)));
    }
}
