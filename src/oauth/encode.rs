//! The encodings of parameters.

use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

/// One value as `application/x-www-form-urlencoded` (RFC 6749, appendix B): space becomes `+`.
pub(super) fn form(text: &str) -> Zeroizing<String> {
    let mut encoded = with_room(text);
    byte_serialize(text.as_bytes()).for_each(|part| encoded.push_str(part));
    encoded
}

/// One value for a query: as in a form, but a space becomes `%20`, which servers understand that
/// decode forms and those that decode percent signs alone.
pub(super) fn query(text: &str) -> Zeroizing<String> {
    let mut encoded = with_room(text);
    for part in byte_serialize(text.as_bytes()) {
        encoded.push_str(if part == "+" { "%20" } else { part });
    }
    encoded
}

/// `name=value` pairs with `&` between them.
pub(super) fn pairs<'a>(
    params: impl Iterator<Item = (&'a str, &'a str)>,
    encode: fn(&str) -> Zeroizing<String>,
) -> Zeroizing<String> {
    let parts: Vec<_> = params.map(|(name, value)| (encode(name), encode(value))).collect();
    let length = parts.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    let mut text = Zeroizing::new(String::with_capacity(length));
    for (name, value) in &parts {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(value);
    }
    text
}

/// Undoes percent-encoding once and nothing else: a `+` stays a `+`. What is not UTF-8 afterwards
/// is replaced, so that it matches nothing.
pub(super) fn percent_decode(text: &str) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%'
            && let [high, low, tail @ ..] = tail
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            bytes.push(high << 4 | low);
            rest = tail;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned())
}

/// Undoes form encoding once: `+` is a space.
pub(super) fn form_decode(text: &str) -> Zeroizing<String> {
    percent_decode(&Zeroizing::new(text.replace('+', " ")))
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Room for the longest encoding, so that the text never moves and leaves no copy behind.
fn with_room(text: &str) -> Zeroizing<String> {
    Zeroizing::new(String::with_capacity(text.len() * 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes_to_itself_in_both_forms() {
        let odd = "a:b%c+d e\u{e9}=/--&?#";
        assert_eq!(&**form(odd), "a%3Ab%25c%2Bd+e%C3%A9%3D%2F--%26%3F%23");
        assert_eq!(&**query(odd), "a%3Ab%25c%2Bd%20e%C3%A9%3D%2F--%26%3F%23");
        assert_eq!(&**form_decode(&form(odd)), odd);
        assert_eq!(&**form_decode(&query(odd)), odd);
        assert_eq!(&**percent_decode(&query(odd)), odd);
    }

    #[test]
    fn decoding_happens_once_and_leaves_what_is_not_encoded() {
        assert_eq!(&**percent_decode("a+b/=--%2525%zz%4"), "a+b/=--%25%zz%4");
        assert_eq!(&**form_decode("a+b"), "a b");
        assert_eq!(&**percent_decode("%ff"), "\u{fffd}");
    }
}
