//! A frame becomes a call.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::parameters::{Wrong, read};
use super::reply::Refusal;
use super::service::SERVICE;
use crate::api::{INTERFACE, Request};

/// What every call looks like. Members that are not known are left to later versions of Varlink.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow, default)]
    parameters: Option<&'a RawValue>,
    #[serde(default)]
    oneway: bool,
    #[serde(default)]
    more: bool,
    #[serde(default)]
    upgrade: bool,
}

/// A call: what is asked, and how it is to be answered.
#[derive(Debug)]
pub(super) struct Call {
    /// The method's name for logs: only names that this service knows.
    pub(super) method: &'static str,
    /// What is asked, or why that cannot be.
    pub(super) asked: Result<Asked, Refusal>,
    /// What the client is ready to read.
    pub(super) wants: Wants,
}

/// What the client is ready to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    /// No answer, not even an error (`oneway`).
    Nothing,
    /// One answer.
    One,
    /// Any number of answers (`more`).
    Stream,
}

/// What is asked.
#[derive(Debug)]
pub(super) enum Asked {
    /// Something the engine answers.
    Engine(Request),
    /// The stream of events.
    Monitor,
    /// `org.varlink.service.GetInfo`.
    Info,
    /// `org.varlink.service.GetInterfaceDescription`.
    Description {
        /// Of which interface.
        interface: String,
    },
}

/// A frame that is not a call.
#[derive(Debug)]
pub(super) struct Malformed;

/// Reads a frame.
pub(super) fn parse(frame: &[u8]) -> Result<Call, Malformed> {
    let Envelope { method, parameters, oneway, more, upgrade } =
        serde_json::from_slice(frame).map_err(|_| Malformed)?;
    let (method, asked) = match method.rsplit_once('.') {
        Some((INTERFACE, member)) => (known(member), ask(member, parameters)),
        Some((SERVICE, member)) => ("service", ask_service(member, parameters)),
        Some((interface, _)) => {
            (UNKNOWN, Err(Refusal::InterfaceNotFound { interface: interface.to_owned() }))
        }
        None => (UNKNOWN, Err(Refusal::MethodNotFound { method: method.into_owned() })),
    };
    // nothing here turns a connection into another protocol
    let asked = if upgrade { Err(Wrong("upgrade".to_owned()).into()) } else { asked };
    let wants = match (oneway, more) {
        (true, _) => Wants::Nothing,
        (false, false) => Wants::One,
        (false, true) => Wants::Stream,
    };
    Ok(Call { method, asked, wants })
}

const UNKNOWN: &str = "unknown";

fn known(member: &str) -> &'static str {
    Request::METHODS.into_iter().find(|known| *known == member).unwrap_or(UNKNOWN)
}

/// Parameters of a method that has none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

fn ask(member: &str, parameters: Option<&RawValue>) -> Result<Asked, Refusal> {
    let request = match member {
        "GetToken" => Request::GetToken(read(parameters)?),
        "SignProof" => Request::SignProof(Box::new(read(parameters)?)),
        "ListAccounts" => Request::ListAccounts(read(parameters)?),
        "Status" => Request::Status(read(parameters)?),
        "ListProviders" => {
            read::<Nothing>(parameters)?;
            Request::ListProviders
        }
        "Login" => Request::Login(Box::new(read(parameters)?)),
        "AwaitLogin" => Request::AwaitLogin(read(parameters)?),
        "SubmitRedirect" => Request::SubmitRedirect(read(parameters)?),
        "Cancel" => Request::Cancel(read(parameters)?),
        "Logout" => Request::Logout(read(parameters)?),
        "Diagnose" => {
            read::<Nothing>(parameters)?;
            Request::Diagnose
        }
        "Resume" => Request::Resume(read(parameters)?),
        "Refresh" => Request::Refresh(read(parameters)?),
        "Rename" => Request::Rename(read(parameters)?),
        "SetEnabled" => Request::SetEnabled(read(parameters)?),
        "Revoke" => Request::Revoke(read(parameters)?),
        "ListUses" => Request::ListUses(read(parameters)?),
        "ListGrants" => {
            read::<Nothing>(parameters)?;
            Request::ListGrants
        }
        "SetGrant" => Request::SetGrant(Box::new(read(parameters)?)),
        "RemoveGrant" => Request::RemoveGrant(read(parameters)?),
        "ListPending" => {
            read::<Nothing>(parameters)?;
            Request::ListPending
        }
        "Respond" => Request::Respond(read(parameters)?),
        "ShowProvider" => Request::ShowProvider(read(parameters)?),
        "CheckProvider" => Request::CheckProvider(read(parameters)?),
        "DraftProvider" => Request::DraftProvider(read(parameters)?),
        "Monitor" => {
            read::<Nothing>(parameters)?;
            return Ok(Asked::Monitor);
        }
        _ => return Err(Refusal::MethodNotFound { method: format!("{INTERFACE}.{member}") }),
    };
    Ok(Asked::Engine(request))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    interface: String,
}

