//! Words of a provider made fit for people and logs: no control characters, no secrets, not too
//! long.

use zeroize::Zeroizing;

use super::encode;

/// The longest description that is passed on, in characters.
const DETAIL_MAX: usize = 300;

/// The longest error code that is passed on.
const CODE_MAX: usize = 64;

/// How much of a text is looked at, in bytes.
const LOOKED_AT_MAX: usize = 8 * 1024;

/// The shortest text of an answer that counts as a secret, in bytes: to take out less would leave
/// holes in words that give nothing away.
const FOUND_MIN: usize = 6;

/// How many secrets of an answer are looked for in its words. No honest answer has more.
const FOUND_MAX: usize = 64;

/// What stands where a secret stood.
const GONE: &str = "…";

/// Parameters whose values are taken out wherever they are named.
const SENSITIVE: [&str; 6] = ["secret", "token", "code", "verifier", "password", "assertion"];

/// The secrets of one exchange, and how to keep them out of words.
pub(super) struct Scrub<'a> {
    /// As they are.
    secrets: Vec<&'a str>,
    /// In all their forms, the longest first. Nothing if there are too many to look for.
    forms: Option<Vec<Zeroizing<String>>>,
}

impl<'a> Scrub<'a> {
    /// Keeps out what was sent, however short, and what was found in the answer: as it is, and in
    /// both encodings that an echoed request would have.
    pub(super) fn new(sent: Vec<&'a str>, found: Vec<&'a str>) -> Self {
        let mut secrets = found;
        secrets.retain(|secret| secret.len() >= FOUND_MIN);
        secrets.sort_unstable();
        secrets.dedup();
        let few = secrets.len() <= FOUND_MAX;
        secrets.extend(sent.into_iter().filter(|secret| !secret.is_empty()));
        let forms = few.then(|| forms(&secrets));
        Self { secrets, forms }
    }

    /// A description as one line of at most 300 characters. Nothing, if the secrets are too many to
    /// be looked for.
    pub(super) fn detail(&self, text: &str) -> String {
        let Some(forms) = &self.forms else { return String::new() };
        let text = without(forms, beginning(text, forms));
        let words: Vec<String> = plain(&text).split_whitespace().map(without_query).collect();
        // once more: what control characters held apart may have come together
        let text = without(forms, &words.join(" "));
        text.chars().take(DETAIL_MAX).collect()
    }

    /// An error code, if that is what it looks like.
    pub(super) fn code(&self, text: &str) -> Option<String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.:".contains(c);
        let is_code = !text.is_empty()
            && text.len() <= CODE_MAX
            && text.chars().all(allowed)
            && !self.secrets.iter().any(|secret| text.contains(secret));
        is_code.then(|| text.to_owned())
    }
}

fn forms(secrets: &[&str]) -> Vec<Zeroizing<String>> {
    let of_one = |secret: &&str| {
        [Zeroizing::new((*secret).to_owned()), encode::form(secret), encode::query(secret)]
    };
    let mut forms: Vec<_> = secrets.iter().flat_map(of_one).collect();
    // the longest first, lest the head of one be replaced as another and its tail stay
    forms.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    forms.dedup();
    forms
}

/// The whole words in the first 8 KiB: a word that the cut goes through may be a secret's head. If
/// a secret has several words, that does not help, and nothing of the text is used.
fn beginning<'t>(text: &'t str, forms: &[Zeroizing<String>]) -> &'t str {
    if text.len() <= LOOKED_AT_MAX {
        return text;
    }
    if forms.iter().any(|secret| secret.contains(char::is_whitespace)) {
        return "";
    }
    let mut end = LOOKED_AT_MAX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].rfind(char::is_whitespace).map_or("", |space| &text[..space])
}

fn without(forms: &[Zeroizing<String>], text: &str) -> String {
    let mut text = text.to_owned();
    for secret in forms {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), GONE);
        }
    }
    text
}

/// The text with a space in place of each character that does not show or that changes how others
/// show: controls, zero-width ones, and those that turn the direction of writing.
pub(super) fn plain(text: &str) -> String {
    let hides = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    text.chars().map(|c| if hides(c) { ' ' } else { c }).collect()
}

