//! What each page says, and when.

use serde_json::json;

use crate::scene::{ACCOUNT, Scene, Shown, finish, stray};
use crate::support::provider::{Config, Fault, SignIn};

#[test]
fn a_sign_in_names_account_and_scopes_once_a_token_can_be_had() {
    let mut scene = Scene::new(Config::standard());
    let conversation = scene.begin(ACCOUNT);
    scene.provider.next(Fault::Hold);
    scene.browser.begin_to_visit(conversation.url().as_str());
    // the provider has the code, and its answer is on the way
    scene.provider.wait(|log| log.requests.len() == 1).unwrap();
    assert_eq!(scene.token(ACCOUNT).status.code(), Some(67), "there is no account yet");
    assert!(scene.browser.happened("Page.frameNavigated").is_empty(), "nor a page");
    scene.provider.release();
    scene.browser.wait_shown();
    let token = scene.token(ACCOUNT);
    assert!(token.status.success(), "{token:?}");
    assert!(scene.provider.is_access_token_valid(token.stdout.trim()));

    let page = scene.page();
    assert_eq!((scene.status(), page.heads.as_slice()), (200, &["Signed in".to_owned()][..]));
    assert_eq!(page.title, "Signed in – ostler");
    assert_eq!(page.codes, ["api:read", "api:write"]);
    page.says(&["The account work/mail is ready.", "You can close this page."]);
    assert!(finish(conversation).status.success());
    is_sound(&mut scene, &page);
}

#[test]
fn a_refusal_shows_the_providers_words_as_words() {
    let words =
        "<script>window.ran = 1</script><img src=x onerror=\"window.ran = 2\"> & 'you' said no";
    let mut scene = Scene::new(Config::standard().sign_in(SignIn::RefusedWith(words)));
    let conversation = scene.begin(ACCOUNT);
    scene.browser.visit(conversation.url().as_str());
    let page = scene.page();
    assert_eq!((scene.status(), page.heads.as_slice()), (400, &["Not signed in".to_owned()][..]));
    assert_eq!(page.title, "Not signed in – ostler");
    page.says(&["access_denied", "window.ran = 1", "said no"]);
    assert_eq!(page.codes, ["ostler login test --as work/mail"]);
    assert_eq!(scene.browser.value("typeof window.ran"), json!("undefined"));
    let finished = finish(conversation);
    assert_eq!(finished.status.code(), Some(77), "{finished:?}");
    is_sound(&mut scene, &page);
}

#[test]
fn an_exchange_that_fails_is_told_and_leaves_no_account() {
    let mut scene = Scene::new(Config::standard());
    let conversation = scene.begin(ACCOUNT);
    scene.provider.next(Fault::Http502Html);
    scene.browser.visit(conversation.url().as_str());
    let page = scene.page();
    assert_eq!((scene.status(), page.heads.as_slice()), (400, &["Not signed in".to_owned()][..]));
    page.says(&["The code could not be exchanged for tokens", "502"]);
    assert_eq!(page.codes, ["ostler login test --as work/mail"]);
    let finished = finish(conversation);
    assert_eq!(finished.status.code(), Some(77), "{finished:?}");
    assert_eq!(scene.token(ACCOUNT).status.code(), Some(67));
    is_sound(&mut scene, &page);

    let again = scene.begin(ACCOUNT);
    scene.browser.visit(again.url().as_str());
    scene.page().says(&["The account work/mail is ready."]);
    assert!(finish(again).status.success());
}

#[test]
fn a_stray_callback_is_told_so_and_the_sign_in_goes_on() {
    let mut scene = Scene::new(Config::standard());
    let conversation = scene.begin(ACCOUNT);
    for _ in 0..2 {
        scene.browser.visit(stray(&conversation).as_str());
        let page = scene.page();
        assert_eq!(
            (scene.status(), page.heads.as_slice()),
            (400, &["Not this one".to_owned()][..])
        );
        page.says(&["That is the answer to another sign-in.", "still open"]);
        is_sound(&mut scene, &page);
    }
    assert!(scene.provider.log().requests.is_empty(), "no code was redeemed");
    scene.browser.visit(conversation.url().as_str());
    let page = scene.page();
    assert_eq!((scene.status(), page.heads.as_slice()), (200, &["Signed in".to_owned()][..]));
    assert!(finish(conversation).status.success());
    assert!(scene.token(ACCOUNT).status.success());
}

/// What holds for each page: it is readable without eyes, has no script and needs nothing else, and
/// what gets into it all the same can do nothing.
fn is_sound(scene: &mut Scene, page: &Shown) {
    assert_eq!(page.lang, "en");
    let tree = scene.browser.accessible();
    let named = |role: &str| {
        let found = tree.iter().filter(|(known, _)| known == role).map(|(_, name)| name.as_str());
        found.collect::<Vec<_>>()
    };
    assert_eq!(named("RootWebArea"), [&page.title], "{tree:#?}");
    assert_eq!(named("main").len(), 1, "{tree:#?}");
    assert_eq!(named("heading"), page.heads.iter().collect::<Vec<_>>(), "{tree:#?}");
    for element in ["script", "img", "iframe", "link", "form", "a", "object"] {
        assert!(!page.elements.iter().any(|it| it == element), "{page:#?}");
    }
    // the provider's redirect and this page
    for request in scene.browser.happened("Network.requestWillBeSent") {
        assert_eq!(request["type"], json!("Document"), "{request}");
    }
    assert!(scene.browser.happened("Log.entryAdded").iter().all(|it| {
        // its status, if it is no success
        it["entry"]["source"] == json!("network")
    }));
    let policy = scene.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(scene.header("cache-control").as_deref(), Some("no-store"));
    assert_eq!(scene.header("referrer-policy").as_deref(), Some("no-referrer"));
    assert_eq!(scene.header("set-cookie"), None);

    let base = scene.provider.base().to_owned();
    let before = scene.provider.log();
    let blocked = scene.browser.value(&format!(
        "(async () => {{
            const blocked = new Set();
            const enough = new Promise(done => document.addEventListener(
                'securitypolicyviolation', event => {{
                    blocked.add(event.effectiveDirective);
                    if (blocked.size === 4) done();
                }}));
            const add = (name, change) => {{
                const element = document.createElement(name);
                change(element);
                document.querySelector('main').append(element);
            }};
            add('script', it => it.textContent = 'window.ran = 3');
            add('img', it => it.src = '{base}/api/me');
            add('style', it => it.textContent = 'body {{ display: none }}');
            fetch('{base}/api/me').catch(() => 0);
            await enough;
            return [...blocked].sort().concat(typeof window.ran);
        }})()"
    ));
    let expected =
        json!(["connect-src", "img-src", "script-src-elem", "style-src-elem", "undefined"]);
    assert_eq!(blocked, expected);
    assert_eq!(scene.provider.log().turned_away, before.turned_away);
}
