//! Definitions with gaps: what stands in braces differs from one user to the next, a tenant or a
//! subdomain, and is part of the provider's name: `zendesk:acme`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::definition::Provider;
use super::soundness::DefinitionError;

/// The most variables of a definition.
const VARIABLES_MAX: usize = 4;
/// The longest value, in bytes.
const VALUE_MAX: usize = 128;

/// A gap in a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// What stands in braces.
    pub name: String,
    /// What to ask the user.
    pub title: String,
    /// Which values it may have.
    #[serde(default)]
    pub kind: VariableKind,
    /// Its value if the user gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// All the values that there are, if they are few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
}

/// Which values a variable may have. None of them can end what it stands in: no slash, no colon, no
/// `@`, no query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VariableKind {
    /// One label of a host name: letters, digits and hyphens.
    #[default]
    Label,
    /// A host name.
    Host,
    /// One segment of a path.
    Segment,
}

impl VariableKind {
    fn takes(self, value: &str) -> bool {
        let label = |text: &str| {
            let inner = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
            !text.is_empty()
                && text.len() <= 63
                && text.bytes().all(inner)
                && !text.starts_with('-')
                && !text.ends_with('-')
        };
        match self {
            Self::Label => label(value),
            Self::Host => value.split('.').all(label),
            Self::Segment => {
                let allowed = |c: u8| c.is_ascii_alphanumeric() || b"-._".contains(&c);
                !matches!(value, "" | "." | "..") && value.bytes().all(allowed)
            }
        }
    }

    fn rule(self) -> &'static str {
        match self {
            Self::Label => "is letters, digits and hyphens",
            Self::Host => "is a host name",
            Self::Segment => "is letters, digits and ._-",
        }
    }

    /// A value to try a definition with.
    fn sample(self) -> &'static str {
        match self {
            Self::Label | Self::Segment => "acme",
            Self::Host => "acme.example",
        }
    }
}

impl Variable {
    /// Whether a value may stand in the gap; what is wrong with it, if not.
    pub(super) fn check(&self, value: &str) -> Result<(), String> {
        if !self.choices.is_empty() && !self.choices.iter().any(|choice| choice == value) {
            return Err(format!("{} is one of {}", self.name, self.choices.join(", ")));
        }
        if value.len() > VALUE_MAX || !self.kind.takes(value) {
            return Err(format!("{} {}", self.name, self.kind.rule()));
        }
        Ok(())
    }

    fn sample(&self) -> &str {
        let given = self.default.as_deref().or(self.choices.first().map(String::as_str));
        given.unwrap_or_else(|| self.kind.sample())
    }
}

/// Just the variables of a definition.
#[derive(Deserialize)]
struct Gaps {
    #[serde(default, rename = "variable")]
    variables: Vec<Variable>,
}

/// The variables of a text, in the order in which their values are named.
pub(super) fn variables(text: &str) -> Result<Vec<Variable>, DefinitionError> {
    if !text.contains("variable") {
        return Ok(Vec::new());
    }
    let Gaps { variables } = toml::from_str(text)?;
    let unsound = |problem| Err(DefinitionError::Unsound { field: "variable", problem });
    if variables.len() > VARIABLES_MAX {
        return unsound(format!("there may be {VARIABLES_MAX} at most"));
    }
    for (place, variable) in variables.iter().enumerate() {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
        if variable.name.is_empty() || !variable.name.bytes().all(allowed) {
            return unsound("the name of each is letters, digits and _".into());
        }
        if variables[..place].iter().any(|other| other.name == variable.name) {
            return unsound(format!("{} is there twice", variable.name));
        }
        if !text.contains(&format!("{{{}}}", variable.name)) {
            return unsound(format!("{{{}}} stands nowhere", variable.name));
        }
        for value in variable.choices.iter().chain(&variable.default) {
            if let Err(problem) = variable.check(value) {
                return unsound(problem);
            }
        }
    }
    Ok(variables)
}

/// The definition with its gaps filled. The values have been checked.
pub(super) fn fill(text: &str, values: &BTreeMap<&str, &str>) -> String {
    let mut filled = text.to_owned();
    for (name, value) in values {
        filled = filled.replace(&format!("{{{name}}}"), value);
    }
    filled
}

/// The definition with values to try it with.
pub(super) fn sample(text: &str) -> Result<Provider, DefinitionError> {
    let variables = variables(text)?;
    if variables.is_empty() {
        return Provider::parse(text);
    }
    let samples = variables.iter().map(|it| (it.name.as_str(), it.sample())).collect();
    Provider::parse(&fill(text, &samples))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_can_lead_elsewhere() {
        use VariableKind::{Host, Label, Segment};
        for (kind, good) in [
            (Label, "acme-1"),
            (Host, "git.acme.example"),
            (Segment, "contoso.onmicrosoft.com"),
            (Segment, "8f5e-_"),
        ] {
            assert!(kind.takes(good), "{good}");
        }
        for (kind, bad) in [
            (Label, ""),
            (Label, "a.b"),
            (Label, "-a"),
            (Label, "a/"),
            (Label, "evil.example/"),
            (Host, "a..b"),
            (Host, "a:8"),
            (Host, "u@a"),
            (Host, "a/b"),
            (Segment, ".."),
            (Segment, "a/b"),
            (Segment, "a?b"),
            (Segment, "a b"),
            (Segment, "a\"b"),
        ] {
            assert!(!kind.takes(bad), "{bad}");
        }
    }

    #[test]
    fn a_gap_is_filled_wherever_it_stands() {
        let text = "authorization_url = \"https://{sub}.x.example/{sub}\"";
        let values = BTreeMap::from([("sub", "acme")]);
        assert_eq!(fill(text, &values), "authorization_url = \"https://acme.x.example/acme\"");
    }

    #[test]
    fn unsound_variables_are_refused() {
        let with = |more: &str| variables(&format!("a = \"{{x}}\"\n{more}"));
        assert_eq!(with("[[variable]]\nname = \"x\"\ntitle = \"X\"").unwrap().len(), 1);
        for (more, says) in [
            ("[[variable]]\nname = \"y\"\ntitle = \"Y\"", "{y} stands nowhere"),
            ("[[variable]]\nname = \"\"\ntitle = \"Y\"", "letters, digits"),
            ("[[variable]]\nname = \"x\"\ntitle = \"X\"\ndefault = \"a/b\"", "hyphens"),
            (
                "[[variable]]\nname = \"x\"\ntitle = \"X\"\n[[variable]]\nname = \"x\"\ntitle = \"X\"",
                "twice",
            ),
        ] {
            let problem = with(more).unwrap_err().problem();
            assert!(problem.contains(says), "{more}: {problem}");
        }
    }
}
