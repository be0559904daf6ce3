//! Definitions that change a preset in some fields: `extends = "gitlab"`.

use std::borrow::Cow;

use toml::{Table, Value};

use super::definition::Provider;
use super::example::split_examples;
use super::presets::preset_text;
use super::soundness::DefinitionError;
use super::template;

/// The field that names the preset.
const EXTENDS: &str = "extends";

/// The whole definition: as it is, or the preset that it extends with its own fields in their place.
/// Tables are changed field by field, everything else as a whole. Examples are the file's own.
pub(super) fn extended(text: &str) -> Result<Cow<'_, str>, DefinitionError> {
    let (head, examples) = split_examples(text);
    if !head.contains(EXTENDS) {
        return Ok(text.into());
    }
    let mut own: Table = toml::from_str(head)?;
    let Some(base) = own.remove(EXTENDS) else { return Ok(text.into()) };
    let unsound = |problem| DefinitionError::Unsound { field: EXTENDS, problem };
    let name = base.as_str().ok_or_else(|| unsound("is the name of a preset".to_owned()))?;
    let preset = name.parse().ok().and_then(|name| preset_text(&name));
    let preset = preset.ok_or_else(|| unsound(format!("no preset is called {name}")))?;
    let base: Table = toml::from_str(split_examples(preset).0)?;
    // field by field, so that what is wrong with the whole is said of the field that did it
    let mut whole = base;
    for (key, value) in own {
        let before = whole.clone();
        merge(&mut whole, &key, value);
        if let Err(error) = check(&whole) {
            let fault = check(&before).is_ok().then_some(key);
            return Err(DefinitionError::Extending { field: fault, problem: error.problem() });
        }
    }
    Ok(format!("{}\n{examples}", written(&whole)).into())
}

fn check(table: &Table) -> Result<Provider, DefinitionError> {
    template::sample(&written(table))
}

fn written(table: &Table) -> String {
    toml::to_string(table).expect("what was read from TOML can be written as TOML")
}

fn merge(whole: &mut Table, key: &str, value: Value) {
    match (whole.get_mut(key), value) {
        // one of several kinds: its fields belong to the kind
        (Some(Value::Table(old)), Value::Table(new)) if !new.contains_key("kind") => {
            for (key, value) in new {
                merge(old, &key, value);
            }
        }
        (_, value) => {
            whole.insert(key.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Provider {
        template::sample(&extended(text).unwrap()).unwrap()
    }

    #[test]
    fn what_a_file_says_replaces_what_the_preset_says_field_by_field() {
        let mine = read(
            "extends = \"google\"\nid = \"work\"\ntitle = \"Work\"\nrt_idle = 5\n\
             [auth_params]\nhd = \"acme.example\"\n[redirect]\nkind = \"fixed_port\"\nport = 8080\n",
        );
        let google = crate::provider::preset(&"google".parse().unwrap()).unwrap();
        assert_eq!((mine.id.as_str(), mine.rt_idle), ("work", Some(5)));
        assert_eq!(mine.token_url, google.token_url);
        assert_eq!(mine.auth_params.len(), google.auth_params.len() + 1);
        assert!(matches!(mine.redirect, crate::provider::Redirect::FixedPort { port: 8080, .. }));
    }

    #[test]
    fn what_does_not_fit_is_found_at_its_line() {
        for (text, line, says) in [
            ("id = \"x\"\nextends = \"nobody\"", Some(2), "no preset is called nobody"),
            ("id = \"x\"\nextends = 5", Some(2), "is the name of a preset"),
            ("extends = \"google\"\nid = \"x\"\nsurprise = 1", Some(3), "unknown field"),
            (
                "extends = \"google\"\nid = \"x\"\ntoken_url = \"http://x.example/\"",
                Some(3),
                "must be https",
            ),
            ("extends = \"google\"\n[http]\nmethod = \"get\"", Some(2), "must be query"),
        ] {
            let error = extended(text).unwrap_err();
            assert!(error.problem().contains(says), "{text}: {}", error.problem());
            assert_eq!(error.line(text), line, "{text}");
        }
    }
}
