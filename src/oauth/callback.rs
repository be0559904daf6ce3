//! The authorization response (RFC 6749, 4.1.2): an address, held against what was sent out.

use std::collections::BTreeSet;

use subtle::ConstantTimeEq;
use url::Url;
use zeroize::Zeroizing;

use super::encode::{form_decode, percent_decode};
use super::scrub::Scrub;
use crate::model::{AuthorizationCode, Values};

/// The longest address that is read.
const ADDRESS_MAX: usize = 16 * 1024;

/// Why an address is not the answer to this attempt, or not a good one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// Not an address at all. A code alone is none: without its `state` nothing says whose it is.
    #[error("that is not an address: paste the whole line from the browser's address bar")]
    NotAnAddress,
    /// The address that the browser was sent to, not the one where it ended.
    #[error("that is the address to visit: open it, and paste the one where the browser ends")]
    AuthorizationUrl,
    /// An address elsewhere than the redirect URI.
    #[error("that is another page: the address must begin with {expected}")]
    AnotherPage {
        /// The redirect URI.
        expected: String,
    },
    /// The parameters are behind a `#`, as in flows that are not used here.
    #[error("the provider answered in the fragment of the address, which is not how a code comes")]
    Fragment,
    /// `state` is missing or is not that of this attempt: the answer to another one, or forged.
    #[error("that is the answer to another sign-in")]
    WrongState,
    /// `iss` is missing or names another issuer (RFC 9207): the answer of another provider.
    #[error("the answer comes from another provider than the one that was asked")]
    WrongIssuer,
    /// The provider, or the user there, said no.
    #[error("{code}{}{description}", if description.is_empty() { "" } else { ": " })]
    Refused {
        /// The error code.
        code: String,
        /// Its description, fit for people.
        description: String,
    },
    /// Neither a code nor an error, or one of the parameters twice (RFC 6749, 3.1).
    #[error("the answer {problem}")]
    Malformed {
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl CallbackError {
    /// Whether the attempt is over. It goes on after what anybody could have sent or what was
    /// merely pasted wrong; it ends with an answer that knew the `state`.
    #[must_use]
    pub fn ends_attempt(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::WrongIssuer | Self::Malformed { .. })
    }
}

/// What an answer is held against.
pub(super) struct Expected {
    pub(super) redirect: Url,
    /// The authorization endpoint, to know its address when it is pasted.
    pub(super) visit: Url,
    pub(super) issuer: Option<String>,
    pub(super) issuer_promised: bool,
    /// What else is kept of it.
    pub(super) capture: BTreeSet<String>,
}

pub(super) fn read(
    redirected: &str,
    state: &str,
    expected: &Expected,
) -> Result<(AuthorizationCode, Values), CallbackError> {
    let query = query_of(redirected, expected)?;
    let params = Params::parse(&query);
    // first of all: a stranger must learn nothing and end nothing
    if !params.one("state").is_ok_and(|value| value.is_some_and(|value| value.is(state))) {
        return Err(CallbackError::WrongState);
    }
    check_issuer(&params, expected)?;
    if let Some(error) = params.one("error")? {
        let code = params.one("code").ok().flatten().map(Raw::percent);
        let secrets = [Some(state), code.as_ref().map(|code| code.as_str())];
        let scrub = Scrub::new(secrets.into_iter().flatten().collect(), Vec::new());
        let description = params.one("error_description")?;
        let description = description.map(|text| scrub.detail(&text.form())).unwrap_or_default();
        let code = scrub.code(&error.form()).unwrap_or_else(|| "error".to_owned());
        return Err(CallbackError::Refused { code, description });
    }
    match params.one("code")?.map(Raw::percent).filter(|code| !code.is_empty()) {
        Some(code) => {
            let code = AuthorizationCode::new(code.to_string());
            let value = |name: &String| {
                let value = params.one(name).ok().flatten()?;
                Some((name.clone(), value.form().to_string()))
            };
            Ok((code, expected.capture.iter().filter_map(value).collect()))
        }
        None => Err(CallbackError::Malformed { problem: "holds no code" }),
    }
}

