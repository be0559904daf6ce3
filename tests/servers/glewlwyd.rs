//! glewlwyd: it rotates without grace, ends the whole chain at a reuse, and answers a dead refresh token
//! with an empty 400.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::proxy::{Fate, Seen};
use crate::scene::{ACCOUNT, CLIENT, PATIENCE, PROVIDER, SECRET, Scene, basic};
use crate::server::{Kind, Server};
use crate::support::conversation::Conversation;
use crate::support::http::Ask;
use crate::support::said::{fault, line};

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The server as a file describes it.
fn description(server: &Server, token_url: &str) -> String {
    let issuer = server.issuer();
    format!(
        "id = \"{PROVIDER}\"\ntitle = \"glewlwyd\"\nissuer = \"{issuer}\"\niss_in_callback = true\n\
         authorization_url = \"{issuer}/auth\"\ntoken_url = \"{token_url}\"\n\
         device_url = \"{issuer}/device_authorization\"\nclient_auth = \"basic\"\n\
         [scopes]\ndefaults = [\"api:read\"]\n[rotation]\nkind = \"strict\"\n\
         [revocation]\nurl = \"{issuer}/revoke\"\n"
    )
}

fn scene() -> Option<Scene> {
    scene_with(|text| text)
}

/// With a description that is changed.
fn scene_with(change: impl FnOnce(String) -> String) -> Option<Scene> {
    let server = Server::start(&Kind::glewlwyd()?, &[("CLIENT_SECRET", SECRET)]);
    Some(Scene::new(server, "/token", |server, token| change(description(server, token))))
}

impl Scene {
    /// The user, at the browser. glewlwyd compares ports, and this one is of the moment.
    fn consents(&self, url: &str) -> String {
        self.server.has("user.py", &["--register", url])
    }

    /// Signs a client in.
    fn sign_in_as(&self, client: &str) {
        let mut command = self.login(&[PROVIDER, "--client-id", client]);
        let mut input = String::new();
        if client != CLIENT {
            command.arg("--client-secret-stdin");
            input = format!("{SECRET}\n");
        }
        self.sign_in(&mut command, &input, |url| self.consents(url));
    }

    /// Whether the server's userinfo endpoint takes a token.
    fn is_active(&self, token: &str) -> bool {
        self.admits("/userinfo", token)
    }

    /// Whether a token of the confidential client is good at the server (RFC 7662).
    fn introspect(&self, token: &str) -> bool {
        let ask = Ask::post(&self.server.url("/introspect"), &[("token", token)]);
        let reply = ask.header("Authorization", &basic("confidential")).send().unwrap();
        reply.json()["active"].as_bool().unwrap()
    }
}

#[test]
fn a_public_client_signs_in_and_each_refresh_rotates() {
    let Some(mut scene) = scene() else { return };
    scene.sign_in_as(CLIENT);
    let mut tokens = vec![scene.token()];
    for _ in 0..3 {
        // a restart forgets the gap between two refreshes
        scene.daemon.restart().unwrap();
        let new = scene.renew(tokens.last().unwrap());
        assert!(scene.is_active(&new) && !tokens.contains(&new));
        tokens.push(new);
    }
    let refreshed = line(&scene.daemon.run(&["refresh", ACCOUNT]).unwrap());
    assert!(refreshed.contains("alice"), "{refreshed}");
    let newest = scene.token();
    assert!(scene.is_active(&newest) && !tokens.contains(&newest));
    assert_eq!(scene.proxy.spent(), [0, 1, 2, 3]);
    assert!(scene.proxy.refreshes().iter().all(|seen| seen.status == 200));
    assert_eq!(scene.account()["scopes"], json!(["api:read"]));
}

#[test]
fn an_issuer_is_signed_in_to_by_its_own_metadata() {
    let Some(mut scene) = scene() else { return };
    let mut command = scene.login_by_discovery(&["--client-id", CLIENT]);
    scene.sign_in(&mut command, "", |url| scene.consents(url));
    let first = scene.token();
    assert!(scene.is_active(&first));
    assert_eq!(scene.account()["scopes"], json!(["openid"]));
    // a name that is made up for the user, by an ID token that ES256 has signed
    let subject = scene.subject();
    assert!(!subject.is_empty(), "{}", scene.account());
    scene.daemon.restart().unwrap();
    // a refresh brings no ID token
    assert!(scene.is_active(&scene.renew(&first)));
    assert_eq!(scene.subject(), subject);
}

