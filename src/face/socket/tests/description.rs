//! What the socket says of itself holds, and a client that knows nothing else of us gets along.

use super::*;

/// The members of a method's reply, or of a type, in the interface description: name and whether it
/// may be absent.
fn declared(what: &str) -> Vec<(String, bool)> {
    let (_, text) = INTERFACE_DESCRIPTION.split_once(what).unwrap_or_else(|| panic!("{what}"));
    let text = if what.starts_with("method") { text.split_once("->").unwrap().1 } else { text };
    let inner = text.split_once('(').unwrap().1.split_once(')').unwrap().0;
    let member = |member: &str| {
        let (name, kind) = member.split_once(':')?;
        Some((name.trim().to_owned(), kind.trim().starts_with('?')))
    };
    inner.split(',').filter_map(member).collect()
}

fn matches_declaration(what: &str, value: &impl serde::Serialize) {
    let value = serde_json::to_value(value).unwrap();
    let members = value.as_object().unwrap();
    let declared = declared(what);
    for name in members.keys() {
        assert!(declared.iter().any(|(known, _)| known == name), "{what}: {name} is not declared");
    }
    for (name, optional) in &declared {
        assert!(*optional || members.contains_key(name), "{what}: {name} is missing");
    }
}

fn a_provider() -> (api::Gap, api::ProviderInfo) {
    let gap = api::Gap {
        name: "sub".to_owned(),
        title: "t".to_owned(),
        default: None,
        choices: vec!["a".to_owned()],
    };
    let provider = api::ProviderInfo {
        id: "parqex".parse().unwrap(),
        title: "ParqEx".to_owned(),
        source: "preset".to_owned(),
        scopes: Scopes::default(),
        redirect: "paste".to_owned(),
        device: true,
        variables: vec![gap.clone()],
        verified: Some("v".to_owned()),
        register_url: Some("https://provider.invalid/register".to_owned()),
    };
    (gap, provider)
}

/// A page that another one follows.
fn first_page() -> api::Accounts {
    let accounts: api::Accounts = [account("door"), account("gate")].into_iter().collect();
    accounts.page(None, Some(1))
}

#[test]
fn answers_have_the_members_that_the_description_declares() {
    let name: AccountName = "door".parse().unwrap();
    let ended = api::LoginEnded {
        account: name.clone(),
        id: AccountId::from_random([1; 8]),
        scopes: Scopes::default(),
        expires_at: Some(1),
        renewable: true,
    };
    let daemon = api::DaemonInfo {
        version: "1".to_owned(),
        pid: 1,
        started_at: 1,
        now: 2,
        database: "d".to_owned(),
        protection: "p".to_owned(),
        bus: true,
        online: true,
    };
    let (gap, provider) = a_provider();
    let request = RequestId::from_random([1; 10]);
    let started = api::LoginStarted {
        request: request.clone(),
        account: name.clone(),
        flow: api::Flow::Device,
        user_code: Some("AB".to_owned()),
        verification_uri: Some("https://provider.invalid/device".to_owned()),
        authorization_uri: "https://provider.invalid/authorize".to_owned(),
        redirect_uri: "http://127.0.0.1/".to_owned(),
        paste: false,
        expires_at: 1,
    };
    let out = api::LoggedOut {
        account: name.clone(),
        revocation: api::Revocation::Failed,
        reason: Some("why".to_owned()),
    };
    let answer = api::Answer {
        at: 1,
        status: 502,
        media_type: Some("text/html".to_owned()),
        bytes: 9,
        text: "t".to_owned(),
    };
    let finding = api::Finding::problem(api::Area::Account, "door", "m")
        .hint("h")
        .answer(Some(answer.clone()));
    let usage = api::Use {
        account: name.clone(),
        caller: "exe:/usr/bin/curl".to_owned(),
        tier: "claimed".to_owned(),
        face: "socket".to_owned(),
        pid: Some(1),
        first: 1,
        last: 2,
        count: 3,
    };
    matches_declaration("type Use", &usage);
    matches_declaration("method ListUses", &Response::Uses { uses: vec![usage] });
    let diagnosis = api::Diagnosis { daemon: daemon.clone(), findings: vec![] };
    let fault = Fault::new(FaultKind::Offline, "m").of(name.clone()).retry_at(1);
    matches_declaration("type Account ", &account("door"));
    matches_declaration("type Daemon ", &daemon);
    matches_declaration("type Gap ", &gap);
    matches_declaration("type Provider ", &provider);
    matches_declaration("type Ended ", &ended);
    matches_declaration("type Fault ", &fault);
    matches_declaration("type Answer ", &answer);
    matches_declaration("type Finding ", &finding);
    matches_declaration("method Diagnose", &diagnosis);
    matches_declaration("method GetToken", &token(&name));
    let page = first_page();
    matches_declaration("method ListAccounts", &Response::Accounts(page.clone()));
    let unrevoked = api::Unrevoked {
        account: name.clone(),
        provider: "p".parse().unwrap(),
        since: 1,
        next_try: Some(2),
        ends_at: 3,
        reason: Some("why".to_owned()),
    };
    matches_declaration("type Unrevoked", &unrevoked);
    let status = api::Status { daemon, accounts: page, unrevoked: vec![unrevoked] };
    matches_declaration("method Status", &status);
    matches_declaration("method ListProviders", &Response::Providers { providers: vec![provider] });
    matches_declaration("method Login", &started);
    matches_declaration("method AwaitLogin", &ended);
    matches_declaration("method Logout", &out);
    matches_declaration("method Resume", &Response::Done {});
    for event in [
        Event::Account { account: Box::new(account("door")), new_token: true },
        Event::Removed { id: AccountId::from_random([1; 8]), name },
        Event::Login { request, ended: Some(ended), fault: Some(fault.clone()) },
        Event::Missed { count: 1 },
    ] {
        matches_declaration("method Monitor", &event);
    }
    let mut out = Outbox::default();
    reply::fault(&mut out, &fault).unwrap();
    let frame: Value = serde_json::from_slice(out.bytes().strip_suffix(b"\0").unwrap()).unwrap();
    matches_declaration("error Offline ", &frame["parameters"]);
}

