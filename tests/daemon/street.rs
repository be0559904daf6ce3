//! One daemon with many accounts, each at a provider of its own: what happens to one after the other
//! would take minutes happens to all at once.

use std::thread;

use serde_json::Value;

use crate::scene::{account, ask, file, home, ready, token_of};
use crate::support::daemon::Daemon;
use crate::support::login::Login;
use crate::support::provider::{Config, Fault, Provider};

/// Sign-ins at the same time: no more than the daemon has open.
const AT_ONCE: usize = 8;

/// The daemon and its accounts.
pub(crate) struct Street {
    pub(crate) daemon: Daemon,
    pub(crate) houses: Vec<House>,
}

/// An account with a provider of its own, both of one name.
pub(crate) struct House {
    pub(crate) name: &'static str,
    pub(crate) provider: Provider,
    /// What goes wrong there.
    pub(crate) fault: Fault,
    /// The token that the sign-in brought.
    pub(crate) first: String,
}

impl Street {
    /// Signs in everywhere; nothing has gone wrong yet.
    pub(crate) fn build(config: &Config, faults: Vec<(&'static str, Fault)>) -> Self {
        let mut home = home();
        let mut houses = Vec::new();
        for (name, fault) in faults {
            let provider = Provider::start(config.clone());
            home = home.config(&file(name), &provider.definition(name)).unwrap();
            houses.push(House { name, provider, fault, first: String::new() });
        }
        let daemon = Daemon::start(home).unwrap();
        for some in houses.chunks_mut(AT_ONCE) {
            thread::scope(|scope| {
                for house in some {
                    let daemon = &daemon;
                    scope.spawn(move || {
                        let login = Login::new(house.name, house.name);
                        let finished = login.run(daemon, &house.provider).unwrap();
                        assert!(finished.status.success(), "{}: {finished:?}", house.name);
                        house.first = house.token(daemon);
                    });
                }
            });
        }
        Self { daemon, houses }
    }

    /// Does something at each house at the same time, and gives what came of it.
    pub(crate) fn each<T: Send>(
        &self,
        act: impl Fn(&Daemon, &House) -> T + Sync,
    ) -> Vec<(&House, T)> {
        thread::scope(|scope| {
            let act = &act;
            let acts: Vec<_> = self
                .houses
                .iter()
                .map(|house| (house, scope.spawn(move || act(&self.daemon, house))))
                .collect();
            acts.into_iter().map(|(house, act)| (house, act.join().unwrap())).collect()
        })
    }

    /// Lets go wrong what has to, while every house is asked for a new token: each gives a good one.
    pub(crate) fn renew_in_spite(&self) -> Vec<(&House, Value)> {
        for house in &self.houses {
            house.provider.next(house.fault.clone());
        }
        let answers = self.each(|daemon, house| house.renew(daemon, &house.first));
        let good = answers.into_iter().map(|(house, answer)| {
            let name = house.name;
            let answer = answer.unwrap_or_else(|error| panic!("{name}: {error}"));
            let token = token_of(&answer);
            assert_ne!(token, house.first, "{name}");
            assert!(house.provider.is_access_token_valid(&token), "{name}");
            (house, answer)
        });
        good.collect()
    }

    /// That every account is as good as before once nothing goes wrong any more, after a restart that
    /// makes the daemon forget its pauses.
    pub(crate) fn recover(mut self) {
        for house in &self.houses {
            house.provider.behave();
        }
        self.daemon.restart().unwrap();
        self.each(|daemon, house| {
            // what was held or cut off is tried at the start
            ready(daemon, house.name);
            let before = house.token(daemon);
            let after = house.renew(daemon, &before);
            let after = after.unwrap_or_else(|error| panic!("{}: {error}", house.name));
            assert!(house.provider.is_access_token_valid(&token_of(&after)), "{}", house.name);
            assert_eq!(house.shown(daemon)["state"], "ready", "{}", house.name);
            let log = house.provider.log();
            assert_eq!(log.reuses, 0, "{}", house.name);
            assert_eq!(log.trapped, 0, "{}", house.name);
            assert_eq!(log.authorizations, 1, "{}: nobody had to sign in again", house.name);
        });
    }
}

impl House {
    /// The token that is handed out now.
    pub(crate) fn token(&self, daemon: &Daemon) -> String {
        let answer = ask(daemon, "GetToken", &serde_json::json!({ "account": self.name }));
        token_of(&answer.unwrap_or_else(|error| panic!("{}: {error}", self.name)))
    }

    /// What a caller gets whose token was rejected.
    pub(crate) fn renew(
        &self,
        daemon: &Daemon,
        old: &str,
    ) -> Result<Value, crate::support::varlink::CallError> {
        crate::scene::renew(daemon, self.name, old)
    }

    /// The account as `Status` shows it.
    pub(crate) fn shown(&self, daemon: &Daemon) -> Value {
        account(daemon, self.name)
    }
}