#[test]
fn a_port_that_is_registered_once_serves_every_sign_in() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let redirect = format!("[redirect]\nkind = \"fixed_port\"\nport = {free}\n");
    let Some(scene) = scene_with(|text| text + &redirect) else { return };
    let mut command = scene.login(&[PROVIDER, "--client-id", CLIENT]);
    let conversation = Conversation::begin(&mut command, "").unwrap();
    let refusal = scene.server.refuses("user.py", &[conversation.url().as_str()]);
    assert!(refusal.contains("403"), "{refusal}");
    drop(conversation);

    let mut command = scene.login(&[PROVIDER, "--client-id", CLIENT]);
    scene.sign_in(&mut command, "", |url| scene.consents(url));
    let first = scene.token();
    let mut command = scene.login(&[PROVIDER]);
    scene.sign_in(&mut command, "", |url| scene.server.has("user.py", &[url]));
    assert!(scene.token() != first && scene.is_active(&scene.token()));
}

#[test]
fn a_killed_daemon_goes_on_without_a_login() {
    let Some(mut scene) = scene() else { return };
    for client in [CLIENT, "confidential"] {
        scene.sign_in_as(client);
        let mut token = scene.token();
        for _ in 0..2 {
            scene.daemon.kill9().unwrap();
            scene.daemon.restart().unwrap();
            assert_eq!(scene.token(), token);
            token = scene.renew(&token);
            assert!(scene.is_active(&token), "{client}");
        }
    }
    assert_eq!(scene.proxy.spent(), [0, 1, 2, 3]);
}

/// A sign-in on another device, and the page that its user is to visit.
fn begin_on_device(command: &mut Command) -> (Conversation, String) {
    let conversation = Conversation::begin(command, "").unwrap();
    let code = conversation.line().unwrap();
    let page = format!("{}?code={code}", conversation.url());
    (conversation, page)
}

fn pending(seen: &[Seen]) -> usize {
    seen.iter().filter(|seen| seen.is(DEVICE) && seen.error() == "authorization_pending").count()
}

#[test]
fn a_device_is_signed_in_once_its_user_has_agreed_elsewhere() {
    let Some(mut scene) = scene() else { return };
    let mut command = scene.login(&[PROVIDER, "--device", "--client-id", CLIENT]);
    let (conversation, page) = begin_on_device(&mut command);
    scene.proxy.wait(|seen| pending(seen) > 0);
    scene.server.has("device.py", &[&page]);
    let finished = conversation.finish(None, PATIENCE).unwrap();
    assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
    let last = finished.stderr.lines().last().unwrap();
    assert!(last.starts_with("signed in: alice (described)"), "{last}");
    let asked = scene.proxy.seen();
    let (last, before) = asked.split_last().unwrap();
    assert_eq!((last.status, pending(before)), (200, before.len()), "{asked:#?}");
    // its interval is a second, and it says so to those who ask sooner
    assert!(asked.iter().all(|seen| seen.error() != "slow_down"), "{asked:#?}");

    let first = scene.token();
    scene.daemon.restart().unwrap();
    assert!(scene.is_active(&first) && scene.is_active(&scene.renew(&first)));
}

#[test]
fn a_device_sign_in_survives_the_death_of_the_daemon() {
    let Some(mut scene) = scene() else { return };
    let mut command = scene.login_by_discovery(&["--device", "--client-id", CLIENT]);
    let by_discovery = begin_on_device(&mut command);
    let mut command = scene.daemon.command(&["login", PROVIDER, "--as", "described"]);
    let by_file = begin_on_device(command.args(["--device", "--client-id", CLIENT]));
    scene.proxy.wait(|seen| pending(seen) > 0);
    scene.daemon.kill9().unwrap();
    let before = pending(&scene.proxy.seen());
    scene.daemon.restart().unwrap();
    // it goes on by itself, and the commands have not noticed
    scene.proxy.wait(|seen| pending(seen) > before);
    for ((conversation, page), account) in [(by_file, "described"), (by_discovery, ACCOUNT)] {
        scene.server.has("device.py", &[&page]);
        let finished = conversation.finish(None, PATIENCE).unwrap();
        assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
        let token = line(&scene.daemon.run(&["token", account]).unwrap());
        assert!(scene.is_active(&token), "{account}");
    }
}

