//! The task: what it is made of, and its loop.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::mpsc;
use tokio::time::Interval;

use super::asking::Asking;
use super::clients::Clients;
use super::context::{Context, Turn};
use super::control::{Control, tick};
use super::doctor::Doctor;
use super::errands::Errands;
use super::fitting::Fitting;
use super::flights::Flights;
use super::handle::Message;
use super::keys::Keys;
use super::line::Told;
use super::logouts::Logouts;
use super::registrations::Registrations;
use super::roster::Roster;
use super::sign_in::Callback;
use super::sign_ins::SignIns;
use super::unread::Unread;
use super::uses::Uses;
use super::waiters::Waiters;
use crate::lifecycle::{Effect, Event, Lifecycle, Settings};
use crate::model::{ClientId, Modes};
use crate::oauth::{Courier, Http};
use crate::provider::Catalog;
use crate::store::{self, Loaded, Reports, Store, StoreError};
use crate::sys::alarm::Alarm;
use crate::sys::clock::Clock;
use crate::sys::notify;

/// What the engine is made of.
pub struct Parts {
    /// The store, and what it had on record.
    pub store: Store,
    /// What the store says.
    pub reports: Reports,
    /// What it had on record at start.
    pub loaded: Loaded,
    /// The way to providers.
    pub http: Http,
    /// The way of token requests: the same, as a rule.
    pub courier: Arc<dyn Courier>,
    /// The providers that can be named.
    pub catalog: Catalog,
    /// The clocks.
    pub clock: Clock,
    /// What rings by them.
    pub alarm: Alarm,
    /// Limits.
    pub settings: Settings,
    /// Which accounts are kept fresh ahead of time.
    pub modes: Modes,
    /// The client that is described by a document of the user's.
    pub document: Option<ClientId>,
    /// What status shows of the daemon.
    pub info: Info,
}

/// What status shows of the daemon.
#[derive(Debug, Clone)]
pub struct Info {
    /// The files of the store.
    pub places: store::Places,
    /// Whether the name on the session bus is held at the moment.
    pub bus: Arc<AtomicBool>,
}

/// The engine. [`Engine::run`] is its life.
///
/// Each of its components has its state for itself. None calls another one: what one of them finds out comes back
/// here, and goes on from here.
pub struct Engine {
    pub(super) lifecycle: Lifecycle,
    pub(super) cx: Context,
    pub(super) clients: Clients,
    pub(super) keys: Keys,
    pub(super) waiters: Waiters,
    pub(super) flights: Flights,
    pub(super) sign_ins: SignIns,
    pub(super) fitting: Fitting,
    pub(super) registrations: Registrations,
    pub(super) logouts: Logouts,
    pub(super) errands: Errands,
    pub(super) asking: Asking,
    pub(super) uses: Uses,
    pub(super) doctor: Doctor,
    pub(super) roster: Roster,
    pub(super) told: Told,
    /// Answers of an earlier run that wait for their provider's definition.
    pub(super) unread: Vec<Unread>,
    pub(super) daemon: Daemon,
    pub(super) inputs: Inputs,
    pub(super) draining: bool,
    /// What was found when the database was looked at: no request leaves, and everybody is told.
    pub(super) damaged: Option<StoreError>,
    /// What keeps the machine from sleeping while something is under way.
    pub(super) inhibitor: Option<OwnedFd>,
    /// Room for effects, kept from one event to the next; `None` while it is in use.
    pub(super) effects: Option<Vec<Effect>>,
}

/// What is shown of the daemon, and stays as it is.
pub(super) struct Daemon {
    pub(super) info: Info,
    pub(super) protection: String,
    /// When it was started, in seconds of Unix time.
    pub(super) started: i64,
}

/// Where the engine hears from, beside tasks and whoever controls it.
pub(super) struct Inputs {
    pub(super) reports: Reports,
    pub(super) mailbox: mpsc::Receiver<Message>,
    pub(super) callbacks: mpsc::Receiver<Callback>,
    pub(super) alarm: Alarm,
}

impl Engine {
    /// Runs until it has drained, or until `control` is gone. Gives the store back, to be closed. If the database turns
    /// out to be damaged it ends as [`super::impaired`] does.
    pub async fn run(mut self, mut control: mpsc::Receiver<Control>) -> io::Result<Store> {
        let mut watchdog = notify::watchdog_interval().map(tokio::time::interval);
        self.tell(Event::Alarm);
        while self.step(&mut control, watchdog.as_mut()).await? {
            if let Some(error) = self.damaged.take() {
                return Ok(self.serve_fault(&error, control).await);
            }
        }
        Ok(self.stop())
    }

    /// Waits for the next thing and takes it up. `false` when there is nothing left to wait for.
    pub(super) async fn step(
        &mut self,
        control: &mut mpsc::Receiver<Control>,
        watchdog: Option<&mut Interval>,
    ) -> io::Result<bool> {
        self.told.tell_manager(self.roster.count());
        if self.draining && self.is_quiet() && self.logouts.are_over() {
            return Ok(false);
        }
        if self.is_quiet() {
            self.inhibitor = None;
        }
        self.write_uses_if_due();
        let deadlines =
            [self.lifecycle.next_deadline(), self.uses.due(), self.flights.overdue_at()];
        self.inputs.alarm.set(deadlines.into_iter().flatten().min())?;
        // A stop never waits behind a crowd; what frees callers goes before what adds more of
        // them; the alarm goes before the mailbox, so that no crowd can starve the schedule.
        tokio::select! {
            biased;
            order = control.recv(), if !self.draining => self.obey(order),
            () = tick(watchdog) => notify::watchdog(),
            Some(report) = self.inputs.reports.recv() => self.reported(report),
            Some(done) = self.cx.next_done() => self.done(done),
            Some(callback) = self.inputs.callbacks.recv() => self.called_back(callback),
            rung = self.inputs.alarm.ring() => {
                rung?;
                self.end_overdue();
                self.cx.tell(Event::Alarm);
            }
            Some(message) = self.inputs.mailbox.recv() => self.ask(message),
        }
        self.take_turns();
        Ok(true)
    }

    /// Takes an event to the lifecycle and does what follows from it.
    pub(super) fn tell(&mut self, event: Event) {
        self.cx.tell(event);
        self.take_turns();
    }

    /// Does what is waiting for its turn, and what follows from that. What an effect gives rise to waits for its turn,
    /// too, so that effects keep their order.
    pub(super) fn take_turns(&mut self) {
        // whoever is at that already goes on with it
        let Some(mut effects) = self.effects.take() else { return };
        while let Some(turn) = self.cx.next_turn() {
            match turn {
                Turn::Event(event) => {
                    self.lifecycle.handle(event, self.cx.now(), &mut effects);
                    self.roster.follow(&mut self.lifecycle);
                    for effect in effects.drain(..) {
                        self.effect(effect);
                    }
                }
                Turn::Report(report) => self.reported(report),
            }
        }
        self.effects = Some(effects);
    }

    /// Whether nothing is under way that must not be cut off.
    pub(super) fn is_quiet(&self) -> bool {
        self.lifecycle.is_quiet() && self.registrations.ties().are_loose()
    }
}
