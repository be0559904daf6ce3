//! Signing in: each kind of client, and everything that must not pass for a sign-in.

use serde_json::json;

use crate::scene::{ACCOUNT, CLIENT, PAGE, PATIENCE, Scene, fault, follow, home, line};
use crate::support::agent::{self, Ending};
use crate::support::conversation::Conversation;
use crate::support::daemon::Daemon;
use crate::support::http::{Ask, Reply};
use crate::support::op::{OpenIdProvider, Options, SECRET};

#[test]
fn a_public_client_signs_in_by_discovery_with_pkce_and_a_loopback_port_of_its_own() {
    let scene = Scene::new();
    let mut command = scene.login(ACCOUNT, &["--client-id", CLIENT]);
    let conversation = Conversation::begin(&mut command, "").unwrap();
    let url = conversation.url().clone();
    assert!(url.as_str().starts_with(&scene.op.url("/auth?")), "{url}");
    let param = |name| conversation.param(name).unwrap_or_default();
    assert_eq!(param("response_type"), "code");
    assert_eq!(param("code_challenge_method"), "S256");
    assert_eq!((param("code_challenge").len(), param("state").len()), (43, 43));
    assert_eq!(param("scope"), "offline_access openid");
    let redirect: url::Url = param("redirect_uri").parse().unwrap();
    assert_eq!((redirect.host_str(), redirect.path()), (Some("127.0.0.1"), "/callback"));
    // RFC 8252, 7.3: the provider has another port on record, or none
    assert!(redirect.port().is_some_and(|port| port >= 1024), "{redirect}");

    let Ending::Callback { url: callback, page } = agent::visit(url.as_str()).unwrap() else {
        panic!("nobody serves the callback")
    };
    let (_, issuer) = callback.query_pairs().find(|(name, _)| name == "iss").unwrap();
    assert_eq!(issuer, scene.op.issuer(), "RFC 9207");
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(page.text().contains("<b>alice</b> is ready"), "{}", page.text());
    let finished = conversation.finish(None, PATIENCE).unwrap();
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(finished.stdout, format!("{url}\n"), "the URL and nothing else");
    let last = finished.stderr.lines().last().unwrap();
    assert!(last.starts_with("signed in: alice (http://127.0.0.1:"), "{last}");
    assert!(last.ends_with(", renewable"), "{last}");

    let said = scene.introspect(&scene.token(ACCOUNT));
    assert_eq!(
        (&said["active"], &said["sub"], &said["client_id"], &said["scope"]),
        (&json!(true), &json!("alice"), &json!(CLIENT), &json!("offline_access openid"))
    );
    let account = scene.account(ACCOUNT);
    assert_eq!(account["provider"], json!(scene.op.issuer()));
    assert_eq!(account["state"], json!("ready"));
    // the listener is gone with the sign-in
    assert!(Ask::get(callback.as_str()).send().is_err());
}

#[test]
fn an_issuer_can_be_named_by_its_option_and_the_user_and_scopes_suggested() {
    let scene = Scene::new();
    let mut command = scene.daemon.command(&["login", "--issuer", scene.op.issuer()]);
    command.args(["--as", "work/bob", "--client-id", CLIENT, "--no-browser"]);
    command.args(["--login-hint", "bob", "--scope", "openid", "--scope", "api:read"]);
    let (_, finished) = follow(&mut command, "");
    assert!(finished.status.success(), "{finished:?}");
    let said = scene.introspect(&scene.token("work/bob"));
    assert_eq!(said["sub"], json!("bob"));
    // what yields a refresh token is asked for, too
    assert_eq!(said["scope"], json!("api:read offline_access openid"));
    assert_eq!(
        scene.account("work/bob")["scopes"],
        json!(["api:read", "offline_access", "openid"])
    );
}

