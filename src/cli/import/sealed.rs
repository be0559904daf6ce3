//! Tells what cannot be read as text, or is text and encrypted.

use super::{Format, ImportError};

/// Bytes that a file begins with, and what encrypted it.
const MARKS: [(&str, &str); 4] = [
    ("-----BEGIN PGP MESSAGE-----", "GnuPG"),
    ("-----BEGIN AGE ENCRYPTED FILE-----", "age"),
    ("age-encryption.org/v1", "age"),
    // a vault holds any of these files as well as others
    ("$ANSIBLE_VAULT;", "Ansible Vault"),
];

const NOT_TEXT: ImportError =
    ImportError::Foreign { found: "not text in UTF-8", then: "give it as text in UTF-8" };

/// The input as text without a byte order mark, if it is text, and neither empty nor encrypted.
pub(super) fn text(format: Format, input: &[u8]) -> Result<&str, ImportError> {
    if input.starts_with(b"SQLite format 3\0") {
        return Err(ImportError::Foreign {
            found: "a database",
            then: "if it is gcloud's credentials.db: give legacy_credentials/ACCOUNT/adc.json beside it",
        });
    }
    let Ok(text) = std::str::from_utf8(input) else {
        return Err(match format {
            Format::Pizauth => super::pizauth::dump(),
            // as shells of Windows write
            _ if input.starts_with(b"\xff\xfe") || input.starts_with(b"\xfe\xff") => NOT_TEXT,
            // an OpenPGP packet begins with a set bit (RFC 9580, 4.2), which text does not
            _ if input.first().is_some_and(|first| first & 0x80 != 0) => {
                ImportError::Encrypted { by: "GnuPG or another program", format }
            }
            _ => NOT_TEXT,
        });
    };
    let text = text.trim_start_matches('\u{feff}');
    let begin = text.trim_start();
    if begin.is_empty() {
        return Err(ImportError::Empty(format));
    }
    match MARKS.iter().find(|(mark, _)| begin.starts_with(mark)) {
        Some((_, by)) => Err(ImportError::Encrypted { by, format }),
        None => Ok(text),
    }
}
