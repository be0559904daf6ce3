//! The rows of the table: what is measured, against what, and what is wanted.

use serde::Serialize;

use crate::sheet::Series;

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    /// Who measures it.
    pub(crate) scene: &'static str,
    /// What it is, for people.
    pub(crate) what: &'static str,
    /// Where its values are.
    pub(crate) series: Series,
    /// What they are.
    pub(crate) unit: Unit,
    /// What they are divided by, round by round.
    pub(crate) floor: Floor,
    /// What is wanted.
    pub(crate) goal: Option<Goal>,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// Nanoseconds.
    Time,
    /// So many a second.
    Rate,
    /// Bytes.
    Memory,
    /// A number of something.
    Count,
}

/// What the values of a row are divided by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Floor {
    /// Nothing: they are held to the goal themselves.
    None,
    /// The least that another program needs for the same, or what a peer needs.
    Program {
        /// Who, for people.
        name: &'static str,
        /// Where its values are.
        series: Series,
    },
    /// The same build under other circumstances.
    Itself {
        /// Which, for people.
        name: &'static str,
        /// Where those values are.
        series: Series,
    },
}

/// What is wanted of the median.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    /// No more than that.
    AtMost(f64),
    /// No less than that.
    AtLeast(f64),
}

impl Goal {
    /// Whether a value reaches it.
    pub(crate) fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
}

use Floor::{Itself, Program};
use Goal::{AtLeast, AtMost};
use Unit::{Count, Memory, Rate, Time};

const fn row(
    scene: &'static str,
    what: &'static str,
    series: Series,
    unit: Unit,
    floor: Floor,
    goal: Option<Goal>,
) -> Row {
    Row { scene, what, series, unit, floor, goal }
}

const fn program(name: &'static str, series: Series) -> Floor {
    Program { name, series }
}

const fn itself(name: &'static str, series: Series) -> Floor {
    Itself { name, series }
}

