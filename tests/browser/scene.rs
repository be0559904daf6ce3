//! A sign-in that a browser takes part in.

use std::time::Duration;

use serde_json::Value;
use url::Url;

use crate::chromium::Chromium;
use crate::support::conversation::Conversation;
use crate::support::daemon::{Binaries, Daemon, Home};
use crate::support::process::Finished;
use crate::support::provider::{Config, Provider};

/// The account's name.
pub(crate) const ACCOUNT: &str = "work/mail";
/// The provider's name for the daemon.
const PROVIDER: &str = "test";
/// How long a command may take. Only what is broken takes that long.
const PATIENCE: Duration = Duration::from_mins(1);

/// Everything that runs.
pub(crate) struct Scene {
    pub(crate) browser: Chromium,
    pub(crate) daemon: Daemon,
    pub(crate) provider: Provider,
}

impl Scene {
    pub(crate) fn new(config: Config) -> Self {
        let provider = Provider::start(config);
        let home = Home::new(Binaries::of_this_test()).unwrap();
        let file = provider.definition(PROVIDER);
        let home = home.config(&format!("providers/{PROVIDER}.toml"), &file).unwrap();
        Self { browser: Chromium::start(), daemon: Daemon::start(home).unwrap(), provider }
    }

    /// `ostler login`, at the point where the browser is to go somewhere.
    pub(crate) fn begin(&self, account: &str) -> Conversation {
        let id = &self.provider.config().client.id;
        let mut command = self.daemon.command(&["login", PROVIDER, "--as", account]);
        command.args(["--client-id", id, "--no-browser"]);
        Conversation::begin(&mut command, "").unwrap()
    }

    /// The token that is to be had now.
    pub(crate) fn token(&self, account: &str) -> Finished {
        self.daemon.run(&["token", account]).unwrap()
    }

    /// The page that is shown.
    pub(crate) fn page(&mut self) -> Shown {
        let page = self.browser.value(
            "({
                title: document.title,
                lang: document.documentElement.lang,
                heads: [...document.querySelectorAll('h1')].map(it => it.innerText),
                text: document.body.innerText,
                codes: [...document.querySelectorAll('code')].map(it => it.innerText),
                elements: [...document.querySelectorAll('*')].map(it => it.localName),
            })",
        );
        serde_json::from_value(page).unwrap()
    }

    /// The answer that the page came with: status, and the value of a header.
    pub(crate) fn status(&self) -> u64 {
        self.last_answer()["status"].as_u64().unwrap()
    }

    /// A header of that answer.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let headers = self.last_answer()["headers"].as_object().unwrap();
        let found = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str().unwrap().to_owned())
    }

    fn last_answer(&self) -> &Value {
        let answers = self.browser.happened("Network.responseReceived");
        &answers.last().unwrap()["response"]
    }
}

/// What a person sees.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Shown {
    pub(crate) title: String,
    pub(crate) lang: String,
    pub(crate) heads: Vec<String>,
    pub(crate) text: String,
    pub(crate) codes: Vec<String>,
    pub(crate) elements: Vec<String>,
}

impl Shown {
    #[track_caller]
    pub(crate) fn says(&self, words: &[&str]) {
        for words in words {
            assert!(self.text.contains(words), "{words:?} is not in {self:#?}");
        }
    }
}

/// The end of a sign-in that goes well, or does not.
pub(crate) fn finish(conversation: Conversation) -> Finished {
    conversation.finish(None, PATIENCE).unwrap()
}

/// A callback of somebody who does not know what this sign-in is about.
pub(crate) fn stray(conversation: &Conversation) -> Url {
    let mut url: Url = conversation.param("redirect_uri").unwrap().parse().unwrap();
    url.query_pairs_mut()
        .append_pair("code", "code-canary-of-a-stranger")
        .append_pair("state", "of-another-sign-in");
    url
}
