//! Logouts that their provider does not hear of: nobody listens where tokens are revoked.

use super::provider::Kind;
use super::world::World;
use crate::api::{LoggedOut, Response, Revocation};

const HOUR: i64 = 3_600_000;
const WEEK: i64 = 7 * 24 * HOUR;

/// Runs what is to be done on time that stands still, with a network that does not.
fn on_virtual_time(story: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(story);
}

impl World {
    /// Does all that can be done without time passing. A refused connection takes none.
    async fn settle(&mut self) {
        while self.engine_steps().await || self.disk_steps() || self.engine().cx.task_count() > 0 {}
    }

    fn waiting(&self) -> usize {
        self.engine().lifecycle.errands().count()
    }

    /// Signs an account out, and gives what was said about its tokens.
    async fn sign_out(&mut self, who: &'static str) -> LoggedOut {
        self.log_out(who);
        self.settle().await;
        match self.answered.pop() {
            Some((_, Ok(Response::LoggedOut(ended)))) => ended,
            other => panic!("{other:?}"),
        }
    }
}

/// One alone: nothing else is in the air.
const ACCOUNTS: [(&str, &str, Kind, i64); 1] = [("one", "deaf", Kind::Strict, HOUR)];

#[test]
fn what_could_not_be_revoked_is_tried_for_a_week_over_crashes_and_reboots_and_then_forgotten() {
    on_virtual_time(async {
        let mut world = World::new(&ACCOUNTS);
        world.settle().await;
        let ended = world.sign_out("one").await;
        assert_eq!(ended.revocation, Revocation::Queued, "{ended:?}");
        assert!(ended.reason.unwrap().contains("no connection"));
        assert_eq!(world.waiting(), 1);

        let mut tries = 0;
        for day in 1..=5 {
            world.crash(|_| true, (day % 2 == 0).then_some(0), 2 * HOUR);
            world.settle().await;
            assert_eq!(world.waiting(), 1, "day {day}");
            while world.now() < day * 24 * HOUR {
                let before = world.engine().lifecycle.errands().next().unwrap().next;
                let next = world.next().min(day * 24 * HOUR);
                assert!(next > world.now(), "the alarm has rung and nothing came of it");
                world.pass_to(next).await;
                world.settle().await;
                let after = world.engine().lifecycle.errands().next().unwrap().next;
                tries += u32::from(before != after);
            }
        }
        assert!((100..400).contains(&tries), "{tries}");
        while world.now() < WEEK {
            let next = world.next().min(WEEK);
            assert!(next > world.now(), "the alarm has rung and nothing came of it");
            world.pass_to(next).await;
            world.settle().await;
        }
        assert_eq!(world.waiting(), 0, "there is an end to it");
        world.crash(|_| true, None, 0);
        world.settle().await;
        assert_eq!(world.waiting(), 0, "and nothing of it is on disk");
    });
}

#[test]
fn a_crash_in_any_moment_of_a_logout_leaves_the_account_or_what_is_to_be_revoked() {
    for moments in 0..12 {
        on_virtual_time(async {
            let mut world = World::new(&ACCOUNTS);
            world.settle().await;
            world.log_out("one");
            for moment in 0..moments {
                if moment % 2 == 0 {
                    world.engine_steps().await;
                } else {
                    world.disk_steps();
                }
            }
            world.crash(|_| true, None, 0);
            world.settle().await;
            let is_there = world.engine().lifecycle.view(&"one".parse().unwrap()).is_some();
            let (errands, kept) = (world.waiting(), usize::from(is_there));
            assert_eq!(errands + kept, 1, "after {moments} moments");
        });
    }
}

#[test]
fn a_disk_that_refuses_a_logout_leaves_nothing_to_be_revoked() {
    on_virtual_time(async {
        let mut world = World::new(&ACCOUNTS);
        world.settle().await;
        world.read_only(true);
        world.log_out("one");
        world.settle().await;
        assert!(matches!(world.answered.pop(), Some((_, Err(_)))));
        assert_eq!(world.waiting(), 0);
        world.read_only(false);
        assert_eq!(world.sign_out("one").await.revocation, Revocation::Queued);
    });
}
