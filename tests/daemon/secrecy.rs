//! Where secrets are, and where they are not, over a whole life with everything that talks turned up.

use serde_json::json;

use crate::dbus::{self, Options};
use crate::recorder::Recorder;
use crate::sampler::Sampler;
use crate::scene::{Watch, ask, connect, fault, file, files, home, ready, token_of};
use crate::support::agent;
use crate::support::bus::Bus;
use crate::support::daemon::Daemon;
use crate::support::login::Login;
use crate::support::process::Finished;
use crate::support::provider::{Auth, Config, Fault, Provider};
use crate::support::secret;

/// Two accounts, each at a provider that puts the secrets elsewhere: in the body, and in the URL.
const NAMES: [&str; 2] = ["mail", "door"];

/// What was said where. Tokens may be in answers that are for tokens, and nowhere else.
#[derive(Default)]
struct Words {
    tokens: Vec<String>,
    others: Vec<(String, String)>,
}

impl Words {
    fn command(&mut self, daemon: &Daemon, arguments: &[&str]) {
        let finished = daemon.run(arguments).unwrap();
        self.finished(&arguments.join(" "), &finished);
    }

    /// That secrets are where they belong. Verifiers have no prefix to look for.
    fn check(&self, verifiers: &[String]) {
        assert!(verifiers.len() >= 4, "{verifiers:?}");
        for (place, text) in &self.others {
            let leaks = secret::leaks(text);
            assert!(leaks.is_empty(), "{leaks:?} in {place}: {}", around(text, leaks[0]));
            for verifier in verifiers {
                assert!(!text.contains(verifier), "a verifier in {place}");
            }
        }
        let mut seen = 0;
        for text in &self.tokens {
            let leaks = secret::leaks(text);
            assert!(leaks.is_empty() || leaks == [secret::ACCESS], "{leaks:?}: {text}");
            seen += leaks.len();
        }
        assert!(seen >= 8, "tokens are handed out: {seen}");
    }

    fn finished(&mut self, what: &str, finished: &Finished) {
        self.others.push((format!("stderr of {what}"), finished.stderr.clone()));
        if what.starts_with("token ") {
            self.tokens.push(finished.stdout.clone());
        } else {
            self.others.push((format!("stdout of {what}"), finished.stdout.clone()));
        }
    }
}

fn providers() -> [Provider; 2] {
    [Provider::start(Config::standard().auth(Auth::Post)), Provider::start(Config::parqex())]
}

/// Signs in, and keeps what was said.
fn sign_in(words: &mut Words, daemon: &Daemon, name: &str, provider: &Provider) {
    let finished = Login::new(name, name).run(daemon, provider).unwrap();
    words.finished("login", &finished);
}

fn rejected(daemon: &Daemon, name: &str) -> String {
    let answer = ask(daemon, "GetToken", &json!({ "account": name })).unwrap();
    secret::fingerprint(&token_of(&answer))
}

/// Everything that a program can ask for, on all faces.
fn ask_around(words: &mut Words, daemon: &Daemon, client: &dbus::Client, name: &str) {
    words.command(daemon, &["token", name]);
    words.command(daemon, &["token", name, "--json"]);
    for command in [
        &["status"][..],
        &["status", name],
        &["status", "--json"],
        &["accounts"],
        &["accounts", "--json"],
        &["providers", "--json"],
        &["doctor"],
        &["doctor", "--json"],
        &["token", "nobody"],
    ] {
        words.command(daemon, command);
    }
    for method in ["Status", "ListAccounts", "ListProviders", "Diagnose"] {
        let answer = ask(daemon, method, &json!({})).unwrap().to_string();
        words.others.push((method.to_owned(), answer));
    }
    let token = client.token(name).unwrap();
    // which nobody sees who watches the bus, the recorder among them
    let (written, _answer) = client.written(name).unwrap();
    assert_eq!(written, token);
    client.call("ListProviders", &()).unwrap();
    client.call("LookupAccount", &name).unwrap();
}

/// Trouble of the kind in which a provider repeats what it was sent.
fn quarrel(words: &mut Words, daemon: &mut Daemon, client: &dbus::Client, houses: &[Provider; 2]) {
    for (code, timeout) in [("temporarily_unavailable", "0"), ("invalid_client", "20")] {
        for (name, provider) in NAMES.into_iter().zip(houses) {
            provider.next(Fault::Echo(code));
            let rejected = rejected(daemon, name);
            let seen = provider.log().requests.len();
            words.command(daemon, &["token", name, "--rejected", &rejected, "--timeout", timeout]);
            provider.wait(|log| log.requests.len() > seen && log.in_flight == 0).unwrap();
            ask_around(words, daemon, client, name);
            words.command(daemon, &["token", name, "--min-valid", "4000"]);
        }
        // which makes it forget its pauses, and try again what it holds
        daemon.restart().unwrap();
        for name in ["mail", "door", "gate"] {
            ready(daemon, name);
        }
    }
}

