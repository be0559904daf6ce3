//! Random events in random order: the world checks after each that nothing was broken that must
//! hold, and at the end that nobody was forgotten.

use std::time::Duration;

use proptest::prelude::*;

use super::world::{World, request};
use super::{failure, rules};
use crate::lifecycle::{Doing, Event, Refusal, Rules, Settings, SignInEnd, Verdict};
use crate::model::{
    AccessToken, Adjustment, Decision, FailureClass, Landing, Mode, Modes, RefreshToken, RuleId,
    Standing, Values,
};

const WHO: [&str; 3] = ["one", "two", "three"];

#[derive(Debug, Clone)]
enum Step {
    Ask {
        who: usize,
        min_valid: u64,
        patience: u64,
        report: bool,
    },
    AskNarrowly {
        who: usize,
        scopes: &'static str,
    },
    Pass(u64),
    Begin(bool),
    Grant {
        lifetime: u64,
        rotates: bool,
        days: Option<u32>,
    },
    Fail {
        class: FailureClass,
        rescued: bool,
    },
    Save(bool),
    /// The disk will never take a grant.
    RefuseSave,
    Device {
        number: u8,
        who: usize,
    },
    SignIn {
        number: u8,
        who: usize,
    },
    Redeem(u8),
    Cancel(u8),
    Logout(usize),
    Erase(bool),
    Resume(usize),
    Rules(bool),
    Mode(Mode),
    Rotate,
    Drain,
    Rest,
    Sleep(u64),
    Wake,
    NetworkUp,
    SetClock(i64),
    GiveBack(usize),
    Adjust {
        who: usize,
        to: Adjustment,
    },
    StoreAdjustment(bool),
    Renew(usize),
    Caller(&'static str),
    Respond(Verdict),
    Unasked,
    Rule {
        of: Option<usize>,
        who: &'static str,
        decision: Decision,
    },
    RemoveRule(u32),
    StoreRule(bool),
}

fn class() -> impl Strategy<Value = FailureClass> {
    prop_oneof![
        Just(FailureClass::NotSent),
        Just(FailureClass::Ambiguous),
        Just(FailureClass::Transient),
        Just(FailureClass::Captive),
        Just(FailureClass::ClientBroken),
        Just(FailureClass::RequestBroken),
        Just(FailureClass::DeadGrant),
    ]
}

fn who() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["*", "verified", "claimed", "flatpak:*", "exe:/bin/*", "unknown"])
}

fn adjustment() -> impl Strategy<Value = Adjustment> {
    prop_oneof![
        any::<bool>().prop_map(Adjustment::Enable),
        prop::sample::select(vec!["one", "two", "three", "four"])
            .prop_map(|name| Adjustment::Rename(name.parse().unwrap())),
    ]
}

fn decision() -> impl Strategy<Value = Decision> {
    prop::sample::select(vec![Decision::Allow, Decision::Ask, Decision::Deny])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..3_usize, 0..200_u64, 1..100_u64, any::<bool>()).prop_map(
            |(who, min_valid, patience, report)| Step::Ask { who, min_valid, patience, report }
        ),
        6 => (0..5000_u64).prop_map(Step::Pass),
        8 => prop::bool::weighted(0.9).prop_map(Step::Begin),
        6 => (1..4000_u64, any::<bool>(), prop::option::of(0..3_u32))
            .prop_map(|(lifetime, rotates, days)| Step::Grant { lifetime, rotates, days }),
        4 => (class(), prop::bool::weighted(0.2))
            .prop_map(|(class, rescued)| Step::Fail { class, rescued }),
        8 => prop::bool::weighted(0.8).prop_map(Step::Save),
        1 => Just(Step::RefuseSave),
        1 => (0..250_u8, 0..3_usize).prop_map(|(number, who)| Step::Device { number, who }),
        2 => (0..250_u8, 0..3_usize).prop_map(|(number, who)| Step::SignIn { number, who }),
        2 => (0..250_u8).prop_map(Step::Redeem),
        1 => (0..250_u8).prop_map(Step::Cancel),
        1 => (0..3_usize).prop_map(Step::Logout),
        3 => prop::bool::weighted(0.6).prop_map(Step::Erase),
        1 => (0..3_usize).prop_map(Step::Resume),
        1 => any::<bool>().prop_map(Step::Rules),
        1 => prop_oneof![Just(Mode::Always), Just(Mode::Warm), Just(Mode::Lazy)].prop_map(Step::Mode),
        2 => (0..3_usize, prop::sample::select(vec!["open", "close", "open close"]))
            .prop_map(|(who, scopes)| Step::AskNarrowly { who, scopes }),
        2 => Just(Step::Rotate),
        2 => Just(Step::Rest),
        1 => (0..20_000_u64).prop_map(Step::Sleep),
        2 => Just(Step::Wake),
        3 => Just(Step::NetworkUp),
        1 => (-40_000_000..40_000_000_i64).prop_map(Step::SetClock),
        1 => (0..3_usize).prop_map(Step::GiveBack),
        1 => (0..3_usize, adjustment()).prop_map(|(who, to)| Step::Adjust { who, to }),
        3 => prop::bool::weighted(0.8).prop_map(Step::StoreAdjustment),
        1 => (0..3_usize).prop_map(Step::Renew),
        3 => prop::sample::select(vec!["flatpak:org.example.Mail", "exe:/bin/a", "unknown", "host"])
            .prop_map(Step::Caller),
        3 => prop::sample::select(vec![Verdict::Allow, Verdict::Once, Verdict::Deny])
            .prop_map(Step::Respond),
        1 => Just(Step::Unasked),
        2 => (prop::option::of(0..3_usize), who(), decision())
            .prop_map(|(of, who, decision)| Step::Rule { of, who, decision }),
        1 => (1..6_u32).prop_map(Step::RemoveRule),
        5 => prop::bool::weighted(0.8).prop_map(Step::StoreRule),
        1 => prop::bool::weighted(0.1).prop_map(|drain| if drain { Step::Drain } else { Step::Rotate }),
    ]
}

