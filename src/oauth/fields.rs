//! The fields of an answer, wherever the provider put them and however it wrote them down.

use serde_json::{Map, Value};
use url::{Url, form_urlencoded};
use zeroize::{Zeroize, Zeroizing};

use crate::model::{BASE_URL, RawAnswer, Values};
use crate::provider::Provider;

/// What kind of thing a body is.
pub(super) enum Shape {
    /// Named fields: a JSON object, or a form.
    Fields(Fields),
    /// JSON, but not an object.
    OtherJson(Fields),
    /// A page for a browser.
    Html,
    /// Nothing.
    Empty,
    /// The beginning of a JSON object.
    CutShort,
    /// Something else.
    Unknown,
}

/// The fields of an answer. Wiped when dropped: they hold tokens.
pub(super) struct Fields(Value);

/// An error that an answer speaks of.
pub(super) struct Said {
    /// Its code, as the provider wrote it.
    pub(super) code: Option<String>,
    /// Its description, as the provider wrote it.
    pub(super) description: Option<String>,
    /// Whether the provider's definition says that this marks an error.
    pub(super) by_definition: bool,
}

/// Reads a body by what it looks like; the media type decides only where that leaves a choice, for
/// token answers come as `text/plain`, `text/html` and nothing at all.
pub(super) fn shape(answer: &RawAnswer) -> Shape {
    let text = readable(&answer.body);
    let text = text.trim_start_matches('\u{feff}').trim();
    let media = answer.content_type.as_deref().unwrap_or("");
    let media = media.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match text.as_bytes().first() {
        None => return Shape::Empty,
        Some(b'{') => match serde_json::from_str(text) {
            Ok(value) => return Shape::Fields(Fields(value)),
            Err(error) if error.is_eof() => return Shape::CutShort,
            Err(_) => return Shape::Unknown,
        },
        Some(b'<') => return Shape::Html,
        Some(_) => {}
    }
    if media == "text/html" || media == "application/xhtml+xml" {
        return Shape::Html;
    }
    if let Some(fields) = form(text) {
        return Shape::Fields(fields);
    }
    match serde_json::from_str::<Value>(text) {
        Ok(value) => Shape::OtherJson(Fields(value)),
        Err(_) => Shape::Unknown,
    }
}

/// A form, if it has a field that an answer would have.
fn form(text: &str) -> Option<Fields> {
    const TELLING: [&str; 3] = ["access_token", "refresh_token", "error"];
    if text.contains(['\n', '<', '{', ' ']) {
        return None;
    }
    let pairs = form_urlencoded::parse(text.as_bytes());
    let object: Map<String, Value> =
        pairs.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned()))).collect();
    let fields = Fields(Value::Object(object));
    TELLING.iter().any(|name| fields.0.get(*name).is_some()).then_some(fields)
}

/// The first complete value of one of these names in a JSON text that may be cut short, or spoiled.
/// An answer that broke off behind a new refresh token still gives it up.
pub(super) fn salvage(body: &[u8], names: &[String]) -> Option<String> {
    let text = readable(body);
    names.iter().find_map(|name| {
        let quoted = format!("\"{name}\"");
        text.match_indices(&quoted).find_map(|(place, _)| {
            let value = text[place + quoted.len()..].trim_start().strip_prefix(':')?.trim_start();
            let mut strings = serde_json::Deserializer::from_str(value).into_iter::<String>();
            strings.next()?.ok().filter(|token| is_whole(token))
        })
    })
}

/// Whether a token is there, with nothing of it lost on the way.
pub(super) fn is_whole(token: &str) -> bool {
    !token.is_empty() && !token.contains(char::REPLACEMENT_CHARACTER)
}

