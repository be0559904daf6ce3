//! Starting a sign-in, and following it to its end.

use std::sync::Arc;

use tracing::debug;
use zbus::names::OwnedUniqueName;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedObjectPath};

use super::accounts;
use super::callers::{self, Asker};
use super::context::{Context, too_slow, within};
use super::options::Options;
use super::paths;
use super::refusal::{Refusal, invalid, mismatch};
use super::request::{self, RequestObject};
use super::requests::{Bond, Ending, SignIn, Ticket};
use crate::api::{Fault, FaultKind, Flow, Login, LoginStarted, Request, RequestRef, Response};
use crate::model::{Caller, ProviderId};

/// The longest `handle_token`.
const TOKEN_MAX: usize = 64;

/// The options that every sign-in has on the bus.
pub(super) struct Terms {
    token: Option<String>,
    bond: Bond,
}

impl Terms {
    pub(super) fn take(options: &mut Options) -> Result<Self, Fault> {
        let token = options.text("handle_token")?;
        let fits = |token: &String| {
            (1..=TOKEN_MAX).contains(&token.len())
                && token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        if !token.iter().all(fits) {
            return Err(invalid("option handle_token has 1 to 64 letters, digits and underscores"));
        }
        let bond = if options.is_set("detach")? { Bond::Detached } else { Bond::Creator };
        Ok(Self { token, bond })
    }
}

/// A sign-in to a provider, with the options that say how. No secret comes over the bus, where anybody
/// may listen.
pub(super) fn login(provider: ProviderId, options: &mut Options) -> Result<Login, Fault> {
    let flow = match options.text("flow")?.as_deref() {
        None => None,
        Some("browser") => Some(Flow::Browser),
        Some("device") => Some(Flow::Device),
        Some(_) => return Err(invalid("option flow is browser or device")),
    };
    // for a window that the daemon would open: it opens none, the caller does
    options.text("parent_window")?;
    options.text("activation_token")?;
    Ok(Login {
        provider,
        account: None,
        client_id: None,
        client_secret: None,
        redirect_uri: options.text("redirect_uri")?,
        scopes: options.scopes("scopes")?,
        resource: options.resources("resource")?,
        audience: options.parsed("audience")?,
        login_hint: options.text("login_hint")?,
        flow,
        subject: None,
        dpop: options.flag("dpop")?,
        refresh_token: None,
    })
}

/// Starts a sign-in and puts its object on the bus.
pub(super) async fn start(
    context: &Arc<Context>,
    connection: &Connection,
    asker: Asker,
    login: Login,
    terms: Terms,
) -> Result<OwnedObjectPath, Refusal> {
    let place = context.requests.reserve(&asker.name, terms.token.clone(), terms.bond)?;
    let started = begin(context, asker.caller.clone(), login).await?;
    let sign_in = SignIn { request: started.request.clone(), caller: asker.caller };
    let token = terms.token.unwrap_or_else(|| started.request.to_string());
    let path = paths::request(&asker.name, &token);
    // A creator that leaves is noticed from here on, and one that left while the engine worked was
    // noticed, too; what remains is one that left before the place was reserved.
    let wanted = place.fill(sign_in.clone())
        && (terms.bond == Bond::Detached || callers::is_present(connection, &asker.name).await);
    if !wanted {
        end(context, sign_in).await;
        return Err(Fault::new(FaultKind::Cancelled, "the caller has left").into());
    }
    let creator = asker.name.clone();
    let object = RequestObject::new(Arc::clone(context), creator, sign_in.clone(), started);
    if let Some(problem) = match connection.object_server().at(&path, object).await {
        Ok(None) => None,
        Ok(Some(_)) => Some(invalid("option handle_token is that of another sign-in").into()),
        Err(error) => Some(Refusal::from(error)),
    } {
        end(context, sign_in).await;
        return Err(problem);
    }
    follow(context, sign_in, place.keep(), path.clone(), asker.name);
    Ok(path)
}

/// Ends a sign-in that nobody waits for any more. It may have ended by itself, which is as good.
pub(super) async fn end(context: &Context, sign_in: SignIn) {
    let cancel = Request::Cancel(RequestRef { request: sign_in.request });
    if let Err(fault) = context.handle.ask(sign_in.caller, cancel).await {
        debug!(fault = fault.kind.name(), "a sign-in could not be cancelled");
    }
}

/// Tells the creator how its sign-in ended, and takes the object off the bus.
pub(super) async fn conclude(
    context: &Arc<Context>,
    connection: &Connection,
    ending: Ending,
) -> zbus::Result<()> {
    let told = tell(context, connection, &ending).await;
    let removed = connection.object_server().remove::<RequestObject, _>(&ending.path).await;
    context.requests.close(ending.ticket);
    told.and(removed.map(|_| ()))
}

async fn tell(
    context: &Arc<Context>,
    connection: &Connection,
    ending: &Ending,
) -> zbus::Result<()> {
    // The results name the account's object: it must be there before they are sent.
    if let Ok(ended) = &ending.outcome
        && context.accounts.find(&ended.id).is_none()
    {
        accounts::resync(context, connection).await?;
    }
    if !context.requests.is_open(ending.ticket) {
        return Ok(());
    }
    let emitter = SignalEmitter::new(connection, &ending.path)?;
    request::announce(emitter, &ending.creator, &ending.outcome).await
}

/// Asks the engine to start. A sign-in that starts too late for its caller is ended again: nobody
/// would know of it.
async fn begin(
    context: &Arc<Context>,
    caller: Caller,
    login: Login,
) -> Result<LoginStarted, Fault> {
    let handle = context.handle.clone();
    let asks = caller.clone();
    let mut answer =
        Box::pin(async move { handle.ask(asks, Request::Login(Box::new(login))).await });
    match within(answer.as_mut()).await {
        Some(Ok(Response::LoginStarted(started))) => Ok(started),
        Some(Ok(_)) => Err(mismatch()),
        Some(Err(fault)) => Err(fault),
        None => {
            let context = Arc::clone(context);
            let waits = context.waits.clone();
            waits.spawn(async move {
                if let Ok(Response::LoginStarted(started)) = answer.await {
                    end(&context, SignIn { request: started.request, caller }).await;
                }
            });
            Err(too_slow())
        }
    }
}

/// Waits for the end in a task of its own.
fn follow(
    context: &Arc<Context>,
    sign_in: SignIn,
    ticket: Ticket,
    path: OwnedObjectPath,
    creator: OwnedUniqueName,
) {
    let context = Arc::clone(context);
    let waits = context.waits.clone();
    waits.spawn(async move {
        let question = Request::AwaitLogin(RequestRef { request: sign_in.request });
        let outcome = tokio::select! {
            biased;
            // the service is over: there is nobody left to tell
            () = context.over.cancelled() => return,
            answer = context.handle.ask(sign_in.caller, question) => match answer {
                Ok(Response::LoginEnded(ended)) => Ok(ended),
                Ok(_) => Err(mismatch()),
                Err(fault) => Err(fault),
            },
        };
        let ending = Ending { ticket, path, creator, outcome };
        // fails only when the service is over
        let _ = context.endings.send(ending).await;
    });
}