#[test]
fn a_confidential_client_pastes_its_page_and_keeps_its_secret() {
    let mut scene = Scene::new();
    let arguments =
        ["--client-id", "confidential", "--client-secret-stdin", "--redirect-uri", PAGE];
    let mut command = scene.login(ACCOUNT, &arguments);
    let (ending, finished) = follow(&mut command, &format!("{SECRET}\n"));
    assert!(ending.url().as_str().starts_with(PAGE), "{ending:?}");
    assert!(finished.status.success(), "{finished:?}");
    let first = scene.token(ACCOUNT);
    assert!(scene.is_active(&first));

    // the secret is on record: neither a refresh after a restart nor a new login asks for it
    scene.daemon.restart().unwrap();
    let second = scene.renew(ACCOUNT, &first);
    let (_, again) = follow(&mut scene.login(ACCOUNT, &[]), "");
    assert!(again.status.success(), "{again:?}");
    let third = scene.token(ACCOUNT);
    assert!(scene.is_active(&second) && scene.is_active(&third) && second != third);
    let log = scene.op.stats().unwrap()["log"].take();
    for request in log.as_array().unwrap() {
        let got = (&request["client"], &request["status"]);
        assert_eq!(got, (&json!("confidential"), &json!(200)));
    }
    assert!(!scene.daemon.log().contains(SECRET));
}

/// The provider described by hand, for what its metadata leaves open.
fn described(op: &OpenIdProvider) -> String {
    let issuer = op.issuer();
    format!(
        "id = \"posting\"\ntitle = \"A provider described by hand\"\nissuer = \"{issuer}\"\n\
         iss_in_callback = true\nclient_auth = \"post\"\n\
         authorization_url = \"{issuer}/auth\"\ntoken_url = \"{issuer}/token\"\n\
         [scopes]\ndefaults = [\"openid\"]\noffline_scope = \"offline_access\"\n\
         [auth_params]\nprompt = \"consent\"\n\
         [revocation]\nurl = \"{issuer}/token/revocation\"\n"
    )
}

#[test]
fn a_client_that_has_to_post_its_secret_is_described_by_a_file() {
    let op = OpenIdProvider::start(Options::default()).unwrap();
    let home = home().config("providers/posting.toml", &described(&op)).unwrap();
    let scene = Scene { daemon: Daemon::start(home).unwrap(), op };
    let arguments =
        ["--no-browser", "--client-id", "post", "--client-secret-stdin", "--redirect-uri", PAGE];
    let mut command = scene.daemon.command(&["login", "posting"]);
    let (_, finished) = follow(command.args(arguments), &format!("{SECRET}\n"));
    assert!(finished.status.success(), "{finished:?}");
    let first = scene.token("posting");
    let second = scene.renew("posting", &first);
    assert!(scene.is_active(&second));
    let finished = scene.daemon.run(&["logout", "posting"]).unwrap();
    assert_eq!(line(&finished), "signed out: posting; its tokens are revoked");
    assert_eq!((scene.is_active(&second), scene.count("alive")), (false, 0));
}

#[test]
fn a_wrong_client_secret_is_the_clients_fault_and_the_next_one_works() {
    let scene = Scene::new();
    let arguments =
        ["--client-id", "confidential", "--client-secret-stdin", "--redirect-uri", PAGE];
    let (_, finished) = follow(&mut scene.login(ACCOUNT, &arguments), "cs-canary-that-is-wrong\n");
    assert_eq!(finished.status.code(), Some(78), "{finished:?}");
    let last = finished.stderr.lines().last().unwrap();
    assert!(last.contains("the provider rejects the client"), "{last}");
    assert!(
        last.contains("invalid_client") && last.contains("check client id and secret"),
        "{last}"
    );
    let (_, finished) = follow(&mut scene.login(ACCOUNT, &arguments), &format!("{SECRET}\n"));
    assert!(finished.status.success(), "{finished:?}");
    assert!(scene.is_active(&scene.token(ACCOUNT)));
    assert!(!scene.daemon.log().contains("cs-canary"));
}

#[test]
fn a_user_who_says_no_ends_the_sign_in_with_the_providers_words() {
    let scene = Scene::new();
    let arguments = ["--client-id", CLIENT, "--login-hint", "mallory"];
    let mut command = scene.login(ACCOUNT, &arguments);
    let (ending, finished) = follow(&mut command, "");
    let Ending::Callback { page, .. } = ending else { panic!("{ending:?}") };
    assert!(page.text().contains("Not signed in"), "{}", page.text());
    assert!(page.text().contains("mallory said no"), "{}", page.text());
    assert_eq!(finished.status.code(), Some(77), "{finished:?}");
    let last = finished.stderr.lines().last().unwrap();
    assert!(last.contains("access_denied: mallory said no"), "{last}");
    let hint = format!("; run: ostler login --issuer {} --as alice", scene.op.issuer());
    assert!(last.ends_with(&hint), "{last}");
    assert_eq!(scene.count("token"), 0);
    let (fault, code) = fault(&scene.daemon.run(&["token", ACCOUNT, "--json"]).unwrap());
    assert_eq!((&fault["fault"], code), (&json!("NoSuchAccount"), 67));
}

