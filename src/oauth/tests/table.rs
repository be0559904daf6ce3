//! What a failed answer means: a table.

mod rows;

use std::time::Duration;

use self::rows::ROWS;
use super::{JSON, NOW, SENT, failed, provider, raw, read};
use crate::model::{
    About, AuthorizationCode, ClientSecret, FailureClass as C, Landing, PkceVerifier, RefreshToken,
    Target,
};
use crate::oauth::{Client, Sent, TokenRequest, read_answer};
use crate::provider::preset;

#[test]
fn each_answer_has_its_class_and_its_message() {
    assert!(ROWS.len() >= 60, "{}", ROWS.len());
    let provider = provider("client_auth = \"post\"");
    for (status, content_type, body, class, code, message) in ROWS {
        let (failure, rescued) = failed(&provider, &raw(*status, content_type, body.as_bytes()));
        let found = (failure.class, failure.code.as_deref(), failure.status);
        assert_eq!(found, (*class, *code, Some(*status)), "{status} {content_type} {body}");
        assert_eq!(failure.to_string(), *message, "{status} {content_type} {body}");
        assert!(rescued.is_none(), "{body}");
    }
}

#[test]
fn an_error_in_oauth_s_form_speaks_of_its_account_whatever_its_code_and_spelling() {
    let plain = provider("");
    for (status, body) in [
        (400, r#"{"error":"refresh_token_reused"}"#),
        (401, r#"{"Error":"gone"}"#),
        (403, r#"{"ERROR_CODE":"gone"}"#),
        (404, r#"{"errorCode":5}"#),
        (400, r#"{"error":{"code":5,"message":"gone"}}"#),
        (422, r#"{"errors":[{"detail":"gone"}]}"#),
        (400, r#"[{"errorCode":"gone"}]"#),
        (400, r#"{"code":"gone"}"#),
        (400, r#"{"result":{"err":{"msg":"gone"}}}"#),
        (400, r#"{"fault":{"faultstring":"gone"}}"#),
        (400, r#"{"exception":"gone"}"#),
        (400, r#"{"error_description":"gone"}"#),
        (400, "error=gone"),
        (400, "invalid_grant"),
        (400, "\"invalid_grant\""),
        (200, r#"{"error":"gone"}"#),
    ] {
        let (failure, _) = failed(&plain, &raw(status, JSON, body.as_bytes()));
        assert_eq!(failure.about, About::Account, "{status} {body}");
    }
    for (status, body) in [
        (400, ""),
        (400, "<html>error</html>"),
        (400, "bad request"),
        (403, r#"{"message":"Forbidden"}"#),
        (403, r#"{"code":1015,"ray":"7"}"#),
        (400, r#"{"error":null}"#),
        (400, r#"{"error":"temporarily_unavailable"}"#),
        (429, r#"{"error":"gone"}"#),
        (407, r#"{"error":"proxy"}"#),
        (500, r#"{"error":"invalid_grant"}"#),
        (503, r#"{"error":"temporarily_unavailable"}"#),
        (302, r#"{"error":"x"}"#),
        (200, "<html>"),
        (200, ""),
    ] {
        let (failure, _) = failed(&plain, &raw(status, JSON, body.as_bytes()));
        assert_eq!(failure.about, About::Nobody, "{status} {body}");
    }
}

#[test]
fn each_provider_has_its_own_errors() {
    let slack = provider("answer.error_when = { field = \"ok\", equals = \"false\" }");
    let tiktok = provider(
        "[answer]\nroot = \"data\"\nnames = { error_code = \"error\", description = \"error_description\" }\n\
         errors = { 10010 = \"invalid_grant\", 10007 = \"transient\" }",
    );
    let atlassian = provider("answer.errors = { unauthorized_client = \"invalid_grant\" }");
    let nested =
        provider("answer.error_when = { field = \"meta.list[1].state\", equals = \"bad\" }");
    let id = "github".parse().unwrap();
    let github = preset(&id).unwrap();
    for (provider, status, body, class, code) in [
        (&slack, 200, r#"{"ok":false}"#, C::Transient, None),
        (
            &slack,
            200,
            r#"{"ok":false,"access_token":"fake","refresh_token":"fake-2"}"#,
            C::Transient,
            None,
        ),
        (
            &slack,
            200,
            r#"{"ok":false,"error":"token_revoked"}"#,
            C::DeadGrant,
            Some("token_revoked"),
        ),
        (
            &tiktok,
            200,
            r#"{"data":{"error_code":10010,"description":"gone"}}"#,
            C::DeadGrant,
            Some("10010"),
        ),
        (&tiktok, 200, r#"{"data":{"error_code":10007}}"#, C::Transient, Some("10007")),
        (&tiktok, 200, r#"{"data":{"error_code":3}}"#, C::Transient, None),
        (&tiktok, 200, r#"{"error":"invalid_grant"}"#, C::DeadGrant, Some("invalid_grant")),
        (
            &atlassian,
            403,
            r#"{"error":"unauthorized_client"}"#,
            C::DeadGrant,
            Some("unauthorized_client"),
        ),
        (
            &nested,
            200,
            r#"{"meta":{"list":[0,{"state":"bad"}]},"access_token":"x"}"#,
            C::Transient,
            None,
        ),
        (
            &github,
            200,
            r#"{"error":"incorrect_client_credentials"}"#,
            C::ClientBroken,
            Some("incorrect_client_credentials"),
        ),
        (
            &github,
            200,
            r#"{"error":"redirect_uri_mismatch"}"#,
            C::RequestBroken,
            Some("redirect_uri_mismatch"),
        ),
    ] {
        let (failure, rescued) = failed(provider, &raw(status, JSON, body.as_bytes()));
        assert_eq!((failure.class, failure.code.as_deref()), (class, code), "{body}");
        assert!(rescued.is_none(), "an error answer issues nothing: {body}");
    }
}

/// RFC 6749, 5.2: a client that used the header is answered 401 with the scheme that it used.
#[test]
fn a_challenge_for_basic_rejects_the_client_if_basic_was_sent() {
    for (auth, challenge, class) in [
        ("", Some("Basic realm=\"x\""), C::ClientBroken),
        ("client_auth = \"basic_raw\"", Some("basic"), C::ClientBroken),
        ("client_auth = \"post\"", Some("Basic realm=\"x\""), C::Transient),
        ("", Some("Bearer error=\"invalid_token\""), C::Transient),
        ("", Some("Basically not"), C::Transient),
        ("", None, C::Transient),
    ] {
        for body in ["", "<h1>401</h1>", r#"{"message":"Unauthorized","error":401}"#] {
            let mut answer = raw(401, "", body.as_bytes());
            answer.www_authenticate = challenge.map(ToOwned::to_owned);
            let (failure, _) = failed(&provider(auth), &answer);
            assert_eq!(failure.class, class, "{auth} {challenge:?} {body}");
        }
    }
}

#[test]
fn retry_after_is_seconds_or_a_date_and_at_most_an_hour() {
    for (text, wait) in [
        ("120", Some(120)),
        (" 0 ", Some(0)),
        ("86400", Some(3600)),
        ("99999999999999999999999999", Some(3600)),
        ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
        ("Sunday, 06-Nov-94 08:50:37 GMT", Some(60)),
        ("Sun, 06 Nov 1994 08:48:37 GMT", Some(0)),
        ("Mon, 06 Nov 2034 08:49:37 GMT", Some(3600)),
        ("-5", None),
        ("soon", None),
        ("", None),
    ] {
        let mut answer = raw(503, "", b"");
        answer.retry_after = Some(text.to_owned());
        let (failure, _) = failed(&provider(""), &answer);
        assert_eq!(failure.retry_after, wait.map(Duration::from_secs), "{text}");
    }
}

#[test]
fn words_of_a_provider_hold_no_token() {
    let body = format!(
        r#"{{"error":"invalid_grant","refresh_token":"fake-echo-1","access_token":"fake-echo-2",
            "error_description":"token {SENT} or fake-echo-1 is bad: https://x.example/t?refresh_token=fake-echo-2\u0007"}}"#
    );
    let (failure, _) = failed(&provider(""), &raw(400, JSON, body.as_bytes()));
    assert_eq!(failure.detail, "token … or … is bad: https://x.example/t?…");
    let body = format!(r#"{{"error":"{SENT}"}}"#);
    let (failure, _) = failed(&provider(""), &raw(400, JSON, body.as_bytes()));
    assert_eq!(failure.code, None);
}

/// The whole request may come back in the words of its refusal.
#[test]
fn nothing_that_was_sent_is_in_the_words() {
    let client_id = "fake-client".parse().unwrap();
    let secret = ClientSecret::new("fake secret".into());
    let client = Client { id: &client_id, secret: Some(&secret) };
    let code = AuthorizationCode::new("fake-code".into());
    let verifier = PkceVerifier::new("fake-verifier".into());
    let provider = provider("client_auth = \"basic\"");
    let uri = "http://127.0.0.1:8/callback";
    let mut request = TokenRequest::exchange(
        &provider,
        client,
        &code,
        Some(&verifier),
        uri,
        &Target::default(),
        NOW,
    )
    .unwrap();
    let others = request.take_secrets();
    let basic = data_encoding::BASE64.encode(b"fake-client:fake+secret");
    let body = serde_json::json!({
        "error": "invalid_grant",
        "error_description": format!("no fake-code, fake-verifier, fake secret, fake+secret, {basic}"),
    });
    let answer = raw(400, JSON, body.to_string().as_bytes());
    let detail = |others| {
        let sent = Sent { refresh: None, others };
        let Landing::Failed { failure, .. } = read_answer(&provider, &answer, sent, NOW) else {
            panic!("an error answer issues nothing")
        };
        assert_eq!(failure.code.as_deref(), Some("invalid_grant"));
        assert_eq!((failure.class, failure.status), (C::DeadGrant, Some(400)));
        failure.detail
    };
    assert_eq!(detail(Some(&others)), "no …, …, …, …, …");
    assert_eq!(detail(None), "", "nobody knows what there is to take out");
}

#[test]
fn an_answer_full_of_tokens_is_read_at_once() {
    let tokens: Vec<String> = (0..70_000).map(|n| format!("fake-{n:06}")).collect();
    for code in ["invalid_grant", "fake-069999"] {
        let body = serde_json::json!({
            "error": code,
            "error_description": "no fake-000001",
            "tokens": tokens,
        });
        let mut body = body.to_string();
        body.truncate(1024 * 1024);
        let (failure, _) = failed(&provider(""), &raw(400, JSON, body.as_bytes()));
        assert_eq!(failure.detail, "");
        assert_eq!(failure.code.as_deref(), Some(code).filter(|code| *code == "invalid_grant"));
    }
}

#[test]
fn a_long_description_is_cut_before_it_is_searched() {
    let body = serde_json::json!({
        "error": "invalid_grant",
        "error_description": format!("no {SENT} {}", "word ".repeat(200_000)),
    });
    let (failure, _) = failed(&provider(""), &raw(400, JSON, body.to_string().as_bytes()));
    assert!(failure.detail.starts_with("no … word word"), "{failure}");
    assert_eq!(failure.detail.chars().count(), 300);
}

/// The old token is spent, and the new one is nowhere else.
#[test]
fn a_refresh_token_where_no_definition_looks_is_saved() {
    let flat = provider("");
    for (status, body, rescued) in [
        (200, r#"{"data":{"access_token":"fake","refresh_token":"fake-new"}}"#.to_owned(), true),
        (200, format!(r#"{{"data":{{"refresh_token":"{SENT}"}}}}"#), false),
        (200, r#"{"data":{"error":"bad","refresh_token":"fake-echo"}}"#.to_owned(), false),
        (200, r#"{"error":"odd","data":{"refresh_token":"fake-echo"}}"#.to_owned(), false),
        (400, r#"{"data":{"refresh_token":"fake-echo"}}"#.to_owned(), false),
        (503, r#"{"data":{"refresh_token":"fake-echo"}}"#.to_owned(), false),
    ] {
        let (_, token) = failed(&flat, &raw(status, JSON, body.as_bytes()));
        let token = token.as_ref().map(RefreshToken::expose);
        assert_eq!(token, rescued.then_some("fake-new"), "{status} {body}");
    }
    let body = br#"{"access_token":"fake","data":{"refresh_token":"fake-of-another-kind"}}"#;
    let Landing::Granted(granted) = read(&flat, &raw(200, JSON, body)) else { panic!() };
    assert!(granted.refresh.is_none(), "what the definition finds is enough");
}
