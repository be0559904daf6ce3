//! Introspection data in a form that can be compared. The tests of the whole daemon include this file,
//! too.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// The members of one interface in an introspection document: by kind and name, with arguments and
/// annotations in their order. Comments, layout and the order of members say nothing.
pub(super) fn members(xml: &str, interface: &str) -> BTreeMap<String, Vec<String>> {
    let mut members = BTreeMap::new();
    let mut within = false;
    let mut current: Option<String> = None;
    let mut reader = Reader::from_str(xml);
    loop {
        let (element, opens) = match reader.read_event().unwrap() {
            Event::Start(element) => (element, true),
            Event::Empty(element) => (element, false),
            Event::End(element) => {
                match element.name().as_ref() {
                    "interface" => within = false,
                    "method" | "signal" | "property" => current = None,
                    _ => {}
                }
                continue;
            }
            Event::Eof => break,
            _ => continue,
        };
        let name = element.name().as_ref().to_owned();
        let attributes = attributes(&element);
        if name == "interface" {
            within = attributes["name"] == interface;
        } else if within && ["method", "signal", "property"].contains(&name.as_str()) {
            let member = format!("{name} {attributes:?}");
            assert!(members.insert(member.clone(), Vec::new()).is_none(), "{member} twice");
            current = opens.then_some(member);
        } else if let Some(member) = &current {
            members.get_mut(member).unwrap().push(format!("{name} {attributes:?}"));
        }
    }
    assert!(!members.is_empty(), "{interface} is not in\n{xml}");
    members
}

fn attributes(element: &BytesStart<'_>) -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    for attribute in element.attributes() {
        let attribute = attribute.unwrap();
        let name = attribute.key.as_ref().to_owned();
        map.insert(name, attribute.value.into_owned());
    }
    // the defaults of the D-Bus specification, which one side writes and the other does not
    if element.name().as_ref() == "arg" && map.get("direction").is_some_and(|d| d == "in") {
        map.remove("direction");
    }
    map
}