/// A sign-in that waits for its callback.
struct Open {
    scene: Scene,
    conversation: Conversation,
}

impl Open {
    fn new() -> Self {
        let scene = Scene::new();
        let mut command = scene.login(ACCOUNT, &["--client-id", CLIENT]);
        let conversation = Conversation::begin(&mut command, "").unwrap();
        Self { scene, conversation }
    }

    /// Comes to the callback with these parameters, as anybody on this machine can.
    fn call_back(&self, params: &[(&str, &str)]) -> Reply {
        let redirect = self.conversation.param("redirect_uri").unwrap();
        Ask::get(&redirect).query(params).send().unwrap()
    }
}

#[test]
fn a_callback_with_another_state_is_turned_away_and_the_right_one_still_works() {
    let open = Open::new();
    let issuer = open.scene.op.issuer().to_owned();
    for params in [
        vec![("code", "code-canary-of-a-stranger"), ("state", "wrong"), ("iss", &issuer)],
        vec![("code", "code-canary-of-a-stranger"), ("iss", &issuer)],
        vec![("error", "access_denied"), ("state", "wrong"), ("iss", &issuer)],
        vec![],
    ] {
        let page = open.call_back(&params);
        assert_eq!(page.status, 400, "{params:?}");
        assert!(page.text().contains("another sign-in"), "{params:?}: {}", page.text());
    }
    assert_eq!(open.scene.count("token"), 0, "no code was redeemed");
    let ending = agent::visit(open.conversation.url().as_str()).unwrap();
    assert!(matches!(&ending, Ending::Callback { page, .. } if page.status == 200), "{ending:?}");
    let finished = open.conversation.finish(None, PATIENCE).unwrap();
    assert!(finished.status.success(), "{finished:?}");
    assert!(open.scene.is_active(&open.scene.token(ACCOUNT)));
}

/// RFC 9207: the provider promises `iss`, so another one or none at all is a mix-up attack. Whoever
/// sends it knows the state, so the sign-in is over.
#[test]
fn a_callback_of_another_issuer_or_of_none_ends_the_sign_in() {
    for issuer in [Some("https://attacker.example"), None] {
        let open = Open::new();
        let state = open.conversation.param("state").unwrap();
        let mut params = vec![("code", "code-canary-of-a-stranger"), ("state", &state)];
        params.extend(issuer.map(|issuer| ("iss", issuer)));
        let page = open.call_back(&params);
        assert_eq!(page.status, 400);
        assert!(page.text().contains("another provider"), "{}", page.text());
        let finished = open.conversation.finish(None, PATIENCE).unwrap();
        assert_eq!(finished.status.code(), Some(77), "{finished:?}");
        assert!(finished.stderr.contains("another provider"), "{finished:?}");
        assert_eq!(open.scene.count("token"), 0, "no code was redeemed");
    }
}

