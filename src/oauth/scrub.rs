//! Words of a provider made fit for people and logs: no control characters, no secrets, not too
//! long.

use zeroize::Zeroizing;

use super::encode;

/// The longest description that is passed on, in characters.
const DETAIL_MAX: usize = 300;

/// The longest error code that is passed on.
const CODE_MAX: usize = 64;

/// What stands where a secret stood.
const GONE: &str = "…";

/// Parameters whose values are taken out wherever they are named.
const SENSITIVE: [&str; 6] = ["secret", "token", "code", "verifier", "password", "assertion"];

/// The secrets of one exchange, and how to keep them out of words.
#[derive(Default)]
pub(super) struct Scrub {
    secrets: Vec<Zeroizing<String>>,
}

impl Scrub {
    /// Keeps this out too: as it is, and in both encodings that an echoed request would have.
    pub(super) fn hide(&mut self, secret: &str) {
        if secret.is_empty() {
            return;
        }
        self.secrets.push(Zeroizing::new(secret.to_owned()));
        self.secrets.push(encode::form(secret));
        self.secrets.push(encode::query(secret));
        // the longest first, lest the head of one be replaced as another and its tail stay
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        self.secrets.dedup();
    }

    /// A description as one line of at most 300 characters.
    pub(super) fn detail(&self, text: &str) -> String {
        let text = self.without_secrets(text);
        let words: Vec<String> = plain(&text).split_whitespace().map(without_query).collect();
        // once more: what control characters held apart may have come together
        let text = self.without_secrets(&words.join(" "));
        text.chars().take(DETAIL_MAX).collect()
    }

    /// An error code, if that is what it looks like.
    pub(super) fn code(&self, text: &str) -> Option<String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.:".contains(c);
        let is_code = !text.is_empty()
            && text.len() <= CODE_MAX
            && text.chars().all(allowed)
            && !self.secrets.iter().any(|secret| text.contains(secret.as_str()));
        is_code.then(|| text.to_owned())
    }

    fn without_secrets(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), GONE);
            }
        }
        text
    }
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

    fn scrub(secrets: &[&str]) -> Scrub {
        let mut scrub = Scrub::default();
        for secret in secrets {
            scrub.hide(secret);
        }
        scrub
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
}
