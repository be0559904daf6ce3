//! The disk lets the daemon down: it is full, read-only, locked, damaged, or a copy from before.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::json;

use crate::database::{self, FILE};
use crate::scene::{
    ACCOUNT, PROVIDER, Scene, Watch, ask, failed, fault, file, home, succeeded, token_of,
};
use crate::support::daemon::Daemon;
use crate::support::process;
use crate::support::provider::{Config, OldAccess, Provider};

const PATIENCE: Duration = Duration::from_secs(40);

/// The files of a database, with their contents.
fn copy(daemon: &Daemon) -> Vec<(PathBuf, Vec<u8>)> {
    let path = daemon.home().path(FILE);
    vec![(path.clone(), fs::read(path).unwrap())]
}

fn put_back(copy: &[(PathBuf, Vec<u8>)]) {
    for (path, contents) in copy {
        fs::write(path, contents).unwrap();
    }
}

#[test]
fn an_older_copy_of_the_database_is_not_used_unasked() {
    let mut scene = Scene::signed_in(Config::parqex().old_access(OldAccess::Dies));
    let first = scene.token();
    assert!(scene.daemon.terminate().unwrap().success());
    let old = copy(&scene.daemon);
    scene.daemon.restart().unwrap();
    let second = token_of(&scene.renew(&first).unwrap());
    assert!(scene.daemon.terminate().unwrap().success());
    put_back(&old);

    for _ in 0..2 {
        scene.daemon.restart().unwrap();
        let shown = scene.account();
        assert_eq!(shown["state"], json!("login-required"), "{shown}");
        let detail = shown["detail"].as_str().unwrap();
        assert!(detail.starts_with("an older copy of the database was found"), "{detail}");
        let (kind, parameters) = fault(scene.renew(&first));
        assert_eq!(kind, "LoginRequired");
        let message = parameters["message"].as_str().unwrap();
        assert!(message.contains("the login may still be good"), "{message}");
        assert!(message.contains("run: ostler resume door"), "{message}");
        assert!(!message.contains("is over"), "{message}");
        assert_eq!(parameters["hint"], json!("run: ostler login test --as door"));
    }
    scene.assert_clean();
    assert_eq!(scene.provider.log().refreshes().count(), 1, "nothing was sent");
    assert!(scene.admits(&second), "the grant is as good as it was");

    // the user wants it all the same: a strict provider ends the login
    let mut watch = Watch::start(&scene.daemon);
    let resumed = scene.daemon.run(&["resume", ACCOUNT]).unwrap();
    assert_eq!(succeeded(&resumed), "trying again: door; see: ostler status door\n");
    scene.provider.wait(|log| log.reuses == 1).unwrap();
    watch.until(|account| {
        account["state"] == json!("login-required")
            && account["detail"].as_str().is_some_and(|why| why.contains("invalid_grant"))
    });
    assert_eq!(database::refresh_tokens(&scene.daemon, ACCOUNT), 1, "which is kept");
    scene.sign_in(ACCOUNT);
    assert!(scene.admits(&scene.token()));
}

#[test]
fn an_older_copy_whose_token_was_not_replaced_is_used_without_a_question() {
    let mut scene = Scene::signed_in(Config::parqex());
    let first = scene.token();
    assert!(scene.daemon.terminate().unwrap().success());
    let old = copy(&scene.daemon);
    for path in ["cache/ostler/marks", "config/ostler/marks"] {
        let marks = fs::read_to_string(scene.daemon.home().path(path)).unwrap();
        assert_eq!(marks.lines().count(), 2, "a heading and an account: {marks}");
    }
    scene.daemon.restart().unwrap();
    assert!(scene.daemon.terminate().unwrap().success());
    put_back(&old);
    scene.daemon.restart().unwrap();
    assert_eq!(scene.token(), first);
    assert!(scene.admits(&token_of(&scene.renew(&first).unwrap())));
    scene.assert_clean();
}

#[test]
fn who_cannot_be_tried_again_is_told_why() {
    let scene = Scene::signed_in(Config::parqex());
    let finished = scene.daemon.run(&["resume", "nobody"]).unwrap();
    assert!(failed(&finished, 67).contains("there is no such account"), "{finished:?}");
    // one that is well is just refreshed
    ask(&scene.daemon, "Resume", &json!({ "account": ACCOUNT })).unwrap();
    scene.provider.wait(|log| log.granted_refreshes() == 1).unwrap();
    assert!(scene.admits(&scene.token()));
    scene.assert_clean();
}

/// A file system of its own in the place of the state directory.
struct Disk {
    place: PathBuf,
}

impl Disk {
    /// One of so many KiB; `None`, with a line that says so, where nothing can be mounted.
    fn mount(place: PathBuf, size: u32) -> Option<Self> {
        let size = format!("size={size}k,mode=0700");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&place);
        match process::run(&mut command, "", PATIENCE) {
            Ok(finished) if finished.status.success() => Some(Self { place }),
            other => {
                let mut out = std::io::stderr();
                let _ =
                    writeln!(out, "skipped: mounting a small disk takes a superuser: {other:?}");
                None
            }
        }
    }

    fn remount(&self, how: &str) {
        let options = format!("remount,{how}");
        let mut command = Command::new("mount");
        command.args(["-o", &options]).arg(&self.place);
        let finished = process::run(&mut command, "", PATIENCE).unwrap();
        assert!(finished.status.success(), "{finished:?}");
    }

    /// Leaves no room at all.
    fn fill(&self) {
        fs::write(self.place.join("fill"), vec![1; 64 << 20]).unwrap_err();
    }

    fn make_room(&self) {
        fs::remove_file(self.place.join("fill")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // a daemon that still runs on it is no obstacle
        let _ = Command::new("umount").arg("-l").arg(&self.place).status();
    }
}

