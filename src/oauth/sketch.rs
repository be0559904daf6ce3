//! What can be shown of an answer that gave no tokens: its structure, or those of its words that
//! cannot be secrets.
//!
//! Nobody knows what is in a body that was not understood. So nothing is taken out of it; rather,
//! little is let through: names of JSON members that look like names, and of a page or a text words
//! that look like words. Everything else is shown as `…`, and what was sent is looked for once more
//! in the result.

use std::fmt::Write;

use serde_json::Value;

use super::answer::Sent;
use super::fields::{self, Shape};
use crate::model::{RawAnswer, RefreshToken};

/// The longest text shown, in characters.
const TEXT_MAX: usize = 300;
/// How much of a body is looked at, in bytes.
const LOOKED_AT_MAX: usize = 16 * 1024;
/// The most members or items of one JSON value that are shown.
const MEMBERS_MAX: usize = 12;
/// How deep JSON is shown.
const DEPTH_MAX: usize = 3;
/// The longest word that is shown, in letters: longer ones may be random.
const WORD_MAX: usize = 16;
/// The longest number that is shown, in digits: longer ones may be codes that were sent to a phone.
const DIGITS_MAX: usize = 4;
/// The most words that are shown joined by hyphens and the like: longer ones may be a passphrase.
const JOINED_MAX: usize = 3;

/// What stands where something is not shown.
const GONE: &str = "…";

/// An answer, so that nothing secret is left of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sketch {
    /// The HTTP status.
    pub status: u16,
    /// The media type without parameters, if it looks like one.
    pub media_type: Option<String>,
    /// The length of the body, in bytes.
    pub bytes: usize,
    /// The body.
    pub text: String,
}

/// Sketches an answer. Of words, nothing is shown where nobody knows any more what was sent.
#[must_use]
pub fn sketch(answer: &RawAnswer, sent: Sent<'_>) -> Sketch {
    let text = match fields::shape(answer) {
        Shape::Empty => "nothing".to_owned(),
        Shape::CutShort => "JSON that was cut short".to_owned(),
        Shape::Fields(fields) => structure(fields.whole()),
        Shape::OtherJson(_) => match serde_json::from_slice(&answer.body) {
            Ok(mut value) => {
                let text = structure(&value);
                fields::wipe(&mut value);
                text
            }
            Err(_) => "JSON".to_owned(),
        },
        Shape::Html => format!("a page: {}", words(&visible(&beginning(&answer.body)))),
        Shape::Unknown if answer.body.contains(&0) => "no text".to_owned(),
        Shape::Unknown => format!("text: {}", words(&beginning(&answer.body))),
    };
    let text: String = text.chars().take(TEXT_MAX).collect();
    Sketch {
        status: answer.status,
        media_type: answer.content_type.as_deref().and_then(media_type),
        bytes: answer.body.len(),
        text: if repeats(&text, sent) { GONE.to_owned() } else { text },
    }
}

/// Whether a text may hold something that was sent, whatever stands between its letters by now.
fn repeats(text: &str, sent: Sent<'_>) -> bool {
    let letters = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let shown = letters(text);
    let Some(others) = sent.others else {
        // names of members cannot be what was sent, words can
        return text.starts_with("a page") || text.starts_with("text");
    };
    let secrets = sent.refresh.map(RefreshToken::expose).into_iter().chain(others.iter());
    secrets.map(letters).any(|secret| !secret.is_empty() && shown.contains(&secret))
}

fn media_type(header: &str) -> Option<String> {
    let text = header.split(';').next()?.trim().to_ascii_lowercase();
    let (kind, subtype) = text.split_once('/')?;
    let is_part = |part: &str| {
        part.len() <= 32 && part.split(['-', '+', '.']).all(|word| is_word(word) && word.len() > 1)
    };
    // one of the registered kinds (RFC 6838, 4.2), not anybody's word
    let is_kind = ["application", "text", "image", "multipart", "message"].contains(&kind);
    (is_kind && is_part(subtype)).then_some(text)
}

/// The beginning of a body, up to a space.
fn beginning(body: &[u8]) -> String {
    let cut = &body[..body.len().min(LOOKED_AT_MAX)];
    let text = String::from_utf8_lossy(cut);
    if cut.len() == body.len() {
        return text.into_owned();
    }
    // a word that the cut goes through may be the head of a secret
    text.rfind(char::is_whitespace).map_or(String::new(), |end| text[..end].to_owned())
}

/// What a browser would show of a page, roughly: no tags, scripts, styles or comments. Where the page
/// is broken, less.
fn visible(page: &str) -> String {
    const HIDDEN: [&str; 4] = ["script", "style", "template", "svg"];
    let mut text = String::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        text.push_str(&rest[..start]);
        text.push(' ');
        let tag = &rest[start + 1..];
        let end =
            if tag.starts_with("!--") { tag.find("-->").map(|at| at + 2) } else { tag.find('>') };
        let Some(end) = end else { return text };
        rest = &tag[end + 1..];
        let name = tag[..end].trim_start().to_ascii_lowercase();
        if let Some(hidden) = HIDDEN.into_iter().find(|hidden| name.starts_with(hidden)) {
            let closing = format!("</{hidden}");
            let Some(end) = rest.to_ascii_lowercase().find(&closing) else { return text };
            // lower case has the same length in ASCII, and only ASCII is changed
            rest = &rest[end..];
        }
    }
    text.push_str(rest);
    text
}

