//! Content codings (RFC 9110, 8.4.1): answers that come packed although nothing of the kind was accepted, as some
//! networks and proxies send them.

use std::io::Read;

use flate2::bufread::{DeflateDecoder, MultiGzDecoder};
use zeroize::Zeroizing;

/// Codings in one answer, one in the other. Honest servers apply one.
const LAYERS_MAX: usize = 4;

/// A body without its codings.
pub(super) struct Unpacked {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) end: End,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    /// It was cut at the limit.
    Longer,
    /// It breaks off, or is spoiled, or is in a coding that is not known.
    Damaged,
}

/// Takes the codings off a body, up to `most` bytes. `header` is its `Content-Encoding`.
///
/// What a body is shows in itself: gzip and zlib have their marks, and nothing that can be read begins like them. So
/// labels that are missing or wrong do no harm; the header is needed for deflate without the zlib format alone. Of a
/// damaged body comes what can be had of it: it may hold a token. A body that is text is not packed.
///
/// What is no text in the end was damaged, or packed in a way that is not known: nobody can tell what it said. A server
/// that answers in another charset than UTF-8, and begins with a letter outside ASCII, is taken for that, too; it is asked
/// once more, as after an answer that was lost.
pub(super) fn unpack(header: &str, body: Zeroizing<Vec<u8>>, most: usize) -> Unpacked {
    let is_labelled = header.split(',').any(|name| {
        let name = name.trim().to_ascii_lowercase();
        // "A recipient SHOULD consider \"x-gzip\" to be equivalent to \"gzip\"" (RFC 9110, 8.4.1.3)
        ["deflate", "x-deflate", "gzip", "x-gzip"].contains(&name.as_str())
    });
    let mut unpacked = Unpacked { bytes: body, end: End::Whole };
    for _ in 0..LAYERS_MAX {
        let Some(coding) = Coding::of(&unpacked.bytes, is_labelled) else { break };
        let (bytes, end) = coding.decode(&unpacked.bytes, most);
        if !coding.is_proved_by(&bytes, end) {
            break;
        }
        // what was cut outside cannot be whole inside
        let end = if unpacked.end == End::Whole { end } else { unpacked.end };
        unpacked = Unpacked { bytes, end };
    }
    if unpacked.end == End::Whole && !is_text(&unpacked.bytes) {
        unpacked.end = End::Damaged;
    }
    unpacked
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950, which is what deflate means (RFC 9110, 8.4.1.2).
    Zlib,
    /// RFC 1951: "some non-conformant implementations send the \"deflate\" compressed data without the zlib wrapper".
    Deflate,
}

impl Coding {
    /// What a body may be packed with.
    fn of(body: &[u8], is_labelled: bool) -> Option<Self> {
        if is_gzip(body) {
            return Some(Self::Gzip);
        }
        if std::str::from_utf8(body).is_ok() {
            return None;
        }
        if is_zlib(body) {
            return Some(Self::Zlib);
        }
        is_labelled.then_some(Self::Deflate)
    }

    /// What can be read, up to `most` bytes, and how that ends.
    fn decode(self, body: &[u8], most: usize) -> (Zeroizing<Vec<u8>>, End) {
        match self {
            Self::Gzip => read(MultiGzDecoder::new(body), most),
            // without the checksum: what it would spoil is read all the same
            Self::Zlib => read(DeflateDecoder::new(body.get(2..).unwrap_or_default()), most),
            Self::Deflate => read(DeflateDecoder::new(body), most),
        }
    }

    /// Whether what came out shows that it was packed like that. Gzip has a mark that nothing else has. Text with a byte
    /// that is not UTF-8 can look like the other two: then what comes out of it is no text, or packed once more.
    fn is_proved_by(self, bytes: &[u8], end: End) -> bool {
        let is_packed = is_gzip(bytes) || is_zlib(bytes);
        let has_mark = self == Self::Gzip && end != End::Damaged;
        !bytes.is_empty() && (has_mark || begins_as_text(bytes) || is_packed)
    }
}

/// Whether a body is text, or was until a byte of it went wrong.
fn is_text(body: &[u8]) -> bool {
    begins_as_text(body) || std::str::from_utf8(body).is_ok()
}