/// A scene with an account whose state is on a disk of its own. The disk goes last.
fn on_small_disk() -> Option<(Scene, Disk)> {
    let provider = Provider::start(Config::parqex());
    let home = home().config(&file(PROVIDER), &provider.definition(PROVIDER)).unwrap();
    let disk = Disk::mount(home.path("state"), 12 << 10)?;
    let daemon = Daemon::start(home).unwrap();
    let scene = Scene::of(daemon, provider);
    scene.sign_in(ACCOUNT);
    Some((scene, disk))
}

#[test]
fn on_a_full_disk_an_answer_that_is_under_way_is_saved_and_nothing_else_is_sent() {
    let Some((mut scene, disk)) = on_small_disk() else { return };
    let old = scene.token();
    let mut waits = scene.refresh_under_way();
    disk.fill();
    scene.provider.release();
    let new = token_of(&waits.answer().unwrap());
    assert!(scene.admits(&new));
    assert!(scene.daemon.log().contains("using the room that was kept for answers"));
    assert_eq!(database::standing(&scene.daemon, ACCOUNT), ("good".to_owned(), 2));

    // what little came free is used up again: there is no room for another answer
    let _ = fs::remove_file(disk.place.join("fill"));
    disk.fill();
    scene.daemon.restart().unwrap();
    assert_eq!(scene.token(), new, "what there is goes on being good");
    let sent = scene.provider.log().requests.len();
    let (kind, parameters) = fault(scene.renew(&new));
    assert_eq!(kind, "Storage", "{parameters}");
    let message = parameters["message"].as_str().unwrap();
    assert!(message.contains("while the disk has no room for the answer"), "{message}");
    assert_eq!(scene.provider.log().requests.len(), sent, "nothing was sent");
    assert_ne!(scene.account()["state"], json!("login-required"));
    assert_ne!(old, new);

    disk.make_room();
    let mut watch = Watch::start(&scene.daemon);
    watch.until(|account| account["state"] == json!("ready"));
    let last = scene.token();
    assert!(scene.admits(&last));
    scene.assert_clean();
    drop(scene);
}

#[test]
fn a_disk_that_is_read_only_is_told_and_works_when_it_is_not() {
    let Some((mut scene, disk)) = on_small_disk() else { return };
    let token = scene.token();
    assert!(scene.daemon.terminate().unwrap().success());
    disk.remount("ro");
    scene.daemon.restart().unwrap();
    let (kind, parameters) = fault(scene.renew(&token));
    assert_eq!(kind, "Storage", "{parameters}");
    let message = parameters["message"].as_str().unwrap();
    assert!(message.contains("Read-only file system"), "{message}");
    assert_eq!(scene.provider.log().refreshes().count(), 0);
    assert!(scene.daemon.terminate().unwrap().success());
    disk.remount("rw");
    scene.daemon.restart().unwrap();
    assert_eq!(scene.token(), token);
    assert!(scene.admits(&token_of(&scene.renew(&token).unwrap())));
    scene.assert_clean();
    drop(scene);
}

#[test]
fn while_another_program_locks_the_database_a_grant_waits_in_memory_and_nobody_sees_it() {
    let mut scene = Scene::signed_in(Config::parqex());
    let mut waits = scene.refresh_under_way();
    let other = Connection::open(scene.daemon.home().path(FILE)).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    scene.provider.release();
    // who waits gets no token that is not on the disk, and is told in time
    let (kind, parameters) = fault(waits.answer());
    assert!(["Timeout", "Storage"].contains(&kind.as_str()), "{parameters}");
    assert!(scene.daemon.log().contains("another program keeps the database locked"));
    let mut watch = Watch::start(&scene.daemon);
    other.execute_batch("ROLLBACK").unwrap();
    watch.until(|account| account["state"] == json!("ready"));
    let new = scene.token();
    assert!(scene.admits(&new));
    assert_eq!(scene.provider.log().refreshes().count(), 1, "it was not asked for again");
    scene.daemon.restart().unwrap();
    assert_eq!(scene.token(), new);
    scene.assert_clean();
}

#[test]
fn a_page_that_is_damaged_is_found_before_anything_is_sent_and_the_file_is_kept() {
    const PAGE: usize = 4096;
    let mut scene = Scene::signed_in(Config::parqex());
    let token = scene.token();
    assert!(scene.daemon.terminate().unwrap().success());
    let path = scene.daemon.home().path(FILE);
    let good = fs::read(&path).unwrap();
    let mut found = 0;
    for page in 1..good.len() / PAGE {
        let mut bad = good.clone();
        bad[page * PAGE..][..PAGE].fill(0xa5);
        fs::write(&path, &bad).unwrap();
        scene.daemon.restart().unwrap();
        let (kind, parameters) = fault(scene.renew(&token));
        assert_eq!(kind, "Storage", "page {page}: {parameters}");
        let message = parameters["message"].as_str().unwrap();
        assert!(message.contains("the database is damaged"), "page {page}: {message}");
        assert!(scene.daemon.terminate().unwrap().success());
        assert!(fs::read(&path).unwrap() == bad, "page {page}: the file changed");
        found += 1;
    }
    assert!(found >= 8, "{found} pages");
    assert_eq!(scene.provider.log().refreshes().count(), 0);
    fs::write(&path, good).unwrap();
    scene.daemon.restart().unwrap();
    assert!(scene.admits(&token_of(&scene.renew(&token).unwrap())));
    scene.assert_clean();
}