/// The issuer has to be the one that was asked, by plain comparison (RFC 9207, 2.4). One that the
/// provider promised must not be missing.
fn check_issuer(params: &Params<'_>, expected: &Expected) -> Result<(), CallbackError> {
    match (params.one("iss")?, &expected.issuer) {
        (Some(issuer), Some(expected)) if issuer.is(expected) => Ok(()),
        (Some(_), Some(_)) => Err(CallbackError::WrongIssuer),
        (None, _) if expected.issuer_promised => Err(CallbackError::WrongIssuer),
        // an issuer that is not known cannot be compared with
        (Some(_) | None, _) => Ok(()),
    }
}

/// The query of an address that is the redirect URI.
fn query_of(redirected: &str, expected: &Expected) -> Result<Zeroizing<String>, CallbackError> {
    let text = without_wrapping(redirected);
    let inside = |c: char| !c.is_whitespace() && !c.is_control();
    if text.is_empty() || text.len() > ADDRESS_MAX || !text.chars().all(inside) {
        return Err(CallbackError::NotAnAddress);
    }
    let redirect = &expected.redirect;
    let url = if text.starts_with('/') && !text.starts_with("//") {
        redirect.join(text).ok()
    } else if text.contains("://") || text.starts_with(&format!("{}:", redirect.scheme())) {
        Url::parse(text).ok()
    } else if text.contains('?') && !text.starts_with('?') {
        // browsers show addresses without their scheme
        Url::parse(&format!("{}://{text}", redirect.scheme())).ok()
    } else {
        None
    };
    let url = url.ok_or(CallbackError::NotAnAddress)?;
    let place = |url: &Url| {
        (
            url.scheme().to_owned(),
            url.host_str().map(ToOwned::to_owned),
            url.port(),
            url.path().to_owned(),
        )
    };
    if place(&url) != place(redirect) {
        return Err(if place(&url) == place(&expected.visit) {
            CallbackError::AuthorizationUrl
        } else {
            CallbackError::AnotherPage { expected: without_query(redirect) }
        });
    }
    let fragment = url.fragment().unwrap_or("");
    let has_answer =
        |text: &str| ["code=", "error=", "access_token="].iter().any(|p| text.contains(p));
    match url.query() {
        Some(query) if has_answer(query) || !has_answer(fragment) => {
            Ok(Zeroizing::new(query.to_owned()))
        }
        None if !has_answer(fragment) => Ok(Zeroizing::default()),
        _ => Err(CallbackError::Fragment),
    }
}

fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.into()
}

/// A pasted text without the blanks, quotes and brackets around it.
fn without_wrapping(text: &str) -> &str {
    let text = text.trim();
    let pairs = [('"', '"'), ('\'', '\''), ('<', '>'), ('`', '`')];
    let inner =
        pairs.iter().find_map(|(open, close)| text.strip_prefix(*open)?.strip_suffix(*close));
    inner.unwrap_or(text).trim()
}

/// The parameters of a query, still encoded.
struct Params<'a>(Vec<(Zeroizing<String>, Raw<'a>)>);

/// A value as it stood in the query.
#[derive(Clone, Copy)]
struct Raw<'a>(&'a str);

impl<'a> Params<'a> {
    fn parse(query: &'a str) -> Self {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (form_decode(name), Raw(value))).collect())
    }

    /// The value of a parameter that must not be there twice.
    fn one(&self, name: &str) -> Result<Option<Raw<'a>>, CallbackError> {
        let mut values = self.0.iter().filter(|(known, _)| known.as_str() == name);
        let value = values.next().map(|(_, value)| *value);
        if values.next().is_some() {
            return Err(CallbackError::Malformed { problem: "has a parameter twice" });
        }
        Ok(value)
    }
}