#[test]
fn where_a_client_has_to_push_its_request_the_browser_carries_a_reference_alone() {
    let scene = Scene::new();
    // the metadata says that it can be, and not that it has to be: that is the client's own rule
    let mut command = scene.login(ACCOUNT, &["--client-id", "native-par"]);
    let conversation = Conversation::begin(&mut command, "").unwrap();
    let refused = agent::visit(conversation.url().as_str());
    assert!(refused.is_err() || refused.unwrap().param("error").is_some());
    drop(conversation);

    let drafted = scene.daemon.run(&["provider", "new", "--issuer", scene.op.issuer(), "pushed"]);
    let text = drafted.unwrap().stdout;
    let pushed = format!("par_url = \"{}\"\npkce", scene.op.url("/request"));
    let text = text.replacen("pkce", &pushed, 1);
    std::fs::create_dir_all(scene.daemon.home().path("config/ostler/providers")).unwrap();
    let path = scene.daemon.home().path("config/ostler/providers/pushed.toml");
    std::fs::write(path, text).unwrap();
    let mut scene = scene;
    scene.daemon.reload().unwrap();

    let arguments =
        ["login", "pushed", "--as", ACCOUNT, "--client-id", "native-par", "--no-browser"];
    let mut command = scene.daemon.command(&arguments);
    let conversation = Conversation::begin(&mut command, "").unwrap();
    let names: Vec<String> =
        conversation.url().query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["client_id", "request_uri"], "RFC 9126, 4");
    agent::visit(conversation.url().as_str()).unwrap();
    let finished = conversation.finish(None, PATIENCE).unwrap();
    assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
    let first = scene.token(ACCOUNT);
    assert!(scene.is_active(&scene.renew(ACCOUNT, &first)));
}

#[test]
fn an_address_of_ostlers_own_scheme_comes_back_by_the_desktops_command() {
    let mut scene = Scene::new();
    let drafted = scene.daemon.run(&["provider", "new", "--issuer", scene.op.issuer(), "native"]);
    let text = drafted.unwrap().stdout;
    let scheme = "kind = \"custom_scheme\"\nuri = \"dev.ostler:/callback\"";
    let text = text.replacen("kind = \"loopback_ip\"", scheme, 1);
    std::fs::create_dir_all(scene.daemon.home().path("config/ostler/providers")).unwrap();
    let path = scene.daemon.home().path("config/ostler/providers/native.toml");
    std::fs::write(path, text).unwrap();
    scene.daemon.reload().unwrap();

    let arguments = ["login", "native", "--as", ACCOUNT, "--client-id", CLIENT, "--no-browser"];
    let mut command = scene.daemon.command(&arguments);
    let conversation = Conversation::begin(&mut command, "").unwrap();
    let ending = agent::visit(conversation.url().as_str()).unwrap();
    let back = ending.url().to_string();
    assert!(back.starts_with("dev.ostler:/callback?code="), "{back}");
    // what anybody can send to a handler of a scheme does no harm
    let forged = "dev.ostler:/callback?code=fake-code&state=fake-state";
    let (said, code) = fault(&scene.daemon.run(&["callback", forged, "--json"]).unwrap());
    assert_eq!((&said["fault"], code), (&json!("NoSuchRequest"), 67), "{said}");
    let handed = scene.daemon.run(&["callback", &back]).unwrap();
    assert!(handed.status.success(), "{handed:?}");
    let finished = conversation.finish(None, PATIENCE).unwrap();
    assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
    assert!(scene.is_active(&scene.token(ACCOUNT)));
}

#[test]
fn where_nobody_has_a_client_one_registers_itself_and_goes_with_the_last_account() {
    let mut scene = Scene::new();
    let (_, finished) = follow(&mut scene.login(ACCOUNT, &[]), "");
    assert!(finished.status.success(), "{finished:?}\n{}", scene.daemon.log());
    let account = scene.account(ACCOUNT);
    let client = account["client_id"].as_str().unwrap().to_owned();
    assert!(client.len() > 10, "{account}");
    let first = scene.token(ACCOUNT);
    assert!(scene.is_active(&scene.renew(ACCOUNT, &first)));
    // the next account has the same one, and so has the first when it is signed in again
    let (_, finished) = follow(&mut scene.login("bob", &["--login-hint", "bob"]), "");
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(scene.account("bob")["client_id"], json!(client));
    let (_, finished) = follow(&mut scene.login(ACCOUNT, &[]), "");
    assert!(finished.status.success(), "{finished:?}");

    scene.daemon.restart().unwrap();
    let known = || {
        let asked = [("client_id", &*client), ("scope", "openid")];
        Ask::post(&scene.op.url("/device/auth"), &asked).send().unwrap().status
    };
    assert_eq!(known(), 200);
    line(&scene.daemon.run(&["logout", ACCOUNT, "--json"]).unwrap());
    assert_eq!(known(), 200, "somebody uses it");
    line(&scene.daemon.run(&["logout", "bob", "--json"]).unwrap());
    assert_ne!(known(), 200, "RFC 7592, 2.3");
}
