//! What comes of a run: for each row the ratio to its floor in the same round, as minimum, median and maximum.

use serde::Serialize;

use crate::machine::Machine;
use crate::options::{Options, Pace};
use crate::rows::{Floor, Goal, ROWS, Row, Unit};
use crate::sheet::{Of, Sheet};

/// A whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    /// What ran it, and when.
    pub(crate) machine: Machine,
    /// How thorough it was.
    pub(crate) quick: bool,
    /// The builds by name, this one first.
    pub(crate) builds: Vec<String>,
    /// The rows of the scenes that were played.
    pub(crate) rows: Vec<Line>,
}

/// One row.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    /// What was measured.
    pub(crate) what: &'static str,
    /// In which unit.
    pub(crate) unit: Unit,
    /// Against what.
    pub(crate) floor: &'static str,
    /// What is wanted.
    pub(crate) goal: Option<Goal>,
    /// What was found, for each build.
    pub(crate) builds: Vec<Found>,
}

/// What was found of a build.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Found {
    /// Values, and ratios if there is a floor.
    Measured {
        /// The build's own values.
        value: Spread,
        /// Those of the floor.
        floor: Option<Spread>,
        /// The ratios of the rounds.
        ratio: Option<Spread>,
        /// The first build's values by this one's, for each but the first.
        first: Option<Spread>,
    },
    /// Nothing, and why.
    Absent(String),
}

/// Values of rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// The least.
    pub(crate) min: f64,
    /// The one in the middle.
    pub(crate) median: f64,
    /// The greatest.
    pub(crate) max: f64,
    /// How many there are.
    pub(crate) rounds: usize,
}

impl Spread {
    /// That of some values; nothing of none.
    fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        Some(Self { min, median: values[values.len() / 2], max, rounds: values.len() })
    }

    /// That of the ratios, round by round; what is divided by nothing has none.
    fn of_ratios(values: &[f64], floors: &[f64]) -> Option<Self> {
        let ratios = values.iter().zip(floors).map(|(value, floor)| value / floor);
        Self::of(ratios.filter(|ratio| ratio.is_finite()))
    }
}

impl Summary {
    /// That of a run.
    pub(crate) fn of(options: &Options, sheet: &Sheet) -> Self {
        let builds: Vec<String> = options.builds.iter().map(|build| build.name.clone()).collect();
        let rows = ROWS.iter().filter(|row| options.wants(row.scene));
        let rows = rows.map(|row| Line::of(row, builds.len(), sheet)).collect();
        Self { machine: Machine::here(), quick: options.pace == Pace::Quick, builds, rows }
    }
}

impl Line {
    fn of(row: &Row, builds: usize, sheet: &Sheet) -> Self {
        let floor = match row.floor {
            Floor::None => "",
            Floor::Program { name, .. } | Floor::Itself { name, .. } => name,
        };
        let builds = (0..builds).map(|build| Found::of(row, build, sheet)).collect();
        Self { what: row.what, unit: row.unit, floor, goal: row.goal, builds }
    }
}

impl Found {
    fn of(row: &Row, build: usize, sheet: &Sheet) -> Self {
        let values = sheet.values(row.series, Of::Build(build));
        let (series, floors) = match row.floor {
            Floor::None => (row.series, None),
            Floor::Program { series, .. } => (series, Some(sheet.values(series, Of::Floor))),
            Floor::Itself { series, .. } => (series, Some(sheet.values(series, Of::Build(build)))),
        };
        let why = |series| sheet.why(row.scene, series).unwrap_or("not measured in this run");
        let Some(value) = Spread::of(values.iter().copied()) else {
            return Self::Absent(why(row.series).to_owned());
        };
        let floor = floors.and_then(|floors| Spread::of(floors.iter().copied()));
        if floors.is_some() && floor.is_none() {
            return Self::Absent(why(series).to_owned());
        }
        let ratio = floors.and_then(|floors| Spread::of_ratios(values, floors));
        let first = (build > 0)
            .then(|| Spread::of_ratios(sheet.values(row.series, Of::Build(0)), values))
            .flatten();
        Self::Measured { value, floor, ratio, first }
    }

    /// What is held to the goal: the median of the ratio, or of the value where there is no floor.
    pub(crate) fn judged(&self) -> Option<f64> {
        match self {
            Self::Measured { value, ratio, .. } => Some(ratio.unwrap_or(*value).median),
            Self::Absent(_) => None,
        }
    }
}
