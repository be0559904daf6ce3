//! pizauth (1.1): keeps its tokens in memory, and lets them out in one way only. `pizauth dump` prints
//! them, serialized as its own version does and encrypted with a key of its own, for `pizauth restore`
//! alone; it promises nobody else that form. `pizauth.conf` has clients, and never a token.

use super::error::SIGN_IN_FOR_PIZAUTH;
use super::{ImportError, Imported};

pub(super) fn read(text: &str) -> Result<Vec<Imported>, ImportError> {
    Err(if text.contains("account") && text.contains("token_uri") {
        ImportError::Foreign {
            found: "pizauth.conf, which has clients and no tokens",
            then: SIGN_IN_FOR_PIZAUTH,
        }
    } else {
        // a dump is bytes, and may be text by chance or by way of base64
        dump()
    })
}

/// What is said of a dump.
pub(super) fn dump() -> ImportError {
    ImportError::Foreign {
        found: "of pizauth, whose tokens are encrypted for pizauth restore alone",
        then: SIGN_IN_FOR_PIZAUTH,
    }
}
