//! Reading the answer of a token endpoint (RFC 6749, 5), tolerantly: what was rotated must not be
//! lost to an odd case of letters or a missing field.

use zeroize::Zeroizing;

use super::classify::{answer_class, code_class, status_class};
use super::fields::{self, Fields, Said, Shape};
use super::lifetime;
use super::request::{ACCESS_TOKEN, SentSecrets, refresh_fields};
use super::scrub::Scrub;
use crate::model::{
    About, AccessToken, Failure, FailureClass, Granted, IdToken, Landing, Now, RawAnswer,
    RefreshToken, Scopes, TokenType,
};
use crate::provider::Provider;

/// The longest token that is taken, in bytes.
const TOKEN_MAX: usize = 64 * 1024;

/// What the request held that is answered: all of it is kept out of words.
#[derive(Clone, Copy)]
pub struct Sent<'a> {
    /// The refresh token, if there was one. It is not taken for a new one when the answer repeats
    /// it.
    pub refresh: Option<&'a RefreshToken>,
    /// The other secrets. `None` if nobody knows any more what was sent: then the provider's
    /// description is dropped, for it may repeat any of that.
    pub others: Option<&'a SentSecrets>,
}

/// What an answer means.
#[must_use]
pub fn read_answer(provider: &Provider, answer: &RawAnswer, sent: Sent<'_>, now: Now) -> Landing {
    Reader { provider, answer, sent, now }.read()
}

/// Whether what came in exchange is an access token. An answer that does not say breaks the rules (RFC 8693,
/// 2.2.1) and is believed.
#[must_use]
pub fn is_access_token(provider: &Provider, answer: &RawAnswer) -> bool {
    let Shape::Fields(fields) = fields::shape(answer) else { return true };
    fields.text(provider, "issued_token_type").is_none_or(|kind| kind == ACCESS_TOKEN)
}

/// Why an endpoint that gives no tokens did not do what was asked.
pub(super) fn read_failure(
    provider: &Provider,
    answer: &RawAnswer,
    sent: &SentSecrets,
    now: Now,
) -> Failure {
    let sent = Sent { refresh: None, others: Some(sent) };
    let reader = Reader { provider, answer, sent, now };
    match reader.read() {
        Landing::Failed { failure, .. } => failure,
        Landing::Granted(_) => reader.failure(FailureClass::Transient, None, String::new()),
    }
}

struct Reader<'a> {
    provider: &'a Provider,
    answer: &'a RawAnswer,
    sent: Sent<'a>,
    now: Now,
}

