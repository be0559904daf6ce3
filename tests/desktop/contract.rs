//! What the running daemon shows is what `dbus/` promises.

use std::collections::HashMap;

use zbus::fdo::IntrospectableProxy;

use crate::client::{ManagerProxy, Options};
use crate::introspection::members;
use crate::scene::{ACCOUNT_INTERFACE, MANAGER, NAME, PROVIDER, REQUEST, ROOT, Scene};
use crate::support::provider::Config;

#[tokio::test]
async fn the_running_daemon_shows_the_interfaces_of_the_contract() {
    let scene = Scene::signed_in(Config::standard());
    let client = scene.client().await;
    let manager = ManagerProxy::new(&client).await.unwrap();
    let options: Options<'_> =
        HashMap::from([("alias", "other".into()), ("client_id", "native-app".into())]);
    let request = manager.add_account(PROVIDER, options).await.unwrap();
    let account = scene.path();
    for (path, interface, contract) in [
        (ROOT, MANAGER, include_str!("../../dbus/dev.ostler.Ostler1.Manager.xml")),
        (
            ROOT,
            "dev.ostler.Ostler1.AccessControl",
            include_str!("../../dbus/dev.ostler.Ostler1.AccessControl.xml"),
        ),
        (&account, ACCOUNT_INTERFACE, include_str!("../../dbus/dev.ostler.Ostler1.Account.xml")),
        (&request, REQUEST, include_str!("../../dbus/dev.ostler.Ostler1.Request.xml")),
    ] {
        let object = IntrospectableProxy::builder(&client).destination(NAME).path(path);
        let live = object.build().await.unwrap().introspect().await.unwrap();
        assert_eq!(members(&live, interface), members(contract, interface), "{interface}");
    }
    assert_eq!(manager.version().await.unwrap(), env!("CARGO_PKG_VERSION"));
    assert_eq!(manager.features().await.unwrap(), ["agent", "paste", "rejected", "write"]);
    assert_eq!(manager.api_minor().await.unwrap(), 0);
}
