//! Who has to leave when it gets crowded. A flood of silent connections must not lock out those who
//! have something to ask: whoever has been silent longest makes room.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;
use tokio::task::Id;

/// The seats of all sessions.
pub(super) struct Seats {
    limit: usize,
    taken: HashMap<Id, Arc<Seat>>,
    turns: Arc<AtomicU64>,
}

/// A session's place.
pub(super) struct Seat {
    /// The turn at which it fell silent, or [`WORKS`], or [`LEAVES`].
    silent_since: AtomicU64,
    turns: Arc<AtomicU64>,
    dismissed: Notify,
}

/// The session's call is being answered.
const WORKS: u64 = 0;
/// The session was sent away. It leaves, unless a call of its client has come in meanwhile: then it goes
/// once that is answered, and counts until then.
const LEAVES: u64 = u64::MAX;

impl Seats {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, taken: HashMap::new(), turns: Arc::default() }
    }

    /// A seat, if need be that of whoever has been silent longest; `None` if nobody is silent.
    pub(super) fn take(&mut self) -> Option<Arc<Seat>> {
        if self.taken.len() >= self.limit && self.staying() >= self.limit && !self.dismiss() {
            return None;
        }
        let seat = Seat {
            silent_since: AtomicU64::new(WORKS),
            turns: Arc::clone(&self.turns),
            dismissed: Notify::new(),
        };
        seat.rest();
        Some(Arc::new(seat))
    }

    /// The task that sits there.
    pub(super) fn fill(&mut self, session: Id, seat: Arc<Seat>) {
        self.taken.insert(session, seat);
    }

    /// That task has ended.
    pub(super) fn empty(&mut self, session: Id) {
        self.taken.remove(&session);
    }

    /// Sends away whoever has been silent longest. Returns whether there was anybody.
    pub(super) fn dismiss(&mut self) -> bool {
        let silent = self.taken.values().filter_map(|seat| Some((seat.silent_since()?, seat)));
        let Some((_, seat)) = silent.min_by_key(|(since, _)| *since) else { return false };
        seat.silent_since.store(LEAVES, Ordering::Relaxed);
        seat.dismissed.notify_one();
        true
    }

    fn staying(&self) -> usize {
        self.taken.values().filter(|seat| !seat.leaves()).count()
    }
}

impl Seat {
    /// From now on the session waits for its client.
    pub(super) fn rest(&self) {
        // all sessions are on one thread; the order is that of the calls
        let turn = self.turns.fetch_add(1, Ordering::Relaxed) + 1;
        self.silent_since.store(turn, Ordering::Relaxed);
    }

    /// From now on the client waits for the session.
    pub(super) fn work(&self) {
        self.silent_since.store(WORKS, Ordering::Relaxed);
    }

    /// Returns when the seat is given to somebody else.
    pub(super) async fn dismissed(&self) {
        self.dismissed.notified().await;
    }

    fn silent_since(&self) -> Option<u64> {
        let turn = self.silent_since.load(Ordering::Relaxed);
        (turn != WORKS && turn != LEAVES).then_some(turn)
    }

    fn leaves(&self) -> bool {
        self.silent_since.load(Ordering::Relaxed) == LEAVES
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn whoever_has_been_silent_longest_makes_room_and_who_is_served_stays() {
        let mut tasks = JoinSet::new();
        let mut seats = Seats::new(3);
        let guests: Vec<Arc<Seat>> = (0..3)
            .map(|_| {
                let seat = seats.take().unwrap();
                seats.fill(tasks.spawn(std::future::pending::<()>()).id(), Arc::clone(&seat));
                seat
            })
            .collect();
        guests[0].work();
        guests[1].rest();

        assert!(seats.take().is_some());
        guests[2].dismissed().await;
        guests[1].work();
        let last = tasks.spawn(std::future::pending::<()>()).id();
        let seat = seats.take().unwrap();
        seats.fill(last, Arc::clone(&seat));
        seat.work();
        assert!(seats.take().is_none(), "all are being served");
        seats.empty(last);
        assert!(seats.take().is_some());
    }

    #[tokio::test]
    async fn who_is_sent_away_and_has_a_call_all_the_same_counts_until_it_is_answered() {
        let mut tasks = JoinSet::new();
        let mut seats = Seats::new(1);
        let mut sit = |seats: &mut Seats| {
            let seat = seats.take()?;
            let session = tasks.spawn(std::future::pending::<()>()).id();
            seats.fill(session, Arc::clone(&seat));
            Some((session, seat))
        };
        let (first, seat) = sit(&mut seats).unwrap();
        let (second, newcomer) = sit(&mut seats).unwrap();
        newcomer.work();
        assert!(sit(&mut seats).is_none(), "the seat of one who leaves is given away once");
        // its call had come in before it heard that it should go
        seat.work();
        seats.empty(second);
        assert!(sit(&mut seats).is_none(), "it is served, and nobody else is in its place");
        seats.empty(first);
        assert!(sit(&mut seats).is_some());
    }
}