/// Whether a body begins with ASCII, or with the mark that says UTF-8.
fn begins_as_text(body: &[u8]) -> bool {
    let is_plain = |byte: &u8| (b' '..=b'~').contains(byte) || byte.is_ascii_whitespace();
    body.iter().take(16).all(is_plain) || body.starts_with(&[0xef, 0xbb, 0xbf])
}

/// Whether a body begins as RFC 1952, 2.3.1, has it.
fn is_gzip(body: &[u8]) -> bool {
    body.starts_with(&[0x1f, 0x8b])
}

/// Whether a body begins as RFC 1950, 2.2, has it. A raw stream that does would begin with a stored block (RFC 1951,
/// 3.2.4) whose padding is not zero, as no encoder writes it.
fn is_zlib(body: &[u8]) -> bool {
    match body {
        [method, flags, ..] => {
            method & 0x0f == 8 && ((u16::from(*method) << 8) | u16::from(*flags)) % 31 == 0
        }
        _ => false,
    }
}

fn read(mut from: impl Read, most: usize) -> (Zeroizing<Vec<u8>>, End) {
    // Of its full size from the start: growth would leave copies behind. The decoder's own window (32 KiB) is not wiped.
    let mut bytes = Zeroizing::new(vec![0; most + 1]);
    let mut length = 0;
    let mut end = End::Whole;
    while length < bytes.len() {
        // little by little: an error costs what is read along with it
        let next = (length + 256).min(bytes.len());
        match from.read(&mut bytes[length..next]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => {
                end = End::Damaged;
                break;
            }
        }
    }
    bytes.truncate(length.min(most));
    (bytes, if length > most { End::Longer } else { end })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::tests::pack::{deflate, deflate_at, gzip, zlib, zlib_at};

    const PLAIN: &[u8] = br#"{"access_token":"fake-access","refresh_token":"fake-refresh"}"#;
    const MOST: usize = 1024;

    fn unpacked(header: &str, body: &[u8]) -> (Vec<u8>, End) {
        let unpacked = unpack(header, Zeroizing::new(body.to_vec()), MOST);
        (unpacked.bytes.to_vec(), unpacked.end)
    }

    #[test]
    fn every_coding_is_taken_off_however_it_is_written() {
        for header in ["gzip", "x-gzip", "GZIP", " gzip ", "gzip, identity", "identity,gzip,"] {
            assert_eq!(unpacked(header, &gzip(PLAIN)), (PLAIN.to_vec(), End::Whole), "{header}");
        }
        for level in 0..=9 {
            for body in [zlib_at(level, PLAIN), deflate_at(level, PLAIN)] {
                assert_eq!(unpacked("deflate", &body), (PLAIN.to_vec(), End::Whole), "{level}");
            }
        }
        assert_eq!(unpacked("gzip, gzip", &gzip(&gzip(PLAIN))).0, PLAIN);
        assert_eq!(unpacked("deflate, gzip", &gzip(&zlib(PLAIN))).0, PLAIN);
        let members = [gzip(&PLAIN[..20]), gzip(&PLAIN[20..])].concat();
        assert_eq!(unpacked("gzip", &members).0, PLAIN);
    }

    #[test]
    fn what_is_not_packed_stays_as_it_is() {
        for header in ["", "identity", "gzip", "deflate", "x-gzip", "br", "zstd", "gzip, br"] {
            assert_eq!(unpacked(header, PLAIN), (PLAIN.to_vec(), End::Whole), "{header}");
        }
        assert_eq!(unpacked("gzip", b"").0, b"");
    }

    #[test]
    fn text_with_an_odd_byte_is_not_taken_for_packed() {
        for body in [
            &b"{\"access_token\":\"fake-access\",\"refresh_token\":\"fake-refresh\",\"name\":\"Andr\xe9\"}"[..],
            b"{\n  \"access_token\": \"fake-access\",\n  \"name\": \"Andr\xc3",
            b"access_token=fake&name=Andr\xe9",
            b"x\x9c is how zlib begins \xe9",
        ] {
            for header in ["deflate", "gzip", "x-gzip, deflate", ""] {
                let (found, end) = unpacked(header, body);
                assert_eq!(found, body, "{header}");
                // the last one begins as no text does
                assert_eq!(end == End::Damaged, body.starts_with(b"x\x9c"), "{header}");
            }
        }
    }

    #[test]
    fn a_wrong_label_does_no_harm() {
        for (header, body) in [
            ("", gzip(PLAIN)),
            ("identity", gzip(PLAIN)),
            ("br", gzip(PLAIN)),
            ("utf-8, gzip", gzip(PLAIN)),
            ("gzip, utf-8", gzip(PLAIN)),
            ("gzip;q=1.0", gzip(PLAIN)),
            ("deflate", gzip(PLAIN)),
            ("gzip", zlib(PLAIN)),
            ("gzip", deflate(PLAIN)),
            ("", zlib(PLAIN)),
            ("gzip", gzip(&gzip(PLAIN))),
            ("gzip, gzip, gzip, gzip", gzip(&gzip(&gzip(&gzip(PLAIN))))),
        ] {
            assert_eq!(unpacked(header, &body).0, PLAIN, "{header}");
        }
    }

    #[test]
    fn a_checksum_that_does_not_fit_costs_nothing() {
        let mut body = zlib(PLAIN);
        *body.last_mut().unwrap() ^= 1;
        assert_eq!(unpacked("deflate", &body).0, PLAIN);
        let mut body = gzip(PLAIN);
        let crc = body.len() - 6;
        body[crc] ^= 1;
        assert_eq!(unpacked("gzip", &body).0, PLAIN);
    }

    #[test]
    fn of_a_damaged_body_comes_what_can_be_had() {
        let mut damaged = gzip(PLAIN);
        damaged.truncate(damaged.len() - 8);
        let (found, end) = unpacked("gzip", &damaged);
        assert_eq!((&found[..], end), (PLAIN, End::Damaged), "the checksum is missing");
        damaged.truncate(damaged.len() - 8);
        let (found, end) = unpacked("gzip", &damaged);
        assert!(PLAIN.starts_with(&found) && found.len() > 20, "{found:?}");
        assert_eq!(end, End::Damaged);
    }

    #[test]
    fn what_is_no_text_in_the_end_is_damaged() {
        // the first block of what is packed has a type that there is not (RFC 1951, 3.2.3)
        let spoiled = |mut packed: Vec<u8>, header: usize| {
            packed[header] = 0x07;
            packed
        };
        let five = (0..5).fold(PLAIN.to_vec(), |body, _| gzip(&body));
        for (header, body) in [
            ("gzip", spoiled(gzip(PLAIN), 10)),
            ("", spoiled(gzip(PLAIN), 10)),
            ("deflate", spoiled(zlib(PLAIN), 2)),
            ("", spoiled(zlib(PLAIN), 2)),
            ("deflate", spoiled(deflate(PLAIN), 0)),
            ("gzip", gzip(PLAIN)[..8].to_vec()),
            ("gzip", gzip(&spoiled(gzip(PLAIN), 10))),
            ("gzip", five),
            // RFC 8878, 3.1.1: the mark of Zstandard
            ("zstd", [&[0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58][..], PLAIN].concat()),
            ("br", vec![0x8b, 0x1e, 0x80, 0xf8, 0x03]),
        ] {
            assert_eq!(unpacked(header, &body).1, End::Damaged, "{header} {body:?}");
        }
    }

    #[test]
    fn a_bomb_is_cut_at_the_limit() {
        let zeros = vec![b' '; 64 << 20];
        let bomb = gzip(&zeros);
        for (header, body) in
            [("gzip", bomb.clone()), ("deflate", zlib(&zeros)), ("gzip, gzip", gzip(&bomb))]
        {
            let (found, end) = unpacked(header, &body);
            assert!(found.len() <= MOST, "{header}");
            assert_ne!(end, End::Whole, "{header}");
        }
        let exact = vec![b'x'; MOST];
        assert_eq!(unpacked("gzip", &gzip(&exact)), (exact, End::Whole));
    }
}
