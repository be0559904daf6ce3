//! Words, times and tables for people.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::client::After;
use super::console::{Colour, Look};
pub(super) use crate::model::span;

/// The text on one line, without what could command a terminal: it may be a provider's.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for part in text.split(|c: char| c.is_control() || c.is_whitespace()) {
        if !part.is_empty() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(part);
        }
    }
    line
}

/// An instant in the user's time zone.
pub(super) fn moment(seconds: i64) -> String {
    moment_in(seconds, TimeZone::system())
}

fn moment_in(seconds: i64, zone: TimeZone) -> String {
    match Timestamp::from_second(seconds) {
        Ok(instant) => instant.to_zoned_datetime(zone).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        // beyond the year 9999
        Err(_) => format!("@{seconds}"),
    }
}

/// What a cell stands out by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Busy,
    Warning,
    Bad,
    Dim,
}

impl Tone {
    /// Select Graphic Rendition, ECMA-48 8.3.117.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("32"),
            Self::Busy => Some("36"),
            Self::Warning => Some("33"),
            Self::Bad => Some("31"),
            Self::Dim => Some("2"),
        }
    }
}

/// The text in a tone, where the terminal has colours.
pub(super) fn paint(text: &str, tone: Tone, look: Look) -> String {
    match tone.code().filter(|_| look.colour == Colour::Ansi) {
        Some(code) => format!("\x1b[{code}m{text}\x1b[0m"),
        None => text.to_owned(),
    }
}

/// The text in lines that fit the terminal, those behind the first one indented. Words longer than a
/// line stay whole.
pub(super) fn wrap(text: &str, indent: usize, look: Look) -> String {
    let Some(width) = look.width else { return text.to_owned() };
    let mut lines = String::new();
    let mut column = indent;
    for (place, word) in text.split(' ').enumerate() {
        let long = word.width();
        if place > 0 && column + 1 + long > width {
            lines.push('\n');
            lines.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if place > 0 {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += long;
    }
    lines
}

/// A cell of a table.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(super) fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        Self { text: one_line(text.as_ref()), tone }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// What stands between columns.
const GAP: &str = "  ";
/// What the last column keeps, however narrow the terminal.
const LAST_MIN: usize = 12;

/// Lays a table out: columns line up, those with nothing in them are left out, and the last one is
/// cut where the terminal ends.
pub(super) fn table(header: &[&str], rows: &[Vec<Cell>], look: Look) -> String {
    Sheet::new(header, look).page(rows, After::End)
}

/// A table whose rows come a page at a time, so that none has to be kept. The first page says how wide columns are; a
/// cell of a later one that is wider shifts what stands behind it.
pub(super) struct Sheet<'a> {
    header: &'a [&'a str],
    look: Look,
    /// The columns that are shown, and how wide they are, once that is known.
    columns: Option<Vec<(usize, usize)>>,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(header: &'a [&'a str], look: Look) -> Self {
        Self { header, look, columns: None }
    }

    /// The lines of a page: with the header if it is the first one.
    pub(super) fn page(&mut self, rows: &[Vec<Cell>], after: After) -> String {
        let mut text = String::new();
        let columns = self.columns.take().unwrap_or_else(|| {
            let columns = self.lay_out(rows, after);
            let names = self.header.iter().map(|name| Cell::new(name, Tone::Dim));
            self.draw(&columns, &names.collect::<Vec<_>>(), &mut text);
            columns
        });
        for row in rows {
            self.draw(&columns, row, &mut text);
        }
        self.columns = Some(columns);
        text
    }

    /// Which columns are shown, and how wide. One that is empty may fill later, if more rows come.
    fn lay_out(&self, rows: &[Vec<Cell>], after: After) -> Vec<(usize, usize)> {
        let is_used = |column: &usize| {
            after == After::More || rows.iter().any(|row| !row[*column].text.is_empty())
        };
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].text.width());
            cells.chain([self.header[column].width()]).max().unwrap_or(0)
        };
        let used = (0..self.header.len()).filter(is_used);
        let mut columns: Vec<_> = used.map(|column| (column, width(column))).collect();
        if let Some((last, others)) = columns.split_last_mut() {
            let before: usize = others.iter().map(|(_, width)| width + GAP.len()).sum();
            let room = self.look.width.map(|width| width.saturating_sub(before).max(LAST_MIN));
            last.1 = match (room, after) {
                (Some(room), After::End) => last.1.min(room),
                (Some(room), After::More) => room,
                (None, After::End) => last.1,
                (None, After::More) => usize::MAX,
            };
        }
        columns
    }

    fn draw(&self, columns: &[(usize, usize)], row: &[Cell], text: &mut String) {
        let last = columns.len().saturating_sub(1);
        for (place, (column, width)) in columns.iter().enumerate() {
            let cell = &row[*column];
            let shown = if cell.text.is_empty() { "-" } else { &cell.text };
            if place == last {
                text.push_str(&paint(&cut(shown, *width), cell.tone, self.look));
            } else {
                text.push_str(&paint(shown, cell.tone, self.look));
                text.extend(std::iter::repeat_n(' ', width.saturating_sub(shown.width())));
                text.push_str(GAP);
            }
        }
        text.push('\n');
    }
}

