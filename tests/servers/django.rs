//! django-oauth-toolkit: within its grace period it repeats its answer to a replaced refresh token, and
//! behind it, on demand, takes that for a theft.

use serde_json::json;

use crate::proxy::{Fate, Seen};
use crate::scene::{ACCOUNT, CLIENT, PATIENCE, PROVIDER, SECRET, Scene};
use crate::server::{Kind, Server};
use crate::support::agent::{self, Ending};
use crate::support::conversation::Conversation;
use crate::support::http::Ask;
use crate::support::process::Finished;
use crate::support::said::{fault, line};

/// What is set on the server.
const STRICT: [(&str, &str); 2] = [("GRACE", "0"), ("REUSE_PROTECTION", "1")];
const FORGIVING: [(&str, &str); 2] = [("GRACE", "600"), ("REUSE_PROTECTION", "0")];
const FORGIVING_ONCE: [(&str, &str); 2] = [("GRACE", "600"), ("REUSE_PROTECTION", "1")];

/// The server as a file describes it, with its grace period.
fn description(server: &Server, token_url: &str, grace: &str) -> String {
    let issuer = server.issuer();
    let rotation = match grace {
        "0" => "kind = \"strict\"".to_owned(),
        grace => format!("kind = \"timed\"\nseconds = {grace}"),
    };
    format!(
        "id = \"{PROVIDER}\"\ntitle = \"django-oauth-toolkit\"\nissuer = \"{issuer}\"\n\
         authorization_url = \"{issuer}/authorize/\"\ntoken_url = \"{token_url}\"\n\
         device_url = \"{issuer}/device-authorization/\"\n\
         jwks_url = \"{issuer}/.well-known/jwks.json\"\n\
         [scopes]\ndefaults = [\"api:read\", \"openid\"]\n[rotation]\n{rotation}\n\
         [at_dies_at_refresh]\nkind = \"dies\"\n[revocation]\nurl = \"{issuer}/revoke_token/\"\n"
    )
}

fn scene(settings: [(&str, &str); 2]) -> Option<Scene> {
    let environment = [settings[0], settings[1], ("CLIENT_SECRET", SECRET), ("ACCESS_TTL", "3600")];
    let server = Server::start(&Kind::django()?, &environment);
    let grace = settings[0].1;
    Some(Scene::new(server, "/token/", |server, token| description(server, token, grace)))
}

impl Scene {
    /// Signs the public client in, by the file.
    fn sign_in_at_django(&self) -> Finished {
        let mut command = self.login(&[PROVIDER, "--client-id", CLIENT]);
        self.sign_in(&mut command, "", consents)
    }

    /// Whether the server takes a token.
    fn takes(&self, token: &str) -> bool {
        self.admits("/userinfo/", token)
    }

    /// The refresh tokens in the server's answers to the refreshes, as far as it gave any.
    fn given(&self) -> Vec<String> {
        let refreshes = self.proxy.refreshes();
        let given = refreshes.iter().filter_map(|seen| seen.answer["refresh_token"].as_str());
        given.map(str::to_owned).collect()
    }
}

/// The server's consent is to be visited: where that leads to.
fn consents(url: &str) -> String {
    let reply = Ask::get(url).send().unwrap();
    reply.header("Location").unwrap_or_else(|| panic!("{}", reply.text())).to_owned()
}

#[test]
fn an_issuer_is_signed_in_to_by_its_own_metadata_and_signed_out_of_again() {
    let Some(mut scene) = scene(STRICT) else { return };
    let mut command = scene.login_by_discovery(&["--client-id", CLIENT]);
    scene.sign_in(&mut command, "", consents);
    assert_eq!(scene.subject(), "1");
    let first = scene.token();
    scene.daemon.restart().unwrap();
    let second = scene.renew(&first);
    // a refresh ends the token before
    assert_eq!((scene.takes(&first), scene.takes(&second)), (false, true));
    let refreshed = line(&scene.daemon.run(&["refresh", ACCOUNT]).unwrap());
    assert!(refreshed.contains("alice"), "{refreshed}");
    let third = scene.token();
    assert_eq!((scene.takes(&second), scene.takes(&third)), (false, true));
    let finished = scene.daemon.run(&["logout", ACCOUNT]).unwrap();
    assert_eq!(line(&finished), "signed out: alice; its tokens are revoked");
    assert!(!scene.takes(&third));
}