#[tokio::test]
async fn a_foreign_varlink_client_understands_us() {
    use varlink::{Connection, MethodCall, OrgVarlinkServiceClient, OrgVarlinkServiceInterface};

    let served = served();
    let address = format!("unix:{}", served.path.display());
    let foreign = move || {
        let connection = Connection::with_address(&address).unwrap();
        let mut service = OrgVarlinkServiceClient::new(Arc::clone(&connection));
        let info = service.get_info().unwrap();
        assert_eq!(info.product, "ostler");
        assert_eq!(info.version, env!("CARGO_PKG_VERSION"));
        for interface in info.interfaces {
            let answer = service.get_interface_description(interface.to_string()).unwrap();
            let description = answer.description.unwrap();
            assert!(description.contains(&format!("interface {interface}\n")), "{description}");
        }
        let unknown = service.get_interface_description("org.example").unwrap_err();
        assert!(
            matches!(unknown.kind(), varlink::ErrorKind::InterfaceNotFound(name) if name == "org.example")
        );
        let call = |method: &str, parameters: Value| {
            MethodCall::<Value, Value, varlink::Error>::new(
                Arc::clone(&connection),
                format!("dev.ostler.Ostler1.{method}"),
                parameters,
            )
        };
        let token = call("GetToken", json!({"account": "door"})).call().unwrap();
        assert_eq!(token["access_token"], TOKEN);
        let fault = call("GetToken", json!({"account": "nobody"})).call().unwrap_err();
        let varlink::ErrorKind::VarlinkErrorReply(fault) = fault.kind() else {
            panic!("{fault:?}")
        };
        assert_eq!(fault.error.as_deref(), Some("dev.ostler.Ostler1.NoSuchAccount"));
        let wrong = call("GetToken", json!({"account": "a b"})).call().unwrap_err();
        assert!(
            matches!(wrong.kind(), varlink::ErrorKind::InvalidParameter(name) if name == "account")
        );
        call("Logout", json!({"account": "door"})).oneway().unwrap();
        let mut monitor = call("Monitor", json!({}));
        let first = monitor.more().unwrap().next().unwrap().unwrap();
        assert_eq!(first["account"]["name"], "door");
    };
    tokio::task::spawn_blocking(foreign).await.unwrap();
}
