//! The power fails while the disk does: what was told is on the disk, and not in the kernel's memory alone. After a
//! sync that failed the kernel takes what it held for written (fsync(2), "EIO"), and the next sync says that all is
//! well.

use rustix::io::Errno;

use crate::broken_disk::{Trouble, Until, break_disk, cut_power, is_unwritten, mend_disk, scene};
use crate::scene::{ACCOUNT, Scene, Watch, fault_kind, token_of};
use crate::support::provider::{Config, OldAccess};

const OTHER: &str = "gate";

fn sync_fails(file: &'static str, until: Until) -> Trouble {
    Trouble { call: "sync", file, errno: Errno::IO, until }
}

/// That the login is as new as the token that was told, and can be renewed.
#[track_caller]
fn assert_kept(scene: &Scene, told: &str, story: &str) {
    assert_eq!(scene.token(), told, "{story}");
    assert!(scene.admits(told), "{story}");
    let next = scene.renew(told).unwrap_or_else(|error| panic!("{story}: {error}"));
    assert!(scene.admits(&token_of(&next)), "{story}");
    scene.assert_clean();
}

#[test]
fn a_power_cut_takes_what_was_never_synced_and_nothing_that_was_told() {
    let Some(mut scene) = scene(Config::parqex()) else { return };
    scene.sign_in(ACCOUNT);
    let first = scene.token();
    let second = token_of(&scene.renew(&first).unwrap());
    cut_power(&mut scene.daemon);
    scene.daemon.restart().unwrap();
    assert_kept(&scene, &second, "no fault");
    // the model itself: what no sync took over is gone
    let wal = scene.daemon.home().path("state/ostler/ostler.db-wal");
    let path = scene.daemon.home().path("state/ostler/ostler.db");
    scene.daemon.terminate().unwrap();
    assert!(!wal.exists() && path.exists());
}

#[test]
fn whichever_sync_of_a_refresh_fails_what_is_told_then_survives_a_power_cut() {
    let mut failed = 0;
    for after in 0..6 {
        let Some(mut scene) = scene(Config::parqex()) else { return };
        scene.sign_in(ACCOUNT);
        let first = scene.token();
        break_disk(scene.daemon.home(), &[sync_fails("wal", Until::Once(after))]);
        let second = match scene.renew(&first) {
            Ok(answer) => token_of(&answer),
            Err(error) => {
                // the intent: nothing was sent, and what there is is as good as it was
                assert_eq!(fault_kind(Err(error)), "Storage");
                assert_eq!(scene.provider.log().refreshes().count(), 0);
                first
            }
        };
        failed += mend_disk(scene.daemon.home()).len();
        cut_power(&mut scene.daemon);
        scene.daemon.restart().unwrap();
        assert_kept(&scene, &second, &format!("the sync after {after} others failed"));
    }
    assert!(failed >= 3, "{failed}: intent, answer and grant are synced each");
}

#[test]
fn what_a_failed_sync_left_in_the_kernel_s_memory_is_on_the_disk_before_the_next_run_counts_on_it()
{
    let Some(mut scene) = scene(Config::parqex().old_access(OldAccess::Dies)) else { return };
    scene.sign_in(ACCOUNT);
    let _caller = scene.refresh_under_way();
    break_disk(scene.daemon.home(), &[sync_fails("wal", Until::Mended)]);
    let mut watch = Watch::start(&scene.daemon);
    scene.provider.release();
    watch.until(is_unwritten);
    assert!(mend_disk(scene.daemon.home()).len() >= 2, "the answer and the grant");
    // the kernel outlives the daemon
    scene.daemon.kill9().unwrap();
    scene.daemon.restart().unwrap();
    let told = scene.token();
    assert!(scene.admits(&told));
    assert_eq!(scene.provider.log().refreshes().count(), 1, "the grant was found");
    cut_power(&mut scene.daemon);
    scene.daemon.restart().unwrap();
    assert_kept(&scene, &told, "the sync of the grant failed");
}

#[test]
fn a_checkpoint_whose_sync_failed_is_made_anew_before_the_log_goes() {
    for after in 0..3 {
        let Some(mut scene) = scene(Config::parqex()) else { return };
        scene.sign_in(ACCOUNT);
        scene.sign_in(OTHER);
        let token = token_of(&scene.renew(&scene.token()).unwrap());
        break_disk(scene.daemon.home(), &[sync_fails("db", Until::Once(after))]);
        // a logout empties the log; so does the end, by itself and as SQLite closes
        let out = scene.daemon.run(&["logout", OTHER]).unwrap();
        assert!(out.status.success(), "{out:?}");
        let told = token_of(&scene.renew(&token).unwrap());
        if after == 0 {
            assert_eq!(mend_disk(scene.daemon.home()), ["sync db 5"]);
            assert!(scene.daemon.log().contains("the write-ahead log stays for now"));
            cut_power(&mut scene.daemon);
            scene.daemon.restart().unwrap();
            assert_eq!(scene.token(), told);
            continue;
        }
        assert!(scene.daemon.terminate().unwrap().success());
        mend_disk(scene.daemon.home());
        cut_power(&mut scene.daemon);
        scene.daemon.restart().unwrap();
        assert_kept(&scene, &told, &format!("the checkpoint after {after} others failed"));
    }
}

#[test]
fn a_checkpoint_whose_every_sync_fails_keeps_the_log_over_a_stop_and_a_power_cut() {
    let Some(mut scene) = scene(Config::parqex()) else { return };
    scene.sign_in(ACCOUNT);
    let told = token_of(&scene.renew(&scene.token()).unwrap());
    break_disk(scene.daemon.home(), &[sync_fails("db", Until::Mended)]);
    assert!(scene.daemon.terminate().unwrap().success());
    assert!(mend_disk(scene.daemon.home()).len() >= 2, "by itself, and as SQLite closes");
    cut_power(&mut scene.daemon);
    scene.daemon.restart().unwrap();
    assert_kept(&scene, &told, "no checkpoint was durable");
}