#[test]
fn a_logout_of_a_client_with_a_secret_ends_all_tokens() {
    let Some(scene) = scene() else { return };
    scene.sign_in_as("confidential");
    let (access, refresh) = (scene.token(), scene.proxy.newest_refresh_token());
    assert!(scene.introspect(&access) && scene.introspect(&refresh));
    let finished = scene.daemon.run(&["logout", ACCOUNT]).unwrap();
    assert_eq!(line(&finished), "signed out: alice; its tokens are revoked");
    assert!(!scene.introspect(&access) && !scene.introspect(&refresh));
    assert!(!scene.daemon.log().contains(SECRET));
}

/// RFC 7009 (2.1) lets public clients revoke; glewlwyd does not.
#[test]
fn a_logout_says_so_where_the_server_does_not_let_the_client_revoke() {
    let Some(scene) = scene() else { return };
    scene.sign_in_as(CLIENT);
    let access = scene.token();
    let finished = scene.daemon.run(&["logout", ACCOUNT]).unwrap();
    assert_eq!(
        line(&finished),
        "signed out: alice; the provider did not revoke its tokens, so they are good until they \
         expire (HTTP status 401)"
    );
    assert!(scene.is_active(&access), "which is so");
    let (refusal, code) = fault(&scene.daemon.run(&["token", ACCOUNT, "--json"]).unwrap());
    assert_eq!((&refusal["fault"], code), (&json!("NoSuchAccount"), 67));
}

/// An empty 400 may come from anything on the way, so it is no word about the grant. The user sees what
/// came; nothing is erased; and the server is asked again at growing intervals.
#[test]
fn a_login_that_the_server_ended_without_a_word_is_kept_and_tried_at_ease() {
    let Some(scene) = scene() else { return };
    scene.sign_in_as("confidential");
    let token = scene.token();
    let refresh = scene.proxy.newest_refresh_token();
    let ask = Ask::post(&scene.server.url("/revoke"), &[("token", &refresh)]);
    let reply = ask.header("Authorization", &basic("confidential")).send().unwrap();
    assert_eq!((reply.status, scene.introspect(&refresh)), (200, false));
    is_kept_and_tried_at_ease(&scene, &token);
    scene.sign_in_as("confidential");
    assert!(scene.is_active(&scene.token()));
    assert_eq!(scene.account()["state"], json!("ready"));
}

/// Without grace an answer that is lost costs the login, and this server does not say so either.
#[test]
fn a_login_that_a_lost_answer_ended_is_kept_and_tried_at_ease() {
    let Some(scene) = scene() else { return };
    scene.sign_in_as(CLIENT);
    let token = scene.token();
    scene.proxy.next(Fate::Lost);
    is_kept_and_tried_at_ease(&scene, &token);
    scene.sign_in_as(CLIENT);
    assert!(scene.is_active(&scene.token()));
    assert_eq!(scene.account()["state"], json!("ready"));
}

fn is_kept_and_tried_at_ease(scene: &Scene, token: &str) {
    let (refusal, code) = fault(&scene.try_renew(token, &["--json", "--timeout", "2"]));
    assert_eq!((&refusal["fault"], code), (&json!("ProviderError"), 75), "{refusal}");
    assert_eq!(refusal["message"], json!("the provider is in trouble (HTTP status 400)"));
    let account = scene.wait(|account| {
        account["failures"].as_u64() >= Some(3) && account["state"] == json!("backing-off")
    });
    assert_eq!(
        (&account["detail"], &account["last_failure"]),
        (&json!("HTTP status 400"), &json!("transient")),
        "{account}"
    );
    // what has to lie between the tries at least
    let refused: Vec<Seen> =
        scene.proxy.refreshes().into_iter().filter(|seen| seen.status == 400).collect();
    for (pair, least) in refused.windows(2).zip([1000, 2000]) {
        assert!(pair[1].at - pair[0].at >= Duration::from_millis(least), "{refused:#?}");
    }
    // the same token each time, which is still there
    assert!(scene.proxy.spent().iter().all(|number| *number == 0));
    assert!(scene.refresh_tokens() > 0);
    assert_eq!(scene.token(), token, "what nobody rejects is handed out while it lives");
    assert!(scene.is_active(token));
}
