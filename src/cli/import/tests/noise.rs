//! Inputs that nobody meant.

use proptest::prelude::*;

use super::*;
use crate::model::noise;

/// What must be in no error.
const CANARY: &str = "canary-7f3a91";

fn text(sample: &[u8]) -> String {
    String::from_utf8_lossy(sample).into_owned()
}

/// The samples with a canary for each secret in them.
fn samples() -> Vec<String> {
    let texts = [OIDC_AGENT_4, OIDC_AGENT_5, ORTIE, MUTT, NEOMUTT, RCLONE, GCLOUD].map(text);
    let marked = texts.map(|text| {
        ["fake-refresh", "fake-client-secret", "fake-access"]
            .into_iter()
            .fold(text, |text, word| text.replace(word, CANARY))
    });
    marked.into_iter().chain([CANARY.to_owned()]).collect()
}

fn some_input() -> impl Strategy<Value = Vec<u8>> {
    let samples = samples();
    let samples: Vec<&str> = samples.iter().map(String::as_str).collect();
    prop_oneof![
        8 => noise::mutated(&samples),
        1 => prop::collection::vec(any::<u8>(), 0..400),
        1 => "\\PC{0,200}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_input_is_read_or_refused_and_no_error_tells_a_secret(input in some_input()) {
        for format in Format::value_variants() {
            match read(*format, &input) {
                Ok(found) => {
                    prop_assert!(!found.is_empty() && found.len() <= LOGINS_MAX);
                    for login in found {
                        let token = login.refresh_token.expose();
                        prop_assert!(!token.is_empty());
                        prop_assert!(token.bytes().all(|c| c.is_ascii_graphic() || c == b' '));
                    }
                }
                Err(error) => {
                    let said = format!("{error} {error:?} {}", error.hint());
                    prop_assert!(!said.contains("canary"), "{}", said);
                    prop_assert!(!error.hint().is_empty() && !said.contains('\n'));
                }
            }
        }
    }
}
