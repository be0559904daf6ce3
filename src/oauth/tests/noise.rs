//! Answers that nobody meant.

use proptest::prelude::*;

use zeroize::Zeroizing;

use super::{JSON, JWT, SENT, provider, raw, read, read_sent};
use crate::model::{FailureClass, Landing, RawAnswer, RefreshToken, noise};
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

/// Answers as they come, which then are damaged.
const SAMPLES: [&str; 9] = [
    r#"{"access_token":"fake-access","token_type":"Bearer","expires_in":3600,"refresh_token":"fake-new","scope":"a b"}"#,
    r#"{"data":{"access_token":"fake-access","refresh_token":"fake-new","expires_at":"2034-11-06T08:49:37Z"}}"#,
    r#"{"ok":true,"access_token":"e30.eyJpYXQiOjEwMDAsImV4cCI6MTYwMH0.c2ln","refresh_expires_in":86400}"#,
    "access_token=fake-access&refresh_token=fake-new&expires_in=60&scope=a%20b&token_type=bearer",
    r#"{"error":"temporarily_unavailable","error_description":"no fake-refresh-sent today"}"#,
    r#"{"errors":[{"errorType":"server_error","message":"fake-refresh-sent \u0066ake"}],"success":false}"#,
    r#"{"error":{"code":400,"status":"fake-refresh-sent","message":"fake-refresh-sent"}}"#,
    "error=slow_down&error_description=fake-refresh-sent",
    "<!doctype html><title>Welcome</title><form action='?refresh_token=fake-refresh-sent'>",
];

fn any_header() -> impl Strategy<Value = Option<String>> {
    let samples = [
        "120",
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Basic realm=\"x\", Bearer error=\"invalid_token\"",
        "application/json; charset=utf-8",
        "text/html",
    ];
    prop_oneof![Just(None), ".{0,40}".prop_map(Some), noise::mutated_text(&samples).prop_map(Some),]
}

prop_compose! {
    fn damaged()(
        status in prop_oneof![Just(200_u16), Just(400), Just(401), 100_u16..600],
        content_type in any_header(),
        retry_after in any_header(),
        date in any_header(),
        www_authenticate in any_header(),
        body in noise::mutated(&SAMPLES),
    ) -> RawAnswer {
        let body = Zeroizing::new(body);
        RawAnswer { status, content_type, retry_after, date, www_authenticate, body }
    }
}

/// Whether the class is one that asks for a login.
fn ends_the_grant(landing: &Landing) -> bool {
    matches!(landing, Landing::Failed { failure, .. } if failure.class == FailureClass::DeadGrant)
}

proptest! {
    #[test]
    fn no_damage_to_an_answer_ends_a_grant_or_tells_the_token_that_was_sent(
        provider in any_provider(),
        answer in damaged(),
    ) {
        let landing = read(&provider, &answer);
        check_sound(&landing)?;
        // none of the samples says so, and nothing that happens to them makes them say so
        prop_assert!(!ends_the_grant(&landing), "{landing:?}");
        if let Landing::Failed { failure, .. } = &landing {
            let shown = format!("{failure} {failure:?}");
            prop_assert!(!shown.contains(SENT), "{}", shown);
        }
    }

    #[test]
    fn a_new_refresh_token_is_kept_whatever_stands_around_it(
        provider in any_provider().prop_filter(
            "tokens that lie deeper are looked for by the definition alone",
            |provider| provider.answer.root.is_none(),
        ),
        status in 200_u16..300,
        content_type in any_header(),
        token in "[!#-\\[\\]-~]{8,40}",
        before in prop_oneof![Just(Vec::new()), noise::mutated(&[r#""name":"Jos","n":[1,{"a":"b"}],"#])],
        behind in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            noise::mutated(&[r#","access_token":"fake-access","expires_in":60,"scope":["a","b"]}"#]),
        ],
    ) {
        let mut body = b"{".to_vec();
        body.extend(&before);
        body.extend(format!("\"refresh_token\":\"{token}\"").bytes());
        body.extend(&behind);
        // damage can make sound JSON of it, in which something else has another name
        let text = String::from_utf8_lossy(&body);
        let sound = serde_json::from_str::<serde_json::Value>(&text);
        prop_assume!(!sound.is_ok_and(|object| object.get("refresh_token").is_none()));
        let landing = read(&provider, &raw(status, content_type.as_deref().unwrap_or(""), &body));
        let kept = match &landing {
            Landing::Granted(granted) => granted.refresh.as_ref(),
            Landing::Failed { rescued, .. } => rescued.as_ref(),
        };
        prop_assert_eq!(kept.map(RefreshToken::expose), Some(token.as_str()), "{:?}", landing);
    }
}

#[test]
fn a_byte_that_is_no_utf_8_costs_no_token() {
    let body = b"{\"name\":\"Jos\xe9\",\"access_token\":\"fake\",\"refresh_token\":\"fake-new\"}";
    let Landing::Granted(granted) = read(&provider(""), &raw(200, JSON, body)) else {
        panic!("there is a token")
    };
    assert_eq!(granted.refresh.unwrap().expose(), "fake-new");
    // but one with such a byte in it is none
    let body = b"{\"refresh_token\":\"fake\xe9new\"}";
    let Landing::Failed { rescued, .. } = read(&provider(""), &raw(200, JSON, body)) else {
        panic!("there is no access token")
    };
    assert!(rescued.is_none());
}
