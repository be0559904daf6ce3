//! The desktop is told when a login is over: once, in one place, and not any more when it is mended.

use crate::scene::{ACCOUNT, PROVIDER, Scene, USER, home, said};
use crate::screen::{Asked, NAME, Notification, Screen};
use crate::support::login::Login;
use crate::support::provider::Config;
use crate::support::secret;

fn sign_in(scene: &Scene, account: &str) {
    let finished = Login::new(PROVIDER, account).run(&scene.daemon, &scene.provider).unwrap();
    assert!(finished.status.success(), "{finished:?}");
}

/// Ends all logins at the provider, and lets the daemon find out about these.
fn lose(scene: &Scene, accounts: &[&str]) {
    assert!(scene.provider.revoke_family(USER) > 0);
    for account in accounts {
        let token = said(&scene.daemon.run(&["token", account]).unwrap()).to_owned();
        let fingerprint = secret::fingerprint(&token);
        let refused = scene.daemon.run(&["token", account, "--rejected", &fingerprint]).unwrap();
        assert_eq!(refused.status.code(), Some(77), "{refused:?}");
    }
}

#[tokio::test]
async fn a_login_that_is_over_is_shown_until_it_is_mended_and_each_time_it_is_lost() {
    let scene = Scene::signed_in(Config::parqex());
    let mut screen = Screen::start(&scene.bus, 7).await;
    for id in [7, 8] {
        lose(&scene, &[ACCOUNT]);
        let shown = screen.shown().await;
        assert_eq!((shown.id, shown.replaced, shown.urgency, shown.span), (id, 0, 1, -1));
        assert!(shown.buttons.is_empty(), "no service manager is on this bus");
        let Notification { title, body, .. } = shown;
        assert_eq!(title, "Sign in to work/mail again");
        assert!(body.starts_with("The provider ended the login (invalid_grant"), "{body}");
        assert!(body.ends_with("\nRun: ostler login test --as work/mail"), "{body}");
        assert!(secret::leaks(&body).is_empty(), "{body}");
        sign_in(&scene, ACCOUNT);
        assert_eq!(screen.next().await, Asked::Closed { id });
    }
}

#[tokio::test]
async fn several_are_shown_in_one_place_and_withdrawn_with_the_last_of_them() {
    let scene = Scene::signed_in(Config::parqex());
    sign_in(&scene, "door");
    let mut screen = Screen::start(&scene.bus, 1).await;
    lose(&scene, &[ACCOUNT, "door"]);
    let Notification { id: first, replaced, title, mut body, .. } = screen.shown().await;
    assert_eq!(replaced, 0);
    // on a slow machine the second one may be late, and takes the place of the first
    if title != "Sign in again to 2 accounts" {
        let Notification { id: second, replaced, title, body: later, .. } = screen.shown().await;
        assert_eq!((second, replaced), (first, first));
        assert_eq!(title, "Sign in again to 2 accounts");
        body = later;
    }
    for line in ["ostler login test --as work/mail", "ostler login test --as door"] {
        assert!(body.lines().any(|shown| shown == line), "{body}");
    }
    sign_in(&scene, ACCOUNT);
    // one is still lost: nothing is asked for until it is gone, too
    said(&scene.daemon.run(&["logout", "door"]).unwrap());
    assert_eq!(screen.next().await, Asked::Closed { id: first });
}

#[tokio::test]
async fn what_was_lost_before_a_restart_is_not_shown_again() {
    let mut scene = Scene::signed_in(Config::parqex());
    lose(&scene, &[ACCOUNT]);
    sign_in(&scene, "door");
    scene.daemon.restart().unwrap();
    let mut screen = Screen::start(&scene.bus, 1).await;
    lose(&scene, &["door"]);
    let Notification { title, body, .. } = screen.shown().await;
    assert_eq!(title, "Sign in to door again");
    assert!(!body.contains(ACCOUNT), "{body}");
}

#[tokio::test]
async fn another_desktop_is_never_asked_to_withdraw_what_it_did_not_show() {
    let scene = Scene::signed_in(Config::parqex());
    sign_in(&scene, "door");
    let mut old = Screen::start(&scene.bus, 5).await;
    lose(&scene, &[ACCOUNT]);
    assert_eq!(old.shown().await.id, 5);
    old.connection.release_name(NAME).await.unwrap();
    let mut new = Screen::start(&scene.bus, 1).await;
    // a number of the old one would be somebody else's here
    sign_in(&scene, "gate");
    lose(&scene, &["gate"]);
    let Notification { id, replaced, body, .. } = new.shown().await;
    assert_eq!((id, replaced), (1, 0));
    assert!(body.contains("--as work/mail") && body.contains("--as gate"), "{body}");
    drop(old);
}

#[tokio::test]
async fn without_a_desktop_nothing_happens_and_a_later_one_is_told_with_the_next_loss() {
    let scene = Scene::signed_in(Config::parqex());
    lose(&scene, &[ACCOUNT]);
    sign_in(&scene, "door");
    assert_eq!(scene.account()["state"], "login-required");
    let mut screen = Screen::start(&scene.bus, 1).await;
    lose(&scene, &["door"]);
    loop {
        let Notification { body, .. } = screen.shown().await;
        if body.contains("--as door") {
            assert!(body.contains("--as work/mail"), "{body}");
            return;
        }
    }
}

#[tokio::test]
async fn who_does_not_want_to_be_told_is_not_told() {
    let home = home().config("ostler.toml", "notifications = false\n").unwrap();
    let mut scene = Scene::in_home(Config::parqex(), home);
    let mut screen = Screen::start(&scene.bus, 1).await;
    scene.sign_in();
    lose(&scene, &[ACCOUNT]);
    assert!(scene.daemon.terminate().unwrap().success());
    assert!(screen.asked.try_recv().is_err());
}
