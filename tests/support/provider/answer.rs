//! Answers of the token endpoint, whole and spoiled.

use std::time::Duration;

use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::super::pack::{deflate, gzip, zlib};
use super::fault::{Fault, Packing};
use super::line::Line;

/// Where [`Fault::Redirect307`] points to.
pub(super) const TRAP: &str = "/trap";

/// The length of [`Fault::HugeBody`].
const HUGE: usize = 100 << 20;

const CAPTIVE: &str =
    "<html><h1>Welcome to the lobby Wi-Fi</h1><form>Accept the terms</form></html>";
const BAD_GATEWAY: &str = "<html><h1>502 Bad Gateway</h1><hr>nginx</html>";

/// JSON as RFC 6749, 5.1 wants it: not to be stored.
pub(super) fn json(status: StatusCode, body: &Value) -> Response {
    typed(status, "application/json", body.to_string())
}

/// What a client gets whose request is swallowed by a fault. `released` hears of every release since
/// the request came.
pub(super) async fn swallow(
    fault: Fault,
    line: &Line,
    query: &str,
    params: &[(String, String)],
    mut released: watch::Receiver<()>,
) -> Response {
    match fault {
        Fault::ResetBefore => cut(line),
        Fault::Status { code, headers, body } => {
            let status = StatusCode::from_u16(code).expect("tests make statuses that exist");
            let mut response = (status, body).into_response();
            for (name, value) in headers {
                let value = value.parse().expect("tests make header values in ASCII");
                response.headers_mut().insert(name, value);
            }
            response
        }
        Fault::Http502Html => typed(StatusCode::BAD_GATEWAY, "text/html", BAD_GATEWAY.into()),
        Fault::Http429 { retry_after } => {
            let mut response =
                json(StatusCode::TOO_MANY_REQUESTS, &json!({ "error": "rate_limited" }));
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after));
            response
        }
        Fault::CaptiveHtml200 => typed(StatusCode::OK, "text/html", CAPTIVE.into()),
        Fault::TemporarilyUnavailable503 => {
            json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "error": "temporarily_unavailable" }))
        }
        Fault::Redirect307 => {
            let location = if query.is_empty() { TRAP.into() } else { format!("{TRAP}?{query}") };
            (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, location)]).into_response()
        }
        // the HTTP server drops this future when the client hangs up
        Fault::Hang => std::future::pending().await,
        Fault::Drip(start) => {
            tokio::select! {
                biased;
                // it fails when the provider is dropped
                _ = released.changed() => {}
                () = drip(start, line) => {}
            }
            cut(line)
        }
        Fault::Echo(code) => echo(code, params),
        after => unreachable!("{after:?} swallows no request"),
    }
}

/// What a client gets whose request was granted, spoiled if a fault is on order. `sent` is its refresh token. `released` hears of
/// every release since the request came.
pub(super) async fn give(
    fault: Option<Fault>,
    mut answer: Map<String, Value>,
    sent: &str,
    line: &Line,
    mut released: watch::Receiver<()>,
) -> Response {
    match fault {
        None => {}
        Some(Fault::Delay(delay)) => tokio::time::sleep(delay).await,
        Some(Fault::Hold) => {
            // it fails when the provider is dropped, and then nobody waits for an answer
            let _ = released.changed().await;
        }
        Some(Fault::ExpiresIn(value)) => {
            answer.insert("expires_in".into(), value);
        }
        Some(Fault::DropField(name)) => {
            answer.remove(name);
        }
        Some(Fault::SetField(name, value)) => {
            answer.insert(name.into(), value);
        }
        Some(Fault::PaddedRefresh) => {
            let token = answer.get("refresh_token").and_then(Value::as_str).unwrap_or(sent);
            let padded = format!(" \t{token}\r\n");
            answer.insert("refresh_token".into(), padded.into());
        }
        Some(Fault::Packed(packing)) => return packed(&json!(answer).to_string(), packing),
        Some(Fault::TokenTypeLower) => {
            answer.insert("token_type".into(), "bearer".into());
        }
        Some(Fault::Error200) => return json(StatusCode::OK, &github_error()),
        Some(Fault::SlackError) => {
            return json(StatusCode::OK, &json!({ "ok": false, "error": "token_expired" }));
        }
        Some(Fault::FormEncoded) => return form(&answer),
        Some(Fault::Garbage) => {
            return typed(StatusCode::OK, "application/json", "{\"access_tok\u{fffd}\0".into());
        }
        Some(Fault::LostResponse) => return cut(line),
        Some(Fault::Truncate) => return half(&answer, line).await,
        Some(Fault::HugeBody) => return flood(&answer, line).await,
        Some(Fault::EndlessChunks) => return chunks(&answer, line).await,
        Some(before) => unreachable!("{before:?} lets no request succeed"),
    }
    json(StatusCode::OK, &answer.into())
}