/// The words of a text that look like words. What stands behind the name of a secret does not.
fn words(text: &str) -> String {
    const SENSITIVE: [&str; 7] =
        ["secret", "token", "code", "verifier", "password", "assertion", "key"];
    const LINKS: [&str; 6] = ["is", "was", "are", "=", ":", "->"];
    let mut shown: Vec<&str> = Vec::new();
    let mut named = false;
    let mut linked = false;
    let mut length = 0;
    for word in text.split_whitespace() {
        let lower = word.to_ascii_lowercase();
        let is_link = LINKS.contains(&lower.as_str());
        let hide = linked && !is_link || !is_plain(word);
        linked = is_link && (named || linked);
        named = named && is_link || SENSITIVE.iter().any(|name| lower.contains(name));
        linked |= named && lower.ends_with([':', '=', '>']);
        let word = if hide { GONE } else { word };
        // a row of them says no more than one
        if word != GONE || shown.last() != Some(&GONE) {
            shown.push(word);
            length += word.chars().count() + 1;
        }
        if length > TEXT_MAX {
            break;
        }
    }
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(" ") }
}

/// Whether a piece of text between spaces is nothing but ordinary words, short numbers and
/// punctuation.
fn is_plain(piece: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || ".,:;!?'’\"“”()-–/|©".contains(c);
    let parts = || piece.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    piece.chars().all(allowed)
        && parts().filter(|part| !is_number(part)).count() <= JOINED_MAX
        && parts().filter(|part| is_number(part)).count() <= JOINED_MAX
        && parts().all(|part| is_number(part) || is_word(part))
}

fn is_number(text: &str) -> bool {
    text.len() <= DIGITS_MAX && text.bytes().all(|c| c.is_ascii_digit())
}

/// Whether a text is letters alone, in the case of a word and with vowels where a word has them.
fn is_word(text: &str) -> bool {
    let letters = text.chars().count();
    let rest_is_lower = || text.chars().skip(1).all(|c| !c.is_uppercase());
    let is_short_capitals = || letters <= 8 && text.chars().all(char::is_uppercase);
    !text.is_empty()
        && letters <= WORD_MAX
        && text.chars().all(char::is_alphabetic)
        && (rest_is_lower() || is_short_capitals())
        && can_be_spoken(text)
}

/// Whether a longer ASCII word has no long row without a vowel: random letters soon have one.
fn can_be_spoken(word: &str) -> bool {
    const ROW_MAX: usize = 4;
    if !word.is_ascii() || word.len() <= 5 {
        return true;
    }
    let vowel = |c: char| "aeiouyAEIOUY".contains(c);
    word.split(vowel).all(|row| row.len() <= ROW_MAX)
}

/// A JSON value by its structure: names, types and lengths, and no contents.
fn structure(value: &Value) -> String {
    let mut text = String::new();
    draw(value, 0, &mut text);
    text
}

fn draw(value: &Value, depth: usize, text: &mut String) {
    // writing to a string does not fail
    let _ = match value {
        Value::Null => write!(text, "null"),
        Value::Bool(flag) => write!(text, "{flag}"),
        Value::Number(_) => write!(text, "a number"),
        Value::String(string) => write!(text, "text of {}", string.chars().count()),
        Value::Array(items) if items.is_empty() => write!(text, "[]"),
        Value::Object(members) if members.is_empty() => write!(text, "{{}}"),
        Value::Array(items) if depth == DEPTH_MAX => write!(text, "a list of {}", items.len()),
        Value::Object(members) if depth == DEPTH_MAX => {
            write!(text, "an object of {}", members.len())
        }
        Value::Array(items) => {
            text.push('[');
            draw(&items[0], depth + 1, text);
            match items.len() {
                1 => write!(text, "]"),
                more => write!(text, ", {} more]", more - 1),
            }
        }
        Value::Object(members) => {
            text.push('{');
            for (place, (name, value)) in members.iter().take(MEMBERS_MAX).enumerate() {
                let comma = if place == 0 { "" } else { ", " };
                let shown = if is_name(name) { name } else { GONE };
                let _ = write!(text, "{comma}\"{shown}\": ");
                draw(value, depth + 1, text);
            }
            match members.len().saturating_sub(MEMBERS_MAX) {
                0 => write!(text, "}}"),
                more => write!(text, ", {more} more}}"),
            }
        }
    };
}

/// Whether the name of a member is one that somebody thought of: words in `snake_case`, `kebab-case`
/// or `camelCase`. A map may have tokens for names.
fn is_name(name: &str) -> bool {
    let mut words = Vec::new();
    for part in name.split(['_', '-', '.']) {
        let mut word = String::new();
        for c in part.chars() {
            if c.is_ascii_uppercase() && word.chars().last().is_some_and(|c| c.is_ascii_lowercase())
            {
                words.push(std::mem::take(&mut word));
            }
            word.push(c);
        }
        words.push(word);
    }
    // random letters change their case every other time, which makes many short words
    let short = words.iter().filter(|word| word.len() < 3).count();
    name.len() <= 40
        && words.len() <= 5
        && short <= 1
        && words.iter().all(|word| is_word(word) && word.is_ascii())
}
