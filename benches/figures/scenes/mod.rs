//! Each scene measures some rows, round by round.

mod ask;
mod beside;
mod bus;
mod command;
mod crowd;
mod idle;
mod many;
mod memory;
mod refresh;
mod storm;

use crate::Failure;
use crate::options::Options;
use crate::sheet::Sheet;

/// Who measures some rows.
pub(crate) struct Scene {
    /// What `benches/run` knows it by.
    pub(crate) name: &'static str,
    /// Measures.
    pub(crate) play: fn(&Options, &mut Sheet) -> Result<(), Failure>,
}

/// All of them, in the order of the table.
pub(crate) fn all() -> impl Iterator<Item = Scene> {
    [
        Scene { name: "ask", play: ask::play },
        Scene { name: "crowd", play: crowd::play },
        Scene { name: "bus", play: bus::play },
        Scene { name: "command", play: command::play },
        Scene { name: "memory", play: memory::play },
        Scene { name: "many", play: many::play },
        Scene { name: "storm", play: storm::play },
        Scene { name: "beside", play: beside::play },
        Scene { name: "refresh", play: refresh::play },
        Scene { name: "idle", play: idle::play },
    ]
    .into_iter()
}
