//! What a caller may ask at all, whatever the rules about programs say.

use crate::api::{Fault, FaultKind, Request};
use crate::model::{Caller, Face};

/// Refuses what a caller may not ask, whatever the rules say: a program in a sandbox, or one that may be,
/// has tokens that it was granted and nothing else.
pub(super) fn admit(caller: &Caller, request: &Request) -> Result<(), Fault> {
    match request {
        Request::GetToken(_) | Request::SignProof(_) | Request::ListAccounts(_) => Ok(()),
        _ => confined(caller),
    }
}

/// Refuses a program that may have tokens and nothing else.
pub fn confined(caller: &Caller) -> Result<(), Fault> {
    if !caller.is_confined() {
        return Ok(());
    }
    let message = match caller.face {
        Face::Tokens => "this socket is for tokens, and for nothing else".to_owned(),
        Face::Socket | Face::Bus => {
            format!("{} may ask for tokens, and for nothing else", caller.identity)
        }
    };
    Err(Fault::new(FaultKind::Denied, message).hint("do that outside the sandbox"))
}
