//! Answers that nobody meant.

use proptest::prelude::*;

use super::{JSON, JWT, provider, raw, read, read_sent};
use crate::model::{Landing, RefreshToken};
use crate::oauth::lifetime::LIFETIME_MAX;
use crate::provider::Provider;

fn any_provider() -> impl Strategy<Value = Provider> {
    prop_oneof![
        Just(provider("")),
        Just(provider("answer.expires = \"at\"")),
        Just(provider("answer.expires = \"ms\"")),
        Just(provider("answer.expires = \"zero_means_never\"")),
        Just(provider("answer.root = \"data\"")),
        Just(provider("answer.error_when = { field = \"ok\", equals = \"false\" }")),
    ]
}

/// JSON made of the names that matter and values that do not fit.
fn any_answer() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "access_token",
        "refresh_token",
        "token_type",
        "expires_in",
        "expires_at",
        "expires",
        "scope",
        "error",
        "errors",
        "error_description",
        "data",
        "ok",
        "refresh_expires_in",
    ]);
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<f64>().prop_map(|n| serde_json::json!(n)),
        any::<i64>().prop_map(Into::into),
        ".{0,12}".prop_map(Into::into),
        "[0-9]{1,24}".prop_map(Into::into),
        Just(JWT.into()),
    ];
    let value = leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::vec((name.clone(), inner), 0..6).prop_map(|pairs| {
                let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value));
                serde_json::Value::Object(pairs.collect())
            }),
        ]
    });
    value.prop_map(|value| value.to_string())
}

fn check_sound(landing: &Landing) -> Result<(), TestCaseError> {
    match landing {
        Landing::Granted(granted) => {
            for life in [granted.lifetime, granted.refresh_lifetime].into_iter().flatten() {
                prop_assert!(life <= LIFETIME_MAX && !life.is_zero());
            }
            prop_assert!(granted.access.expose().bytes().all(|c| (0x20..0x7f).contains(&c)));
        }
        Landing::Failed { failure, .. } => {
            prop_assert!(failure.detail.chars().count() <= 300);
            prop_assert!(!failure.to_string().chars().any(char::is_control));
            prop_assert!(failure.retry_after.is_none_or(|wait| wait.as_secs() <= 3600));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(
        provider in any_provider(),
        status in 100_u16..600,
        content_type in ".{0,40}",
        retry_after in proptest::option::of(".{0,40}"),
        body in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut answer = raw(status, &content_type, &body);
        answer.retry_after.clone_from(&retry_after);
        answer.date = retry_after;
        check_sound(&read(&provider, &answer))?;
    }

    #[test]
    fn no_json_makes_a_life_absurd(
        provider in any_provider(),
        status in prop::sample::select(vec![200_u16, 201, 400, 401, 500]),
        body in any_answer(),
    ) {
        check_sound(&read(&provider, &raw(status, JSON, body.as_bytes())))?;
    }

    #[test]
    fn no_answer_cut_short_yields_half_a_token(
        token in "[!-~]{8,40}",
        cut in 0_usize..200,
    ) {
        let body = serde_json::json!({ "expires_in": 60, "refresh_token": token }).to_string();
        let body = &body.as_bytes()[..cut.min(body.len())];
        if let Landing::Failed { rescued: Some(rescued), .. } = read(&provider(""), &raw(200, JSON, body)) {
            prop_assert_eq!(rescued.expose(), token);
        }
    }

    #[test]
    fn no_token_gets_into_a_failure(
        sent in "[!-~]{8,40}",
        other in "[!-~]{8,40}",
        before in ".{0,20}",
        between in "[ -~]{0,20}",
        status in prop::sample::select(vec![200_u16, 400, 401, 500]),
        code in prop::sample::select(vec![0_usize, 1, 2]),
    ) {
        let code = ["invalid_grant", &sent, &other][code];
        let body = serde_json::json!({
            "error": code,
            "error_description": format!("{before}{sent}{between}{other}"),
            "refresh_token": other,
        });
        let token = RefreshToken::new(sent.clone());
        let answer = raw(status, JSON, body.to_string().as_bytes());
        let landing = read_sent(&provider(""), &answer, &token);
        let Landing::Failed { failure, .. } = landing else { panic!("no access token") };
        let shown = format!("{failure} {failure:?}");
        prop_assert!(!shown.contains(&sent) && !shown.contains(&other), "{}", shown);
    }
}
