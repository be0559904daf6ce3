//! The contract in `dbus/` is what the service shows.

use std::collections::HashMap;

use zbus::fdo::IntrospectableProxy;

use super::super::paths;
use super::Stage;
use super::client::ManagerProxy;
use super::introspection::members;
use super::play::{Play, account};

#[tokio::test]
async fn the_service_shows_the_interfaces_that_the_contract_describes() {
    let stage = Stage::set(Play::with(&["parqex"])).await;
    let client = stage.client().await;
    let manager = ManagerProxy::new(&client).await.unwrap();
    let request = manager.add_account("parqex", HashMap::new()).await.unwrap();
    let account = paths::account(&account("parqex").id);
    for (path, interface, contract) in [
        (
            paths::ROOT,
            "dev.ostler.Ostler1.Manager",
            include_str!("../../../../dbus/dev.ostler.Ostler1.Manager.xml"),
        ),
        (
            paths::ROOT,
            "dev.ostler.Ostler1.AccessControl",
            include_str!("../../../../dbus/dev.ostler.Ostler1.AccessControl.xml"),
        ),
        (
            account.as_str(),
            "dev.ostler.Ostler1.Account",
            include_str!("../../../../dbus/dev.ostler.Ostler1.Account.xml"),
        ),
        (
            request.as_str(),
            "dev.ostler.Ostler1.Request",
            include_str!("../../../../dbus/dev.ostler.Ostler1.Request.xml"),
        ),
    ] {
        let builder = IntrospectableProxy::builder(&client).destination(paths::BUS_NAME);
        let live = builder.path(path).build().await.unwrap().introspect().await.unwrap();
        assert_eq!(members(&live, interface), members(contract, interface), "{interface}");
    }
}

#[test]
fn the_contract_names_every_error() {
    let contract = include_str!("../../../../dbus/dev.ostler.Ostler1.Manager.xml");
    for kind in crate::api::FaultKind::all() {
        assert!(contract.contains(&format!("\n    {} ", kind.name())), "{}", kind.name());
    }
}
