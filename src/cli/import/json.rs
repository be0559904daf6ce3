//! JSON objects: one, or several one after another, as `cat` and loops in a shell put them.

use serde::de::DeserializeOwned;

use super::draft::{Draft, Place};
use super::{Format, ImportError, Imported, LOGINS_MAX};

/// Reads each object, and what `draft` makes of it. An object without a refresh token is passed over.
///
/// What the parser has to say is not passed on: it may quote a token.
pub(super) fn logins<T: DeserializeOwned>(
    format: Format,
    text: &str,
    draft: impl Fn(T) -> Result<Draft, ImportError>,
) -> Result<Vec<Imported>, ImportError> {
    let mut objects = serde_json::Deserializer::from_str(text).into_iter::<T>();
    let mut found = Vec::new();
    // the last line known, and the byte at which it was
    let (mut line, mut seen) = (1, 0);
    for count in 1_usize.. {
        let rest = &text[objects.byte_offset()..];
        let begin = text.len() - rest.trim_start().len();
        line += text[seen..begin].matches('\n').count();
        seen = begin;
        let place = Place { line, format };
        // an object alone: a list would be read as the values of one
        match text.as_bytes().get(begin) {
            None => break,
            Some(b'{') if count > LOGINS_MAX => return Err(ImportError::TooMany),
            Some(b'{') => {}
            Some(_) => return Err(place.malformed()),
        }
        match objects.next() {
            Some(Ok(object)) => found.extend(draft(object)?.finish(place)?),
            Some(Err(error)) => {
                return Err(ImportError::Malformed { line: error.line().max(1), format });
            }
            None => break,
        }
    }
    Ok(found)
}
