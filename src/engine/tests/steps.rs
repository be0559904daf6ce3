//! What can happen in a history.

use proptest::prelude::*;

use super::accounts::ACCOUNTS;
use super::sky::Fate;

/// How requests fare for a while.
#[derive(Debug, Clone, Copy)]
pub(super) enum Weather {
    /// Every one alike.
    All(Fate),
    /// Each as the dice say, which are thrown anew for each number.
    Mixed(u16),
}

/// One step of a history.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A caller asks, and may report the token it was given last as rejected.
    Ask { who: usize, min_valid: u32, patience: u32, rejects: bool },
    /// So many single things are done, in any order: the engine takes up one, the disk commits one,
    /// one request meets its fate.
    Go { count: u8, order: u16, weather: Weather },
    /// Time passes, and everything is done in its time.
    Live { seconds: u16, weather: Weather },
    /// Time passes and nobody does anything: suspend.
    Suspend { seconds: u16 },
    /// The file system takes nothing, or takes writes again.
    ReadOnly(bool),
    /// The user takes the grant back at the provider.
    Revoke(usize),
    /// Somebody sets the wall clock.
    SetClock { seconds: i32 },
    /// The daemon is killed and starts again, perhaps after a reboot with another time. Of what was in
    /// the air, the bits say what still arrives.
    Crash { arrives: u8, reboot: bool, wall: i32, seconds: u16 },
}

/// The fate of a request in mixed weather.
pub(super) fn thrown(dice: u64) -> Fate {
    match dice % 24 {
        0..=9 => Fate::Well,
        10 | 11 => Fate::Slow(u16::try_from(dice / 24 % 40_000).unwrap_or(0)),
        12 => Fate::AnswerLost,
        13 => Fate::RequestLost,
        14 => Fate::NotSent,
        15 => Fate::Silence { arrives: (dice / 24).is_multiple_of(2) },
        16 => Fate::Trouble { status: 503, retry_after: None },
        17 => Fate::Trouble { status: 429, retry_after: Some(20) },
        18 => Fate::BadGateway,
        19 => Fate::Portal,
        20 => Fate::Cut { behind: (dice / 24).is_multiple_of(2) },
        21 => Fate::NoAccess,
        22 if (dice / 24).is_multiple_of(8) => Fate::BadClient,
        22 => Fate::Trouble { status: 500, retry_after: None },
        _ => Fate::FalseAlarm,
    }
}

fn weather() -> impl Strategy<Value = Weather> {
    prop_oneof![
        4 => Just(Weather::All(Fate::Well)),
        4 => any::<u16>().prop_map(Weather::Mixed),
        3 => any::<u64>().prop_map(|dice| Weather::All(thrown(dice))),
    ]
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..ACCOUNTS.len(), 0..4000_u32, 1..60_000_u32, any::<bool>()).prop_map(
            |(who, min_valid, patience, rejects)| Step::Ask { who, min_valid, patience, rejects }
        ),
        8 => (1..40_u8, any::<u16>(), weather())
            .prop_map(|(count, order, weather)| Step::Go { count, order, weather }),
        4 => (1..3000_u16, weather())
            .prop_map(|(seconds, weather)| Step::Live { seconds, weather }),
        3 => (1..20_000_u16).prop_map(|seconds| Step::Suspend { seconds }),
        1 => any::<bool>().prop_map(Step::ReadOnly),
        1 => (0..12_usize).prop_map(Step::Revoke),
        1 => (-5000..5000_i32).prop_map(|seconds| Step::SetClock { seconds }),
        5 => (any::<u8>(), prop::bool::weighted(0.3), -4000..4000_i32, 0..600_u16).prop_map(
            |(arrives, reboot, wall, seconds)| Step::Crash { arrives, reboot, wall, seconds }
        ),
    ]
}

/// Any history.
pub(super) fn history() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..40)
}
