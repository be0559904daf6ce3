//! What every Varlink service says about itself: the interface `org.varlink.service`.

use serde::Serialize;

use crate::api::{INTERFACE, INTERFACE_DESCRIPTION};

/// The interface's name.
pub(super) const SERVICE: &str = "org.varlink.service";

/// The interface in Varlink's own language, as published by the Varlink project.
const SERVICE_DESCRIPTION: &str = include_str!("org.varlink.service.varlink");

/// The answer to `GetInfo`.
#[derive(Serialize)]
pub(super) struct Info {
    vendor: &'static str,
    product: &'static str,
    version: &'static str,
    url: &'static str,
    interfaces: [&'static str; 2],
}

/// This service.
pub(super) const INFO: Info = Info {
    vendor: "ostler",
    product: "ostler",
    version: env!("CARGO_PKG_VERSION"),
    url: env!("CARGO_PKG_REPOSITORY"),
    interfaces: [SERVICE, INTERFACE],
};

/// The answer to `GetInterfaceDescription`.
#[derive(Debug, Serialize)]
pub(super) struct Description {
    description: &'static str,
}

/// The description of an interface, if it is served here.
pub(super) fn description(interface: &str) -> Option<Description> {
    let description = match interface {
        INTERFACE => INTERFACE_DESCRIPTION,
        SERVICE => SERVICE_DESCRIPTION,
        _ => return None,
    };
    Some(Description { description })
}