/// Sign-ins that the provider quarrels with, with a code pasted wrong, and good ones.
fn sign_in_everywhere(words: &mut Words, daemon: &Daemon, houses: &[Provider; 2]) {
    for (name, provider) in NAMES.into_iter().zip(houses) {
        for code in ["invalid_grant", "invalid_client", "invalid_request"] {
            provider.next(Fault::Echo(code));
            sign_in(words, daemon, name, provider);
        }
        sign_in(words, daemon, name, provider);
    }
    let finished = Login::new("door", "gate")
        .run_with(daemon, &houses[1], |url| {
            let right = agent::visit(url)?.url().to_string();
            let elsewhere = right.replace("door.example", "other.example");
            let (_, query) = right.split_once('?').unwrap();
            Ok(Some(format!("{elsewhere}\n{query}\n{right}x\n{right}")))
        })
        .unwrap();
    assert!(finished.status.success(), "{finished:?}");
    words.finished("login", &finished);
}

/// A crash while the providers, which are strict, hold their answers: that ends the grants. Gives the
/// files as they were at the worst moment.
fn crash(
    words: &mut Words,
    daemon: &mut Daemon,
    client: &dbus::Client,
    houses: &[Provider; 2],
) -> Vec<(String, Vec<u8>)> {
    for (name, provider) in NAMES.into_iter().zip(houses) {
        provider.next(Fault::Hold);
        let mut caller = connect(daemon);
        let parameters = json!({ "account": name, "rejected": rejected(daemon, name) });
        let call = json!({ "method": "dev.ostler.Ostler1.GetToken", "parameters": parameters });
        caller.send(&call).unwrap();
        provider.wait(|log| log.in_flight == 1).unwrap();
    }
    let mut dumped = files(&daemon.home().path("state"));
    daemon.kill9().unwrap();
    dumped.extend(files(&daemon.home().path("state")));
    daemon.restart().unwrap();
    for name in NAMES {
        let rejected = rejected(daemon, name);
        let parameters = json!({ "account": name, "rejected": rejected });
        let (kind, parameters) = fault(ask(daemon, "GetToken", &parameters));
        assert_eq!(kind, "LoginRequired");
        words.others.push((format!("a fault of {name}"), parameters.to_string()));
        words.command(daemon, &["token", name, "--rejected", &rejected]);
        words.command(daemon, &["status", name]);
        let mut options = Options::new();
        options.insert("rejected", rejected.into());
        let told = dbus::error(client.call("GetAccessToken", &(name, options)));
        words.others.push((format!("a bus error of {name}"), format!("{told:?}")));
    }
    dumped
}

#[test]
fn no_secret_is_anywhere_but_in_answers_that_are_for_tokens() {
    let bus = Bus::start().unwrap();
    let recorder = Recorder::start(bus.address());
    let sampler = Sampler::start();
    let client = dbus::Client::connect(bus.address());
    let houses = providers();
    let mut home = home().bus(&bus).env("OSTLER_LOG", "trace").env("RUST_LOG", "trace");
    for (name, provider) in NAMES.into_iter().zip(&houses) {
        // revocation goes where faults can be ordered
        let definition = provider.definition(name).replace("/revoke\"", "/token\"");
        home = home.config(&file(name), &definition).unwrap();
    }
    let mut daemon = Daemon::start(home).unwrap();
    let mut words = Words::default();
    let mut watch = Watch::start(&daemon);

    sign_in_everywhere(&mut words, &daemon, &houses);
    for name in NAMES {
        ask_around(&mut words, &daemon, &client, name);
    }
    while let Some(event) = watch.next_if_any() {
        words.others.push(("an event".to_owned(), event.to_string()));
    }
    quarrel(&mut words, &mut daemon, &client, &houses);
    let mut dumped = crash(&mut words, &mut daemon, &client, &houses);
    for (name, provider) in NAMES.into_iter().zip(&houses) {
        sign_in(&mut words, &daemon, name, provider);
        ask_around(&mut words, &daemon, &client, name);
    }
    houses[0].next(Fault::Echo("server_error"));
    for name in NAMES {
        words.command(&daemon, &["logout", name]);
    }
    dumped.extend(files(&daemon.home().path("")));
    assert!(daemon.terminate().unwrap().success());
    dumped.extend(files(&daemon.home().path("")));

    let log = daemon.log();
    assert!(log.contains("DEBUG ostler::"), "the log is turned up");
    let lines = sampler.end();
    assert!(lines.contains("ostler login") && lines.contains("ostlerd"), "{lines}");
    words.others.extend([("the log".to_owned(), log), ("a command line".to_owned(), lines)]);
    for (path, bytes) in dumped {
        words.others.push((path, String::from_utf8_lossy(&bytes).into_owned()));
    }
    let traffic = recorder.end(&client);
    assert!(traffic.token_answers >= 4, "the recorder hears: {}", traffic.token_answers);
    words.others.extend(traffic.without_token_answers());
    words.tokens.extend(traffic.answers().cloned());
    words.check(&houses[0].verifiers());
}

/// A piece of a text, to find the place by.
fn around<'a>(text: &'a str, what: &str) -> &'a str {
    let at = text.find(what).unwrap();
    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    &text[line..end]
}