#[test]
fn a_client_with_a_secret_signs_in_and_the_secret_is_kept() {
    let Some(mut scene) = scene(STRICT) else { return };
    let mut command = scene.login(&[PROVIDER, "--client-id", "confidential"]);
    command.arg("--client-secret-stdin");
    scene.sign_in(&mut command, &format!("{SECRET}\n"), consents);
    let first = scene.token();
    scene.daemon.restart().unwrap();
    assert!(scene.takes(&scene.renew(&first)));
    assert!(!scene.daemon.log().contains(SECRET));
}

#[test]
fn twenty_callers_at_once_cause_one_refresh() {
    let Some(scene) = scene(STRICT) else { return };
    scene.sign_in_at_django();
    let old = scene.token();
    scene.proxy.next(Fate::Held);
    let callers: Vec<_> = (0..20).map(|_| scene.want(&old)).collect();
    scene.proxy.wait_held();
    scene.proxy.release();
    let new: Vec<_> = callers
        .into_iter()
        .map(|mut caller| caller.answer().unwrap()["access_token"].as_str().unwrap().to_owned())
        .collect();
    assert!(new.iter().all(|token| *token == new[0]) && new[0] != old);
    assert_eq!(scene.proxy.spent(), [0]);
    assert_eq!(scene.token(), new[0]);
    assert!(scene.takes(&new[0]));
}

#[test]
fn a_lost_answer_is_had_again_within_the_grace_period() {
    for settings in [FORGIVING, FORGIVING_ONCE] {
        let Some(mut scene) = scene(settings) else { return };
        scene.sign_in_at_django();
        let old = scene.token();
        scene.proxy.next(Fate::Lost);
        let new = scene.renew(&old);
        assert_eq!((scene.takes(&old), scene.takes(&new)), (false, true));
        assert_eq!(scene.proxy.spent(), [0, 0], "the same token was sent again");
        let given = scene.given();
        assert_eq!(given[0], given[1], "and brought the same answer");
        // but for its ID token, whose at_hash is that of a token that nobody has
        assert_eq!(scene.subject(), "1");
        scene.daemon.restart().unwrap();
        assert!(scene.takes(&scene.renew(&new)));
        assert_eq!(scene.proxy.spent(), [0, 0, 1]);
    }
}

/// The daemon dies with an answer on its way, has it repeated, and goes on. What was on its way then
/// comes late: neither it nor the token that it answers may come back into use, for the server would
/// take that for a theft.
#[test]
fn an_answer_of_the_grace_period_does_not_take_the_place_of_newer_tokens() {
    let Some(mut scene) = scene(FORGIVING_ONCE) else { return };
    scene.sign_in_at_django();
    let first = scene.token();
    scene.proxy.next(Fate::Held);
    let caller = scene.want(&first);
    scene.proxy.wait_held();
    scene.daemon.kill9().unwrap();
    drop(caller);
    scene.daemon.restart().unwrap();
    // it sends the token again by itself, for the grace period runs
    scene.proxy.wait(|seen| seen.iter().filter(|seen| seen.is("refresh_token")).count() == 2);
    let second = scene.renew(&first);
    scene.daemon.restart().unwrap();
    let third = scene.renew(&second);
    scene.proxy.release();
    for _ in 0..2 {
        assert_eq!(scene.token(), third);
        scene.daemon.kill9().unwrap();
        scene.daemon.restart().unwrap();
    }
    let fourth = scene.renew(&third);
    assert!(scene.takes(&fourth) && !scene.takes(&third));
    assert_eq!(scene.proxy.spent(), [0, 0, 1, 2]);
    let given = scene.given();
    assert_eq!(given[0], given[1]);
    assert_eq!(scene.subject(), "1");
    assert_eq!(scene.account()["state"], json!("ready"));
}

