//! What was measured, by series: one value a round.

use std::collections::BTreeMap;

/// What is measured, such as `ask.open.p50`.
pub(crate) type Series = &'static str;

/// Whose value it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Of {
    /// Of a build, by its place among them.
    Build(usize),
    /// Of a floor or a peer.
    Floor,
}

/// All values of a run.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    values: BTreeMap<(Series, Of), Vec<f64>>,
    absent: BTreeMap<Series, String>,
    failed: BTreeMap<&'static str, String>,
}

impl Sheet {
    /// Writes down the value of a round.
    pub(crate) fn add(&mut self, series: Series, of: Of, value: f64) {
        self.values.entry((series, of)).or_default().push(value);
    }

    /// Writes down that there is nothing to measure here, and why.
    pub(crate) fn absent(&mut self, series: Series, why: &str) {
        self.absent.insert(series, why.to_owned());
    }

    /// Writes down that a scene failed.
    pub(crate) fn failed(&mut self, scene: &'static str, why: &str) {
        self.failed.insert(scene, why.to_owned());
    }

    /// The values of a series, in the order of the rounds.
    pub(crate) fn values(&self, series: Series, of: Of) -> &[f64] {
        self.values.get(&(series, of)).map_or(&[], Vec::as_slice)
    }

    /// Why a series has no values.
    pub(crate) fn why(&self, scene: &str, series: Series) -> Option<&str> {
        self.absent.get(series).or_else(|| self.failed.get(scene)).map(String::as_str)
    }
}
