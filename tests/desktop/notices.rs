//! The desktop is told when a login is over: once, in one place, and not any more when it is mended.

use std::collections::HashMap;

use tokio::sync::mpsc;
use zbus::{Connection, OwnedVariant, interface};

use crate::scene::{ACCOUNT, PROVIDER, Scene, USER, connect, home, said};
use crate::soon;
use crate::support::bus::Bus;
use crate::support::login::Login;
use crate::support::provider::Config;
use crate::support::secret;

const NAME: &str = "org.freedesktop.Notifications";

/// What the daemon asked the desktop for.
#[derive(Debug, PartialEq)]
enum Asked {
    Shown { id: u32, replaced: u32, title: String, body: String },
    Closed { id: u32 },
}

/// A notification server, as a desktop has one.
struct Desktop {
    connection: Connection,
    asked: mpsc::UnboundedReceiver<Asked>,
}

struct Server {
    next: u32,
    asked: mpsc::UnboundedSender<Asked>,
}

#[interface(name = "org.freedesktop.Notifications")]
impl Server {
    #[expect(clippy::too_many_arguments, reason = "the specification has as many")]
    #[expect(clippy::needless_pass_by_value, reason = "what a message held is the method's")]
    fn notify(
        &mut self,
        app_name: &str,
        replaces_id: u32,
        app_icon: &str,
        summary: &str,
        body: &str,
        actions: Vec<String>,
        hints: HashMap<String, OwnedVariant>,
        expire_timeout: i32,
    ) -> u32 {
        assert_eq!((app_name, app_icon, actions.len()), ("ostler", "dialog-password", 0));
        assert!(hints.contains_key("urgency"), "{hints:?}");
        assert_eq!(expire_timeout, -1, "the server knows best how long");
        self.next += 1;
        let id = if replaces_id > 0 { replaces_id } else { self.next };
        let (title, body) = (summary.to_owned(), body.to_owned());
        self.asked.send(Asked::Shown { id, replaced: replaces_id, title, body }).unwrap();
        id
    }

    fn close_notification(&mut self, id: u32) {
        self.asked.send(Asked::Closed { id }).unwrap();
    }
}

impl Desktop {
    /// One that gives its notifications numbers from there on.
    async fn start(bus: &Bus, first: u32) -> Self {
        let (sender, asked) = mpsc::unbounded_channel();
        let connection = connect(bus).await;
        let server = Server { next: first - 1, asked: sender };
        connection.object_server().at("/org/freedesktop/Notifications", server).await.unwrap();
        connection.request_name(NAME).await.unwrap();
        Self { connection, asked }
    }

    async fn next(&mut self) -> Asked {
        soon(self.asked.recv()).await.unwrap()
    }

    /// What is shown next.
    async fn shown(&mut self) -> (u32, u32, String, String) {
        match self.next().await {
            Asked::Shown { id, replaced, title, body } => (id, replaced, title, body),
            other @ Asked::Closed { .. } => panic!("{other:?}"),
        }
    }
}

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
    let mut desktop = Desktop::start(&scene.bus, 7).await;
    for id in [7, 8] {
        lose(&scene, &[ACCOUNT]);
        let (shown, replaced, title, body) = desktop.shown().await;
        assert_eq!((shown, replaced), (id, 0));
        assert_eq!(title, "Sign in to work/mail again");
        assert!(body.starts_with("The provider ended the login (invalid_grant"), "{body}");
        assert!(body.ends_with("\nRun: ostler login test --as work/mail"), "{body}");
        assert!(secret::leaks(&body).is_empty(), "{body}");
        sign_in(&scene, ACCOUNT);
        assert_eq!(desktop.next().await, Asked::Closed { id });
    }
}

#[tokio::test]
async fn several_are_shown_in_one_place_and_withdrawn_with_the_last_of_them() {
    let scene = Scene::signed_in(Config::parqex());
    sign_in(&scene, "door");
    let mut desktop = Desktop::start(&scene.bus, 1).await;
    lose(&scene, &[ACCOUNT, "door"]);
    let (first, replaced, title, mut body) = desktop.shown().await;
    assert_eq!(replaced, 0);
    // on a slow machine the second one may be late, and takes the place of the first
    if title != "Sign in again to 2 accounts" {
        let (second, replaced, title, later) = desktop.shown().await;
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
    assert_eq!(desktop.next().await, Asked::Closed { id: first });
}

#[tokio::test]
async fn what_was_lost_before_a_restart_is_not_shown_again() {
    let mut scene = Scene::signed_in(Config::parqex());
    lose(&scene, &[ACCOUNT]);
    sign_in(&scene, "door");
    scene.daemon.restart().unwrap();
    let mut desktop = Desktop::start(&scene.bus, 1).await;
    lose(&scene, &["door"]);
    let (_, _, title, body) = desktop.shown().await;
    assert_eq!(title, "Sign in to door again");
    assert!(!body.contains(ACCOUNT), "{body}");
}

#[tokio::test]
async fn another_desktop_is_never_asked_to_withdraw_what_it_did_not_show() {
    let scene = Scene::signed_in(Config::parqex());
    sign_in(&scene, "door");
    let mut old = Desktop::start(&scene.bus, 5).await;
    lose(&scene, &[ACCOUNT]);
    assert_eq!(old.shown().await.0, 5);
    old.connection.release_name(NAME).await.unwrap();
    let mut new = Desktop::start(&scene.bus, 1).await;
    // a number of the old one would be somebody else's here
    sign_in(&scene, "gate");
    lose(&scene, &["gate"]);
    let (id, replaced, _, body) = new.shown().await;
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
    let mut desktop = Desktop::start(&scene.bus, 1).await;
    lose(&scene, &["door"]);
    loop {
        let (_, _, _, body) = desktop.shown().await;
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
    let mut desktop = Desktop::start(&scene.bus, 1).await;
    scene.sign_in();
    lose(&scene, &[ACCOUNT]);
    assert!(scene.daemon.terminate().unwrap().success());
    assert!(desktop.asked.try_recv().is_err());
}
