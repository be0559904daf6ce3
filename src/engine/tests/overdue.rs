//! Requests that are on their way when the machine is suspended.

use super::provider::Kind;
use super::sky::Fate;
use super::world::World;
use crate::lifecycle::Doing;
use crate::model::FailureClass;

const HOUR: i64 = 3_600_000;

fn on_virtual_time(story: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(story);
}

impl World {
    /// A refresh that is due is on its way to the provider.
    async fn in_the_air(accounts: &[(&'static str, &'static str, Kind, i64)]) -> Self {
        let mut world = Self::new(accounts);
        while world.sky.air().open() == 0 {
            if !(world.engine_steps().await || world.disk_steps()) {
                let next = world.next();
                world.pass_to(next).await;
            }
        }
        world
    }

    async fn settle_down(&mut self) {
        while self.engine_steps().await || self.disk_steps() {}
    }

    fn failed(&self) -> Option<FailureClass> {
        self.engine().lifecycle.view(&"one".parse().unwrap()).unwrap().last_failure
    }
}

const ACCOUNTS: [(&str, &str, Kind, i64); 1] = [("one", "strict", Kind::Strict, HOUR)];

#[test]
fn a_request_that_a_suspend_cut_off_is_given_up_soon_after_the_wake() {
    on_virtual_time(async {
        let mut world = World::in_the_air(&ACCOUNTS).await;
        world.suspend(HOUR);
        world.settle_down().await;
        assert_eq!(world.failed(), None, "its answer may be there");
        let then = world.now() + 2000;
        world.pass_to(then).await;
        world.settle_down().await;
        assert_eq!(world.failed(), Some(FailureClass::Ambiguous));
    });
}

#[test]
fn an_answer_that_came_before_the_suspend_is_read_after_it() {
    on_virtual_time(async {
        let mut world = World::in_the_air(&ACCOUNTS).await;
        world.suspend(60_000);
        world.engine_steps().await;
        world.sky.air().meet(Fate::Well);
        world.settle_down().await;
        let then = world.now() + 5000;
        world.pass_to(then).await;
        world.settle_down().await;
        let view = world.engine().lifecycle.view(&"one".parse().unwrap()).unwrap();
        assert_eq!((view.doing, view.last_failure), (Doing::Ready, None));
    });
}
