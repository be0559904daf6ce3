//! Reads a call's parameters, and names the one that is wrong: Varlink's `InvalidParameter` carries
//! its name, which the errors of `serde_json` do not.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Error, IntoDeserializer, MapAccess};
use serde_json::value::RawValue;

/// The name of a parameter that is missing, unknown, given twice, or not what it should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong(pub(super) String);

/// Reads parameters; none are as good as an empty object.
pub(super) fn read<T: DeserializeOwned>(parameters: Option<&RawValue>) -> Result<T, Wrong> {
    let text = parameters.map_or("{}", RawValue::get);
    // serde would take an array for a struct, by position
    if !text.starts_with('{') {
        return Err(Wrong("parameters".to_owned()));
    }
    // once for the value; only if that fails, once more for the name
    serde_json::from_str(text).map_err(|_| blame::<T>(text))
}

fn blame<T: DeserializeOwned>(text: &str) -> Wrong {
    let whole = || Wrong("parameters".to_owned());
    let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(text) else {
        return whole();
    };
    let members = Members { rest: members.iter(), current: None };
    match T::deserialize(MapAccessDeserializer::new(members)) {
        Err(wrong) => wrong,
        // a name given twice is lost in the map
        Ok(_) => whole(),
    }
}

/// The members of an object, one after the other, whose errors know the member's name.
struct Members<'a> {
    rest: btree_map::Iter<'a, String, &'a RawValue>,
    current: Option<(&'a str, &'a RawValue)>,
}

impl<'a> MapAccess<'a> for Members<'a> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Wrong> {
        self.current = self.rest.next().map(|(name, value)| (name.as_str(), *value));
        let Some((name, _)) = self.current else { return Ok(None) };
        seed.deserialize(name.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let (name, value) = self.current.ok_or_else(|| Wrong::custom("no key"))?;
        seed.deserialize(value).map_err(|_| Wrong(name.to_owned()))
    }
}

impl Error for Wrong {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self("parameters".to_owned())
    }

    fn missing_field(field: &'static str) -> Self {
        Self(field.to_owned())
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self(field.chars().take(64).collect())
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid parameter {:?}", self.0)
    }
}

impl std::error::Error for Wrong {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{GetToken, Redirect};

    #[test]
    fn the_wrong_parameter_is_named_wherever_it_stands() {
        for (parameters, wrong) in [
            ("{}", "account"),
            (r#"{"account": "a b"}"#, "account"),
            (r#"{"account": 5}"#, "account"),
            (r#"{"min_valid": 5}"#, "account"),
            (r#"{"account": "a", "min_valid": -1}"#, "min_valid"),
            (r#"{"min_valid": "soon", "account": "a"}"#, "min_valid"),
            (r#"{"account": "a", "scopes": ["ok", "not ok"]}"#, "scopes"),
            (r#"{"account": "a", "rejected": "abc"}"#, "rejected"),
            (r#"{"account": "a", "colour": "blue"}"#, "colour"),
            (r#"{"account": "a", "account": "b"}"#, "parameters"),
            (r#"["a"]"#, "parameters"),
            ("7", "parameters"),
        ] {
            let raw: &RawValue = serde_json::from_str(parameters).unwrap();
            let error = read::<GetToken>(Some(raw)).unwrap_err();
            assert_eq!(error, Wrong(wrong.to_owned()), "{parameters}");
        }
    }

    #[test]
    fn parameters_left_out_are_an_empty_object() {
        #[derive(serde::Deserialize)]
        struct Nothing {}
        assert_eq!(read::<Redirect>(None).unwrap_err(), Wrong("uri".to_owned()));
        assert!(read::<Nothing>(None).is_ok());
    }
}
