//! Timers: what is due next is found at once, however many wait.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use crate::model::Boot;

/// One timer for each key, at most.
#[derive(Debug)]
pub(super) struct Timers<K> {
    order: BTreeSet<(Boot, K)>,
    set: HashMap<K, Boot>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { order: BTreeSet::new(), set: HashMap::new() }
    }
}

impl<K: Ord + Hash + Clone> Timers<K> {
    /// Sets the timer of a key to another moment, or takes it away.
    pub(super) fn set(&mut self, key: &K, at: Option<Boot>) {
        let before = match at {
            Some(at) => self.set.insert(key.clone(), at),
            None => self.set.remove(key),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.order.remove(&(before, key.clone()));
        }
        if let Some(at) = at {
            self.order.insert((at, key.clone()));
        }
    }

    /// When the next one rings.
    pub(super) fn first(&self) -> Option<Boot> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes the next one that is due by `now`.
    pub(super) fn ring(&mut self, now: Boot) -> Option<K> {
        let (at, _) = self.order.first()?;
        if *at > now {
            return None;
        }
        let (_, key) = self.order.pop_first()?;
        self.set.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_ring_in_the_order_of_their_moments_and_once() {
        let mut timers = Timers::default();
        for (key, at) in [("b", 20), ("a", 10), ("c", 30)] {
            timers.set(&key, Some(Boot(at)));
        }
        timers.set(&"c", Some(Boot(5)));
        timers.set(&"b", None);
        assert_eq!(timers.first(), Some(Boot(5)));
        assert_eq!(timers.ring(Boot(4)), None);
        assert_eq!(timers.ring(Boot(10)), Some("c"));
        assert_eq!(timers.ring(Boot(10)), Some("a"));
        assert_eq!((timers.ring(Boot(99)), timers.first()), (None, None));
    }
}
