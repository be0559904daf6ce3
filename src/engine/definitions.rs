//! Definitions of providers, for those who write them: shown, checked, drafted.

use super::done::Done;
use super::faults;
use super::handle::Asker;
use super::task::Engine;
use crate::api::{Checked, Definition, Fault, FaultKind, Remark, Response};
use crate::model::ProviderId;
use crate::oauth::{discover, replay};
use crate::provider::{Checkup, DefinitionError, Unresolved, check};

/// The most problems that are told at once.
const PROBLEMS_MAX: usize = 32;

impl Engine {
    /// The definition of a provider as its file has it, or, with values behind colons or an issuer, as
    /// it is used.
    pub(super) fn show_provider(&self, provider: &ProviderId) -> Result<Response, Fault> {
        let catalog = self.clients.catalog();
        let (source, text) = if let Some(pinned) = self.clients.pinned_of(provider) {
            ("metadata".to_owned(), pinned.to_toml())
        } else {
            let file = catalog.file(provider);
            let source =
                file.map_or_else(|| "preset".to_owned(), |path| path.display().to_string());
            match (provider.parts().1, catalog.text(provider)) {
                (None, Some(text)) => (source, text.to_owned()),
                _ => match catalog.resolve(provider) {
                    Ok(filled) => (source, filled.to_toml()),
                    Err(error) => {
                        let kind = match error {
                            Unresolved::Unknown(_) => FaultKind::NoSuchProvider,
                            Unresolved::Wanting { .. } | Unresolved::Unfit { .. } => {
                                FaultKind::InvalidOption
                            }
                        };
                        return Err(Fault::new(kind, error.to_string()));
                    }
                },
            }
        };
        Ok(Response::Definition(Definition { provider: provider.clone(), source, text }))
    }

    /// What is wrong with a definition, and whether it understands its examples.
    pub(super) fn check_provider(text: &str) -> Response {
        let remark = |line: Option<usize>, message: String| Remark {
            line: line.and_then(|line| u32::try_from(line).ok()),
            message,
        };
        let unsound = |error: DefinitionError| {
            let problems = vec![remark(error.line(text), error.problem())];
            let nothing = Checked { provider: None, problems, advice: Vec::new(), examples: 0 };
            Response::Checked(nothing)
        };
        let Checkup { provider, examples, advice } = match check(text) {
            Ok(checkup) => checkup,
            Err(error) => return unsound(error),
        };
        let mut problems = Vec::new();
        let mut understood = 0;
        for (line, example) in &examples {
            match replay(&provider, example) {
                Ok(()) => understood += 1,
                Err(problem) if problems.len() < PROBLEMS_MAX => {
                    problems.push(remark(Some(*line), format!("{}: {problem}", example.says)));
                }
                Err(_) => {}
            }
        }
        let advice = advice.into_iter().map(|text| remark(None, text)).collect();
        let provider = Some(provider.id);
        Response::Checked(Checked { provider, problems, advice, examples: understood })
    }

    /// Makes a definition from an issuer's metadata.
    pub(super) fn draft_provider(&mut self, issuer: ProviderId, asker: Asker) {
        let http = self.cx.http();
        self.cx.spawn(async move {
            let result = match discover(&http, issuer.as_str()).await {
                Ok(provider) => Ok(Response::Definition(Definition {
                    provider: issuer,
                    source: "metadata".to_owned(),
                    text: provider.to_toml(),
                })),
                Err(error) => Err(faults::not_discovered(error)),
            };
            Done::Answered { asker, result }
        });
    }
}
