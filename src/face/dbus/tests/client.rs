//! The interfaces as a client sees them, written from the contract and not from the service.

use std::collections::HashMap;
use std::pin::Pin;

use futures_core::Stream;
use zbus::names::OwnedErrorName;
use zbus::{OwnedObjectPath, OwnedVariant, Variant, proxy};

use super::soon;

pub(super) type Options<'a> = HashMap<&'a str, Variant<'a>>;
pub(super) type Details = HashMap<String, OwnedVariant>;
pub(super) type HandOut = (String, String, i64, Details);

#[proxy(
    interface = "dev.ostler.Ostler1.Manager",
    default_service = "dev.ostler.Ostler1",
    default_path = "/dev/ostler/Ostler1"
)]
pub(super) trait Manager {
    fn get_access_token(&self, account: &str, options: Options<'_>) -> zbus::Result<HandOut>;
    fn lookup_account(&self, account: &str) -> zbus::Result<OwnedObjectPath>;
    fn add_account(&self, provider: &str, options: Options<'_>) -> zbus::Result<OwnedObjectPath>;
    fn list_providers(&self) -> zbus::Result<HashMap<String, Details>>;
    #[zbus(property)]
    fn version(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn api_minor(&self) -> zbus::Result<u32>;
    #[zbus(property)]
    fn online(&self) -> zbus::Result<bool>;
    #[zbus(property)]
    fn locked(&self) -> zbus::Result<bool>;
    #[zbus(property)]
    fn features(&self) -> zbus::Result<Vec<String>>;
}

#[proxy(
    interface = "dev.ostler.Ostler1.AccessControl",
    default_service = "dev.ostler.Ostler1",
    default_path = "/dev/ostler/Ostler1"
)]
pub(super) trait AccessControl {
    fn list_uses(&self, options: Options<'_>) -> zbus::Result<Vec<Details>>;
    fn list_grants(&self) -> zbus::Result<Vec<Details>>;
    fn set_grant(&self, grant: Options<'_>) -> zbus::Result<String>;
    fn remove_grant(&self, grant: &str) -> zbus::Result<()>;
    fn list_pending(&self) -> zbus::Result<Vec<Details>>;
    fn respond(&self, question: &str, decision: &str, options: Options<'_>) -> zbus::Result<()>;
    fn register_agent(&self, agent: zbus::ObjectPath<'_>, options: Options<'_>)
    -> zbus::Result<()>;
    fn unregister_agent(&self) -> zbus::Result<()>;
    #[zbus(signal)]
    fn pending_changed(&self, count: u32) -> zbus::Result<()>;
}

#[proxy(interface = "dev.ostler.Ostler1.Account", default_service = "dev.ostler.Ostler1")]
pub(super) trait Account {
    fn get_access_token(&self, options: Options<'_>) -> zbus::Result<HandOut>;
    fn write_access_token(
        &self,
        socket: zbus::OwnedFd,
        options: Options<'_>,
    ) -> zbus::Result<(i64, Details)>;
    fn sign_proof(&self, method: &str, url: &str, options: Options<'_>) -> zbus::Result<HandOut>;
    fn reauthorize(&self, options: Options<'_>) -> zbus::Result<OwnedObjectPath>;
    fn logout(&self, options: Options<'_>) -> zbus::Result<(String, String)>;
    fn refresh(&self, options: Options<'_>) -> zbus::Result<i64>;
    fn set_alias(&self, alias: &str) -> zbus::Result<()>;
    fn remove(&self, options: Options<'_>) -> zbus::Result<()>;
    fn revoke(&self, options: Options<'_>) -> zbus::Result<(String, String)>;
    #[zbus(property)]
    fn alias(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn enabled(&self) -> zbus::Result<bool>;
    #[zbus(property)]
    fn set_enabled(&self, enabled: bool) -> zbus::Result<()>;
    #[zbus(property)]
    fn state(&self) -> zbus::Result<String>;
    #[zbus(signal)]
    fn access_token_changed(&self, expires_at: i64) -> zbus::Result<()>;
}

#[proxy(interface = "dev.ostler.Ostler1.Request", default_service = "dev.ostler.Ostler1")]
pub(super) trait Request {
    fn submit_redirect(&self, uri: &str) -> zbus::Result<()>;
    fn cancel(&self) -> zbus::Result<()>;
    #[zbus(property)]
    fn kind(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn account(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn authorization_uri(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn redirect_uri(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn paste(&self) -> zbus::Result<bool>;
    #[zbus(property)]
    fn expires_at(&self) -> zbus::Result<i64>;
    #[zbus(signal)]
    fn completed(&self, response: u32, results: Details) -> zbus::Result<()>;
}

/// The next item of a stream.
pub(super) async fn next<S: Stream + Unpin>(stream: &mut S) -> S::Item {
    let item = std::future::poll_fn(|context| Pin::new(&mut *stream).poll_next(context));
    soon(item).await.expect("the stream goes on")
}

/// The name and the text of the error that a call ended with.
pub(super) fn error<T>(result: zbus::Result<T>) -> (String, String) {
    match result {
        Err(zbus::Error::MethodError(name, text, _)) => {
            (OwnedErrorName::to_string(&name), text.unwrap_or_default())
        }
        Err(other) => panic!("not an error of the service: {other:?}"),
        Ok(_) => panic!("not an error"),
    }
}

/// The short name of the service's error that a call ended with.
pub(super) fn fault<T>(result: zbus::Result<T>) -> String {
    let name = error(result).0;
    name.strip_prefix("dev.ostler.Ostler1.Error.").expect("an error of ours").to_owned()
}

/// A text among details.
pub(super) fn text(details: &Details, name: &str) -> String {
    String::try_from(details[name].try_clone().unwrap()).unwrap()
}