/// Says what was asked, as it was asked and in words: some providers are that talkative.
fn echo(code: &str, params: &[(String, String)]) -> Response {
    let words: Vec<_> = params.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    let description = format!("refused: {}, asked for by ?{query}", words.join(" and "));
    let body = json!({ "error": code, "error_description": description });
    json(StatusCode::BAD_REQUEST, &body)
}

fn github_error() -> Value {
    json!({
        "error": "bad_refresh_token",
        "error_description": "The refresh token passed is incorrect or expired.",
    })
}

/// The answer in a content coding.
fn packed(body: &str, packing: Packing) -> Response {
    let plain = body.as_bytes();
    let (name, bytes) = match packing {
        Packing::Gzip => ("gzip", gzip(plain)),
        Packing::XGzip => ("x-gzip", gzip(plain)),
        Packing::Bomb => ("gzip", gzip(&[plain, &vec![b' '; HUGE]].concat())),
        Packing::Deflate => ("deflate", zlib(plain)),
        Packing::RawDeflate => ("deflate", deflate(plain)),
    };
    let headers = [(CONTENT_TYPE, "application/json"), (CONTENT_ENCODING, name)];
    (StatusCode::OK, headers, bytes).into_response()
}

fn form(answer: &Map<String, Value>) -> Response {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in answer {
        match value {
            Value::String(text) => form.append_pair(name, text),
            other => form.append_pair(name, &other.to_string()),
        };
    }
    typed(StatusCode::OK, "application/x-www-form-urlencoded", form.finish())
}

fn typed(status: StatusCode, media_type: &'static str, body: String) -> Response {
    (status, [(CONTENT_TYPE, media_type), (CACHE_CONTROL, "no-store")], body).into_response()
}

/// Hangs up. The empty answer is for the HTTP server, which finds nobody to give it to.
fn cut(line: &Line) -> Response {
    line.hang_up();
    Response::default()
}

/// Half of an answer, then the end.
async fn half(answer: &Map<String, Value>, line: &Line) -> Response {
    let body = json!(answer).to_string();
    let head = head(&format!("Content-Length: {}", body.len()));
    // the client is entitled to hang up first
    let _ = line.write(format!("{head}{}", &body[..body.len() / 2]).as_bytes()).await;
    cut(line)
}

/// An answer that starts as it should and goes on and on.
async fn flood(answer: &Map<String, Value>, line: &Line) -> Response {
    let mut start = json!(answer).to_string();
    // the closing brace goes, so that the padding is one more field of the same object
    start.pop();
    let start = format!("{}{start},\"padding\":\"", head("Connection: close"));
    let chunk = vec![b'x'; 64 * 1024];
    let mut sent = line.write(start.as_bytes()).await;
    for _ in 0..HUGE / chunk.len() {
        if sent.is_err() {
            break;
        }
        sent = line.write(&chunk).await;
    }
    cut(line)
}

/// The same in chunks.
async fn chunks(answer: &Map<String, Value>, line: &Line) -> Response {
    let mut start = json!(answer).to_string();
    start.pop();
    let start = format!("{start},\"padding\":\"");
    let head = head("Transfer-Encoding: chunked");
    let mut sent = line.write(format!("{head}{:x}\r\n{start}\r\n", start.len()).as_bytes()).await;
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    while sent.is_ok() {
        sent = line.write(chunk.as_bytes()).await;
    }
    cut(line)
}

/// The beginning of an answer, and then a byte now and then until nobody takes it.
async fn drip(start: &str, line: &Line) {
    let mut sent = line.write(start.as_bytes()).await;
    while sent.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        sent = line.write(b"x").await;
    }
}

fn head(header: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{header}\r\n\r\n")
}
