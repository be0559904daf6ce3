//! Bytes that nobody meant, cut anywhere.

use proptest::prelude::*;

use super::super::buffer::{Inbox, Outbox};
use super::super::call::{self, Malformed};
use super::super::reply;
use crate::api::{INTERFACE, REQUEST_MAX};
use crate::model::noise;

const SAMPLES: [&str; 10] = [
    r#"{"method":"dev.ostler.Ostler1.GetToken","parameters":{"account":"door","min_valid":60,"scopes":["a","b"],"timeout_ms":1}}"#,
    r#"{"method":"dev.ostler.Ostler1.Login","parameters":{"provider":"parqex","client_id":"c","client_secret":"fake-canary"}}"#,
    r#"{"method":"dev.ostler.Ostler1.SubmitRedirect","parameters":{"request":"raaaaaaaaaaaaaaaa","uri":"https://x.example/?code=fake-canary"}}"#,
    r#"{"method":"dev.ostler.Ostler1.Cancel","parameters":{"request":"raaaaaaaaaaaaaaaa"},"oneway":true}"#,
    r#"{"method":"dev.ostler.Ostler1.Monitor","more":true}"#,
    r#"{"method":"dev.ostler.Ostler1.Status","parameters":null,"upgrade":false,"x":[{"y":1e9}]}"#,
    r#"{"method":"org.varlink.service.GetInfo","parameters":{}}"#,
    r#"{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"dev.ostler.Ostler1"}}"#,
    r#"{"method":"a.b.C"}"#,
    r#"{"method":"D","parameters":{"n":{"n":{"n":[[[]]]}}}}"#,
];

/// Reads a frame as a session does, and gives what would be answered if it is refused.
fn answered(frame: &[u8]) -> Option<Vec<u8>> {
    let mut out = Outbox::default();
    let refusal = call::parse(frame).ok()?.asked.err()?;
    reply::refusal(&mut out, &refusal).unwrap();
    Some(out.bytes().to_vec())
}

fn check_answer(answer: &[u8]) -> Result<(), TestCaseError> {
    let (end, text) = answer.split_last().unwrap();
    prop_assert!(*end == 0 && !text.contains(&0), "one frame");
    let answer: serde_json::Value = serde_json::from_slice(text).unwrap();
    let name = answer["error"].as_str().unwrap();
    prop_assert!(name.starts_with("org.varlink.service."), "{}", name);
    Ok(())
}

proptest! {
    #[test]
    fn any_frame_is_understood_or_refused_in_a_frame_of_its_own(
        frame in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            noise::mutated(&SAMPLES),
        ],
    ) {
        if let Some(answer) = answered(&frame) {
            check_answer(&answer)?;
        }
    }

    #[test]
    fn frames_come_out_as_they_went_in_wherever_they_were_cut(
        frames in prop::collection::vec(prop::collection::vec(1_u8.., 0..400), 0..8),
        cuts in prop::collection::vec(1_usize..700, 1..20),
    ) {
        let stream: Vec<u8> =
            frames.iter().flat_map(|frame| [frame.as_slice(), b"\0"].concat()).collect();
        let (mut inbox, mut seen, mut rest) = (Inbox::default(), Vec::new(), &stream[..]);
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let room = inbox.room();
            let count = rest.len().min(*cut).min(room.capacity() - room.len());
            prop_assert!(count > 0, "there always is room");
            room.extend_from_slice(&rest[..count]);
            rest = &rest[count..];
            while let Some(frame) = inbox.frame().unwrap() {
                seen.push(inbox.at(frame.clone()).to_vec());
                inbox.consume(frame);
            }
            prop_assert!(room_of(&mut inbox) <= REQUEST_MAX + 1);
        }
        prop_assert_eq!(seen, frames);
        prop_assert!(inbox.is_empty());
    }
}

fn room_of(inbox: &mut Inbox) -> usize {
    inbox.room().capacity()
}

#[test]
fn depth_numbers_and_repetitions_break_nothing() {
    let deep = |open: &str, close: &str| {
        let count = REQUEST_MAX / (open.len() + close.len()) - 100;
        format!("{}{}", open.repeat(count), close.repeat(count))
    };
    let (lists, objects) = (deep("[", "]"), deep("{\"a\":", "}"));
    for parameters in [
        lists.clone(),
        format!("{{\"account\":{lists}}}"),
        format!("{{\"account\":\"a\",\"x\":{lists}}}"),
        objects,
        "[".repeat(REQUEST_MAX - 100),
        format!("{{\"account\":\"a\",\"min_valid\":{}}}", "9".repeat(60_000)),
        "{\"account\":\"a\",\"min_valid\":1e400}".to_owned(),
        format!("{{{}\"account\":\"a\"}}", "\"account\":\"a\",".repeat(4000)),
    ] {
        let frame = format!("{{\"method\":\"{INTERFACE}.GetToken\",\"parameters\":{parameters}}}");
        assert!(frame.len() <= REQUEST_MAX, "{}", frame.len());
        match call::parse(frame.as_bytes()) {
            Err(Malformed) => {}
            Ok(call) => assert!(call.asked.is_err(), "{}", &frame[..100]),
        }
    }
}