impl Raw<'_> {
    /// Whether this is `text`, in constant time. Providers give back a value form-encoded, or with
    /// its `+` and `/` as they are: either reading may match, after decoding once.
    fn is(self, text: &str) -> bool {
        let same = |value: &str| value.as_bytes().ct_eq(text.as_bytes());
        (same(&self.percent()) | same(&self.form())).into()
    }

    /// Decoded, with `+` left alone: codes and tokens hold plus signs, and never spaces.
    fn percent(self) -> Zeroizing<String> {
        percent_decode(self.0)
    }

    fn form(self) -> Zeroizing<String> {
        form_decode(self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::noise;

    const STATE: &str = "a+b/c==--d e%";
    const STATE_ENCODED: &str = "a%2Bb%2Fc%3D%3D--d+e%25";

    fn expected(issuer: Option<&str>, promised: bool) -> Expected {
        Expected {
            redirect: Url::parse("https://dev.example/cb").unwrap(),
            visit: Url::parse("https://as.example/authorize").unwrap(),
            issuer: issuer.map(ToOwned::to_owned),
            issuer_promised: promised,
            capture: BTreeSet::from(["realmId".to_owned()]),
        }
    }

    fn accept(text: &str) -> Result<String, CallbackError> {
        read(text, STATE, &expected(None, false)).map(|(code, _)| code.expose().to_owned())
    }

    #[test]
    fn the_code_is_found_however_the_address_was_pasted() {
        let query = format!("code=fake%2Fcode%2B1&state={STATE_ENCODED}");
        for text in [
            format!("https://dev.example/cb?{query}"),
            format!("  \"https://dev.example/cb?{query}\"\n"),
            format!("<https://dev.example/cb?{query}>"),
            format!("HTTPS://DEV.example:443/cb?{query}"),
            format!("dev.example/cb?{query}"),
            format!("/cb?{query}"),
            format!("https://dev.example/cb?{query}#_=_"),
            format!("https://dev.example/cb?{query}#"),
            format!("https://dev.example/cb?lang=en&{query}&session=1"),
        ] {
            assert_eq!(accept(&text).as_deref(), Ok("fake/code+1"), "{text}");
        }
    }

    #[test]
    fn what_the_definition_wants_kept_is_kept() {
        let text = format!("/cb?code=c&state={STATE_ENCODED}&realmId=1%2B2&other=x");
        let (_, values) = read(&text, STATE, &expected(None, false)).unwrap();
        assert_eq!(values.iter().collect::<Vec<_>>(), [("realmId", "1+2")]);
    }

    #[test]
    fn a_scheme_of_its_own_has_no_host() {
        let expected = Expected {
            redirect: Url::parse("com.example.app:/cb").unwrap(),
            ..expected(None, false)
        };
        let read = |text: &str| read(text, "s", &expected).map(|_| ());
        assert_eq!(read("com.example.app:/cb?code=c&state=s"), Ok(()));
        assert!(read("com.example.other:/cb?code=c&state=s").is_err());
        assert!(read("com.example.app:/other?code=c&state=s").is_err());
    }

    #[test]
    fn state_matches_after_decoding_once_in_either_encoding() {
        let matches = |sent: &str, returned: &str| {
            let text = format!("/cb?code=c&state={returned}");
            read(&text, sent, &expected(None, false)).is_ok()
        };
        assert!(matches("a+/=--b", "a+/=--b"), "given back raw");
        assert!(matches("a+/=--b", "a%2B%2F%3D--b"), "percent-encoded");
        assert!(matches("a b", "a+b"), "form-encoded");
        assert!(!matches("a+b", "a%252Bb"), "decoded twice it would match");
        assert!(!matches("a", "a%00"));
        assert!(!matches("abc", "ab"));
        assert!(!matches("abc", "ABC"));
    }

    #[test]
    fn a_wrong_missing_or_doubled_state_leaves_the_attempt_open() {
        for text in [
            "/cb?code=c&state=wrong",
            "/cb?code=c&state=",
            "/cb?code=c",
            "/cb",
            "/cb?error=access_denied",
            &format!("/cb?code=c&state={STATE_ENCODED}&state=x"),
        ] {
            let error = accept(text).unwrap_err();
            assert_eq!(error, CallbackError::WrongState, "{text}");
            assert!(!error.ends_attempt());
        }
    }

    #[test]
    fn what_is_not_the_callback_is_named_for_what_it_is() {
        use CallbackError::{AuthorizationUrl, Fragment, NotAnAddress};
        for (text, wanted) in [
            ("", NotAnAddress),
            ("fake-code", NotAnAddress),
            ("?code=c&state=s", NotAnAddress),
            ("https://dev.example/cb?code=c and more", NotAnAddress),
            ("https://as.example/authorize?client_id=1&state=s", AuthorizationUrl),
            ("https://dev.example/cb#code=c&state=s", Fragment),
            ("https://dev.example/cb?x=1#access_token=c&state=s", Fragment),
        ] {
            let error = accept(text).unwrap_err();
            assert_eq!(error, wanted, "{text}");
            assert!(!error.ends_attempt());
        }
        for text in [
            "https://dev.example/other?code=c",
            "https://dev.example:444/cb?code=c",
            "http://dev.example/cb?code=c",
            "https://evil.example/cb?code=c",
            "https://dev.example/cb/?code=c",
            "//evil.example/cb?code=c",
            "/\\evil.example/cb?code=c",
        ] {
            let error = accept(text).unwrap_err();
            assert!(matches!(error, CallbackError::AnotherPage { .. }), "{text}: {error:?}");
            assert!(!error.ends_attempt());
        }
    }

    #[test]
    fn a_refusal_is_data_and_ends_the_attempt() {
        let text = format!(
            "/cb?error=access_denied&error_description=%3Cscript%3E+no%0A%07+{STATE_ENCODED}\
             &state={STATE_ENCODED}"
        );
        let error = accept(&text).unwrap_err();
        let CallbackError::Refused { code, description } = &error else { panic!("{error:?}") };
        assert_eq!(code, "access_denied");
        assert_eq!(description, "<script> no …");
        assert!(error.ends_attempt());
        assert_eq!(error.to_string(), "access_denied: <script> no …");
    }

    #[test]
    fn neither_code_nor_error_is_malformed() {
        for query in ["", "&code=", "&code=a&code=b"] {
            let error = accept(&format!("/cb?state={STATE_ENCODED}{query}")).unwrap_err();
            assert!(matches!(error, CallbackError::Malformed { .. }), "{query}");
            assert!(error.ends_attempt());
        }
    }

    /// RFC 9207, 2.4: the issuer of the answer, by whether it is known, promised and there.
    #[test]
    fn the_issuer_is_compared_as_text_in_answers_and_in_errors() {
        const ISSUER: &str = "https://as.example/realm+1";
        for (known, promised, iss, good) in [
            (Some(ISSUER), true, Some("https%3A%2F%2Fas.example%2Frealm%2B1"), true),
            (Some(ISSUER), true, Some("https://as.example/realm+1"), true),
            (Some(ISSUER), true, Some("https%3A%2F%2Fas.example%2Frealm%2B1%2F"), false),
            (Some(ISSUER), true, Some("https%3A%2F%2FAS.example%2Frealm%2B1"), false),
            (Some(ISSUER), true, None, false),
            (Some(ISSUER), false, None, true),
            (Some(ISSUER), false, Some("https%3A%2F%2Fevil.example"), false),
            (None, false, Some("https%3A%2F%2Fas.example"), true),
            (None, false, None, true),
        ] {
            for answer in ["code=c", "error=access_denied"] {
                let iss = iss.map(|iss| format!("&iss={iss}")).unwrap_or_default();
                let text = format!("/cb?{answer}&state={STATE_ENCODED}{iss}");
                let result = read(&text, STATE, &expected(known, promised));
                let rejected = matches!(result, Err(CallbackError::WrongIssuer));
                assert_eq!(rejected, !good, "{text} {known:?} {promised}");
            }
        }
    }

    const SAMPLES: [&str; 7] = [
        "https://dev.example/cb?code=fake-code&state=a%2Bb%2Fc%3D%3D--d+e%25",
        "<https://dev.example/cb?state=a%2Bb%2Fc%3D%3D--d+e%25&code=fake-code&iss=https%3A%2F%2Fas.example>",
        "dev.example/cb?code=fake-code&state=x",
        "/cb?error=access_denied&error_description=no+fake-code&state=a%2Bb%2Fc%3D%3D--d+e%25",
        "https://dev.example/cb#access_token=fake-code",
        "https://as.example/authorize?client_id=c&state=a%2Bb%2Fc%3D%3D--d+e%25",
        "http://user:fake@[::1]:80/%00?&&=&state=%zz",
    ];

    proptest! {
        #[test]
        fn no_address_makes_the_reader_panic_and_no_refusal_repeats_the_state(
            text in prop_oneof![".{0,200}", noise::mutated_text(&SAMPLES)],
            issuer in prop::option::of(Just("https://as.example")),
            promised in any::<bool>(),
        ) {
            match read(&text, STATE, &expected(issuer, promised)) {
                // whoever made it knew the state: it is in there, in one form or the other
                Ok(_) => {
                    let shown = [form_decode(&text), percent_decode(&text)];
                    prop_assert!(shown.iter().any(|text| text.contains(STATE)), "{}", text);
                }
                Err(error) => {
                    let shown = format!("{error} {error:?}");
                    prop_assert!(!shown.contains(STATE), "{}", shown);
                    prop_assert!(!error.to_string().chars().any(char::is_control), "{}", shown);
                    prop_assert!(error.to_string().chars().count() <= 500);
                }
            }
        }
    }
}
