//! Faults as D-Bus errors.

use zbus::DBusError;
use zbus::message::{Header, Message};
use zbus::names::ErrorName;

use crate::api::{Fault, FaultKind, INTERFACE};

/// A fault on its way to the bus: its name says what the caller can do, its text is for people.
#[derive(Debug)]
pub(super) struct Refusal {
    kind: FaultKind,
    text: String,
}

/// The D-Bus error name of a kind of fault.
pub(super) fn error_name(kind: FaultKind) -> String {
    format!("{INTERFACE}.Error.{}", kind.name())
}

/// A fault that blames an option.
pub(super) fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(FaultKind::InvalidOption, message).hint("see the interface's documentation")
}

/// A fault that only a bug can cause: the engine answered another question.
pub(super) fn mismatch() -> Fault {
    Fault::new(FaultKind::Internal, "the answer does not fit the question")
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { kind: fault.kind, text: fault.to_string() }
    }
}

impl From<zbus::Error> for Refusal {
    fn from(error: zbus::Error) -> Self {
        Fault::new(FaultKind::Internal, format!("on the bus: {error}")).into()
    }
}

impl DBusError for Refusal {
    fn create_reply(&self, call: &Header<'_>) -> zbus::Result<Message> {
        Message::error(call, self.name()).build(&self.text)
    }

    fn name(&self) -> ErrorName<'_> {
        error_name(self.kind).try_into().expect("a fault's name is one word; a test tries all")
    }

    fn description(&self) -> Option<&str> {
        Some(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_valid_error_name() {
        for kind in FaultKind::all() {
            let refusal = Refusal::from(Fault::new(kind, "what happened").hint("what to do"));
            assert_eq!(
                refusal.name().as_str(),
                format!("dev.ostler.Ostler1.Error.{}", kind.name())
            );
            assert_eq!(refusal.description(), Some("what happened; what to do"));
        }
    }
}
