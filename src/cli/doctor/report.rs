//! What was found, on paper: the worst first, what to do below it, and a line that sums it up.

use super::Report;
use crate::api::{Answer, Finding, Level};
use crate::cli::console::Look;
use crate::cli::text::{Tone, one_line, paint, span, wrap};

/// Columns of the mark and the space behind it.
const INDENT: usize = 9;

pub(super) fn draw(report: &Report, look: Look) -> String {
    let now = report.daemon.as_ref().map(|daemon| daemon.now);
    let mut text = String::new();
    for finding in &report.findings {
        let tone = match finding.level {
            Level::Ok => Tone::Good,
            Level::Warning => Tone::Warning,
            Level::Problem => Tone::Bad,
        };
        let mark = finding.level.as_str();
        text.push_str(&paint(mark, tone, look));
        text.extend(std::iter::repeat_n(' ', INDENT - mark.len()));
        text.push_str(&wrap(&sentence(finding), INDENT, look));
        text.push('\n');
        if let Some(answer) = &finding.answer {
            below(&mut text, &wrap(&paint_answer(answer, now), INDENT, look));
        }
        if let Some(hint) = &finding.hint {
            // not wrapped: a command is to be copied
            below(&mut text, &paint(&one_line(hint), Tone::Busy, look));
        }
    }
    text.push('\n');
    text.push_str(&sum(report));
    text.push('\n');
    text
}

fn below(text: &mut String, line: &str) {
    text.extend(std::iter::repeat_n(' ', INDENT));
    text.push_str(line);
    text.push('\n');
}

fn sentence(finding: &Finding) -> String {
    let Finding { area, subject, message, .. } = finding;
    let area = area.as_str();
    let space = if subject.is_empty() { "" } else { " " };
    one_line(&format!("{area}{space}{subject}: {message}"))
}

fn paint_answer(answer: &Answer, now: Option<i64>) -> String {
    let Answer { at, status, media_type, bytes, text } = answer;
    let ago = now.map_or(String::new(), |now| format!(" {} ago", span(now - at)));
    let media = media_type.as_deref().unwrap_or("no media type");
    one_line(&format!("answered{ago}: HTTP status {status}, {media}, {bytes} bytes, {text}"))
}

fn sum(report: &Report) -> String {
    let plural = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        many => format!("{many} {what}s"),
    };
    let looked_at = plural(report.findings.len(), "thing");
    match (report.problems, report.warnings) {
        (0, 0) => format!("all is well: {looked_at} looked at"),
        (problems, warnings) => {
            let problems = (problems > 0).then(|| plural(problems, "problem"));
            let warnings = (warnings > 0).then(|| plural(warnings, "warning"));
            let bad: Vec<String> = problems.into_iter().chain(warnings).collect();
            format!("{}; {looked_at} looked at", bad.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Area;
    use crate::cli::console::Colour;

    fn report(findings: Vec<Finding>) -> Report {
        let count = |level| findings.iter().filter(|finding| finding.level == level).count();
        let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
        Report { problems, warnings, findings, daemon: None }
    }

    #[test]
    fn what_to_do_stands_below_what_is_wrong() {
        let answer = Answer {
            at: 1,
            status: 502,
            media_type: Some("text/html".to_owned()),
            bytes: 9,
            text: "a page: Bad Gateway".to_owned(),
        };
        let findings = vec![
            Finding::problem(Area::Account, "door", "2 failures\nin a row")
                .hint("run: ostler login parqex --as door")
                .answer(Some(answer)),
            Finding::ok(Area::Daemon, "", "answers"),
        ];
        let look = Look { width: Some(50), colour: Colour::Never };
        assert_eq!(
            draw(&report(findings), look),
            "problem  account door: 2 failures in a row
         answered: HTTP status 502, text/html, 9
         bytes, a page: Bad Gateway
         run: ostler login parqex --as door
ok       daemon: answers

1 problem; 2 things looked at
"
        );
        let look = Look { width: None, colour: Colour::Ansi };
        let drawn = draw(&report(vec![Finding::ok(Area::Daemon, "", "\x1b[7m")]), look);
        assert_eq!(
            drawn,
            "\x1b[32mok\x1b[0m       daemon: [7m\n\nall is well: 1 thing looked at\n"
        );
    }
}
