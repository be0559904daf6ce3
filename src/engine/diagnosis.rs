//! What a look at everything found, put together beside the engine: there is something to say of each account.

use std::collections::{HashMap, HashSet};

use super::answers::Answers;
use super::defined::Defined;
use super::findings::{self, Renewal};
use super::looking::Examined;
use super::roster::STRIDE;
use crate::api::{Accounts, DaemonInfo, Diagnosis, Finding, Unrevoked};
use crate::lifecycle::RegistrationView;
use crate::model::{AccountName, Boot, ClientKey, Failure, Now, Wall};
use crate::store::Places;

/// What the engine knew when the look was over.
pub(super) struct Known {
    pub(super) now: Now,
    pub(super) daemon: DaemonInfo,
    pub(super) places: Places,
    pub(super) accounts: Accounts,
    pub(super) answers: Answers,
    pub(super) secrets: Vec<Secret>,
    pub(super) unrevoked: Vec<Unrevoked>,
    pub(super) defined: Defined,
}

/// A client's secret that ends.
pub(super) struct Secret {
    pub(super) client: ClientKey,
    pub(super) ends: Wall,
    pub(super) next: Option<Boot>,
    pub(super) failure: Option<Failure>,
}

/// What is found on the way through all accounts.
#[derive(Default)]
struct Round {
    accounts: Vec<Finding>,
    undefined: Vec<Finding>,
    /// Names of accounts that a sign-in had before.
    names: HashSet<AccountName>,
    /// Who uses the clients whose secret ends.
    users: HashMap<ClientKey, Vec<AccountName>>,
}

impl Known {
    pub(super) async fn diagnose(self, examined: &Examined) -> Diagnosis {
        let mut found = findings::of_disk(examined, &self.places);
        found.extend(findings::of_network(examined));
        found
            .extend(examined.document.iter().map(|(url, found)| findings::of_document(url, found)));
        let round = self.round().await;
        found.extend(round.accounts);
        for (name, answer) in self.answers.to_sign_ins() {
            if !round.names.contains(name) {
                found.push(findings::of_sign_in(name, answer));
            }
        }
        found.extend(self.secrets.iter().filter_map(|secret| {
            let users = round.users.get(&secret.client).map_or(&[][..], Vec::as_slice);
            findings::of_secret(&secret.view(), users, self.now)
        }));
        found.extend(self.unrevoked.iter().map(|left| findings::unrevoked(left, self.now)));
        found.extend(round.undefined);
        Diagnosis { daemon: self.daemon, findings: found }
    }

    /// Looks at the accounts, some at a time.
    async fn round(&self) -> Round {
        let signing_in: HashSet<&AccountName> =
            self.answers.to_sign_ins().map(|(name, _)| name).collect();
        let mut round = Round::default();
        for secret in &self.secrets {
            round.users.insert(secret.client.clone(), Vec::new());
        }
        for stride in self.accounts.clone().pieces(STRIDE) {
            for listed in stride.listed() {
                let account = listed.at(self.now);
                let renewal =
                    if listed.is_renewable() { Renewal::Possible } else { Renewal::Impossible };
                let answer = self.answers.to_account(&account.id).cloned();
                if signing_in.contains(&account.name) {
                    round.names.insert(account.name.clone());
                }
                let finding = findings::of_account(&account, renewal, self.now);
                round.accounts.push(finding.answer(answer));
                let client = account.client();
                if self.defined.provider_of(&client).is_none() {
                    round.undefined.push(findings::undefined(&account));
                }
                if let Some(users) = round.users.get_mut(&client) {
                    users.push(account.name);
                }
            }
            tokio::task::yield_now().await;
        }
        round
    }
}

impl Secret {
    fn view(&self) -> RegistrationView<'_> {
        let Self { client, ends, next, failure } = self;
        RegistrationView { client, ends: *ends, next: *next, failure: failure.as_ref() }
    }
}
