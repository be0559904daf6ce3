//! The service's own life: its name, the death of the bus, the stop of the daemon, its log.

use std::collections::HashMap;

use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;
use zbus::fdo::{DBusProxy, RequestNameFlags};

use super::super::{Address, BusEnd, BusError, connect, paths};
use super::bus::Bus;
use super::client::{ManagerProxy, fault};
use super::play::{Play, TOKEN};
use super::{Stage, owner, soon};
use crate::api::Request;

#[tokio::test]
async fn nobody_can_take_the_name() {
    let stage = Stage::set(Play::with(&[])).await;
    let thief = stage.client().await;
    let bus = DBusProxy::new(&thief).await.unwrap();
    let owner_before = bus.get_name_owner(paths::BUS_NAME.try_into().unwrap()).await.unwrap();
    let taken = thief.request_name_with_flags(
        paths::BUS_NAME,
        RequestNameFlags::REPLACE_EXISTING
            | RequestNameFlags::ALLOW_REPLACEMENT
            | RequestNameFlags::DO_NOT_QUEUE,
    );
    assert!(matches!(taken.await, Err(zbus::Error::NameTaken)));
    let owner_after = bus.get_name_owner(paths::BUS_NAME.try_into().unwrap()).await.unwrap();
    assert_eq!(owner_before, owner_after);

    let address = Address::At(stage.bus.address());
    let second = connect(address, Play::with(&[]).handle(), owner(), None).await;
    assert!(matches!(second, Err(BusError::NameTaken)));
}

#[tokio::test]
async fn another_users_process_is_denied() {
    let bus = Bus::start();
    let play = Play::with(&["parqex"]);
    // the daemon of somebody else: for it, we are a stranger
    let address = Address::At(bus.address());
    let service = connect(address, play.handle(), owner() + 1, None).await.unwrap();
    tokio::spawn(service.run(None, None, CancellationToken::new()));
    let client = bus.client().await;
    let manager = ManagerProxy::new(&client).await.unwrap();
    let none = HashMap::new;
    assert_eq!(fault(manager.get_access_token("parqex", none()).await), "Denied");
    assert_eq!(fault(manager.add_account("parqex", none()).await), "Denied");
    assert_eq!(fault(manager.lookup_account("parqex").await), "Denied");
    assert_eq!(fault(manager.list_providers().await), "Denied");
}

#[tokio::test]
async fn the_death_of_the_bus_is_an_end_that_can_be_mended() {
    let mut stage = Stage::set(Play::with(&["parqex"])).await;
    let client = stage.client().await;
    let manager = ManagerProxy::new(&client).await.unwrap();
    manager.add_account("parqex", HashMap::new()).await.unwrap();
    assert_eq!(stage.play.open(), 1);
    stage.bus.kill();
    assert_eq!(soon(stage.service).await.unwrap(), BusEnd::Closed);
    assert_eq!(stage.play.open(), 0, "its creator is gone with the bus");

    let gone = Address::At(stage.bus.address());
    let unreachable = connect(gone, stage.play.handle(), owner(), None).await;
    assert!(matches!(unreachable, Err(BusError::Unreachable(_))));
    let bus = Bus::start();
    let address = Address::At(bus.address());
    let service = connect(address, stage.play.handle(), owner(), None).await.unwrap();
    tokio::spawn(service.run(None, None, CancellationToken::new()));
    let client = bus.client().await;
    let manager = ManagerProxy::new(&client).await.unwrap();
    manager.get_access_token("parqex", HashMap::new()).await.unwrap();
}

#[tokio::test]
async fn an_address_that_is_none_is_an_error() {
    let address = Address::At("not an address".to_owned());
    let failed = connect(address, Play::with(&[]).handle(), owner(), None).await;
    assert!(matches!(failed, Err(BusError::Unreachable(_))));
}

#[tokio::test]
async fn a_call_in_flight_is_answered_when_the_daemon_stops() {
    let stage = Stage::set(Play::with(&["parqex"])).await;
    let client = stage.client().await;
    stage.play.hold(true);
    let manager = ManagerProxy::new(&client).await.unwrap();
    let call =
        tokio::spawn(async move { manager.get_access_token("parqex", HashMap::new()).await });
    stage.play.until(|request| matches!(request, Request::GetToken(_))).await;

    let bus = DBusProxy::new(&client).await.unwrap();
    let mut owners = bus.receive_name_owner_changed().await.unwrap();
    stage.shutdown.cancel();
    loop {
        let signal = super::client::next(&mut owners).await;
        if signal.args().unwrap().name().as_str() == paths::BUS_NAME {
            break;
        }
    }
    assert!(!bus.name_has_owner(paths::BUS_NAME.try_into().unwrap()).await.unwrap());
    stage.play.hold(false);
    let (token, ..) = soon(call).await.unwrap().unwrap();
    assert!(token.starts_with(TOKEN));
    assert_eq!(soon(stage.service).await.unwrap(), BusEnd::Stopped);
}

#[tokio::test]
async fn slow_answers_do_not_hold_up_others() {
    let stage = Stage::set(Play::with(&["parqex"])).await;
    let client = stage.client().await;
    stage.play.hold(true);
    let manager = ManagerProxy::new(&client).await.unwrap();
    let slow = {
        let manager = manager.clone();
        tokio::spawn(async move { manager.get_access_token("parqex", HashMap::new()).await })
    };
    stage.play.until(|request| matches!(request, Request::GetToken(_))).await;
    soon(manager.list_providers()).await.unwrap();
    assert!(!slow.is_finished());
    stage.play.hold(false);
    soon(slow).await.unwrap().unwrap();
}

#[zbus::proxy(
    interface = "org.freedesktop.LogControl1",
    default_service = "dev.ostler.Ostler1",
    default_path = "/org/freedesktop/LogControl1"
)]
trait LogControl {
    #[zbus(property)]
    fn log_level(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn set_log_level(&self, level: &str) -> zbus::Result<()>;
    #[zbus(property)]
    fn log_target(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn set_log_target(&self, target: &str) -> zbus::Result<()>;
    #[zbus(property)]
    fn syslog_identifier(&self) -> zbus::Result<String>;
}

#[tokio::test]
async fn the_log_level_is_changed_over_the_bus() {
    let bus = Bus::start();
    let (log, _records) = crate::sys::log::for_tests(LevelFilter::INFO);
    let address = Address::At(bus.address());
    let service =
        connect(address, Play::with(&[]).handle(), owner(), Some(log.clone())).await.unwrap();
    tokio::spawn(service.run(None, None, CancellationToken::new()));
    let client = bus.client().await;
    let builder = LogControlProxy::builder(&client);
    let builder = builder.cache_properties(zbus::proxy::CacheProperties::No);
    let control = builder.build().await.unwrap();
    assert_eq!(control.syslog_identifier().await.unwrap(), "ostlerd");
    assert_eq!(control.log_level().await.unwrap(), "info");
    for (asked, got, level) in [
        ("debug", "debug", LevelFilter::DEBUG),
        ("notice", "info", LevelFilter::INFO),
        ("warning", "warning", LevelFilter::WARN),
        ("crit", "err", LevelFilter::ERROR),
    ] {
        control.set_log_level(asked).await.unwrap();
        assert_eq!(control.log_level().await.unwrap(), got);
        assert_eq!(log.level(), level);
    }
    assert_eq!(fault(control.set_log_level("loud").await), "InvalidOption");
    assert_eq!(control.log_target().await.unwrap(), "console");
    control.set_log_target("console").await.unwrap();
    assert!(matches!(control.set_log_target("kmsg").await, Err(zbus::Error::FDO(_))));
}
