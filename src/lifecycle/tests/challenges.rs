//! APIs that want more than a login has, as programs tell it.

use std::time::Duration;

use super::rules;
use super::world::{World, name, request};
use crate::lifecycle::{Ask, Event, Refusal, WaiterId};
use crate::model::{AccessToken, Fingerprint, Lack, Values};

const SCOPE: &str = r#"Bearer error="insufficient_scope", scope="open paint""#;
const STRONGER: &str = r#"Bearer error="insufficient_user_authentication", acr_values="strong""#;

fn world() -> World {
    let mut world = World::new();
    world.restore("door", 36_000, 0, rules());
    world
}

fn current() -> Fingerprint {
    AccessToken::new("restored-door".to_owned()).fingerprint()
}

fn tell(world: &mut World, challenge: &str, rejected: Option<Fingerprint>) -> WaiterId {
    world.put("door", |ask| Ask {
        wanted: Lack::read(challenge).unwrap(),
        rejected,
        deadline: ask.deadline + Duration::from_secs(20),
        ..ask
    })
}

fn wanted(world: &World) -> Lack {
    world.life.view(&name("door")).unwrap().wanted.clone()
}

#[test]
fn scopes_that_the_login_lacks_are_remembered_until_another_login() {
    let mut world = world();
    let asked = tell(&mut world, SCOPE, Some(current()));
    let refusal = world.answer(asked).unwrap().as_ref().unwrap_err();
    let Refusal::ScopeNotGranted { missing } = refusal else { panic!("{refusal:?}") };
    assert_eq!(missing.join(" "), "paint", "what it has is not what it lacks");
    assert!(world.begins.is_empty(), "no refresh brings scopes");
    assert_eq!(world.changes.last(), Some(&(name("door"), false)));
    tell(&mut world, STRONGER, Some(current()));
    let lack = wanted(&world);
    assert_eq!(lack.scopes.join(" "), "open paint");
    assert_eq!(lack.acr_values.as_deref(), Some("strong"));
    let plain = world.ask("door", 60, 20);
    assert_eq!(world.token(plain), Some("restored-door"), "others are served as before");

    let sign_in = world.sign_in(1, "door", rules());
    world.tell(Event::Redeem { request: sign_in, values: Values::default() });
    world.refresh_well(3600);
    assert!(world.ended[&request(1)].is_ok() && wanted(&world).is_empty());
}

#[test]
fn a_stronger_sign_in_is_wanted_of_the_token_at_hand_alone() {
    let mut world = world();
    let of_another = Some(AccessToken::new("of an earlier login".to_owned()).fingerprint());
    let late = tell(&mut world, STRONGER, of_another);
    assert_eq!(world.token(late), Some("restored-door"), "there is another one by now");
    assert!(wanted(&world).is_empty());
    let asked = tell(&mut world, STRONGER, Some(current()));
    assert_eq!(*world.answer(asked).unwrap().as_ref().unwrap_err(), Refusal::StepUp);
}

#[test]
fn a_challenge_that_asks_for_what_there_is_brings_a_token() {
    let mut world = world();
    for text in [r#"Bearer error="insufficient_scope", scope="open""#, "Bearer", ""] {
        let asked = tell(&mut world, text, None);
        assert_eq!(world.token(asked), Some("restored-door"), "{text}");
    }
    let asked = tell(&mut world, r#"Bearer error="invalid_token""#, Some(current()));
    assert!(world.answer(asked).is_none() && world.begins.len() == 1, "a refresh is the cure");
}