/// All of them, in the order of the table.
pub(crate) const ROWS: &[Row] = &[
    row(
        "ask",
        "ask on an open connection, p50",
        "ask.open.p50",
        Time,
        program("raw echo in C", "echo.open.p50"),
        Some(AtMost(1.35)),
    ),
    row(
        "ask",
        "ask on an open connection, p99",
        "ask.open.p99",
        Time,
        program("raw echo in C", "echo.open.p99"),
        Some(AtMost(1.5)),
    ),
    row(
        "ask",
        "ask on an open connection, p50",
        "ask.open.p50",
        Time,
        program("ssh-agent, its two keys", "ssh-agent.open.p50"),
        Some(AtMost(1.0)),
    ),
    row(
        "ask",
        "connect, ask, close, p50",
        "ask.connect.p50",
        Time,
        program("iterative accept in C", "iterative.connect.p50"),
        Some(AtMost(1.6)),
    ),
    row(
        "crowd",
        "asks a second, 8 clients",
        "crowd.8",
        Rate,
        program("epoll in C", "events.8"),
        Some(AtLeast(0.8)),
    ),
    row(
        "crowd",
        "asks a second, 64 clients",
        "crowd.64",
        Rate,
        program("epoll in C", "events.64"),
        Some(AtLeast(0.8)),
    ),
    row(
        "crowd",
        "p99 by p50 of 64 clients",
        "crowd.64.spread",
        Count,
        Floor::None,
        Some(AtMost(3.0)),
    ),
    row(
        "bus",
        "GetAccessToken on D-Bus, p50",
        "bus.open.p50",
        Time,
        program("smallest sd-bus server", "sd-bus.open.p50"),
        Some(AtMost(1.2)),
    ),
    row(
        "bus",
        "GetAccessToken on D-Bus, connecting, p50",
        "bus.connect.p50",
        Time,
        program("smallest sd-bus server", "sd-bus.connect.p50"),
        Some(AtMost(1.15)),
    ),
    row(
        "command",
        "ostler token, whole process",
        "command.time",
        Time,
        program("/bin/true", "true.time"),
        Some(AtMost(1.6)),
    ),
    row(
        "command",
        "ostler token, processor time",
        "command.cpu",
        Time,
        program("/bin/true", "true.cpu"),
        Some(AtMost(1.6)),
    ),
    row(
        "command",
        "ostler token, whole process",
        "command.time",
        Time,
        program("the same in C", "client.time"),
        None,
    ),
    row(
        "command",
        "ostler token, static",
        "static.time",
        Time,
        program("static client in C", "static-client.time"),
        Some(AtMost(1.5)),
    ),
    row(
        "command",
        "ostler token, static, processor time",
        "static.cpu",
        Time,
        program("static client in C", "static-client.cpu"),
        Some(AtMost(1.5)),
    ),
    row(
        "command",
        "ostler token, static",
        "static.time",
        Time,
        program("/bin/true", "true.time"),
        Some(AtMost(0.75)),
    ),
    row(
        "memory",
        "resident memory, idle",
        "memory.idle",
        Memory,
        program("ssh-agent", "ssh-agent.resident"),
        Some(AtMost(2.2)),
    ),
    row(
        "memory",
        "resident memory after 8 refreshes",
        "memory.after",
        Memory,
        program("ssh-agent", "ssh-agent.resident"),
        Some(AtMost(2.5)),
    ),
    row(
        "memory",
        "private dirty memory, idle",
        "memory.dirty",
        Memory,
        program("ssh-agent", "ssh-agent.dirty"),
        Some(AtMost(1.8)),
    ),
    row(
        "many",
        "start to first token, 1,000 accounts",
        "start.1k",
        Time,
        program("reading the rows with rusqlite", "rows.1k"),
        Some(AtMost(2.5)),
    ),
    row(
        "many",
        "start to first token, 10,000 accounts",
        "start.10k",
        Time,
        program("reading the rows with rusqlite", "rows.10k"),
        Some(AtMost(2.5)),
    ),
    row(
        "many",
        "start to first token, 100,000 accounts",
        "start.100k",
        Time,
        program("reading the rows with rusqlite", "rows.100k"),
        Some(AtMost(2.5)),
    ),
    row(
        "many",
        "memory an account, without its token",
        "memory.account",
        Memory,
        Floor::None,
        Some(AtMost(1500.0)),
    ),
    row("many", "ostler status, 1,000 accounts", "status.1k", Time, Floor::None, None),
    row("many", "ostler status, 10,000 accounts", "status.10k", Time, Floor::None, None),
    row(
        "many",
        "ostler status, 100,000 accounts",
        "status.100k",
        Time,
        Floor::None,
        Some(AtMost(1e9)),
    ),
    row("many", "ostler accounts, 10,000 accounts", "accounts.10k", Time, Floor::None, None),
    row(
        "many",
        "ostler accounts, 100,000 accounts",
        "accounts.100k",
        Time,
        Floor::None,
        Some(AtMost(1e9)),
    ),
    row(
        "many",
        "ask beside a list of 10,000 accounts, p99",
        "ask.beside_list.p99",
        Time,
        itself("the same without", "ask.without_list.p99"),
        None,
    ),
    row(
        "many",
        "processor time of a refresh, 10,000 accounts",
        "refresh.cpu.10k",
        Time,
        itself("with 1,000", "refresh.cpu.1k"),
        Some(AtMost(1.2)),
    ),
    row(
        "many",
        "processor time of a refresh, 100,000 accounts",
        "refresh.cpu.100k",
        Time,
        itself("with 1,000", "refresh.cpu.1k"),
        Some(AtMost(1.2)),
    ),
    row(
        "storm",
        "refreshes a second, 10,000 due at 240 origins",
        "storm.spread",
        Rate,
        program("bare reqwest loop with the commits", "bare.spread"),
        Some(AtLeast(0.5)),
    ),
    row(
        "storm",
        "refreshes a second, 1,000 due at one provider",
        "storm.one",
        Rate,
        Floor::None,
        None,
    ),
    row(
        "storm",
        "syncs a refresh, 100 due at once",
        "storm.syncs",
        Count,
        Floor::None,
        Some(AtMost(0.1)),
    ),
    row(
        "beside",
        "ask beside 140 refreshes a second, p99",
        "ask.beside.p99",
        Time,
        itself("the same without", "ask.quiet.p99"),
        Some(AtMost(2.0)),
    ),
    row(
        "beside",
        "ask beside 140 refreshes a second, p99.9",
        "ask.beside.p999",
        Time,
        itself("the same without", "ask.quiet.p999"),
        Some(AtMost(1.3)),
    ),
    row("beside", "refreshes a second meanwhile", "beside.rate", Rate, Floor::None, None),
    row(
        "refresh",
        "a refresh, end to end, p50",
        "refresh.time",
        Time,
        program("a request and three synced pages", "refresh.floor"),
        Some(AtMost(1.2)),
    ),
    row(
        "refresh",
        "1,000 callers wait: the provider's answer to the last of theirs",
        "refresh.waiters",
        Time,
        Floor::None,
        Some(AtMost(10e6)),
    ),
    row(
        "idle",
        "wake-ups in a minute without work",
        "idle.wakes",
        Count,
        Floor::None,
        Some(AtMost(0.0)),
    ),
];
