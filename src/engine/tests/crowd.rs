//! Two thousand accounts, all due at one moment. (`lifecycle::traffic` has a test of ten thousand.)

use super::provider::Kind;
use super::sky::Fate;
use super::tokens::parse;
use super::world::World;
use crate::api::{GetToken, Response};

const CROWD: usize = 2000;
/// Those that callers wait for: the last in the order of the accounts.
const WANTED: usize = 50;
/// How many departures are watched.
const WATCHED: usize = 150;

#[test]
fn two_thousand_accounts_due_at_a_resume_leave_one_after_the_other_and_the_wanted_ones_first() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let name = |number: usize| -> &'static str { format!("n{number}").leak() };
        let names: Vec<_> = (0..CROWD).map(name).collect();
        let account = |name: &&'static str| (*name, "strict", Kind::Strict, 3_600_000);
        let accounts: Vec<_> = names.iter().map(account).collect();
        let mut world = World::new(&accounts);
        while world.engine_steps().await {}

        world.pass_to(8 * 3_600_000).await;
        let wanted = &names[CROWD - WANTED..];
        for name in wanted {
            let get = GetToken {
                interactive: None,
                resource: None,
                audience: None,
                narrow: None,
                challenge: None,
                account: name.parse().unwrap(),
                min_valid: Some(60),
                scopes: None,
                rejected: None,
                timeout_ms: Some(60_000),
            };
            world.ask(name, get);
        }
        while world.sky.air().left.len() < WATCHED {
            // each answer takes a while, so that many could be under way
            while world.engine_steps().await || world.disk_steps() || land(&world) {
                let engine = world.engine();
                let most = engine.flights.count().max(engine.cx.task_count());
                assert!(most <= 8, "{most} flights at one provider");
            }
            let next = world.next();
            assert!(next > world.now(), "the alarm has rung and nothing came of it");
            world.pass_to(next).await;
        }

        assert_eq!(world.answered.len(), WANTED, "everybody who waits is served");
        for (name, answer) in &world.answered {
            let Ok(Response::Token(token)) = answer else { panic!("{name}: {answer:?}") };
            assert!(token.access_token.expose().starts_with(&format!("at-{name}-")));
        }
        let air = world.sky.air();
        let first = |name: &&str| {
            let of = |token: &str| parse(token).is_some_and(|(account, _)| account == *name);
            air.left.iter().position(|(_, token)| of(token)).unwrap()
        };
        // some may be in the air before the first caller is heard
        let last = wanted.iter().map(first).max().unwrap();
        assert!(last < WANTED + 10, "a caller waited behind {last} others");
        for ((first, _), (later, _)) in air.left.iter().zip(air.left.iter().skip(20)) {
            assert!(later - first >= 1000, "more than twenty in a second");
        }
    });
}

#[test]
fn five_thousand_accounts_held_at_once_are_on_record_as_held() {
    const HELD: usize = 5000;
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let name = |number: usize| -> &'static str { format!("n{number}").leak() };
        let account = |number| (name(number), "strict", Kind::Strict, 3_600_000);
        let accounts: Vec<_> = (0..HELD).map(account).collect();
        let mut world = World::new(&accounts);
        while world.engine_steps().await {}
        world.pass_to(8 * 3_600_000).await;
        // the first answer: the provider does not know the client, and all accounts are of it
        while world.engine().roster.count().held == 0 {
            let reject = |world: &World| world.sky.air().meet(Fate::BadClient);
            if !(world.engine_steps().await || world.disk_steps() || reject(&world)) {
                let next = world.next();
                world.pass_to(next).await;
            }
        }
        while world.engine_steps().await || world.disk_steps() {}
        let held = world.engine().roster.count().held;
        assert!(held > HELD - 20, "{held}: all but those that are in the air");
        world.crash(|_| false, None, 1000);
        assert_eq!(world.engine().roster.count().held, held, "no standing was dropped");
    });
}

fn land(world: &World) -> bool {
    let mut air = world.sky.air();
    air.pass() || air.meet(Fate::Slow(150))
}
