//! Every call with which the daemon writes fails, with every error that a file system has for it. What holds each
//! time: the login is kept once the disk works again, or once the room that was kept is given up; who looks is told;
//! a stop ends.

use std::fs;

use rusqlite::Connection;
use rustix::io::Errno;
use serde_json::json;

use crate::broken_disk::{
    Trouble, Until, break_disk, can_break, is_unwritten, mend_disk, on_broken_disk, scene,
};
use crate::database;
use crate::doctor;
use crate::scene::{ACCOUNT, Scene, Watch, ask, fault, home, token_of};
use crate::support::daemon::Daemon;
use crate::support::provider::Config;

const OTHER: &str = "gate";

/// Disk full, quota used up, broken, file too large, read-only.
const ERRORS: [Errno; 5] = [Errno::NOSPC, Errno::DQUOT, Errno::IO, Errno::FBIG, Errno::ROFS];

/// Each of these calls with each of the errors.
fn table(calls: &[(&'static str, &'static str)], until: Until) -> impl Iterator<Item = Trouble> {
    calls.iter().flat_map(move |(call, file)| {
        ERRORS.into_iter().map(move |errno| Trouble { call, file, errno, until })
    })
}

fn signed_in() -> Option<Scene> {
    let scene = scene(Config::parqex())?;
    scene.sign_in(ACCOUNT);
    Some(scene)
}

/// That the login survives a crash, and can be renewed.
#[track_caller]
fn assert_kept(mut scene: Scene, token: &str, row: &str) {
    scene.daemon.kill9().unwrap();
    scene.daemon.restart().unwrap();
    assert_eq!(scene.token(), token, "{row}: it was on the disk before it was told");
    let next = scene.renew(token).unwrap_or_else(|error| panic!("{row}: {error}"));
    assert!(scene.admits(&token_of(&next)), "{row}");
    scene.assert_clean();
}

/// The findings of the doctor that are not well, as one text.
fn complaints(daemon: &Daemon) -> String {
    let (report, _) = doctor::report(daemon.home());
    let findings = report["findings"].as_array().unwrap();
    let ill = findings.iter().filter(|found| found["level"] != json!("ok"));
    ill.map(ToString::to_string).collect()
}

/// `SQLite` tells a full disk from every other write that fails, and most of them are a full disk for a user.
#[test]
fn an_answer_that_meets_a_disk_without_room_is_written_into_the_room_that_was_kept() {
    for trouble in table(&[("write", "wal"), ("sync", "wal")], Until::GivenUp) {
        let Some(scene) = signed_in() else { return };
        let row = format!("{trouble:?}");
        let mut caller = scene.refresh_under_way();
        break_disk(scene.daemon.home(), &[trouble]);
        scene.provider.release();
        let new = token_of(&caller.answer().unwrap_or_else(|error| panic!("{row}: {error}")));
        assert!(scene.daemon.log().contains("using the room that was kept"), "{row}");
        assert!(!mend_disk(scene.daemon.home()).is_empty(), "{row}");
        assert_kept(scene, &new, &row);
    }
}

#[test]
fn room_that_the_disk_does_not_let_go_of_block_by_block_is_given_up_as_a_file() {
    for errno in ERRORS {
        let Some(scene) = signed_in() else { return };
        let mut caller = scene.refresh_under_way();
        let full =
            Trouble { call: "write", file: "wal", errno: Errno::NOSPC, until: Until::GivenUp };
        break_disk(scene.daemon.home(), &[full, Trouble::always("truncate", "reserve", errno)]);
        scene.provider.release();
        let new = token_of(&caller.answer().unwrap());
        assert!(
            mend_disk(scene.daemon.home()).iter().any(|call| call.starts_with("truncate reserve"))
        );
        assert_kept(scene, &new, &format!("{errno:?}"));
    }
}

#[test]
fn an_answer_that_the_disk_does_not_take_is_shown_as_that_and_kept_until_it_does() {
    for trouble in table(&[("write", "wal"), ("sync", "wal")], Until::Mended) {
        let Some(scene) = signed_in() else { return };
        let row = format!("{trouble:?}");
        let old = scene.token();
        let _caller = scene.refresh_under_way();
        let mut watch = Watch::start(&scene.daemon);
        break_disk(scene.daemon.home(), &[trouble]);
        scene.provider.release();
        watch.until(is_unwritten);
        assert_eq!(scene.token(), old, "{row}: what there is goes on being good");
        let status = scene.daemon.run(&["status"]).unwrap();
        assert!(status.stdout.contains("nothing can be written down"), "{row}: {status:?}");
        let ill = complaints(&scene.daemon);
        assert!(ill.contains("nothing can be written down"), "{row}: {ill}");
        assert!(scene.daemon.log().contains("grant not written down"), "{row}");
        assert!(mend_disk(scene.daemon.home()).len() >= 2, "{row}");
        watch.until(|account| account["state"] == json!("ready"));
        let new = scene.token();
        assert_ne!(new, old, "{row}");
        assert_eq!(
            scene.provider.log().refreshes().count(),
            1,
            "{row}: it was not asked for again"
        );
        assert_kept(scene, &new, &row);
    }
}

