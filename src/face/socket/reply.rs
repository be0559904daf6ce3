//! An answer or a refusal becomes a frame.

use std::io::{self, Write};

use serde::{Serialize, Serializer};

use super::buffer::Outbox;
use super::parameters::Wrong;
use super::service::SERVICE;
use crate::api::{Fault, INTERFACE};
use crate::model::AccountName;

/// Why a call is not even asked: the errors of `org.varlink.service`, each with its parameters.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Refusal {
    /// No such interface.
    InterfaceNotFound {
        /// The one asked for.
        interface: String,
    },
    /// No such method in the interface.
    MethodNotFound {
        /// The one asked for, with its interface.
        method: String,
    },
    /// A parameter is missing, unknown or not what it should be.
    InvalidParameter {
        /// Its name.
        parameter: String,
    },
    /// A stream was asked for by a client that takes one answer.
    ExpectedMore {},
}

impl Refusal {
    /// The error's name within its interface.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::InterfaceNotFound { .. } => "InterfaceNotFound",
            Self::MethodNotFound { .. } => "MethodNotFound",
            Self::InvalidParameter { .. } => "InvalidParameter",
            Self::ExpectedMore {} => "ExpectedMore",
        }
    }
}

impl From<Wrong> for Refusal {
    fn from(Wrong(parameter): Wrong) -> Self {
        Self::InvalidParameter { parameter }
    }
}

/// Whether the stream goes on after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// This was the answer.
    End,
    /// There is more to come.
    More,
}

#[derive(Serialize)]
struct Reply<'a, T> {
    parameters: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    continues: Option<bool>,
}

#[derive(Serialize)]
struct ErrorReply<'a, T> {
    error: ErrorName,
    parameters: &'a T,
}

/// `interface.Name`, written without putting it together first.
struct ErrorName(&'static str, &'static str);

impl Serialize for ErrorName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}.{}", self.0, self.1))
    }
}

/// A [`Fault`] as the interface declares its errors: the kind is the error's name.
#[derive(Serialize)]
struct FaultParameters<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a AccountName>,
    message: &'a str,
    hint: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<i64>,
}

/// Writes an answer.
pub(super) fn answer<T: Serialize>(
    out: &mut Outbox,
    parameters: &T,
    after: After,
) -> io::Result<()> {
    let continues = (after == After::More).then_some(true);
    frame(out, &Reply { parameters, continues })
}

/// Writes a fault.
pub(super) fn fault(out: &mut Outbox, fault: &Fault) -> io::Result<()> {
    let Fault { kind, account, message, hint, retry_at } = fault;
    let parameters =
        FaultParameters { account: account.as_ref(), message, hint, retry_at: *retry_at };
    frame(out, &ErrorReply { error: ErrorName(INTERFACE, kind.name()), parameters: &parameters })
}

/// Writes a refusal.
pub(super) fn refusal(out: &mut Outbox, refusal: &Refusal) -> io::Result<()> {
    frame(out, &ErrorReply { error: ErrorName(SERVICE, refusal.name()), parameters: refusal })
}

fn frame(out: &mut Outbox, message: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, message)?;
    out.write_all(&[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{FaultKind, INTERFACE_DESCRIPTION};

    fn text(write: impl FnOnce(&mut Outbox) -> io::Result<()>) -> String {
        let mut out = Outbox::default();
        write(&mut out).unwrap();
        String::from_utf8(out.bytes().to_vec()).unwrap()
    }

    #[test]
    fn frames_are_what_varlink_says() {
        let empty = crate::api::Response::Done {};
        assert_eq!(text(|out| answer(out, &empty, After::End)), "{\"parameters\":{}}\0");
        assert_eq!(
            text(|out| answer(out, &empty, After::More)),
            "{\"parameters\":{},\"continues\":true}\0"
        );
        assert_eq!(
            text(|out| refusal(out, &Refusal::ExpectedMore {})),
            "{\"error\":\"org.varlink.service.ExpectedMore\",\"parameters\":{}}\0"
        );
        let offline = Fault::new(FaultKind::Offline, "no network").of("a".parse().unwrap());
        assert_eq!(
            text(|out| fault(out, &offline.hint("wait").retry_at(7))),
            "{\"error\":\"dev.ostler.Ostler1.Offline\",\"parameters\":{\"account\":\"a\",\
             \"message\":\"no network\",\"hint\":\"wait\",\"retry_at\":7}}\0"
        );
    }

    #[test]
    fn each_fault_is_an_error_of_the_description_and_the_other_way_round() {
        let described: Vec<&str> = INTERFACE_DESCRIPTION
            .lines()
            .filter_map(|line| line.strip_prefix("error ")?.split_whitespace().next())
            .collect();
        let kinds: Vec<&str> = FaultKind::all().map(FaultKind::name).collect();
        assert_eq!(described, kinds);
    }
}
