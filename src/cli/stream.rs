//! Lists that come in pieces: each piece is written when it is there, so that the longest list takes no more room
//! than a short one.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::client::{After, Client, parse};
use super::console::Console;
use super::failure::Failure;

/// Prints the replies as the one JSON object that they are together, on one line. `list` is the member that comes in
/// pieces; of the others the first reply has them all. If the daemon fails on the way, the line has no end.
pub(super) fn json<P: Serialize>(
    client: &mut Client,
    (method, parameters): (&str, &P),
    list: &str,
    patience: Duration,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Members<'a> {
        #[serde(borrow)]
        members: BTreeMap<&'a str, &'a RawValue>,
    }
    let mut out = BufWriter::new(&mut *console.out);
    let (mut is_first, mut is_empty) = (true, true);
    client.call_each(method, parameters, patience, |reply, _| {
        let Members { members } = parse(reply)?;
        let mut write = || -> std::io::Result<()> {
            if std::mem::take(&mut is_first) {
                out.write_all(b"{")?;
                for (name, value) in
                    members.iter().filter(|(name, _)| **name != list && **name != NEXT)
                {
                    write!(out, "{}:{},", serde_json::to_string(name)?, value.get())?;
                }
                write!(out, "{}:[", serde_json::to_string(list)?)?;
            }
            let items = members.get(list).map_or("", |value| inside(value));
            if !items.is_empty() {
                if !std::mem::take(&mut is_empty) {
                    out.write_all(b",")?;
                }
                out.write_all(items.as_bytes())?;
            }
            Ok(())
        };
        write().map_err(Failure::Output)
    })?;
    out.write_all(b"]}\n").and_then(|()| out.flush()).map_err(Failure::Output)
}

/// The member that says that a reply is not the last one.
const NEXT: &str = "next";

/// What is between the brackets of a list.
fn inside(list: &RawValue) -> &str {
    let text = list.get().trim();
    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or_default().trim()
}

/// Reads the replies one after the other.
pub(super) fn each<P: Serialize, R: for<'a> Deserialize<'a>>(
    client: &mut Client,
    (method, parameters): (&str, &P),
    patience: Duration,
    mut take: impl FnMut(R, After) -> Result<(), Failure>,
) -> Result<(), Failure> {
    client.call_each(method, parameters, patience, |reply, after| take(parse(reply)?, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_the_brackets_is_the_items() {
        let raw = |text: &str| serde_json::from_str::<Box<RawValue>>(text).unwrap();
        assert_eq!(inside(&raw("[ ]")), "");
        assert_eq!(inside(&raw("[1, [2]]")), "1, [2]");
        assert_eq!(inside(&raw("7")), "");
    }
}
