//! What a desktop program lets its user do with an account.

use std::collections::HashMap;

use crate::client::{AccountProxy, ManagerProxy, fault, next};
use crate::scene::{Scene, said};
use crate::soon;
use crate::support::provider::Config;

#[tokio::test]
async fn an_account_is_renamed_put_out_of_use_renewed_given_back_and_removed() {
    let scene = Scene::signed_in(Config::standard());
    let client = scene.client().await;
    let account = AccountProxy::builder(&client).path(scene.path()).build().await.unwrap();
    let manager = ManagerProxy::new(&client).await.unwrap();
    assert!(manager.online().await.unwrap() && !manager.locked().await.unwrap());

    assert_eq!(account.alias().await.unwrap(), "work/mail");
    let mut aliases = account.receive_alias_changed().await;
    next(&mut aliases).await;
    account.set_alias("front").await.unwrap();
    assert_eq!(next(&mut aliases).await.get().await.unwrap(), "front");
    assert_eq!(fault(account.set_alias("-x").await), "InvalidOption");
    manager.get_access_token("front", HashMap::new()).await.unwrap();

    assert!(account.enabled().await.unwrap());
    let mut states = account.receive_state_changed().await;
    next(&mut states).await;
    account.set_enabled(false).await.unwrap();
    assert_eq!(next(&mut states).await.get().await.unwrap(), "disabled");
    assert!(!account.enabled().await.unwrap());
    assert_eq!(fault(account.get_access_token(HashMap::new()).await), "Denied");
    account.set_enabled(true).await.unwrap();
    assert_eq!(next(&mut states).await.get().await.unwrap(), "ready");

    let before = account.get_access_token(HashMap::new()).await.unwrap().0;
    assert!(account.refresh(HashMap::new()).await.unwrap() > 0);
    let after = account.get_access_token(HashMap::new()).await.unwrap().0;
    assert_ne!(before, after);

    let (outcome, _) = account.revoke(HashMap::new()).await.unwrap();
    assert_eq!(outcome, "revoked");
    assert_eq!(fault(account.get_access_token(HashMap::new()).await), "LoginRequired");
    account.remove(HashMap::new()).await.unwrap();
    assert!(!said(&scene.daemon.run(&["accounts"]).unwrap()).contains("front"));
}

#[tokio::test]
async fn that_providers_cannot_be_reached_is_a_property_that_changes() {
    let scene = Scene::signed_in(Config::parqex());
    let client = scene.client().await;
    let manager = ManagerProxy::new(&client).await.unwrap();
    let mut online = manager.receive_online_changed().await;
    assert!(next(&mut online).await.get().await.unwrap());
    let token = scene.token();
    let Scene { daemon, provider, bus } = scene;
    drop(provider);
    let fingerprint = crate::support::secret::fingerprint(&token);
    daemon.run(&["token", "work/mail", "--rejected", &fingerprint]).unwrap();
    assert!(!soon(async { next(&mut online).await.get().await }).await.unwrap());
    assert!(said(&daemon.run(&["status"]).unwrap()).contains(", offline"));
    drop((daemon, bus));
}
