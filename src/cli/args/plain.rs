//! The commands that scripts call in loops, read without the definition of everything that can be said: to build
//! that costs several times what asking for a token does.
//!
//! Errs towards `None`. What does not mean one thing for sure goes to the definition, which reads it again and words
//! what is wrong with it: that costs time, and a guess would cost the truth.

use std::ffi::OsString;
use std::path::PathBuf;
use std::slice;
use std::str::FromStr;

use super::{Cli, Command, TIMEOUT_MAX, Token};

/// Reads a command line, program name first, if it is one of those and plain.
pub(in crate::cli) fn read(line: &[OsString]) -> Option<Cli> {
    let mut words = Words(line.get(1..)?.iter());
    let mut socket = None;
    let verb = loop {
        match words.next()? {
            Word::Bare(verb) => break verb,
            Word::Option("socket", said) => once(&mut socket, words.value(said)?)?,
            Word::Option(..) | Word::Other => return None,
        }
    };
    let command = match verb {
        "token" => Command::Token(token(words, &mut socket)?),
        _ => return None,
    };
    Some(Cli { socket, command })
}

fn token(mut words: Words<'_>, socket: &mut Option<PathBuf>) -> Option<Token> {
    let mut account = None;
    let (mut min_valid, mut timeout) = (None, None);
    let (mut scopes, mut resources) = (Vec::new(), Vec::new());
    let (mut audience, mut rejected, mut challenge) = (None, None, None);
    let (mut narrow, mut no_prompt, mut json) = (false, false, false);
    while let Some(word) = words.next() {
        match word {
            Word::Bare(name) => once(&mut account, name)?,
            Word::Option("min-valid", said) => once(&mut min_valid, words.value(said)?)?,
            Word::Option("scope", said) => scopes.push(words.value(said)?.parse().ok()?),
            Word::Option("resource", said) => resources.push(words.value(said)?.parse().ok()?),
            Word::Option("audience", said) => once(&mut audience, words.value(said)?)?,
            Word::Option("narrow", None) => set(&mut narrow)?,
            Word::Option("rejected", said) => once(&mut rejected, words.value(said)?)?,
            Word::Option("challenge", said) => once(&mut challenge, words.value(said)?)?,
            Word::Option("no-prompt", None) => set(&mut no_prompt)?,
            Word::Option("timeout", said) => once(&mut timeout, words.value(said)?)?,
            Word::Option("json", None) => set(&mut json)?,
            Word::Option("socket", said) => once(socket, words.value(said)?)?,
            Word::Option(..) | Word::Other => return None,
        }
    }
    if timeout.is_some_and(|seconds| seconds > TIMEOUT_MAX) {
        return None;
    }
    let account = account?;
    Some(Token {
        account,
        min_valid,
        scopes,
        resources,
        audience,
        narrow,
        rejected,
        challenge,
        no_prompt,
        timeout,
        json,
    })
}

/// What is left of a command line.
struct Words<'a>(slice::Iter<'a, OsString>);

enum Word<'a> {
    Bare(&'a str),
    /// The name of a long option, and what stands behind `=`.
    Option(&'a str, Option<&'a str>),
    /// A short option, nothing, or no text.
    Other,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<Word<'a>> {
        let Some(word) = self.0.next()?.to_str() else { return Some(Word::Other) };
        Some(match word.strip_prefix("--") {
            Some(option) => match option.split_once('=') {
                Some((name, value)) => Word::Option(name, Some(value)),
                None => Word::Option(option, None),
            },
            None if is_bare(word) => Word::Bare(word),
            None => Word::Other,
        })
    }

    /// The value of an option: behind its `=`, or else the next word.
    fn value(&mut self, said: Option<&'a str>) -> Option<&'a str> {
        said.or_else(|| self.0.next()?.to_str()).filter(|value| is_bare(value))
    }
}

/// Whether a word can be taken for no option.
fn is_bare(word: &str) -> bool {
    !word.is_empty() && !word.starts_with('-')
}

/// Takes what may be said once.
fn once<T: FromStr>(place: &mut Option<T>, text: &str) -> Option<()> {
    let value = text.parse().ok()?;
    place.replace(value).is_none().then_some(())
}

