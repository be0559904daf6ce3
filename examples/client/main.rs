//! A program that uses an API on behalf of its user, and has nothing to do with tokens but to ask for
//! them: `cargo run --example client -- ACCOUNT URL` prints what the URL answers. To be copied.
//!
//! It is the whole of what a desktop program needs: a token over D-Bus that no other program sees, a new
//! one when the API rejects it, and a sign-in when the provider has ended the login.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a program for a terminal")]

mod futures;

use std::collections::HashMap;
use std::error::Error;
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use data_encoding::HEXLOWER;
use futures::next;
use reqwest::StatusCode;
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use zbus::{Connection, OwnedObjectPath, OwnedVariant, Variant, proxy};

type Outcome<T> = Result<T, Box<dyn Error>>;
type Options<'a> = HashMap<&'a str, Variant<'a>>;
type Details = HashMap<String, OwnedVariant>;

// what the program uses of /usr/share/dbus-1/interfaces/dev.ostler.Ostler1.*.xml
#[proxy(
    interface = "dev.ostler.Ostler1.Manager",
    default_service = "dev.ostler.Ostler1",
    default_path = "/dev/ostler/Ostler1"
)]
trait Manager {
    fn lookup_account(&self, account: &str) -> zbus::Result<OwnedObjectPath>;
}

#[proxy(interface = "dev.ostler.Ostler1.Account", default_service = "dev.ostler.Ostler1")]
trait Account {
    fn write_access_token(
        &self,
        socket: zbus::OwnedFd,
        options: Options<'_>,
    ) -> zbus::Result<(i64, Details)>;
    fn reauthorize(&self, options: Options<'_>) -> zbus::Result<OwnedObjectPath>;
}

#[proxy(interface = "dev.ostler.Ostler1.Request", default_service = "dev.ostler.Ostler1")]
trait Request {
    #[zbus(property)]
    fn authorization_uri(&self) -> zbus::Result<String>;
    #[zbus(signal)]
    fn completed(&self, response: u32, results: Details) -> zbus::Result<()>;
}

/// What the daemon says when only the user can help.
const LOGIN_REQUIRED: &str = "dev.ostler.Ostler1.Error.LoginRequired";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [account, url] = arguments.as_slice() else {
        eprintln!("usage: client ACCOUNT URL");
        return ExitCode::from(64);
    };
    match fetch(account, url).await {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("client: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the URL answers to the user's account.
async fn fetch(account: &str, url: &str) -> Outcome<String> {
    let connection = Connection::session().await?;
    let path = ManagerProxy::new(&connection).await?.lookup_account(account).await?;
    let account = AccountProxy::new(&connection, path).await?;
    let http = reqwest::Client::builder().build()?;
    let ask = async |token: &str| http.get(url).bearer_auth(token).send().await;

    let token = token(&connection, &account, None).await?;
    let mut answer = ask(&token).await?;
    if answer.status() == StatusCode::UNAUTHORIZED {
        // says which one was rejected: if another program has had it replaced by now, that one is given
        let token = self::token(&connection, &account, Some(&token)).await?;
        answer = ask(&token).await?;
    }
    Ok(answer.error_for_status()?.text().await?)
}

/// A token, after a sign-in if there has to be one.
async fn token(
    connection: &Connection,
    account: &AccountProxy<'_>,
    rejected: Option<&str>,
) -> Outcome<String> {
    match written(account, rejected).await {
        Err(zbus::Error::MethodError(name, ..)) if name.as_str() == LOGIN_REQUIRED => {
            sign_in(connection, account).await?;
            Ok(written(account, None).await?)
        }
        result => Ok(result?),
    }
}

/// A token by way of a pair of sockets: who watches the bus does not see it.
async fn written(account: &AccountProxy<'_>, rejected: Option<&str>) -> zbus::Result<String> {
    let (mut mine, its) = tokio::net::UnixStream::pair()?;
    let its: OwnedFd = its.into_std()?.into();
    let mut options = Options::new();
    if let Some(token) = rejected {
        let fingerprint = HEXLOWER.encode(&Sha256::digest(token));
        options.insert("rejected", fingerprint.into());
    }
    account.write_access_token(its.into(), options).await?;
    let mut token = String::new();
    mine.read_to_string(&mut token).await?;
    Ok(token)
}

/// Has the user sign in again, and waits for the end of that.
async fn sign_in(connection: &Connection, account: &AccountProxy<'_>) -> Outcome<()> {
    // with a token of our own the request's path is known before it is made, so that no signal is missed
    let me = connection.unique_name().ok_or("no name on the bus")?;
    let me = me.trim_start_matches(':').replace('.', "_");
    let path = format!("/dev/ostler/Ostler1/requests/{me}/again");
    let request = RequestProxy::new(connection, path).await?;
    let mut completed = request.receive_completed().await?;
    account.reauthorize(Options::from([("handle_token", "again".into())])).await?;
    let uri = request.authorization_uri().await?;
    eprintln!("Please sign in: {uri}");
    // not the daemon's business: which browser, and on which screen, is this program's to say
    if std::env::var_os("DISPLAY").or(std::env::var_os("WAYLAND_DISPLAY")).is_some() {
        std::process::Command::new("xdg-open").arg(&uri).spawn()?;
    }
    let end = next(&mut completed).await.ok_or("the daemon left the bus")?;
    let end = end.args()?;
    match end.response {
        0 => Ok(()),
        _ => match end.results.get("message") {
            Some(message) => Err(String::try_from(message.try_clone()?)?.into()),
            None => Err("nobody signed in".into()),
        },
    }
}
