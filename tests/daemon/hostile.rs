//! Programs of the same user that take more than their share: they delay nobody, and what they cost
//! has a limit.

use std::io::Write;
use std::os::unix::net::UnixStream;

use serde_json::json;

use crate::crowd::{BusCrowd, make_room};
use crate::scene::{ACCOUNT, Scene, ask, connect, settle, token_of};
use crate::support::bus::Bus;
use crate::support::daemon::Daemon;
use crate::support::provider::{Config, Fault};
use crate::{dbus, support::secret};

/// Hostile connections of each kind.
const EACH: usize = 250;

/// What they may cost the daemon, in bytes: a quarter of what its service may have.
const COST_MAX: u64 = 64 << 20;

/// What a program may do that means no good.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Says nothing at all.
    Silent,
    /// Begins a frame and never ends it.
    HalfSent,
    /// Asks and asks, and reads no answer.
    NeverReads,
    /// Watches, and reads nothing of it.
    DeafMonitor,
}

/// A connection that has done its worst and hangs.
fn hostile(daemon: &Daemon, kind: Kind) -> UnixStream {
    let mut stream = UnixStream::connect(daemon.socket_path()).unwrap();
    stream.set_nonblocking(true).unwrap();
    let bytes = match kind {
        Kind::Silent => Vec::new(),
        Kind::HalfSent => vec![b' '; 60 * 1024],
        Kind::NeverReads => {
            let call = json!({
                "method": "org.varlink.service.GetInterfaceDescription",
                "parameters": { "interface": "dev.ostler.Ostler1" },
            });
            format!("{call}\0").repeat(500).into_bytes()
        }
        Kind::DeafMonitor => {
            let call = json!({ "method": "dev.ostler.Ostler1.Monitor", "more": true });
            format!("{call}\0").into_bytes()
        }
    };
    // as far as it gets: the daemon stops reading, or closes, when it has had enough
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(count) => rest = &rest[count..],
            Err(_) => break,
        }
    }
    stream
}

/// The memory that is really the daemon's, in bytes.
pub(crate) fn memory(daemon: &Daemon) -> u64 {
    let path = format!("/proc/{}/status", daemon.pid().unwrap());
    let status = std::fs::read_to_string(path).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes * 1024
}

#[test]
fn a_thousand_connections_that_mean_no_good_delay_nobody_and_cost_little() {
    make_room();
    let scene = Scene::signed_in(Config::parqex());
    let token = scene.token();
    let before = memory(&scene.daemon);
    let mut hanging = Vec::new();
    for kind in [Kind::Silent, Kind::HalfSent, Kind::NeverReads, Kind::DeafMonitor] {
        for _ in 0..EACH {
            hanging.push(hostile(&scene.daemon, kind));
        }
        // while they hang
        assert_eq!(scene.token(), token, "{kind:?}");
        settle(&scene.daemon);
    }
    let cost = memory(&scene.daemon).saturating_sub(before);
    assert!(cost < COST_MAX, "{} connections cost {cost} bytes", hanging.len());
    let new = token_of(&scene.renew(&token).unwrap());
    assert!(scene.admits(&new));
    drop(hanging);
    assert_eq!(scene.token(), new);
}

#[test]
fn those_who_do_not_read_their_answers_make_room_for_those_who_do() {
    const SEATS: usize = 16;
    let mut scene = Scene::signed_in(Config::parqex());
    let settings = format!("max_connections = {SEATS}\n");
    std::fs::write(scene.daemon.home().path("config/ostler/ostler.toml"), settings).unwrap();
    scene.daemon.restart().unwrap();
    let token = scene.token();
    for kind in [Kind::Silent, Kind::HalfSent, Kind::NeverReads] {
        let hanging: Vec<_> = (0..SEATS).map(|_| hostile(&scene.daemon, kind)).collect();
        // who is just being answered is not sent away, so the first to come may be; but somebody
        // hangs before long
        let asked = (0..1000).find_map(|_| {
            let question = json!({ "account": ACCOUNT });
            ask(&scene.daemon, "GetToken", &question).ok()
        });
        assert_eq!(token_of(&asked.unwrap()), token, "{kind:?}");
        drop(hanging);
    }
}

#[test]
fn a_program_with_a_thousand_calls_on_the_bus_does_not_starve_the_others() {
    let bus = Bus::start().unwrap();
    let address = bus.address().to_owned();
    let scene = Scene::on_bus(Config::parqex(), bus);
    scene.sign_in(ACCOUNT);
    let old = scene.token();
    scene.provider.next(Fault::Hold);
    let mut greedy = BusCrowd::ask(&address, 1, 1000, &old);
    scene.provider.wait(|log| log.granted_refreshes() == 1).unwrap();

    let modest = dbus::Client::connect(&address);
    assert_eq!(modest.token(ACCOUNT).unwrap(), old, "what is known is given at once");
    assert_eq!(scene.token(), old);
    let mut waiting = connect(&scene.daemon);
    waiting
        .send(&json!({
            "method": "dev.ostler.Ostler1.GetToken",
            "parameters": { "account": ACCOUNT, "rejected": secret::fingerprint(&old) },
        }))
        .unwrap();
    settle(&scene.daemon);
    let refused = greedy.wait_for_errors(1000 - 128);
    assert!(
        refused.iter().all(|name| name == "dev.ostler.Ostler1.Error.RateLimited"),
        "{refused:?}"
    );
    scene.provider.release();
    let new = token_of(&waiting.answer().unwrap());
    let answers = greedy.finish();
    assert_eq!(answers.len(), 128);
    assert!(answers.iter().all(|answer| answer.as_ref() == Ok(&new)), "{answers:?}");
    assert_eq!(scene.provider.log().refreshes().count(), 1);
    scene.assert_clean();
}