/// A body as text. What is not UTF-8 is replaced: a name in Latin-1 must not cost the token beside
/// it. A character that was cut off at the end is left out.
fn readable(body: &[u8]) -> Zeroizing<String> {
    let whole = match std::str::from_utf8(body) {
        Err(error) if error.error_len().is_none() => &body[..error.valid_up_to()],
        _ => body,
    };
    // at most three bytes for one, so that nothing is left behind by growth
    let mut text = Zeroizing::new(String::with_capacity(3 * whole.len()));
    for chunk in whole.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

impl Fields {
    /// A field of the token object, by the standard's name.
    pub(super) fn value(&self, provider: &Provider, name: &str) -> Option<&Value> {
        let object = self.token_object(provider);
        let renamed = provider.answer.names.iter().filter(|(_, ours)| *ours == name);
        renamed
            .filter_map(|(theirs, _)| at(object, theirs))
            .chain(object.get(name))
            .find(|value| !value.is_null())
    }

    /// A text that is not empty.
    pub(super) fn text(&self, provider: &Provider, name: &str) -> Option<&str> {
        self.value(provider, name)?.as_str().filter(|text| !text.is_empty())
    }

    /// The error that the answer speaks of, if any.
    pub(super) fn error(&self, provider: &Provider) -> Option<Said> {
        let marked = provider.answer.error_when.as_ref().is_some_and(|when| {
            at(&self.0, &when.field).and_then(scalar).is_some_and(|value| when.marks(&value))
        });
        let error = self
            .value(provider, "error")
            .or_else(|| self.0.get("error"))
            .filter(|value| speaks_of_error(value));
        let list = self.0.get("errors").filter(|value| speaks_of_error(value));
        if !marked && error.is_none() && list.is_none() {
            return None;
        }
        let sources = [error, list];
        let code = sources.into_iter().flatten().find_map(|value| code_in(value, provider));
        let description = ["error_description", "error_message", "errorMessage", "message"]
            .into_iter()
            .find_map(|name| self.text(provider, name).or_else(|| self.0.get(name)?.as_str()))
            .or_else(|| sources.into_iter().flatten().find_map(description_in));
        Some(Said {
            code: code.map(|code| code.trim().to_owned()),
            description: description.map(ToOwned::to_owned),
            by_definition: marked,
        })
    }

    /// What the definition wants kept besides tokens.
    pub(super) fn captured(&self, provider: &Provider) -> Values {
        let object = self.token_object(provider);
        let value = |name: &String| {
            let value = at(object, name).or_else(|| at(&self.0, name)).and_then(scalar)?;
            Some((name.clone(), value))
        };
        let captured: Values = provider.capture.answer.iter().filter_map(value).collect();
        let from = provider.base_url_from.as_ref().and_then(|name| captured.get(name));
        match from.or(provider.base_url.as_ref().map(Url::as_str)) {
            Some(base) => captured.with(&[(BASE_URL, base)].into_iter().collect()),
            None => captured,
        }
    }

    /// Whether there is an error anywhere, also where no definition would look for it.
    pub(super) fn hold_an_error(&self) -> bool {
        holds_an_error(&self.0, &|name, _| matches!(name, "error" | "errors"))
    }

    /// Whether they speak of an error, however that is spelled: `Error`, `errorCode`, `error_type`, `err_msg`, `fault`,
    /// `exception`, or a `code` that is a word.
    pub(super) fn speak_of_an_error(&self) -> bool {
        holds_an_error(&self.0, &|name, value| {
            let name = name.to_ascii_lowercase();
            ["err", "fault", "exception"].iter().any(|word| name.starts_with(word))
                || (name == "code" && value.is_string())
        })
    }

    /// All of them, as one object.
    pub(super) fn whole(&self) -> &Value {
        &self.0
    }

    /// Every text in the answer that may be a token or another secret.
    pub(super) fn secrets(&self) -> Vec<&str> {
        let mut found = Vec::new();
        collect_secrets(&self.0, false, &mut found);
        found
    }

    /// Where the tokens are. If the provider's place for them is missing, the answer as a whole: a
    /// refresh may answer flat where an exchange answers nested, and errors mostly do.
    fn token_object(&self, provider: &Provider) -> &Value {
        let root = provider.answer.root.as_deref();
        root.and_then(|path| at(&self.0, path)).filter(|value| value.is_object()).unwrap_or(&self.0)
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// The value at a path with dots between levels; a number is a place in a list.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let steps = path.split(['.', '[', ']']).filter(|step| !step.is_empty());
    steps.into_iter().try_fold(value, |value, step| match value {
        Value::Object(object) => object.get(step),
        Value::Array(list) => list.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

/// Whether the value of an error field says that there is one: some providers always send the
/// field.
fn speaks_of_error(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !matches!(text.as_str(), "" | "0" | "ok" | "OK" | "success"),
        Value::Array(list) => list.iter().any(speaks_of_error),
        Value::Object(object) => {
            let code = object.get("code");
            !object.is_empty() && code.is_none_or(speaks_of_error)
        }
    }
}

/// Whether a member anywhere in it has such a name and speaks of an error.
fn holds_an_error(value: &Value, is_named: &impl Fn(&str, &Value) -> bool) -> bool {
    match value {
        Value::Array(list) => list.iter().any(|value| holds_an_error(value, is_named)),
        Value::Object(object) => object.iter().any(|(name, value)| {
            is_named(name, value) && speaks_of_error(value) || holds_an_error(value, is_named)
        }),
        _ => false,
    }
}

/// Whether a body is an error code and nothing else, bare or in quotes.
pub(super) fn is_code(body: &[u8], is_known: impl Fn(&str) -> bool) -> bool {
    let text = readable(body);
    let text = text.trim_start_matches('\u{feff}').trim().trim_matches('"');
    is_known(text.strip_prefix("error:").unwrap_or(text).trim())
}

/// The code in an error: the value itself, or in an object or a list of them the field that has it.
/// A number counts if the provider's definition knows it.
fn code_in(value: &Value, provider: &Provider) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => {
            Some(number.to_string()).filter(|code| provider.answer.errors.contains_key(code))
        }
        Value::Array(list) => list.iter().find_map(|value| code_in(value, provider)),
        Value::Object(object) => ["errorType", "error", "type", "code", "status"]
            .into_iter()
            .filter_map(|name| object.get(name))
            .find_map(|value| code_in(value, provider)),
        Value::Null | Value::Bool(_) => None,
    }
}

fn description_in(value: &Value) -> Option<&str> {
    match value {
        Value::Array(list) => list.iter().find_map(description_in),
        Value::Object(object) => ["error_description", "message", "description", "detail"]
            .into_iter()
            .find_map(|name| object.get(name)?.as_str()),
        _ => None,
    }
}

fn collect_secrets<'a>(value: &'a Value, named: bool, found: &mut Vec<&'a str>) {
    // `scope`, `token_type` and their like are no secrets, but a word of a description is no loss
    let is_secret = |name: &str| {
        let name = name.to_ascii_lowercase();
        (name.contains("token") || name.contains("secret"))
            && !name.contains("type")
            && !name.contains("expires")
    };
    match value {
        Value::String(text) if named => found.push(text),
        Value::Array(list) => list.iter().for_each(|value| collect_secrets(value, named, found)),
        Value::Object(object) => {
            for (name, value) in object {
                collect_secrets(value, named || is_secret(name), found);
            }
        }
        _ => {}
    }
}

/// Overwrites every text in a value.
pub(super) fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(list) => list.iter_mut().for_each(wipe),
        Value::Object(object) => object.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
