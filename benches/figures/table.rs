//! The table, as Markdown.

use std::fmt::Write as _;

use crate::rows::{Goal, Unit};
use crate::summary::{Found, Line, Spread, Summary};

/// The table of a run, with a line above it that says what ran it.
pub(crate) fn markdown(summary: &Summary) -> String {
    let machine = &summary.machine;
    let mut text = format!(
        "{}, ostler {}, on {} ({}, Linux {}, load {}){}.\n\n",
        machine.date,
        machine.version,
        machine.kind,
        machine.processor,
        machine.kernel,
        machine.load,
        if summary.quick { ", a quick run" } else { "" },
    );
    text += "| | by | ratio: median (min to max) | goal | measured | floor |\n|---|---|---|---|---|---|\n";
    for line in &summary.rows {
        for (build, found) in summary.builds.iter().zip(&line.builds) {
            let what = match summary.builds.len() {
                1 => line.what.to_owned(),
                _ => format!("{}: {build}", line.what),
            };
            // writing to a string does not fail
            let _ = writeln!(text, "| {what} | {} | {} |", line.floor, cells(line, found));
        }
    }
    text
}

fn cells(line: &Line, found: &Found) -> String {
    let goal = match line.goal {
        None => String::new(),
        Some(goal) => {
            let missed = found.judged().is_some_and(|value| !goal.is_met(value));
            let text = match goal {
                Goal::AtMost(value) => format!("≤ {}", wanted(line, value)),
                Goal::AtLeast(value) => format!("≥ {}", wanted(line, value)),
            };
            if missed { format!("{text}, missed") } else { text }
        }
    };
    match found {
        Found::Absent(why) => format!("absent: {} | {goal} | | ", why.replace(['|', '\n'], " ")),
        Found::Measured { value, floor, ratio, first } => {
            let mut shown = ratio.map_or("-".to_owned(), spread);
            if let Some(first) = first {
                shown = format!("{shown}; the first build's by this: {}", spread(*first));
            }
            let floor = floor.map_or(String::new(), |floor| amount(line.unit, floor.median));
            format!("{shown} | {goal} | {} | {floor}", amount(line.unit, value.median))
        }
    }
}

/// A goal: a ratio, or an amount where there is no floor.
fn wanted(line: &Line, value: f64) -> String {
    if line.floor.is_empty() { amount(line.unit, value) } else { value.to_string() }
}

fn spread(spread: Spread) -> String {
    format!("**{:.2}** ({:.2} to {:.2})", spread.median, spread.min, spread.max)
}

/// A value in the unit that suits its size.
pub(crate) fn amount(unit: Unit, value: f64) -> String {
    let (value, unit) = match unit {
        Unit::Time if value >= 1e9 => (value / 1e9, " s"),
        Unit::Time if value >= 1e6 => (value / 1e6, " ms"),
        Unit::Time => (value / 1e3, " µs"),
        Unit::Rate => (value, " /s"),
        Unit::Memory if value >= 1e6 => (value / 1e6, " MB"),
        Unit::Memory => (value / 1e3, " kB"),
        Unit::Count => (value, ""),
    };
    if value >= 100.0 { format!("{value:.0}{unit}") } else { format!("{value:.1}{unit}") }
}