#[test]
fn what_cannot_be_written_down_before_it_is_sent_is_not_sent() {
    let rows = table(&[("write", "wal"), ("sync", "wal")], Until::Mended);
    let room = table(&[("open", "reserve"), ("allocate", "reserve")], Until::Mended);
    for trouble in rows.chain(room) {
        let Some(mut scene) = signed_in() else { return };
        let row = format!("{trouble:?}");
        let token = scene.token();
        // a start gives the room up and takes it anew
        break_disk(scene.daemon.home(), &[trouble]);
        scene.daemon.restart().unwrap();
        let mut watch = Watch::start(&scene.daemon);
        let mut caller = scene.want(&token);
        watch.until(is_unwritten);
        assert_eq!(scene.provider.log().refreshes().count(), 0, "{row}");
        assert_eq!(scene.token(), token, "{row}: what there is goes on being good");
        let status = scene.daemon.run(&["status"]).unwrap();
        assert!(status.stdout.contains("nothing can be written down"), "{row}: {status:?}");
        let ill = complaints(&scene.daemon);
        assert!(ill.contains("nothing can be written down"), "{row}: {ill}");
        assert!(scene.daemon.log().contains("intent not written down"), "{row}");
        assert!(!mend_disk(scene.daemon.home()).is_empty(), "{row}");
        let new = token_of(&caller.answer().unwrap_or_else(|error| panic!("{row}: {error}")));
        assert_kept(scene, &new, &row);
    }
}

#[test]
fn where_room_cannot_be_asked_for_it_is_taken_by_writing() {
    let Some(mut scene) = signed_in() else { return };
    let token = scene.token();
    let unknown = Trouble::always("allocate", "reserve", Errno::OPNOTSUPP);
    for errno in ERRORS {
        break_disk(scene.daemon.home(), &[unknown, Trouble::always("write", "reserve", errno)]);
        scene.daemon.restart().unwrap();
        let mut watch = Watch::start(&scene.daemon);
        let _caller = scene.want(&token);
        watch.until(is_unwritten);
        assert!(mend_disk(scene.daemon.home()).iter().any(|call| call.starts_with("write")));
        assert!(scene.daemon.terminate().unwrap().success());
    }
    assert_eq!(scene.provider.log().refreshes().count(), 0);
    break_disk(scene.daemon.home(), &[unknown]);
    scene.daemon.restart().unwrap();
    let new = token_of(&scene.renew(&token).unwrap());
    assert!(!mend_disk(scene.daemon.home()).is_empty());
    assert_kept(scene, &new, "written");
}

#[test]
fn a_start_that_cannot_open_its_log_says_so_to_everybody_and_loses_nothing() {
    let calls =
        [("open", "wal"), ("open", "shm"), ("write", "shm"), ("map", "shm"), ("truncate", "shm")];
    for trouble in table(&calls, Until::Mended) {
        let Some(mut scene) = signed_in() else { return };
        let row = format!("{trouble:?}");
        let token = scene.token();
        scene.daemon.terminate().unwrap();
        break_disk(scene.daemon.home(), &[trouble]);
        scene.daemon.restart().unwrap();
        let account = json!({ "account": ACCOUNT });
        for (method, asked) in
            [("GetToken", &account), ("Status", &json!({})), ("Diagnose", &json!({}))]
        {
            let (kind, parameters) = fault(ask(&scene.daemon, method, asked));
            assert_eq!(kind, "Storage", "{row}: {parameters}");
        }
        let log = scene.daemon.log();
        assert!(log.contains("serving nothing but this error"), "{row}");
        assert!(scene.daemon.terminate().unwrap().success(), "{row}");
        assert!(!mend_disk(scene.daemon.home()).is_empty(), "{row}");
        scene.daemon.restart().unwrap();
        assert_kept(scene, &token, &row);
    }
}