/// A client that ever came back with a replaced token would be signed out at once.
#[test]
fn a_long_life_does_not_look_like_a_theft() {
    let Some(mut scene) = scene(STRICT) else { return };
    scene.sign_in_at_django();
    let mut token = scene.token();
    for round in 0..12 {
        // either forgets the gap between two refreshes
        if round % 2 == 0 {
            scene.daemon.kill9().unwrap();
        }
        scene.daemon.restart().unwrap();
        let callers: Vec<_> = (0..4).map(|_| scene.want(&token)).collect();
        for mut caller in callers {
            let answer = caller.answer().unwrap();
            assert_ne!(answer["access_token"], json!(token));
        }
        token = scene.token();
        assert!(scene.takes(&token), "{round}");
    }
    assert_eq!(scene.proxy.spent(), (0..12).collect::<Vec<_>>());

    // which the server would have noticed: this is what a copy of an old token does
    let refreshes = scene.proxy.refreshes();
    let stolen = refreshes[3].param("refresh_token");
    let form = [("grant_type", "refresh_token"), ("refresh_token", stolen), ("client_id", CLIENT)];
    let reply = Ask::post(&scene.server.url("/token/"), &form).send().unwrap();
    assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("invalid_grant")));
    assert!(!scene.takes(&token), "and all that came of the sign-in is over");
    is_told_that_the_login_is_over(&mut scene, &token);
}

#[test]
fn a_login_that_was_revoked_elsewhere_is_told_as_over_and_a_new_one_mends_it() {
    for settings in [STRICT, FORGIVING] {
        let Some(mut scene) = scene(settings) else { return };
        scene.sign_in_at_django();
        let token = scene.token();
        let refresh = scene.proxy.newest_refresh_token();
        let form = [("token", refresh.as_str()), ("client_id", CLIENT)];
        let reply = Ask::post(&scene.server.url("/revoke_token/"), &form).send().unwrap();
        assert_eq!((reply.status, scene.takes(&token)), (200, false));
        is_told_that_the_login_is_over(&mut scene, &token);
    }
}

fn is_told_that_the_login_is_over(scene: &mut Scene, token: &str) {
    scene.daemon.restart().unwrap();
    let (refusal, code) = fault(&scene.try_renew(token, &["--json"]));
    assert_eq!((&refusal["fault"], code), (&json!("LoginRequired"), 77), "{refusal}");
    assert!(refusal["message"].as_str().unwrap().contains("invalid_grant"), "{refusal}");
    assert!(scene.refresh_tokens() > 0, "nothing is erased");
    assert_eq!(scene.account()["state"], json!("login-required"));
    scene.sign_in_at_django();
    assert!(scene.takes(&scene.token()));
    assert_eq!(scene.account()["state"], json!("ready"));
}

#[test]
fn a_scope_that_does_not_exist_ends_the_sign_in_with_the_servers_word() {
    let Some(scene) = scene(STRICT) else { return };
    let mut command = scene.login(&[PROVIDER, "--client-id", CLIENT, "--scope", "api:none"]);
    let conversation = Conversation::begin(&mut command, "").unwrap();
    let ending = agent::visit(conversation.url().as_str()).unwrap();
    assert!(matches!(&ending, Ending::Callback { page, .. } if page.status == 400), "{ending:?}");
    let finished = conversation.finish(None, PATIENCE).unwrap();
    assert_eq!(finished.status.code(), Some(77), "{finished:?}");
    let last = finished.stderr.lines().last().unwrap();
    assert!(last.contains("invalid_scope"), "{last}");
}

/// Its polling is never answered with `slow_down`, and no ID token comes.
#[test]
fn a_device_is_signed_in_and_its_refresh_tokens_rotate() {
    const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
    let Some(mut scene) = scene(STRICT) else { return };
    let mut command = scene.login(&[PROVIDER, "--device", "--client-id", "device"]);
    let conversation = Conversation::begin(&mut command, "").unwrap();
    let code = conversation.line().unwrap();
    let pending = |seen: &Seen| seen.is(DEVICE) && seen.error() == "authorization_pending";
    scene.proxy.wait(|seen| seen.iter().any(pending));
    let page = format!("{}?user_code={code}", conversation.url());
    assert_eq!(Ask::get(&page).send().unwrap().status, 204);
    let finished = conversation.finish(None, PATIENCE).unwrap();
    assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
    let mut token = scene.token();
    for _ in 0..2 {
        assert!(scene.takes(&token));
        scene.daemon.restart().unwrap();
        token = scene.renew(&token);
    }
    assert_eq!(scene.proxy.spent(), [0, 1]);
}
