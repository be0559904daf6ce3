//! The document that describes the user's own client, looked at as providers see it.

use reqwest::Method;
use url::Url;

use super::http::Http;
use super::request::{Outgoing, plain_headers};
use crate::model::{ClientId, check_document};

/// What is wrong with the document that a client's id is the URL of. `Err` if it could not be had.
pub async fn published(http: &Http, client: &ClientId) -> Result<Result<(), String>, String> {
    let url = Url::parse(client.as_str()).map_err(|error| error.to_string())?;
    let request = Outgoing::new(Method::GET, url, plain_headers(), None);
    let answer = http.carry(request).await.map_err(|error| error.to_string())?;
    if answer.status != 200 {
        return Err(format!("HTTP status {}", answer.status));
    }
    let document = serde_json::from_slice(&answer.body);
    Ok(document
        .map_err(|_| "it is no JSON".to_owned())
        .and_then(|document| check_document(client, &document)))
}