/// One word without what follows a question mark in an address, and without values of parameters
/// that by their names are secrets.
fn without_query(word: &str) -> String {
    if let Some((address, query)) = word.split_once('?')
        && (address.contains("://") || query.contains('='))
    {
        return format!("{address}?{GONE}");
    }
    let mut result = String::with_capacity(word.len());
    for piece in word.split_inclusive(['&', ';', ',']) {
        let named = piece.split_once(['=', ':']).filter(|(name, value)| {
            let name = name.to_ascii_lowercase();
            !value.is_empty() && SENSITIVE.iter().any(|sensitive| name.contains(sensitive))
        });
        match named {
            Some((name, _)) => {
                result.push_str(name);
                result.push('=');
                result.push_str(GONE);
                result.push_str(&piece[piece.trim_end_matches(['&', ';', ',']).len()..]);
            }
            None => result.push_str(piece),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrub<'a>(secrets: &[&'a str]) -> Scrub<'a> {
        Scrub::new(secrets.to_vec(), Vec::new())
    }

    #[test]
    fn secrets_go_in_every_encoding() {
        let scrub = scrub(&["fake/refresh+1=="]);
        for text in [
            "bad fake/refresh+1==",
            "bad fake%2Frefresh%2B1%3D%3D",
            "bad refresh_token=whatever",
            "bad https://x.example/t?refresh_token=whatever&client_secret=y",
            "bad /t?client_secret=fake",
            "bad {\"client_secret\":\"y\",\"code\":\"z\"}",
        ] {
            let detail = scrub.detail(text);
            assert!(detail.starts_with("bad "), "{detail}");
            for leak in ["fake", "refresh%2B1", "whatever", "\"y\"", "\"z\""] {
                assert!(!detail.contains(leak), "{text} -> {detail}");
            }
        }
    }

    #[test]
    fn a_secret_split_by_a_character_that_does_not_show_does_not_come_together() {
        let detail = scrub(&["fake-token-1"]).detail("no fake-\u{200b}token-1 here\u{202e}\u{7}");
        assert_eq!(detail, "no fake- token-1 here");
    }

    #[test]
    fn a_description_is_one_line_and_not_too_long() {
        assert_eq!(scrub(&[]).detail("  a\r\n\tb \u{1b}[31m c"), "a b [31m c");
        assert_eq!(scrub(&[]).detail(&"\u{e9}".repeat(1000)).chars().count(), 300);
        assert_eq!(scrub(&[]).detail("AADSTS50034: no such user"), "AADSTS50034: no such user");
        assert_eq!(
            scrub(&[]).detail("see https://go.example/fwlink/?linkid=1 now"),
            "see https://go.example/fwlink/?… now"
        );
    }

    #[test]
    fn a_code_is_a_word_and_no_secret() {
        let scrub = scrub(&["abcdefgh"]);
        assert_eq!(scrub.code("invalid_grant").as_deref(), Some("invalid_grant"));
        for bad in ["", "two words", "xabcdefghx", "<b>", &"x".repeat(65)] {
            assert_eq!(scrub.code(bad), None, "{bad}");
        }
    }

    #[test]
    fn more_secrets_than_anybody_sends_cost_the_description_and_not_the_code() {
        let many: Vec<String> = (0..=FOUND_MAX).map(|n| format!("fake-{n:03}")).collect();
        let found: Vec<&str> = many.iter().map(String::as_str).collect();
        let scrub = Scrub::new(vec!["sent"], found[1..].to_vec());
        assert_eq!(scrub.detail("not fake-064 nor sent"), "not … nor …");
        let scrub = Scrub::new(vec!["sent"], found);
        assert_eq!(scrub.detail("not fake-064"), "");
        assert_eq!(scrub.code("invalid_grant").as_deref(), Some("invalid_grant"));
        assert_eq!(scrub.code("fake-064"), None);
    }

    #[test]
    fn short_words_of_an_answer_are_no_secrets() {
        let scrub = Scrub::new(Vec::new(), vec!["a", "token"]);
        assert_eq!(scrub.detail("a bad token"), "a bad token");
    }

    #[test]
    fn a_secret_that_the_cut_goes_through_leaves_no_head() {
        for padding in [" ", "\u{7}", "\u{e9}"] {
            for room in 0..40 {
                let before = padding.repeat((LOOKED_AT_MAX - room) / padding.len());
                let detail = scrub(&["fake-secret-1"]).detail(&format!("x {before}fake-secret-1"));
                assert!(!detail.contains("fa"), "{detail}");
                let detail = scrub(&["fake secret 1"]).detail(&format!("x {before}fake secret 1"));
                assert!(!detail.contains("fa"), "{detail}");
            }
        }
        let long = format!("first {}", "word ".repeat(200_000));
        assert!(scrub(&[]).detail(&long).starts_with("first word word"));
    }
}