fn ask_service(member: &str, parameters: Option<&RawValue>) -> Result<Asked, Refusal> {
    match member {
        "GetInfo" => {
            read::<Nothing>(parameters)?;
            Ok(Asked::Info)
        }
        "GetInterfaceDescription" => {
            let Which { interface } = read(parameters)?;
            Ok(Asked::Description { interface })
        }
        _ => Err(Refusal::MethodNotFound { method: format!("{SERVICE}.{member}") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::INTERFACE_DESCRIPTION;

    #[test]
    fn each_method_of_the_description_is_a_request_and_the_other_way_round() {
        let described: Vec<&str> = INTERFACE_DESCRIPTION
            .lines()
            .filter_map(|line| line.strip_prefix("method ")?.split('(').next())
            .collect();
        assert_eq!(described, Request::METHODS);
        for method in described {
            let frame = format!(r#"{{"method": "{INTERFACE}.{method}"}}"#);
            let call = parse(frame.as_bytes()).unwrap();
            assert_eq!(call.method, method);
            // known, though its parameters are missing
            assert!(
                matches!(call.asked, Ok(_) | Err(Refusal::InvalidParameter { .. })),
                "{method}: {:?}",
                call.asked
            );
        }
    }

    #[test]
    fn flags_are_read_and_members_of_later_versions_do_not_disturb() {
        let frame =
            br#"{"method":"dev.ostler.Ostler1.Monitor","parameters":null,"more":true,"x":1}"#;
        let call = parse(frame).unwrap();
        assert_eq!(call.wants, Wants::Stream);
        assert!(matches!(call.asked, Ok(Asked::Monitor)));
        let frame = br#"{"method":"dev.ostler.Ostler1.Status","upgrade":true,"oneway":true}"#;
        let call = parse(frame).unwrap();
        assert_eq!(call.wants, Wants::Nothing);
        let Err(Refusal::InvalidParameter { parameter }) = call.asked else { panic!("{call:?}") };
        assert_eq!(parameter, "upgrade");
    }

    #[test]
    fn what_is_not_an_object_with_a_method_is_malformed() {
        for frame in
            ["", "{", "[]", "null", r#"{"parameters":{}}"#, r#"{"method":7}"#, "GET / \r\n"]
        {
            assert!(parse(frame.as_bytes()).is_err(), "{frame:?}");
        }
        assert!(parse(b"{\"method\":\"\xff\"}").is_err(), "not UTF-8");
    }

    #[test]
    fn a_name_in_a_log_is_one_of_ours() {
        let call = parse(br#"{"method":"dev.ostler.Ostler1.Evil\nline"}"#).unwrap();
        assert_eq!(call.method, "unknown");
        let Err(Refusal::MethodNotFound { method }) = call.asked else { panic!("{call:?}") };
        assert_eq!(method, "dev.ostler.Ostler1.Evil\nline");
        assert!(matches!(
            parse(br#"{"method":"Status"}"#).unwrap().asked,
            Err(Refusal::MethodNotFound { .. })
        ));
    }
}