#[test]
fn a_first_start_that_cannot_make_its_files_says_so_and_the_next_one_makes_them() {
    let calls = [
        ("open", "db"),
        ("write", "db"),
        ("sync", "db"),
        ("open", "keys"),
        ("write", "keys"),
        ("sync", "keys"),
        ("rename", "keys"),
        ("write", "wal"),
        ("sync", "wal"),
    ];
    for trouble in table(&calls, Until::Mended) {
        let row = format!("{trouble:?}");
        let home = on_broken_disk(home());
        if !can_break(&home) {
            return;
        }
        break_disk(&home, &[trouble]);
        let mut daemon = Daemon::start(home).unwrap();
        let (kind, parameters) = fault(ask(&daemon, "Status", &json!({})));
        assert_eq!(kind, "Storage", "{row}: {parameters}");
        assert!(daemon.log().contains("serving nothing but this error"), "{row}");
        assert!(daemon.terminate().unwrap().success(), "{row}");
        assert!(!mend_disk(daemon.home()).is_empty(), "{row}");
        daemon.restart().unwrap();
        let status = ask(&daemon, "Status", &json!({})).unwrap();
        assert_eq!(status["accounts"], json!([]), "{row}");
    }
}

#[test]
fn a_checkpoint_that_fails_leaves_the_login_in_the_log() {
    let calls = [("write", "db"), ("sync", "db"), ("truncate", "wal")];
    for trouble in table(&calls, Until::Mended) {
        let Some(mut scene) = signed_in() else { return };
        scene.sign_in(OTHER);
        let row = format!("{trouble:?}");
        break_disk(scene.daemon.home(), &[trouble]);
        let out = scene.daemon.run(&["logout", OTHER]).unwrap();
        assert!(out.status.success(), "{row}: {out:?}");
        assert!(scene.daemon.log().contains("the write-ahead log stays for now"), "{row}");
        let new = token_of(&scene.renew(&scene.token()).unwrap());
        assert!(scene.daemon.terminate().unwrap().success(), "{row}");
        assert!(mend_disk(scene.daemon.home()).len() >= 2, "{row}: by the logout, and at the end");
        scene.daemon.restart().unwrap();
        assert_kept(scene, &new, &row);
    }
}

#[test]
fn marks_that_cannot_be_written_cost_no_login_and_the_doctor_says_what_they_cost() {
    for trouble in table(&[("write", "marks")], Until::Mended) {
        let Some(scene) = signed_in() else { return };
        let row = format!("{trouble:?}");
        assert_eq!(complaints(&scene.daemon), "", "{row}");
        break_disk(scene.daemon.home(), &[trouble]);
        let second = token_of(&scene.renew(&scene.token()).unwrap());
        assert!(scene.daemon.log().contains("mark not written down"), "{row}");
        let ill = complaints(&scene.daemon);
        assert_eq!(
            ill.matches("an older copy of the database may go unnoticed").count(),
            2,
            "{ill}"
        );
        assert_eq!(mend_disk(scene.daemon.home()).len(), 2, "{row}: each copy");
        let third = token_of(&scene.renew(&second).unwrap());
        assert_eq!(complaints(&scene.daemon), "", "{row}");
        assert_kept(scene, &third, &row);
    }
}

/// The index of the log grows by 32 KiB for each 4096 frames (sqlite.org/walformat.html, 2.2).
#[test]
fn an_answer_that_meets_an_index_that_cannot_grow_is_written_once_it_can() {
    const FIRST_BLOCK: u64 = 4062;
    for trouble in table(&[("write", "shm"), ("map", "shm")], Until::Mended) {
        let Some(scene) = signed_in() else { return };
        let row = format!("{trouble:?}");
        let _caller = scene.refresh_under_way();
        let mut watch = Watch::start(&scene.daemon);
        // a reader keeps the log from beginning anew, and somebody fills it
        let path = scene.daemon.home().path(database::FILE);
        let reader = Connection::open(&path).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM account").unwrap();
        let filler = Connection::open(&path).unwrap();
        filler.execute_batch("PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 0").unwrap();
        let log = path.with_extension("db-wal");
        let frames = || (fs::metadata(&log).unwrap().len() - 32) / (24 + 4096);
        while frames() < FIRST_BLOCK {
            filler.execute_batch("UPDATE meta SET next_flight = next_flight + 1").unwrap();
        }
        break_disk(scene.daemon.home(), &[trouble]);
        scene.provider.release();
        watch.until(is_unwritten);
        assert!(mend_disk(scene.daemon.home()).len() >= 2, "{row}");
        watch.until(|account| account["state"] == json!("ready"));
        let new = scene.token();
        drop((reader, filler));
        assert_kept(scene, &new, &row);
    }
}
