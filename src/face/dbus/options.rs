//! The last argument of each method: `a{sv}`, read strictly. An option that is not known or not of
//! its type is refused by name, because one that is ignored in silence can be a security hole: a
//! caller that misspells `scopes` would be given more than it wanted.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

use zbus::{OwnedVariant, Variant};

use super::refusal::invalid;
use crate::api::Fault;
use crate::model::{Resource, Scope, Scopes};

/// The longest text that an option can hold, in bytes.
const TEXT_MAX: usize = 4096;
/// The most scopes that can be named at once.
const SCOPES_MAX: usize = 256;

/// Options as they came. Each is taken out once; what is left at the end is unknown.
pub(super) struct Options(HashMap<String, OwnedVariant>);

impl Options {
    pub(super) fn new(options: HashMap<String, OwnedVariant>) -> Self {
        Self(options)
    }

    /// A text.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Fault> {
        let text: Option<String> = self.take(name, "a string (s)")?;
        match text {
            Some(text) if text.len() > TEXT_MAX => {
                Err(invalid(format!("option {name} has at most {TEXT_MAX} bytes")))
            }
            text => Ok(text),
        }
    }

    /// A text that is a name of some kind.
    pub(super) fn parsed<T>(&mut self, name: &str) -> Result<Option<T>, Fault>
    where
        T: FromStr<Err: Display>,
    {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|error| invalid(format!("option {name}: {error}")))
    }

    /// Scopes, each a string of its own.
    pub(super) fn scopes(&mut self, name: &str) -> Result<Option<Scopes>, Fault> {
        let Some(texts) = self.take::<Vec<String>>(name, "an array of strings (as)")? else {
            return Ok(None);
        };
        if texts.len() > SCOPES_MAX {
            return Err(invalid(format!("option {name} has at most {SCOPES_MAX} entries")));
        }
        let scopes: Result<Scopes, _> = texts.iter().map(|text| text.parse::<Scope>()).collect();
        scopes.map(Some).map_err(|error| invalid(format!("option {name}: {error}")))
    }

    /// Addresses of APIs, each a string of its own; one may stand for itself.
    pub(super) fn resources(&mut self, name: &str) -> Result<Option<Vec<Resource>>, Fault> {
        let Some(value) = self.0.remove(name) else { return Ok(None) };
        let texts = match Variant::from(value) {
            Variant::Str(text) => vec![text.to_string()],
            many => Vec::<String>::try_from(many).map_err(|_| {
                invalid(format!("option {name} must be a string or an array of strings (s, as)"))
            })?,
        };
        if texts.len() > SCOPES_MAX {
            return Err(invalid(format!("option {name} has at most {SCOPES_MAX} entries")));
        }
        let resources: Result<Vec<Resource>, _> = texts.iter().map(|text| text.parse()).collect();
        resources.map(Some).map_err(|error| invalid(format!("option {name}: {error}")))
    }

    /// A number.
    pub(super) fn number(&mut self, name: &str) -> Result<Option<u32>, Fault> {
        self.take(name, "a number (u)")
    }

    /// A truth value.
    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, Fault> {
        self.take(name, "a boolean (b)")
    }

    /// A time, in seconds since the epoch.
    pub(super) fn time(&mut self, name: &str) -> Result<Option<i64>, Fault> {
        self.take(name, "a time (x)")
    }

    /// Whether an option is present and true.
    pub(super) fn is_set(&mut self, name: &str) -> Result<bool, Fault> {
        Ok(self.flag(name)?.unwrap_or(false))
    }

    /// Refuses what has not been taken.
    pub(super) fn finish(self) -> Result<(), Fault> {
        // the first by name, so that the same call is always answered with the same words
        let Some(name) = self.0.into_keys().min() else { return Ok(()) };
        if name == "client_secret" {
            return Err(invalid("a client secret is not taken over D-Bus, which others can watch")
                .hint("give it to the command line: ostler login"));
        }
        let shown: String = name.chars().filter(char::is_ascii_graphic).take(64).collect();
        Err(invalid(format!("option {shown} is not known")))
    }

    fn take<T>(&mut self, name: &str, wanted: &str) -> Result<Option<T>, Fault>
    where
        T: TryFrom<Variant<'static>>,
    {
        let Some(value) = self.0.remove(name) else { return Ok(None) };
        let wrong = |_| invalid(format!("option {name} must be {wanted}"));
        T::try_from(Variant::from(value)).map(Some).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::FaultKind;
    use crate::model::AccountName;

    fn options<const N: usize>(entries: [(&str, Variant<'static>); N]) -> Options {
        let entry = |(name, value): (&str, Variant<'static>)| {
            (name.to_owned(), OwnedVariant::try_from(value).unwrap())
        };
        Options::new(entries.into_iter().map(entry).collect())
    }

    fn refused<T>(result: Result<T, Fault>) -> String {
        let Err(fault) = result else { panic!("taken") };
        assert_eq!(fault.kind, FaultKind::InvalidOption);
        fault.message
    }

    #[test]
    fn options_are_taken_by_name_and_type() {
        let mut options = options([
            ("alias", "work/mail".into()),
            ("min_validity", 300_u32.into()),
            ("scopes", vec!["b", "a"].into()),
            ("detach", true.into()),
        ]);
        assert_eq!(options.parsed::<AccountName>("alias").unwrap().unwrap().as_str(), "work/mail");
        assert_eq!(options.number("min_validity").unwrap(), Some(300));
        assert_eq!(options.scopes("scopes").unwrap().unwrap().join(" "), "a b");
        assert!(options.is_set("detach").unwrap());
        assert!(!options.is_set("other").unwrap());
        options.finish().unwrap();
    }

    #[test]
    fn what_is_unknown_or_of_another_type_is_refused_by_name() {
        assert_eq!(refused(options([("scope", "a".into())]).finish()), "option scope is not known");
        assert_eq!(
            refused(options([("min_validity", "300".into())]).number("min_validity")),
            "option min_validity must be a number (u)"
        );
        assert_eq!(
            refused(options([("scopes", "a b".into())]).scopes("scopes")),
            "option scopes must be an array of strings (as)"
        );
        assert_eq!(
            refused(options([("scopes", vec![1_u32].into())]).scopes("scopes")),
            "option scopes must be an array of strings (as)"
        );
        assert!(
            refused(options([("alias", "-x".into())]).parsed::<AccountName>("alias"))
                .starts_with("option alias: ")
        );
        assert!(
            refused(options([("scopes", vec!["a b"].into())]).scopes("scopes"))
                .starts_with("option scopes: ")
        );
    }

    #[test]
    fn sizes_are_bounded() {
        let long = "x".repeat(TEXT_MAX + 1);
        assert!(
            refused(options([("login_hint", long.into())]).text("login_hint")).contains("4096")
        );
        let many: Vec<String> = (0..=SCOPES_MAX).map(|n| n.to_string()).collect();
        assert!(refused(options([("scopes", many.into())]).scopes("scopes")).contains("256"));
    }

    #[test]
    fn a_client_secret_is_refused_with_the_way_to_give_it() {
        let fault = options([("client_secret", "fake-secret".into())]).finish().unwrap_err();
        assert!(fault.hint.contains("ostler login"), "{fault}");
        assert!(!fault.to_string().contains("fake-secret"));
    }

    fn any_variant() -> impl Strategy<Value = Variant<'static>> {
        let text = prop_oneof![".{0,40}", Just("x".repeat(5000)), Just("work/mail".to_owned())];
        prop_oneof![
            text.clone().prop_map(Into::into),
            any::<u32>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<bool>().prop_map(Into::into),
            prop::collection::vec(text, 0..300).prop_map(Into::into),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(Into::into),
        ]
    }

    proptest! {
        #[test]
        fn any_map_is_read_strictly_and_refused_in_few_words(
            entries in prop::collection::hash_map(
                prop_oneof![
                    ".{0,80}",
                    prop::sample::select(vec!["alias", "scopes", "min_validity", "rejected", "detach"])
                        .prop_map(str::to_owned),
                ],
                any_variant(),
                0..6,
            ),
        ) {
            let count = entries.len();
            let own = |value| OwnedVariant::try_from(value).unwrap();
            let entries = entries.into_iter().map(|(name, value)| (name, own(value)));
            let mut options = Options::new(entries.collect());
            let taken = [
                options.parsed::<AccountName>("alias").map(|it| it.is_some()),
                options.scopes("scopes").map(|it| it.is_some()),
                options.number("min_validity").map(|it| it.is_some()),
                options.parsed::<crate::model::Fingerprint>("rejected").map(|it| it.is_some()),
                options.is_set("detach"),
            ];
            let end = options.finish();
            for fault in taken.iter().filter_map(|it| it.as_ref().err()).chain(end.as_ref().err()) {
                prop_assert_eq!(fault.kind, FaultKind::InvalidOption);
                prop_assert!(fault.message.chars().count() <= 300, "{}", fault.message);
                prop_assert!(!fault.message.chars().any(char::is_control), "{}", fault.message);
            }
            if count > 5 {
                prop_assert!(end.is_err(), "more than there are options");
            }
        }
    }
}
