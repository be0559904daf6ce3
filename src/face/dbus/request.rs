//! `dev.ostler.Ostler1.Request`: a sign-in under way, shown to its creator and to nobody else.

use std::collections::HashMap;
use std::sync::Arc;

use zbus::message::Header;
use zbus::names::{OwnedUniqueName, UniqueName};
use zbus::object_server::SignalEmitter;
use zbus::{Variant, interface};

use super::context::Context;
use super::paths;
use super::refusal::{Refusal, error_name, invalid, mismatch};
use super::requests::SignIn;
use crate::api::{
    Fault, FaultKind, LoginEnded, LoginStarted, REQUEST_MAX, Redirect, Request, RequestRef,
    Response,
};

/// A sign-in on the bus.
pub(super) struct RequestObject {
    context: Arc<Context>,
    creator: OwnedUniqueName,
    sign_in: SignIn,
    started: LoginStarted,
}

impl RequestObject {
    pub(super) fn new(
        context: Arc<Context>,
        creator: OwnedUniqueName,
        sign_in: SignIn,
        started: LoginStarted,
    ) -> Self {
        Self { context, creator, sign_in, started }
    }

    /// Refuses everybody but the creator. Without a header the object manager asks, for a signal or
    /// an answer that anybody may see: it is given nothing, either. The properties hold the state of
    /// the sign-in, which a stranger could use to finish it with a code of its own.
    fn only_creator(&self, header: Option<Header<'_>>) -> Result<&LoginStarted, Refusal> {
        match header.and_then(|header| header.sender().map(UniqueName::to_owned)) {
            Some(sender) if sender.as_str() == self.creator.as_str() => Ok(&self.started),
            _ => {
                let text = "the sign-in belongs to another connection";
                let fault = Fault::new(FaultKind::Denied, text);
                Err(fault.hint("use the connection that started it").into())
            }
        }
    }

    async fn done(&self, request: Request) -> Result<(), Refusal> {
        match self.context.ask(self.sign_in.caller.clone(), request).await? {
            Response::Done {} => Ok(()),
            _ => Err(mismatch().into()),
        }
    }
}

#[interface(name = "dev.ostler.Ostler1.Request", introspection_docs = false)]
impl RequestObject {
    async fn submit_redirect(
        &self,
        uri: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Refusal> {
        self.only_creator(Some(header))?;
        if uri.len() > REQUEST_MAX {
            return Err(invalid(format!("a redirect has at most {REQUEST_MAX} bytes")).into());
        }
        let request = Some(self.sign_in.request.clone());
        self.done(Request::SubmitRedirect(Redirect { request, uri })).await
    }

    async fn cancel(&self, #[zbus(header)] header: Header<'_>) -> Result<(), Refusal> {
        self.only_creator(Some(header))?;
        let request = self.sign_in.request.clone();
        self.done(Request::Cancel(RequestRef { request })).await
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn kind(&self, #[zbus(header)] header: Option<Header<'_>>) -> Result<&'static str, Refusal> {
        Ok(self.only_creator(header)?.flow.as_str())
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn account(&self, #[zbus(header)] header: Option<Header<'_>>) -> Result<String, Refusal> {
        Ok(self.only_creator(header)?.account.to_string())
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn authorization_uri(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
    ) -> Result<String, Refusal> {
        Ok(self.only_creator(header)?.authorization_uri.clone())
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn redirect_uri(&self, #[zbus(header)] header: Option<Header<'_>>) -> Result<String, Refusal> {
        Ok(self.only_creator(header)?.redirect_uri.clone())
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn user_code(&self, #[zbus(header)] header: Option<Header<'_>>) -> Result<String, Refusal> {
        Ok(self.only_creator(header)?.user_code.clone().unwrap_or_default())
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn verification_uri(
        &self,
        #[zbus(header)] header: Option<Header<'_>>,
    ) -> Result<String, Refusal> {
        Ok(self.only_creator(header)?.verification_uri.clone().unwrap_or_default())
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn paste(&self, #[zbus(header)] header: Option<Header<'_>>) -> Result<bool, Refusal> {
        Ok(self.only_creator(header)?.paste)
    }

    #[zbus(property(emits_changed_signal = "const"))]
    fn expires_at(&self, #[zbus(header)] header: Option<Header<'_>>) -> Result<i64, Refusal> {
        Ok(self.only_creator(header)?.expires_at)
    }

    #[zbus(signal)]
    async fn completed(
        emitter: &SignalEmitter<'_>,
        response: u32,
        results: HashMap<&str, Variant<'_>>,
    ) -> zbus::Result<()>;
}

/// Tells the creator, and only the creator, how its sign-in ended.
pub(super) async fn announce(
    emitter: SignalEmitter<'_>,
    creator: &OwnedUniqueName,
    outcome: &Result<LoginEnded, Fault>,
) -> zbus::Result<()> {
    let emitter = emitter.set_destination(UniqueName::from(creator).into());
    // the numbers of the desktop portals' Response signal
    let (response, results) = match outcome {
        Ok(ended) => {
            let account = zbus::ObjectPath::from(paths::account(&ended.id));
            (0, HashMap::from([("account", Variant::from(account))]))
        }
        Err(fault) => (
            if fault.kind == FaultKind::Cancelled { 1 } else { 2 },
            HashMap::from([
                ("error", Variant::from(error_name(fault.kind))),
                ("message", fault.to_string().into()),
            ]),
        ),
    };
    RequestObject::completed(&emitter, response, results).await
}
