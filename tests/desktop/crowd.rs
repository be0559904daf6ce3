//! Very many calls, a program in C, and programs that leave before they are answered.

use std::collections::HashMap;
use std::process::Command;

use tokio::task::JoinSet;

use crate::client::ManagerProxy;
use crate::client::Options;
use crate::scene::{ACCOUNT, Scene, connect, run, said};
use crate::soon;
use crate::support::provider::{Config, Fault};
use crate::support::secret;

#[test]
fn a_program_in_c_gets_its_tokens_and_five_thousand_more() {
    let scene = Scene::signed_in(Config::standard());
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("client");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/desktop/client.c");
    let mut compile = Command::new("cc");
    compile.args(["-Wall", "-Wextra", "-Werror", "-O1", "-o"]).arg(&program).arg(source);
    let compiled = run(compile.arg("-lsystemd"));
    assert!(compiled.status.success(), "this test needs cc and libsystemd-dev: {compiled:?}");
    let mut client = scene.daemon.home().in_environment(&program);
    let finished = run(client.args([ACCOUNT, "5000"]));
    let token = scene.token();
    assert_eq!(
        said(&finished),
        format!("token {token}\nwritten {token}\nmanaged 1\nanswered 5000"),
    );
}

#[tokio::test]
async fn thousands_of_calls_at_the_same_time_are_all_answered_with_one_refresh_between_them() {
    let scene = Scene::signed_in(Config::standard());
    let old = scene.token();
    let fingerprint = secret::fingerprint(&old);
    let mut calls = JoinSet::new();
    for _ in 0..40 {
        let manager = ManagerProxy::new(&connect(&scene.bus).await).await.unwrap();
        for _ in 0..100 {
            let (manager, fingerprint) = (manager.clone(), fingerprint.clone());
            calls.spawn(async move {
                let options: Options<'_> = HashMap::from([("rejected", fingerprint.into())]);
                manager.get_access_token(ACCOUNT, options).await.unwrap().0
            });
        }
    }
    let mut answered = 0;
    let mut new = None;
    while let Some(token) = soon(calls.join_next()).await {
        let token = token.unwrap();
        assert_ne!(token, old);
        assert_eq!(*new.get_or_insert(token.clone()), token);
        answered += 1;
    }
    assert_eq!(answered, 4000);
    assert_eq!(scene.provider.log().granted_refreshes(), 1);
}

#[tokio::test]
async fn a_program_that_leaves_before_it_is_answered_costs_the_others_nothing() {
    let scene = Scene::signed_in(Config::standard());
    let old = scene.token();
    let fingerprint = secret::fingerprint(&old);
    scene.provider.next(Fault::Hold);
    let mut leaving = Vec::new();
    for _ in 0..20 {
        let client = scene.client().await;
        let manager = ManagerProxy::new(&client).await.unwrap();
        for _ in 0..50 {
            let (manager, fingerprint) = (manager.clone(), fingerprint.clone());
            leaving.push(tokio::spawn(async move {
                let options: Options<'_> = HashMap::from([("rejected", fingerprint.into())]);
                manager.get_access_token(ACCOUNT, options).await.map(drop)
            }));
        }
        // one answer of the same connection shows that the calls have arrived
        manager.list_providers().await.unwrap();
        client.close().await.unwrap();
    }
    let provider = &scene.provider;
    provider.wait_for(|log| log.granted_refreshes() == 1).await.unwrap();
    let staying = ManagerProxy::new(&scene.client().await).await.unwrap();
    let options: Options<'_> = HashMap::from([("rejected", fingerprint.into())]);
    let waiting = tokio::spawn(async move { staying.get_access_token(ACCOUNT, options).await });
    provider.release();
    let (token, ..) = soon(waiting).await.unwrap().unwrap();
    assert_ne!(token, old);
    assert_eq!(scene.provider.log().granted_refreshes(), 1);
    for call in leaving {
        call.abort();
    }
}
