//! Content codings (RFC 9110, 8.4.1): answers that come packed although nothing of the kind was accepted, as some
//! networks and proxies send them.

use std::io::{BufRead, Read};

use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use zeroize::Zeroizing;

/// Codings in one answer, one in the other. Honest servers apply one.
const LAYERS_MAX: usize = 3;

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
    /// It breaks off, or its checksum does not fit.
    Damaged,
}

/// Takes the codings that `Content-Encoding` names off a body, up to `most` bytes.
///
/// Of a damaged body comes what can be had of it: it may hold a token. A body that is text is not packed, whatever
/// the header says, and one in a coding that is not known stays as it is. That errs for packed bytes that happen to
/// be UTF-8 to the last, which a few dozen of them never are.
pub(super) fn unpack(header: &str, body: Zeroizing<Vec<u8>>, most: usize) -> Unpacked {
    let codings: Vec<Coding> = header.split(',').filter_map(Coding::parse).collect();
    let mut unpacked = Unpacked { bytes: body, end: End::Whole };
    if codings.len() > LAYERS_MAX || codings.contains(&Coding::Unknown) {
        return unpacked;
    }
    // in the order in which they were applied (RFC 9110, 8.4)
    for coding in codings.into_iter().rev() {
        if std::str::from_utf8(&unpacked.bytes).is_ok() {
            break;
        }
        let (bytes, end) = coding.decode(&unpacked.bytes, most);
        if bytes.is_empty() {
            break;
        }
        // what was cut outside cannot be whole inside
        let end = if unpacked.end == End::Whole { end } else { unpacked.end };
        unpacked = Unpacked { bytes, end };
    }
    unpacked
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Unknown,
}

impl Coding {
    fn parse(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" | "none" => None,
            // "A recipient SHOULD consider \"x-gzip\" to be equivalent to \"gzip\"" (RFC 9110, 8.4.1.3)
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" | "x-deflate" => Some(Self::Deflate),
            _ => Some(Self::Unknown),
        }
    }

    /// What can be read, up to `most` bytes, and how that ends.
    fn decode(self, body: &[u8], most: usize) -> (Zeroizing<Vec<u8>>, End) {
        match self {
            Self::Gzip => read(MultiGzDecoder::new(body), most),
            // deflate is the zlib format (RFC 9110, 8.4.1.2); "some non-conformant implementations send the
            // \"deflate\" compressed data without the zlib wrapper"
            Self::Deflate if is_zlib(body) => read(ZlibDecoder::new(body), most),
            Self::Deflate => read(DeflateDecoder::new(body), most),
            Self::Unknown => (Zeroizing::default(), End::Whole),
        }
    }
}

/// Whether a body begins as RFC 1950, 2.2, has it. A raw stream that does would begin with a stored block (RFC 1951,
/// 3.2.4) whose padding is not zero, as no encoder writes it.
fn is_zlib(mut body: &[u8]) -> bool {
    let head = body.fill_buf().unwrap_or_default();
    match head {
        [method, flags, ..] => {
            method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0
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
        match from.read(&mut bytes[length..]) {
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
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const PLAIN: &[u8] = br#"{"access_token":"fake-access","refresh_token":"fake-refresh"}"#;
    const MOST: usize = 1024;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(plain: &[u8], level: u32) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn raw(plain: &[u8], level: u32) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

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
            for body in [zlib(PLAIN, level), raw(PLAIN, level)] {
                assert_eq!(unpacked("deflate", &body), (PLAIN.to_vec(), End::Whole), "{level}");
            }
        }
        assert_eq!(unpacked("gzip, gzip", &gzip(&gzip(PLAIN))).0, PLAIN);
        assert_eq!(unpacked("deflate, gzip", &gzip(&zlib(PLAIN, 6))).0, PLAIN);
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
    fn a_bomb_is_cut_at_the_limit() {
        let zeros = vec![b' '; 64 << 20];
        let bomb = gzip(&zeros);
        for (header, body) in
            [("gzip", bomb.clone()), ("deflate", zlib(&zeros, 9)), ("gzip, gzip", gzip(&bomb))]
        {
            let (found, end) = unpacked(header, &body);
            assert!(found.len() <= MOST, "{header}");
            assert_ne!(end, End::Whole, "{header}");
        }
        let exact = vec![b'x'; MOST];
        assert_eq!(unpacked("gzip", &gzip(&exact)), (exact, End::Whole));
    }
}
