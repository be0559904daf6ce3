//! What a good answer says, in all the forms in which it is said, and what is saved from a bad one.

use std::time::Duration;

use super::{JSON, JWT, SENT, TEXT, failed, granted, provider, raw, read};
use crate::model::{FailureClass as C, Landing, RefreshToken, TokenType};
use crate::oauth::lifetime::LIFETIME_MAX;

#[test]
fn only_an_access_token_is_needed() {
    let plain = provider("");
    let least = granted(&plain, r#"{"access_token":"fake-a"}"#);
    assert_eq!(least.access.expose(), "fake-a");
    assert_eq!(least.token_type, TokenType::Bearer);
    assert!(least.lifetime.is_none() && least.scopes.is_none());
    assert!(least.refresh.is_none() && least.refresh_lifetime.is_none());

    for (said, read) in [
        ("\"bearer\"", "Bearer"),
        ("\"BEARER\"", "Bearer"),
        ("null", "Bearer"),
        ("\"\"", "Bearer"),
        ("\"DPoP\"", "DPoP"),
        ("\"mac\"", "mac"),
        ("\"N_A\"", "N_A"),
    ] {
        let body = format!(r#"{{"access_token":"fake","token_type":{said}}}"#);
        assert_eq!(granted(&plain, &body).token_type.as_str(), read);
    }
    let ebay = provider("answer.bearer_types = [\"User Access Token\"]");
    let body = r#"{"access_token":"fake","token_type":"User Access Token"}"#;
    assert_eq!(granted(&ebay, body).token_type, TokenType::Bearer);

    let long = "x".repeat(16 * 1024);
    let body = format!(r#"{{"access_token":"{long}"}}"#);
    assert_eq!(granted(&plain, &body).access.expose(), long);

    let form = raw(200, TEXT, b"access_token=fake%2B1&expires_in=60&scope=a%20b");
    let Landing::Granted(form) = read(&plain, &form) else { panic!("a form is read") };
    assert_eq!(form.access.expose(), "fake+1");
    assert_eq!(form.lifetime, Some(Duration::from_mins(1)));
    assert_eq!(form.scopes.unwrap().join(","), "a,b");
}

#[test]
fn an_access_token_that_is_blank_or_a_word_for_none_is_none() {
    for token in ["", " ", "\\n", "null", "NULL", "undefined", "None"] {
        let body = format!(r#"{{"access_token":"{token}","refresh_token":"fake-refresh-2"}}"#);
        let (failure, rescued) = failed(&provider(""), &raw(200, JSON, body.as_bytes()));
        assert_eq!(failure.class, C::Transient, "{body}");
        assert_eq!(failure.detail, "the answer holds no access token", "{body}");
        assert_eq!(rescued.unwrap().expose(), "fake-refresh-2", "{body}");
    }
    let body = r#"{"access_token":" fake-access\r\n"}"#;
    assert_eq!(granted(&provider(""), body).access.expose(), "fake-access");
}

/// RFC 6749, 6: a new refresh token replaces the old one, no new one leaves it in force.
#[test]
fn the_refresh_token_is_new_or_none() {
    for (field, new) in [
        (String::new(), None),
        (r#","refresh_token":null"#.into(), None),
        (r#","refresh_token":"""#.into(), None),
        (format!(r#","refresh_token":"{SENT}""#), None),
        (format!(r#","refresh_token":" \t{SENT}\r\n""#), None),
        (r#","refresh_token":"  \r\n\t ""#.into(), None),
        (r#","refresh_token":"null""#.into(), None),
        (r#","refresh_token":"Null""#.into(), None),
        (r#","refresh_token":"undefined""#.into(), None),
        (r#","refresh_token":" UNDEFINED ""#.into(), None),
        (r#","refresh_token":"none""#.into(), None),
        (r#","refresh_token":"None""#.into(), None),
        (r#","refresh_token":"nonesuch""#.into(), Some("nonesuch")),
        (r#","refresh_token":"\tfake-refresh-2\r\n""#.into(), Some("fake-refresh-2")),
        (r#","refresh_token":"fake-refresh-2""#.into(), Some("fake-refresh-2")),
    ] {
        let body = format!(r#"{{"access_token":"fake"{field}}}"#);
        let granted = granted(&provider(""), &body);
        assert_eq!(granted.refresh.as_ref().map(RefreshToken::expose), new, "{field}");
    }
}

#[test]
fn a_rotated_token_is_rescued_from_odd_answers() {
    let renamed = provider("answer.names = { refreshToken = \"refresh_token\" }");
    for body in [
        r#"{"refresh_token":"fake-2"}"#,
        r#"{"refresh_token":"fake-2","access_token":null}"#,
        r#"{"refresh_token":"fake-2","access_token":"bad\u0000"}"#,
        r#"{"refreshToken":"fake-2"}"#,
        // cut short
        r#"{"refresh_token":"fake-2","access_token":"fak"#,
        r#"{"refresh_token" : "fake-2""#,
        // not JSON at the end
        r#"{"refresh_token":"fake-2",}"#,
    ] {
        let (failure, rescued) = failed(&renamed, &raw(200, JSON, body.as_bytes()));
        assert_eq!(rescued.as_ref().map(RefreshToken::expose), Some("fake-2"), "{body}");
        assert!(matches!(failure.class, C::Transient | C::Ambiguous), "{body}");
    }
    for (status, body) in [
        (200, format!(r#"{{"refresh_token":"{SENT}"}}"#)),
        (200, r#"{"refresh_token":"fake-2"#.to_owned()),
        (200, r#"{"error":"invalid_grant","refresh_token":"fake-2"}"#.to_owned()),
        (400, r#"{"refresh_token":"fake-2"}"#.to_owned()),
        (500, r#"{"refresh_token":"fake-2""#.to_owned()),
    ] {
        let (_, rescued) = failed(&renamed, &raw(status, JSON, body.as_bytes()));
        assert!(rescued.is_none(), "{status} {body}");
    }
    // with two pairs of tokens in one answer, only the one asked for is taken
    let slack = provider("answer.root = \"authed_user\"");
    let body = r#"{"access_token":"fake-bot","refresh_token":"fake-bot-2",
                   "authed_user":{"access_token":"fake-user"}}"#;
    let granted = granted(&slack, body);
    assert_eq!(granted.access.expose(), "fake-user");
    assert!(granted.refresh.is_none());
}

#[test]
fn scopes_come_as_text_list_or_nothing() {
    for (said, read) in [
        ("\"a b\"", Some("a b")),
        ("\"a,b\"", Some("a b")),
        ("[\"b\",\"a\"]", Some("a b")),
        ("null", None),
        ("\"\"", None),
        ("[]", None),
        ("5", None),
    ] {
        let body = format!(r#"{{"access_token":"fake","scope":{said}}}"#);
        let scopes = granted(&provider(""), &body).scopes;
        assert_eq!(scopes.map(|scopes| scopes.join(" ")).as_deref(), read, "{said}");
    }
}

#[test]
fn a_life_is_read_in_every_form() {
    const IN: &str = "";
    const AT: &str = "answer.expires = \"at\"";
    const MS: &str = "answer.expires = \"ms\"";
    const NONE: &str = "answer.expires = \"none\"";
    const NEVER: &str = "answer.expires = \"zero_means_never\"";
    let max = LIFETIME_MAX.as_secs();
    for (rules, fields, seconds) in [
        (IN, r#""expires_in":3600"#, Some(3600)),
        (IN, r#""expires_in":"3600""#, Some(3600)),
        (IN, r#""expires_in":" 3600 ""#, Some(3600)),
        (IN, r#""expires_in":3600.0"#, Some(3600)),
        (IN, r#""expires_in":"3600.0""#, Some(3600)),
        (IN, r#""expires_in":0"#, None),
        (IN, r#""expires_in":-1"#, None),
        (IN, r#""expires_in":"-9e99""#, None),
        (IN, r#""expires_in":null"#, None),
        (IN, r#""expires_in":"soon""#, None),
        (IN, r#""expires_in":"NaN""#, None),
        (IN, r#""expires_in":"inf""#, None),
        (IN, r#""expires_in":[60]"#, None),
        (IN, r#""expires_in":true"#, None),
        (IN, r#""expires_in":2147483648"#, Some(max)),
        (IN, r#""expires_in":1e300"#, Some(max)),
        (IN, r#""expires_in":18446744073709551616"#, Some(max)),
        (IN, r#""expires":5184000"#, Some(5_184_000)),
        (IN, r#""expires":784115377"#, Some(max)),
        (IN, r#""expires_in":60,"expires_at":1"#, Some(60)),
        (MS, r#""expires_in":3600000"#, Some(3600)),
        (NEVER, r#""expires_in":0"#, Some(max)),
        (NEVER, r#""expires_in":"0""#, Some(max)),
        (NEVER, r#""expires_in":60"#, Some(60)),
        (NEVER, "", None),
        (NONE, "", None),
        (NONE, r#""expires_in":60"#, Some(60)),
        (NONE, r#""expires_at":"1994-11-06T09:49:37Z""#, Some(3600)),
        (NONE, r#""expires_in":0"#, None),
        (AT, r#""expires_at":3600"#, None),
        (AT, r#""expires_at":"1994-11-06T09:49:37Z""#, Some(3600)),
        (AT, r#""expires_at":"1994-11-06T10:49:37.000+01:00""#, Some(3600)),
        (AT, r#""expires_at":"1994-11-06T09:49:37""#, Some(3600)),
        (AT, r#""expires_at":"1994-11-06 09:49:37""#, Some(3600)),
        (IN, r#""expires_at":"1994-11-06T09:49:37Z""#, Some(3600)),
        (AT, r#""expires_at":"1994-11-06T08:49:00Z""#, Some(30)),
        (AT, r#""expires_at":"9999-12-31T23:59:59Z""#, Some(max)),
        (AT, r#""expires_at":"tomorrow""#, None),
        (AT, r#""expires_at":null,"expires_in":60"#, Some(60)),
    ] {
        let comma = if fields.is_empty() { "" } else { "," };
        let body = format!(r#"{{"access_token":"fake"{comma}{fields}}}"#);
        let lifetime = granted(&provider(rules), &body).lifetime;
        assert_eq!(lifetime, seconds.map(Duration::from_secs), "{rules} {fields}");
    }
}

#[test]
fn an_instant_is_measured_by_the_providers_own_clock() {
    let at = provider("answer.expires = \"at\"");
    // the provider's clock is in 2026, ours in 1994
    for instant in ["1767229200", "1767229200000", "\"1767229200\"", "\"2026-01-01T01:00:00Z\""] {
        let body = format!(r#"{{"access_token":"fake","expires_at":{instant}}}"#);
        let mut answer = raw(200, JSON, body.as_bytes());
        answer.date = Some("Thu, 01 Jan 2026 00:00:00 GMT".into());
        let Landing::Granted(granted) = read(&at, &answer) else { panic!("{body}") };
        assert_eq!(granted.lifetime, Some(Duration::from_hours(1)), "{instant}");
    }
}

#[test]
fn a_jwt_hints_at_its_life_when_nobody_else_says_anything() {
    let of = |rules: &str, token: &str, more: &str| {
        granted(&provider(rules), &format!(r#"{{"access_token":"{token}"{more}}}"#)).lifetime
    };
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(of("", JWT, ""), seconds(600));
    assert_eq!(of("", JWT, ",\"expires_in\":60"), seconds(60));
    assert_eq!(of("default_lifetime = 7200", JWT, ""), None, "the definition's figure is better");
    assert_eq!(of("", "a.b.c", ""), None);
    assert_eq!(
        of("answer.expires = \"none\"", JWT, ""),
        None,
        "nor does it end what does not expire"
    );
    // exp before iat, and exp without iat
    assert_eq!(of("", "e30.eyJpYXQiOjE2MDAsImV4cCI6MTAwMH0.x", ""), None);
    assert_eq!(of("", "e30.eyJleHAiOjE2MDB9.x", ""), None);
}

#[test]
fn the_life_of_a_refresh_token_has_three_names() {
    for (fields, seconds) in [
        (r#""refresh_token_expires_in":15897600"#, Some(15_897_600)),
        (r#""refresh_expires_in":"1800""#, Some(1800)),
        (r#""x_refresh_token_expires_in":8726400"#, Some(8_726_400)),
        (r#""refresh_expires_in":0"#, None),
    ] {
        let body = format!(r#"{{"access_token":"fake",{fields}}}"#);
        let found = granted(&provider(""), &body).refresh_lifetime;
        assert_eq!(found, seconds.map(Duration::from_secs), "{fields}");
    }
}

#[test]
fn an_empty_error_is_none() {
    for error in ["null", "\"\"", "false", "0", "{}", "[]", "\"ok\"", r#"{"code":"ok"}"#] {
        let body = format!(r#"{{"access_token":"fake","error":{error}}}"#);
        assert_eq!(granted(&provider(""), &body).access.expose(), "fake");
    }
}

#[test]
fn an_error_field_that_speaks_of_no_error_costs_no_refresh_token() {
    let provider = provider("");
    let rescued = |error: &str| {
        let body = format!(r#"{{"error":{error},"data":{{"refresh_token":"fake-new"}}}}"#);
        let (_, rescued) = failed(&provider, &raw(200, JSON, body.as_bytes()));
        rescued.map(|token| token.expose().to_owned())
    };
    for nothing in ["null", "false", "0", "\"\"", "\"ok\"", "[]", "{}", r#"{"code":0}"#] {
        assert_eq!(rescued(nothing).as_deref(), Some("fake-new"), "{nothing}");
    }
    for something in ["true", "1", "\"no\"", "[true]", r#"{"code":1}"#, r#"{"why":"no"}"#] {
        assert_eq!(rescued(something), None, "{something}");
    }
}

#[test]
fn a_character_that_was_cut_off_behind_the_tokens_costs_none() {
    let body =
        [br#"{"access_token":"fake","refresh_token":"fake-new"}"#.as_slice(), b"\xc3"].concat();
    let Landing::Granted(granted) = read(&provider(""), &raw(200, JSON, &body)) else {
        panic!("no tokens");
    };
    assert_eq!(granted.refresh.unwrap().expose(), "fake-new");
}
