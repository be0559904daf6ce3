//! Which accounts may look different from outside than they did.

use crate::model::AccountName;

/// How many slots there is room for from one event to the next.
const ROOM_KEPT: usize = 64;

/// The accounts that may look different. It errs on the side of too many: one that looks as before costs a look.
#[derive(Debug, Default)]
pub(super) struct Stirred {
    slots: Vec<usize>,
    /// Names that nobody has any more, unless somebody else took one meanwhile.
    gone: Vec<AccountName>,
}

impl Stirred {
    pub(super) fn note(&mut self, slot: usize) {
        // most events are about one account, and touch it several times
        if self.slots.last() != Some(&slot) {
            self.slots.push(slot);
        }
    }

    pub(super) fn note_gone(&mut self, name: AccountName) {
        self.gone.push(name);
    }

    /// The names that nobody has any more, since this was asked last.
    pub(super) fn take_gone(&mut self) -> Vec<AccountName> {
        std::mem::take(&mut self.gone)
    }

    /// The slots of the others, each once.
    pub(super) fn take(&mut self) -> Vec<usize> {
        let mut slots = std::mem::take(&mut self.slots);
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// Keeps the room of what [`Self::take`] gave for the next event, unless it was for all accounts.
    pub(super) fn give_back(&mut self, mut slots: Vec<usize>) {
        if slots.capacity() <= ROOM_KEPT {
            slots.clear();
            self.slots = slots;
        }
    }
}
