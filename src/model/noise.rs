//! Bytes for tests of readers: what somebody meant, and something happened to it on its way. Pure
//! noise is refused at the first byte, as a rule; this gets further.

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What trips readers of JSON, TOML, HTTP and addresses.
const SPICE: [&[u8]; 32] = [
    b"\0",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"null",
    b"true",
    b"1e999",
    b"-1",
    b"0.5",
    b"99999999999999999999999999",
    b"\xff",
    b"\xe9",
    b"\xe2\x80",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"\r\n\r\n",
    b" ",
    b"%",
    b"%00",
    b"&",
    b"=",
    b"#",
    b"?",
    b"'",
    b"<",
];

/// One of the samples, with a few things done to it, or nothing.
pub(crate) fn mutated(samples: &[&str]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let samples: Vec<Vec<u8>> = samples.iter().map(|sample| sample.as_bytes().to_vec()).collect();
    let change = (0_u8..8, any::<Index>(), any::<Index>(), select(&SPICE), any::<u8>());
    (select(samples.clone()), select(samples), prop::collection::vec(change, 0..6)).prop_map(
        |(mut bytes, other, changes)| {
            for (kind, from, to, spice, byte) in changes {
                let (from, to) = (from.index(bytes.len() + 1), to.index(bytes.len() + 1));
                let (from, to) = (from.min(to), from.max(to));
                let replacement = match kind {
                    // cut off, left out, said twice
                    0 => {
                        bytes.truncate(from);
                        continue;
                    }
                    1 => Vec::new(),
                    2 => bytes[from..to].repeat(2),
                    // many times, or one inside the other
                    3 => bytes[from..to.min(from + 4)].repeat(200),
                    4 => [&bytes[from..to], &other[..], &bytes[from..to]].concat(),
                    5 => vec![byte],
                    _ => spice.to_vec(),
                };
                let to = if kind >= 5 { to.min(from + 1) } else { to };
                // in place of what was there, or before it
                let to = if byte % 2 == 0 { to } else { from };
                bytes.splice(from..to, replacement);
                bytes.truncate(100_000);
            }
            bytes
        },
    )
}

/// The same as text.
pub(crate) fn mutated_text(samples: &[&str]) -> impl Strategy<Value = String> + use<> {
    mutated(samples).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}
