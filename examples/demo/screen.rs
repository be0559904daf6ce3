//! What the demo shows: steps, notes, and checks that are counted up at the end.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "to print is what a demo is for")]

use std::io::IsTerminal;
use std::time::Instant;

use crate::support::clock;

/// The terminal, and the checks so far.
#[derive(Debug)]
pub(crate) struct Screen {
    start: Instant,
    paint: Paint,
    checks: Vec<Check>,
}

#[derive(Debug)]
struct Check {
    claim: String,
    holds: bool,
    detail: String,
}

/// Whether to use colours: only for eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paint {
    Colour,
    Plain,
}

const BOLD: &str = "1";
const GREEN: &str = "32";
const RED: &str = "1;31";
const DIM: &str = "2";

impl Screen {
    pub(crate) fn new() -> Self {
        // https://no-color.org
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let paint =
            if std::io::stdout().is_terminal() && !plain { Paint::Colour } else { Paint::Plain };
        Self { start: clock::now(), paint, checks: Vec::new() }
    }

    /// Sets the clock to zero.
    pub(crate) fn rewind(&mut self) {
        self.start = clock::now();
    }

    /// Something new begins.
    pub(crate) fn step(&self, title: &str) {
        println!();
        println!("{} {}", self.time(), self.painted(BOLD, title));
    }

    /// Something to know.
    pub(crate) fn note(&self, text: &str) {
        println!("{}   {text}", self.time());
    }

    /// Something claimed, and whether it is so.
    pub(crate) fn check(&mut self, claim: &str, holds: bool, detail: &str) {
        let check = Check { claim: claim.to_owned(), holds, detail: detail.trim().to_owned() };
        println!("{}   {}", self.time(), self.verdict(&check));
        self.checks.push(check);
    }

    /// All checks in a table; says whether all hold.
    pub(crate) fn summary(&self) -> bool {
        self.step("Summary");
        for check in &self.checks {
            println!("  {}", self.verdict(check));
        }
        let failed = self.checks.iter().filter(|check| !check.holds).count();
        println!();
        let all = self.checks.len();
        if failed == 0 {
            println!("{}", self.painted(GREEN, &format!("All {all} checks hold.")));
        } else {
            println!("{}", self.painted(RED, &format!("{failed} of {all} checks do not hold.")));
        }
        failed == 0
    }

    fn verdict(&self, Check { claim, holds, detail }: &Check) -> String {
        let word = if *holds { self.painted(GREEN, "ok  ") } else { self.painted(RED, "FAIL") };
        format!("{word} {claim:<52} {}", self.painted(DIM, detail)).trim_end().to_owned()
    }

    fn time(&self) -> String {
        self.painted(DIM, &format!("{:5.1}s", clock::since(self.start).as_secs_f64()))
    }

    fn painted(&self, style: &str, text: &str) -> String {
        match self.paint {
            Paint::Colour if !text.is_empty() => format!("\x1b[{style}m{text}\x1b[0m"),
            Paint::Colour | Paint::Plain => text.to_owned(),
        }
    }
}

/// Says how the demo is called.
pub(crate) fn usage(text: &str) {
    eprintln!("{text}");
}

/// A token short enough to compare with the eye, and too short to use.
pub(crate) fn short(token: &str) -> String {
    token.chars().take(16).chain("...".chars()).collect()
}
