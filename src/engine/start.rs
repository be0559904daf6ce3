//! The start of an engine: what it is made of, and what its store has on record.

use tokio::sync::{broadcast, mpsc};

use super::asking::{Asking, first_question};
use super::clients::Clients;
use super::context::Context;
use super::doctor::Doctor;
use super::errands::Errands;
use super::fitting::Fitting;
use super::flights::Flights;
use super::handle::{EVENTS, Handle, MAILBOX};
use super::keys::Keys;
use super::line::Told;
use super::logouts::Logouts;
use super::prompts::Prompts;
use super::recovery::{self, Recorded};
use super::registrations::Registrations;
use super::roster::Roster;
use super::sign_ins::SignIns;
use super::task::{Daemon, Engine, Inputs, Parts};
use super::uses::Uses;
use super::waiters::Waiters;
use crate::lifecycle::{Event, Lifecycle};
use crate::store::Loaded;

/// Callbacks that may wait for the engine; a browser sends one or two.
const CALLBACKS: usize = 16;

impl Engine {
    /// An engine that takes up what its store has on record.
    #[must_use]
    pub fn new(parts: Parts) -> (Self, Handle, Prompts) {
        let Parts {
            store,
            reports,
            loaded,
            http,
            courier,
            catalog,
            clock,
            alarm,
            settings,
            modes,
            document,
            info,
        } = parts;
        let Loaded {
            accounts,
            clients,
            attempts,
            devices,
            errands,
            keys,
            next_flight,
            rules,
            next_rule,
            usage,
            protection,
        } = loaded;
        let (mail, mailbox) = mpsc::channel(MAILBOX);
        let (call_back, callbacks) = mpsc::channel(CALLBACKS);
        let (events, _) = broadcast::channel(EVENTS);
        let (asking, prompts) = Asking::new();
        let (keys, keys_of_flights) = Keys::take_up(keys);
        let started = clock.now().wall.seconds();
        let mut engine = Self {
            lifecycle: Lifecycle::new(settings, clock.boot_id().clone(), next_flight),
            cx: Context::new(store, clock, http, courier, events.clone()),
            clients: Clients::new(catalog, document),
            keys,
            waiters: Waiters::default(),
            flights: Flights::default(),
            sign_ins: SignIns::new(call_back),
            fitting: Fitting::default(),
            registrations: Registrations::default(),
            logouts: Logouts::default(),
            errands: Errands::default(),
            asking,
            uses: Uses::take_up(usage),
            doctor: Doctor::default(),
            roster: Roster::default(),
            told: Told::default(),
            unread: Vec::new(),
            daemon: Daemon { info, protection, started },
            inputs: Inputs { reports, mailbox, callbacks, alarm },
            draining: false,
            damaged: None,
            inhibitor: None,
            effects: Some(Vec::new()),
        };
        // before the first account, so that none is refreshed that should rest
        engine.tell(Event::Checking);
        engine.tell(Event::Modes(modes));
        engine.lifecycle.take_rules(rules, next_rule, first_question());
        let recorded = Recorded { clients, accounts, attempts, devices, keys: keys_of_flights };
        recovery::take_up(&mut engine, recorded);
        engine.take_turns();
        engine.errands.resume(&mut engine.cx, errands);
        engine.watch_registrations();
        engine.take_turns();
        engine.roster.follow(&mut engine.lifecycle);
        (engine, Handle { mailbox: mail, events }, prompts)
    }
}
