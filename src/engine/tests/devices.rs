//! Sign-ins on another device that a daemon before has shown.

use std::sync::Arc;
use std::time::Duration;

use super::accounts::ACCOUNTS;
use super::beginning::seed;
use super::files::places;
use super::robots;
use super::sky::Fate;
use super::world::World;
use crate::model::{AccountId, ClientRecord, DeviceCode, RequestId};
use crate::store::{Command, DeviceSignIn, by_hand};
use crate::sys::clock::Clock;

impl World {
    /// Writes down what the daemon before had shown of sign-ins on another device.
    pub(super) fn put_devices(&mut self, clock: &Clock) {
        let devices = std::mem::take(&mut self.devices);
        if devices.is_empty() {
            return;
        }
        let opened = by_hand::open(&places(self.home.path()), clock.now()).unwrap();
        let (store, _reports, loaded, mut desk) = opened;
        for (who, login) in devices {
            let name = self.name(who);
            let known = loaded.accounts.iter().find(|known| known.seed.name.as_str() == name);
            let fresh = self.sky.air().servers.grants.len().to_le_bytes();
            let (_, provider, kind, _) = ACCOUNTS.into_iter().find(|(it, ..)| *it == who).unwrap();
            let mut seed = seed(
                name,
                provider,
                robots::client(who, kind),
                kind,
                known.map_or(AccountId::from_random(fresh), |it| it.seed.id.clone()),
            );
            seed.name = name.parse().unwrap();
            let client = ClientRecord {
                key: seed.client.clone(),
                redirect_uri: None,
                discovered: None,
                secret_ends: None,
            };
            let mut request = [0; 10];
            request[..8].copy_from_slice(&fresh);
            let device = DeviceSignIn {
                request: RequestId::from_random(request),
                seed,
                client,
                secret: None,
                registration: None,
                key: None,
                code: Arc::new(DeviceCode::new(login)),
                user_code: "AB-CD".into(),
                verification_uri: "https://device.example".into(),
                verification_uri_complete: None,
                interval: Duration::from_secs(5),
                began: clock.stamp(),
                lifetime: Duration::from_mins(10),
            };
            assert!(store.send(Command::PutDevice(Box::new(device))).is_ok());
        }
        desk.turns();
    }
}

/// Does all that comes next, one thing at a time, until it is so.
async fn until(world: &mut World, is_it: impl Fn(&World) -> bool) {
    while !is_it(world) {
        let lands = |world: &World| {
            let mut air = world.sky.air();
            air.pass() || air.meet(Fate::Well)
        };
        if !(world.engine_steps().await || world.disk_steps() || lands(world)) {
            let next = world.next();
            world.pass_to(next).await;
        }
    }
}

/// The code is used by then: to show it once more would end the login that it brought.
#[test]
fn a_device_whose_answer_is_on_record_at_a_start_is_not_asked_about_again() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(&ACCOUNTS);
        let (name, _, kind, lifetime) = ACCOUNTS[0];
        world.sky.air().servers.admit("one.1", kind, lifetime, true);
        world.devices.push((name, "one.1".to_owned()));
        world.crash(|_| false, None, 0);
        until(&mut world, World::has_answer_on_record).await;
        world.crash(|_| false, None, 0);
        let later = world.now() + 60_000;
        until(&mut world, |world| world.now() >= later).await;
        let air = world.sky.air();
        assert_eq!(air.servers.grants["one.1"].over, None);
        assert_eq!(air.servers.newest(name, later), Some((1, true)));
        drop(air);
        assert_eq!(world.engine().lifecycle.open_sign_ins().count(), 0, "it has ended");
    });
}