/// Takes a switch, which may be there once.
fn set(switch: &mut bool) -> Option<()> {
    (!std::mem::replace(switch, true)).then_some(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;

    /// Values, of which each option takes some.
    const VALUES: [&str; 6] = [
        "7",
        "door",
        "https://api.example/v1",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "Bearer error=\"insufficient_scope\"",
        "/run/socket",
    ];
    /// What else may stand on a line.
    const OTHERS: [&str; 14] = [
        "token", "proof", "door", "help", "-h", "--", "-", "--=", "", "61", "-7", "+7", "a,b", "é",
    ];

    /// The commands that are read plainly.
    const VERBS: [&str; 1] = ["token"];

    fn line<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<OsString> {
        ["ostler"].into_iter().chain(words).map(OsString::from).collect()
    }

    fn defined(line: &[OsString]) -> Option<Cli> {
        Cli::try_parse_from(line).ok()
    }

    fn same(one: &Cli, other: &Cli) -> bool {
        let same_command = match (&one.command, &other.command) {
            (Command::Token(one), Command::Token(other)) => one == other,
            _ => false,
        };
        same_command && one.socket == other.socket
    }

    /// The options of a command, as they are said.
    fn options(verb: &str) -> Vec<String> {
        let mut command = super::super::command();
        command.build();
        let command = command.find_subcommand(verb).unwrap();
        let names = command.get_arguments().filter_map(|arg| arg.get_long());
        names.filter(|name| *name != "help").map(|name| format!("--{name}")).collect()
    }

    #[test]
    fn every_option_of_the_definition_is_read_plainly_and_means_the_same() {
        for verb in VERBS {
            let options = options(verb);
            assert!(options.contains(&"--socket".to_owned()), "{options:?}");
            for option in options {
                let plain = vec![vec![option.clone()]];
                let with_value = VALUES.iter().flat_map(|value| {
                    [vec![option.clone(), (*value).to_owned()], vec![format!("{option}={value}")]]
                });
                let mut known = 0;
                for said in plain.into_iter().chain(with_value) {
                    let said: Vec<&str> = said.iter().map(String::as_str).collect();
                    let before = [&[verb], &said[..], &["door"]].concat();
                    let behind = [&[verb, "door"], &said[..]].concat();
                    for line in [line(before), line(behind)] {
                        let Some(defined) = defined(&line) else { continue };
                        let plain = read(&line).unwrap_or_else(|| panic!("not plain: {line:?}"));
                        assert!(same(&plain, &defined), "{line:?}: {plain:?}");
                        known += 1;
                    }
                }
                assert!(known > 0, "no line with {option} is right");
            }
        }
    }

    #[test]
    fn what_is_wrong_or_asks_for_help_is_left_to_the_definition() {
        for words in [
            &[][..],
            &["token"],
            &["token", "door", "gate"],
            &["token", "a//b"],
            &["token", "door", "--help"],
            &["token", "door", "-h"],
            &["--version", "token", "door"],
            &["token", "door", "--json", "--json"],
            &["token", "door", "--json=yes"],
            &["token", "door", "--timeout", "61"],
            &["token", "door", "--timeout", "5", "--timeout", "5"],
            &["token", "door", "--scope"],
            &["token", "door", "--scope", "--json"],
            &["token", "door", "--scop", "a"],
            &["token", "--", "door"],
            &["status"],
        ] {
            assert!(read(&line(words.iter().copied())).is_none(), "{words:?}");
        }
        assert!(read(&[]).is_none());
    }

    proptest! {
        #[test]
        fn any_line_that_is_read_plainly_means_what_the_definition_says(
            verb in select(VERBS.to_vec()),
            picks in vec((any::<Index>(), any::<Index>(), 0..4_u8), 0..7),
            place in 0..5_usize,
        ) {
            let options = options(verb);
            let mut words: Vec<String> = Vec::new();
            for (which, value, kind) in picks {
                let option = which.get(&options);
                match kind {
                    0 => words.push(option.clone()),
                    1 => words.extend([option.clone(), (*value.get(&VALUES)).to_owned()]),
                    2 => words.push(format!("{option}={}", value.get(&VALUES))),
                    _ => words.push((*value.get(&OTHERS)).to_owned()),
                }
            }
            // in front, as a rule
            let place = if place <= 2 { place.min(words.len()) } else { 0 };
            words.insert(place, verb.to_owned());
            let line = line(words.iter().map(String::as_str));
            if let Some(plain) = read(&line) {
                let defined = defined(&line);
                prop_assert!(defined.is_some_and(|defined| same(&plain, &defined)), "{plain:?}");
            }
        }
    }
}