#[expect(clippy::too_many_lines, reason = "a line or two for each step")]
fn take(world: &mut World, step: &Step) {
    match *step {
        Step::Ask { who, min_valid, patience, report } => {
            let rejected =
                report.then(|| AccessToken::new(format!("restored-{}", WHO[who])).fingerprint());
            world.ask_about(WHO[who], Some(min_valid), patience, rejected);
        }
        Step::AskNarrowly { who, scopes } => drop(world.ask_narrowly(WHO[who], scopes)),
        Step::Pass(millis) => world.pass(Duration::from_millis(millis * 17)),
        Step::Begin(took) => {
            if !world.begins.is_empty() {
                world.begin(if took { Ok(()) } else { Err("full".into()) });
            }
        }
        Step::Grant { lifetime, rotates, days } => {
            if !world.air.is_empty() {
                let Landing::Granted(mut granted) = world.granted(lifetime) else { unreachable!() };
                granted.refresh = granted.refresh.filter(|_| rotates);
                granted.refresh_lifetime = days.map(|days| Duration::from_hours(24) * days);
                world.land(Landing::Granted(granted));
            }
        }
        Step::Fail { class, rescued } => {
            if !world.air.is_empty() {
                let rescued = rescued.then(|| RefreshToken::new("rescued".into()));
                world.land(Landing::Failed { failure: failure(class), rescued });
            }
        }
        Step::Save(took) => {
            if !world.saves.is_empty() {
                world.save(took);
            }
        }
        Step::RefuseSave => {
            if !world.saves.is_empty() {
                world.refuse_save();
            }
        }
        Step::Device { number, who } => {
            let known = world.life.open_sign_ins().any(|(id, _)| *id == request(number));
            let redeeming = world.life.is_redeeming(&WHO[who].parse().unwrap());
            if !known && !redeeming && !world.ended.contains_key(&request(number)) {
                world.sign_in_elsewhere(number, WHO[who], rules());
            }
        }
        Step::SignIn { number, who } => {
            let known = world.life.open_sign_ins().any(|(id, _)| *id == request(number));
            let redeeming = world.life.is_redeeming(&WHO[who].parse().unwrap());
            if !known && !redeeming && !world.ended.contains_key(&request(number)) {
                world.sign_in(number, WHO[who], rules());
            }
        }
        Step::Redeem(number) => {
            let open: Vec<_> = world.life.open_sign_ins().map(|(id, _)| id.clone()).collect();
            if !open.is_empty() {
                let request = open[usize::from(number) % open.len()].clone();
                world.tell(Event::Redeem { request, values: Values::default() });
            }
        }
        Step::Cancel(number) => {
            let request = request(number);
            world.tell(Event::EndSignIn { request, why: SignInEnd::Cancelled });
        }
        Step::Logout(who) => world.logout(WHO[who]),
        Step::Erase(took) => {
            if !world.erases.is_empty() {
                world.erase(took);
            }
        }
        Step::Resume(who) => world.resume(WHO[who]),
        Step::Rules(known) => {
            let rules = known.then(rules);
            world.define(rules);
        }
        Step::Mode(default) => {
            world.tell(Event::Modes(Modes { default, ..Modes::default() }));
        }
        Step::Rotate => {
            // the disk and the air keep no order between accounts
            if world.air.len() > 1 {
                world.air.rotate_left(1);
            }
        }
        Step::Drain => world.drain(),
        Step::Rest => world.tell(Event::Rest),
        Step::Sleep(seconds) => world.sleep_seconds(seconds),
        Step::Wake => world.tell(Event::Wake),
        Step::NetworkUp => world.tell(Event::NetworkUp),
        Step::SetClock(seconds) => world.set_clock(seconds),
        Step::GiveBack(who) => world.give_back(WHO[who]),
        Step::Adjust { who, ref to } => world.adjust(WHO[who], to.clone()),
        Step::StoreAdjustment(took) => {
            if !world.adjustments.is_empty() {
                world.store_adjustment(took);
            }
        }
        Step::Renew(who) => drop(world.renew(WHO[who])),
        Step::Caller(identity) => world.caller.identity = identity.parse().unwrap(),
        Step::Respond(verdict) => {
            let oldest = world.life.questions().next().map(|question| question.id);
            if let Some(question) = oldest {
                world.respond(question, verdict);
            }
        }
        Step::Unasked => {
            if !world.screen.is_empty() {
                let question = world.screen.remove(0);
                world.unasked(question);
            }
        }
        Step::Rule { of, who, decision } => {
            world.set_rule(of.map(|of| WHO[of]), who, decision);
        }
        Step::RemoveRule(number) => world.remove_rule(RuleId(number)),
        Step::StoreRule(took) => {
            if !world.rules.is_empty() {
                world.store_rule(took);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_invariants_hold(
        steps in prop::collection::vec(step(), 1..120),
        strict in any::<bool>(),
        flights in 1..4_usize,
        idle in any::<bool>(),
    ) {
        let mut world = World::with(Settings { max_flights: flights, max_waiters: 40 });
        let refresh_idle = idle.then_some(Duration::from_hours(5));
        let rules = Rules { strict, refresh_idle, ..rules() };
        world.restore("one", 3600, 100, rules.clone());
        world.restore_as("two", Standing::Good, 60, 100, rules.clone(), None);
        world.restore_from_earlier_boot("three", 3600, 100);
        for step in steps {
            take(&mut world, &step);
        }

        // the disk and the provider come back: everything under way ends, everybody is answered
        world.define(Some(rules.clone()));
        world.tell(Event::Modes(Modes { default: Mode::Always, ..Modes::default() }));
        let live = |world: &mut World| {
            if !world.begins.is_empty() {
                world.begin(Ok(()));
            } else if !world.air.is_empty() {
                let granted = world.granted(3600);
                world.land(granted);
            } else if !world.saves.is_empty() {
                world.save(true);
            } else if !world.erases.is_empty() {
                world.erase(true);
            } else if !world.rules.is_empty() {
                world.store_rule(true);
            } else if !world.adjustments.is_empty() {
                world.store_adjustment(true);
            } else {
                return false;
            }
            true
        };
        for _ in 0..200 {
            if !live(&mut world) {
                world.pass_seconds(61);
            }
        }
        let asked = world.answers.len();
        world.pass_seconds(200);
        prop_assert_eq!(world.unanswered(), 0, "of {} questions", asked);
        while live(&mut world) {}

        // within a day each account that can be renewed is fresh, and stays so
        if !world.drained {
            for _ in 0..24 * 60 {
                world.pass_seconds(60);
                while live(&mut world) {}
            }
            for view in world.life.views() {
                let is_fresh = view.expires.is_some_and(|expires| expires > world.now.boot);
                let may_be_stale = matches!(view.doing, Doing::LoginRequired | Doing::Disabled);
                prop_assert!(is_fresh || may_be_stale, "{:?}: {:?}", view.seed.name, view);
                let is_ready = view.doing == Doing::Ready;
                prop_assert!(is_ready || may_be_stale, "{:?}: {:?}", view.seed.name, view);
            }
            // and the name of each that is logged out is free
            for who in WHO {
                if world.life.view(&who.parse().unwrap()).is_some() {
                    world.logout(who);
                    while live(&mut world) {}
                }
                prop_assert!(world.life.id_to_sign_in(&who.parse().unwrap()).is_none() || world.life.open_sign_ins().any(|(_, seed)| seed.name.as_str() == who));
                prop_assert!(world.life.view(&who.parse().unwrap()).is_none());
                let asked = world.ask(who, 60, 20);
                prop_assert_eq!(world.answer(asked).unwrap().as_ref().unwrap_err(), &Refusal::NoSuchAccount);
            }
        }
        prop_assert!(world.life.is_quiet(), "a flight without an end");
    }
}
