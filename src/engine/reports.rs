//! What comes back of what the engine has had done: by its tasks and by the store.

use tokio::task::JoinError;

use super::done::Done;
use super::registrations;
use super::task::Engine;
use crate::crash::{self, Point};
use crate::lifecycle::{Event, Unsaved};
use crate::store::{Opener, Report, StoreError};

impl Engine {
    /// A task has come to its end.
    pub(super) fn done(&mut self, done: Result<Done, JoinError>) {
        match done {
            Ok(Done::Landed { flight, result }) => self.landed(flight, result),
            Ok(Done::Known { flight, granted, learned }) => self.known(flight, *granted, learned),
            Ok(Done::Fitted { plan, result }) => self.fitted(plan, result),
            Ok(Done::Prepared { plan, result }) => self.prepared(plan, result),
            Ok(Done::Tried { errand, outcome }) => {
                self.errands.tried(&mut self.cx, errand, outcome);
            }
            Ok(Done::Renewed { client, result }) => {
                if !self.registrations.tried(&mut self.cx, &self.clients, &client, result) {
                    self.go_on(&client);
                }
            }
            Ok(Done::Examined(examined)) => self.examined(examined),
            Ok(Done::Prompted { question, answer }) => {
                self.asking.answered(&mut self.cx, question, answer);
            }
            Ok(Done::Answered { asker, result }) => asker.answer(result),
            Ok(Done::Over) => {}
            Err(error) if error.is_cancelled() => {}
            Err(error) => tracing::error!(%error, "a task of the engine failed"),
        }
    }

    /// The store has done something.
    pub(super) fn reported(&mut self, report: Report) {
        match report {
            Report::Checked { result: Ok(()) } => self.cx.tell(Event::Checked),
            Report::Checked { result: Err(error) } => self.damaged = Some(error),
            Report::Begun { flight, result } => self.flights.begun(&mut self.cx, flight, result),
            Report::Answered { flight, result } => {
                if let Err(error) = result {
                    tracing::error!(flight = flight.0, %error, "answer not written down");
                }
                self.interpret(flight);
            }
            Report::Granted { flight, result } => {
                let result = match result {
                    Ok(kept) => {
                        crash::point(Point::BeforePublish);
                        self.granted(flight);
                        Ok(kept)
                    }
                    Err((error, change)) => {
                        let lasting = !error.may_pass();
                        tracing::error!(flight = flight.0, %error, lasting, "grant not written down");
                        Err(Unsaved { change, why: error.to_string(), lasting })
                    }
                };
                self.cx.tell(Event::Saved { flight, result });
            }
            Report::Erased { account, result } => self.erased(&account, result),
            Report::ClientOpened { client, by: Opener::Renewal, result } => {
                registrations::opened(&mut self.cx, &self.clients, client, result);
            }
            Report::ClientOpened { client, by: Opener::Login(ticket), result } => {
                self.client_read(ticket, &client, result);
            }
            Report::Renewed { client, result } => {
                let waiting = client.clone();
                self.registrations.kept(&mut self.cx, &mut self.clients, client, result);
                self.go_on(&waiting);
            }
            Report::ErrandOpened { errand, result } => {
                self.errands.opened(&mut self.cx, &self.clients, errand, result);
            }
            Report::Adjusted { change, result } => {
                let result = told(result, "a change of an account not written down");
                self.cx.tell(Event::Adjusted { change, result });
            }
            Report::Ruled { change, result } => {
                let result = told(result, "a change of the rules about programs not written down");
                self.cx.tell(Event::RuleStored { change, result });
            }
            Report::Remembered { request, result } => {
                match (&request, result) {
                    (_, Ok(())) => {}
                    (Some(_), Err(error)) => {
                        tracing::warn!(%error, "an open sign-in is not written down: it ends with this run");
                    }
                    (None, Err(error)) => {
                        tracing::warn!(%error, "the end of a sign-in is not written down");
                    }
                }
                if let Some(request) = request {
                    self.sign_ins.show(&request);
                }
            }
            Report::ErrandEnded { errand, result: Err(error) } => {
                tracing::warn!(errand = errand.0, %error, "end of a revocation not written down");
            }
            Report::Abandoned { flight, result: Err(error) } => {
                tracing::warn!(flight = flight.0, %error, "end of a flight not written down");
            }
            Report::Noted { result: Err(error) } => {
                tracing::warn!(%error, "the use of accounts not written down");
            }
            Report::Stood { account, result: Err(error) } => {
                tracing::warn!(%account, %error, "standing not written down");
            }
            // nobody waits for these
            Report::ErrandEnded { result: Ok(()), .. }
            | Report::Abandoned { result: Ok(()), .. }
            | Report::Noted { result: Ok(()) }
            | Report::Stood { result: Ok(()), .. } => {}
        }
    }
}

/// A result for the lifecycle, once the log has heard of it.
fn told(result: Result<(), StoreError>, what: &str) -> Result<(), String> {
    result.map_err(|error| {
        tracing::error!(%error, "{what}");
        error.to_string()
    })
}
