//! What is shown of an answer that was not understood, and above all what is not.

use super::{HTML, JSON, TEXT, raw};
use crate::model::{RawAnswer, RefreshToken};
use crate::oauth::{Sent, SentSecrets, Sketch, sketch};

const REFRESH: &str = "kept apart/never";
const SECRET: &str = "correct horse battery";

fn answer(media: &str, body: &[u8]) -> RawAnswer {
    raw(502, media, body)
}

fn drawn(media: &str, body: &[u8]) -> Sketch {
    let refresh = RefreshToken::new(REFRESH.to_owned());
    let others = SentSecrets::new([SECRET]);
    sketch(&answer(media, body), Sent { refresh: Some(&refresh), others: Some(&others) })
}

fn text(media: &str, body: &str) -> String {
    drawn(media, body.as_bytes()).text
}

#[test]
fn json_is_shown_by_names_types_and_lengths() {
    let body = r#"{"error":"invalid_grant","error_description":"no","ok":false,"expiresIn":3600,
        "list":[{"a":{"b":{"c":1}}},2],"none":null,"empty":{}}"#;
    assert_eq!(
        text(JSON, body),
        "{\"empty\": {}, \"error\": text of 13, \"error_description\": text of 2, \
         \"expiresIn\": a number, \"list\": [{\"a\": an object of 1}, 1 more], \
         \"none\": null, \"ok\": false}"
    );
    assert_eq!(text(JSON, "[\"fake-token\"]"), "[text of 10]");
    assert_eq!(text(JSON, "{\"a\":"), "JSON that was cut short");
    assert_eq!(text(JSON, ""), "nothing");
}

#[test]
fn a_form_is_shown_like_json() {
    let body = "error=x&access_token=fake-token&refresh_token=fake-more";
    assert_eq!(
        text("application/x-www-form-urlencoded", body),
        "{\"access_token\": text of 10, \"error\": text of 1, \"refresh_token\": text of 9}"
    );
}

#[test]
fn a_member_that_is_named_by_a_token_has_no_name() {
    for name in [
        "gho_16C7e42F292c6912E7710c838347Ae178B4a",
        "aGVsbG8gd29ybGQgdGhpcyBpcyBi",
        "QkZnTzXpLmRsWqVb",
        "qwrtzpsdfghjklmn",
        "eyJhbGciOiJub25lIn0.e30.",
        "550e8400-e29b-41d4-a716-446655440000",
        "1234567890",
        "a b",
    ] {
        let shown = text(JSON, &format!("{{\"{name}\": {{\"sub\": 1}}}}"));
        assert_eq!(shown, "{\"…\": {\"sub\": a number}}", "{name}");
    }
}

#[test]
fn of_a_page_the_ordinary_words_are_shown() {
    let page = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title>\
        <style>body{color:red}</style><script>var token='fake1234';</script></head>\
        <body data-token=\"fake5678\"><!-- build fake9999 > --><h1>502 Bad Gateway</h1>\
        <hr>nginx/1.18.0 (Ubuntu)<p>Request id: 0af7651916cd43dd8448eb211c80319c</body></html>";
    let shown = text(HTML, page);
    assert_eq!(
        shown,
        "a page: 502 Bad Gateway 502 Bad Gateway nginx/1.18.0 (Ubuntu) Request id: …"
    );
}

#[test]
fn what_looks_like_a_secret_is_not_shown_wherever_it_stands() {
    for secret in [
        "sk-live-4f9aB2cD",
        "ya29.a0AfH6SMBx",
        "1//0gLr-qwe",
        "Y2xpZW50OnNlY3JldA==",
        "JBSWY3DPEHPK3PXP",
        "JBSWYTDPEHPKTPXP",
        "xkqzvtrwpldbnmcf",
        "aVeryLongCamelCaseWordIndeed",
        "correct-horse-battery-staple",
        "c0ffee",
        "482913",
        "a%20b",
        "user@example.org",
        "key=value",
        "<abc",
    ] {
        for body in [format!("it is {secret} here"), format!("it is ({secret}), here")] {
            let shown = text(TEXT, &body);
            assert!(!shown.contains(secret), "{shown}");
            assert!(shown == "text: it is … here" || secret.starts_with('<'), "{shown}");
        }
        let shown = text(HTML, &format!("<p>it is<b>{secret}</b>here"));
        assert!(!shown.contains(secret) && !shown.contains(&secret[..4]), "{shown}");
    }
}

#[test]
fn what_stands_behind_the_name_of_a_secret_is_not_shown() {
    for (body, shown) in [
        ("your token is swordfish now", "text: your token is … now"),
        ("password: swordfish", "text: password: …"),
        ("the secret = swordfish", "text: the … …"),
        ("Invalid token supplied", "text: Invalid token supplied"),
    ] {
        let found = text(TEXT, body);
        assert!(!found.contains("swordfish"), "{found}");
        if !body.contains('=') {
            assert_eq!(found, shown);
        }
    }
}

#[test]
fn what_was_sent_is_not_shown_though_it_is_made_of_words() {
    for body in [
        format!("client {SECRET} unknown"),
        SECRET.replace(' ', "<br>"),
        SECRET.to_uppercase(),
        REFRESH.to_owned(),
    ] {
        assert_eq!(text(HTML, &format!("<p>{body}</p>")), "…", "{body}");
    }
}

#[test]
fn where_nobody_knows_what_was_sent_no_word_is_shown() {
    let sent = Sent { refresh: None, others: None };
    assert_eq!(sketch(&answer(HTML, b"<p>words"), sent).text, "…");
    assert_eq!(sketch(&answer(TEXT, b"some words"), sent).text, "…");
    assert_eq!(sketch(&answer(JSON, b"{\"error\":\"x\"}"), sent).text, "{\"error\": text of 1}");
}

#[test]
fn status_and_length_are_always_told_and_the_media_type_if_it_is_one() {
    let shown = drawn("Text/HTML; charset=fake-token", b"<p>");
    assert_eq!((shown.status, shown.bytes), (502, 3));
    assert_eq!(shown.media_type.as_deref(), Some("text/html"));
    for (header, known) in [
        ("application/problem+json", true),
        ("application/x9f8a7b6c5", false),
        ("fake/token", false),
        ("token", false),
    ] {
        assert_eq!(drawn(header, b"").media_type.is_some(), known, "{header}");
    }
}

#[test]
fn any_body_is_sketched_within_bounds() {
    let mut bodies: Vec<Vec<u8>> = vec![
        vec![0xff; 4000],
        vec![0; 40],
        b"<".repeat(40_000),
        b"<script>".repeat(40_000),
        b"word ".repeat(40_000),
        b"[".repeat(200),
        "\u{1f600} \u{202e}x \u{7}".repeat(900).into_bytes(),
    ];
    bodies.push(b"{\"a\":[[[[1]]]]}".to_vec());
    let wide: Vec<String> = (0..9999).map(|n| format!("\"name{n}\":\"x\"")).collect();
    bodies.push(format!("{{{}}}", wide.join(",")).into_bytes());
    for body in bodies {
        for media in [HTML, TEXT, JSON] {
            let shown = drawn(media, &body).text;
            assert!(shown.chars().count() <= 300, "{shown}");
            assert!(!shown.contains(['\u{7}', '\u{202e}', '\u{fffd}']), "{shown:?}");
        }
    }
}