/// The text in at most `width` columns, with an ellipsis for what had to go.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut room = width.saturating_sub(1);
    for c in text.chars() {
        let Some(rest) = room.checked_sub(c.width().unwrap_or(0)) else { break };
        room = rest;
        shown.push(c);
    }
    shown.push('…');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look { width: None, colour: Colour::Never };

    #[test]
    fn spans_have_two_units_at_most() {
        for (seconds, text) in [
            (-5, "0 s"),
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (119, "1 min"),
            (3600, "1 h"),
            (3659, "1 h"),
            (7500, "2 h 5 min"),
            (86_400, "1 d"),
            (90_000, "1 d 1 h"),
            (i64::MAX, "106751991167300 d 15 h"),
        ] {
            assert_eq!(span(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn moments_are_in_the_zone_of_whoever_reads_them() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(moment_in(1_800_000_000, zone.clone()), "2027-01-15 10:00:00");
        assert_eq!(moment_in(i64::MAX, zone), format!("@{}", i64::MAX));
    }

    #[test]
    fn columns_line_up_in_any_script_and_empty_ones_are_left_out() {
        let rows = [
            vec!["a".into(), "日本".into(), "".into(), "x".into()],
            vec!["long-name".into(), "é".into(), "".into(), "".into()],
        ];
        let text = table(&["NAME", "TITLE", "NEVER", "LAST"], &rows, PLAIN);
        assert_eq!(
            text,
            "NAME       TITLE  LAST\n\
             a          日本   x\n\
             long-name  é      -\n"
        );
    }

    #[test]
    fn the_last_column_ends_where_the_terminal_does() {
        let rows = [vec!["door".into(), "日本語日本語日本語日本語".into()]];
        let look = Look { width: Some(20), colour: Colour::Never };
        let text = table(&["A", "ERROR"], &rows, look);
        assert_eq!(text, "A     ERROR\ndoor  日本語日本語…\n");
        assert!(text.lines().all(|line| line.width() <= 20));
        let narrow = Look { width: Some(3), ..look };
        assert!(table(&["A", "ERROR"], &rows, narrow).contains("日本語日本…"));
    }

    #[test]
    fn rows_that_come_later_stand_below_the_first_ones_and_none_is_cut_but_at_the_terminals_end() {
        let look = Look { width: Some(24), colour: Colour::Never };
        let header = ["NAME", "ERROR", "LAST"];
        let mut sheet = Sheet::new(&header, look);
        let first = sheet.page(&[vec!["door".into(), "".into(), "x".into()]], After::More);
        assert_eq!(first, "NAME  ERROR  LAST\ndoor  -      x\n");
        let rows = [
            vec!["gate".into(), "lost".into(), "a text that is too long".into()],
            vec!["longer".into(), "".into(), "x".into()],
        ];
        let second = sheet.page(&rows, After::End);
        assert_eq!(second, "gate  lost   a text that…\nlonger  -      x\n");
    }

    #[test]
    fn colour_does_not_move_columns() {
        let rows = [vec![Cell::new("ready", Tone::Good), "x".into()]];
        let look = Look { width: None, colour: Colour::Ansi };
        let text = table(&["STATE", "B"], &rows, look);
        assert_eq!(text, "\x1b[2mSTATE\x1b[0m  \x1b[2mB\x1b[0m\n\x1b[32mready\x1b[0m  x\n");
    }

    #[test]
    fn nothing_in_a_text_can_command_the_terminal() {
        assert_eq!(one_line("a\x1b[31m\r\nb\u{9b}2J  c"), "a [31m b 2J c");
        assert_eq!(Cell::from("x\ny").text, "x y");
    }
}
