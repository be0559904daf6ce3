//! The end of an account: erased here, then revoked at the provider as far as it lets us
//! ([`super::errands`]).

use super::errands::Gone;
use super::logouts::Leaving;
use super::task::Engine;
use super::waiters::Revocation;
use crate::api::{Event as News, Fault, FaultKind, LoggedOut, Response, Revocation as Told};
use crate::crash::{self, Point};
use crate::lifecycle::{Event, Parting, RegistrationEvent};
use crate::model::AccountId;
use crate::store::{Erased, StoreError};

impl Engine {
    /// The rows of an account are gone, and what they held has to be revoked.
    pub(super) fn erased(&mut self, id: &AccountId, result: Result<Box<Erased>, StoreError>) {
        let Some(leaving) = self.logouts.erased(id) else { return };
        let Leaving { name, parting, worth, asker, revocation } = leaving;
        let outcome = result.as_ref().map(drop).map_err(drop);
        // what follows asks whether anybody uses the client yet
        self.tell(Event::Erased { account: id.clone(), result: outcome });
        let erased = match result {
            Ok(erased) => *erased,
            Err(error) => {
                tracing::error!(account = %name, %error, "account not erased");
                if let Some(asker) = asker {
                    let message = format!("the account could not be erased and stays: {error}");
                    asker.answer(Err(Fault::new(FaultKind::Storage, message).of(name)));
                }
                return;
            }
        };
        crash::point(Point::AfterErase);
        // what its tokens were bound to is of no use any more
        self.keys.forget(id);
        if parting == Parting::Erase {
            self.told.gone(id);
            self.doctor.answers.forget(id, &name);
            self.uses.forget(id);
            self.cx.announce(News::Removed { id: id.clone(), name: name.clone() });
        } else {
            self.told.logged_out();
        }
        tracing::info!(account = %name, "logged out");
        let client = erased.client.key.clone();
        if revocation == Revocation::Wanted {
            let gone = Gone { account: id.clone(), name, worth, asker };
            self.errands.owe(&mut self.cx, &self.clients, gone, erased);
        } else if let Some(asker) = asker {
            let reply = LoggedOut { account: name, revocation: Told::Nothing, reason: None };
            asker.answer(Ok(Response::LoggedOut(reply)));
        }
        if !self.lifecycle.has_client(&client) {
            self.clients.forget(&client);
            self.registrations.forget(&client);
            self.cx.tell(Event::Registration(RegistrationEvent::Gone(client)));
        }
    }
}
