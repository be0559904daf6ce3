//! A whole file looked over: the definition, its gaps, what it extends, and its examples.

use super::advice::advice;
use super::definition::Provider;
use super::example::{Example, examples_at, split_examples};
use super::soundness::DefinitionError;
use super::{extend, template};

/// What a file holds.
#[derive(Debug)]
pub struct Checkup {
    /// The definition, with values to try it with in its gaps.
    pub provider: Provider,
    /// Its examples, with the lines where they begin.
    pub examples: Vec<(usize, Example)>,
    /// What could be better.
    pub advice: Vec<String>,
}

/// Reads a file as it would be used.
pub fn check(text: &str) -> Result<Checkup, DefinitionError> {
    let whole = extend::extended(text)?;
    let provider = template::sample(split_examples(&whole).0)?;
    let examples = examples_at(text).map_err(|error| error.behind(split_examples(text).0))?;
    let shown: Vec<Example> = examples.iter().map(|(_, example)| example.clone()).collect();
    let advice = advice(&provider, &shown);
    Ok(Checkup { provider, examples, advice })
}
