//! A refresh token alone, such as another program's command prints.

use super::draft::{Draft, Hidden, Place};
use super::{Format, ImportError, Imported};

pub(super) fn read(text: &str) -> Result<Vec<Imported>, ImportError> {
    let token = text.trim();
    // prose, or a file of another form, which would be taken for a very odd token
    if token.contains(char::is_whitespace) || token.starts_with(['{', '[', '<', '"']) {
        return Err(ImportError::Malformed { line: 1, format: Format::Plain });
    }
    let draft = Draft { refresh_token: Some(Hidden::of(token)), ..Draft::default() };
    let login = draft.finish(Place { line: 1, format: Format::Plain })?;
    Ok(login.into_iter().collect())
}