impl Reader<'_> {
    fn read(&self) -> Landing {
        let shape = fields::shape(self.answer);
        let succeeded = (200..300).contains(&self.answer.status);
        let by_status = status_class(self.answer.status);
        if let Shape::Fields(fields) = &shape {
            return self.read_fields(fields, by_status, succeeded);
        }
        let is_error = match &shape {
            Shape::OtherJson(fields) if fields.speak_of_an_error() => true,
            Shape::OtherJson(_) | Shape::Unknown => {
                fields::is_code(&self.answer.body, |code| code_class(self.provider, code).is_some())
            }
            _ => false,
        };
        let (class, words) = match shape {
            _ if by_status == Some(FailureClass::Captive) => {
                (FailureClass::Captive, "somebody else answered in the provider's place")
            }
            Shape::Html if succeeded => (FailureClass::Captive, "a page came instead of tokens"),
            Shape::OtherJson(_) if succeeded => {
                (FailureClass::Captive, "JSON of another kind came instead of tokens")
            }
            Shape::CutShort if succeeded => (FailureClass::Ambiguous, "the answer was cut short"),
            Shape::Empty if succeeded => (FailureClass::Transient, "the answer is empty"),
            _ if succeeded => (FailureClass::Transient, "the answer cannot be read"),
            _ => (FailureClass::Transient, ""),
        };
        let class = by_status.unwrap_or(match class {
            FailureClass::Transient => answer_class(self.provider, self.answer, None),
            class => class,
        });
        let rescued = if succeeded { self.salvaged() } else { None };
        let failure =
            Failure { about: self.about(is_error), ..self.failure(class, None, words.to_owned()) };
        Landing::Failed { failure, rescued }
    }

    fn read_fields(
        &self,
        fields: &Fields,
        by_status: Option<FailureClass>,
        succeeded: bool,
    ) -> Landing {
        let said = fields.error(self.provider);
        let code = said.as_ref().and_then(|said| said.code.as_deref());
        let class_said = code.and_then(|code| code_class(self.provider, code));
        let known = class_said.is_some() || said.as_ref().is_some_and(|said| said.by_definition);
        // an error answer issues nothing: a token in it is one that was sent
        let issued = succeeded && !known;
        let access = fields.text(self.provider, "access_token").and_then(token_in);
        let refresh = match fields.text(self.provider, "refresh_token") {
            Some(token) if issued => self.new_refresh(token),
            // not where the definition says: to lose it would cost the sign-in
            None if issued && access.is_none() && said.is_none() && !fields.hold_an_error() => {
                self.salvaged()
            }
            _ => None,
        };
        let mut words = String::new();
        if issued {
            match access {
                Some(token) if is_presentable(token) => {
                    return Landing::Granted(self.granted(fields, token, refresh));
                }
                Some(_) => words.push_str("the access token holds what no token may"),
                None => words.push_str("the answer holds no access token"),
            }
        }
        let scrub = self.scrub(fields);
        if let Some(description) = said.as_ref().and_then(|said| said.description.as_deref()) {
            let can_scrub = self.sent.others.is_some();
            words = if can_scrub { scrub.detail(description) } else { String::new() };
        }
        let code = said.as_ref().and_then(|said: &Said| scrub.code(said.code.as_deref()?));
        let class =
            by_status.unwrap_or_else(|| answer_class(self.provider, self.answer, said.as_ref()));
        // a code that says that it passes speaks of the provider, whatever status it comes with
        let passes = class_said == Some(FailureClass::Transient);
        let about = self.about(!passes && (said.is_some() || fields.speak_of_an_error()));
        let failure = Failure { about, ..self.failure(class, code, words) };
        Landing::Failed { failure, rescued: refresh }
    }

    fn granted(&self, fields: &Fields, token: &str, refresh: Option<RefreshToken>) -> Granted {
        let date = self.answer.date.as_deref();
        Granted {
            access: AccessToken::new(token.to_owned()),
            token_type: self.token_type(fields),
            lifetime: lifetime::access(self.provider, fields, date, self.now),
            scopes: self.scopes(fields),
            refresh,
            refresh_lifetime: lifetime::refresh(self.provider, fields),
            values: fields.captured(self.provider),
            id_token: fields
                .text(self.provider, "id_token")
                .filter(|token| token.len() <= TOKEN_MAX)
                .map(|token| IdToken::new(token.to_owned())),
        }
    }

    /// A missing type is Bearer, as everybody means it.
    fn token_type(&self, fields: &Fields) -> TokenType {
        let bearer_types = &self.provider.answer.bearer_types;
        match fields.text(self.provider, "token_type") {
            Some(text) if !bearer_types.iter().any(|ours| ours.eq_ignore_ascii_case(text)) => {
                TokenType::parse(text)
            }
            _ => TokenType::Bearer,
        }
    }

    /// The granted scopes, from a text or a list. Nothing means as asked.
    fn scopes(&self, fields: &Fields) -> Option<Scopes> {
        let scopes = match fields.value(self.provider, "scope")? {
            serde_json::Value::String(text) => Scopes::parse_lenient(text),
            serde_json::Value::Array(list) => {
                list.iter().filter_map(|scope| scope.as_str()?.parse().ok()).collect()
            }
            _ => return None,
        };
        (!scopes.is_empty()).then_some(scopes)
    }

    /// A new refresh token from a body that cannot be read by the definition.
    fn salvaged(&self) -> Option<RefreshToken> {
        let names = refresh_fields(self.provider);
        let token = fields::salvage(&self.answer.body, &names).map(Zeroizing::new)?;
        self.new_refresh(&token)
    }

    fn new_refresh(&self, text: &str) -> Option<RefreshToken> {
        let token = token_in(text)?;
        let is_new = Some(token) != self.sent.refresh.map(|sent| sent.expose().trim());
        (is_new && fields::is_whole(token) && token.len() <= TOKEN_MAX)
            .then(|| RefreshToken::new(token.to_owned()))
    }

    fn scrub<'a>(&'a self, fields: &'a Fields) -> Scrub<'a> {
        let others = self.sent.others.into_iter().flat_map(SentSecrets::iter);
        let sent = self.sent.refresh.map(RefreshToken::expose).into_iter().chain(others).collect();
        let renamed = ["access_token", "refresh_token", "id_token"]
            .into_iter()
            .filter_map(|name| fields.text(self.provider, name));
        Scrub::new(sent, fields.secrets().into_iter().chain(renamed).collect())
    }

    fn failure(&self, class: FailureClass, code: Option<String>, detail: String) -> Failure {
        let wait = self.answer.retry_after.as_deref();
        Failure {
            class,
            code,
            detail,
            status: Some(self.answer.status),
            retry_after: wait.and_then(|text| lifetime::retry_after(text, self.now)),
            about: About::Nobody,
        }
    }

    /// Of whom a failed answer speaks. A server in trouble says odd things of sound accounts, so a 5xx speaks of
    /// nobody. Else an error in OAuth's form, whatever its code, is the word of a provider that is there. That
    /// errs where a gateway refuses in the same form: then accounts are not spared the tries that find out.
    fn about(&self, is_error: bool) -> About {
        match self.answer.status {
            // said by whoever stands before the provider, or to all
            407 | 408 | 425 | 429 => About::Nobody,
            200..=299 | 400..=499 if is_error => About::Account,
            _ => About::Nobody,
        }
    }
}

/// The token in a text: without the blanks and line ends around it, which no token has (RFC 6749, appendix A.12 and
/// A.17). Some servers write the lack of a token as a word.
fn token_in(text: &str) -> Option<&str> {
    let token = text.trim();
    let is_none = ["null", "undefined", "none"].iter().any(|word| token.eq_ignore_ascii_case(word));
    (!token.is_empty() && !is_none).then_some(token)
}

/// Whether a text can travel in a header: visible ASCII and spaces (RFC 6749, appendix A.12).
fn is_presentable(token: &str) -> bool {
    token.len() <= TOKEN_MAX && token.bytes().all(|c| c.is_ascii_graphic() || c == b' ')
}
