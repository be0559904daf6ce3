//! `ostler import`: takes logins over from the programs that kept them until now.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use zeroize::Zeroizing;

use super::{INPUT_MAX, Imported, read};
use crate::api::{self, Flow, LoginEnded, LoginStarted, RequestRef};
use crate::cli::args::{Format as Output, Import};
use crate::cli::client::Client;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::status::show;
use crate::cli::text::{Cell, one_line, table};
use crate::model::{AccountName, ClientId, ProviderId, Scopes};

/// How long the daemon may take to fetch an issuer's metadata.
const DISCOVERY: Duration = Duration::from_mins(1);

/// How long a provider may take for a first token.
const FIRST_TOKEN: Duration = Duration::from_mins(2);

/// A login in a file, without its secrets.
#[derive(Serialize)]
struct Listed<'a> {
    name: Option<&'a str>,
    provider: Option<&'a ProviderId>,
    client_id: Option<&'a ClientId>,
    client_secret: bool,
    scopes: Option<&'a Scopes>,
}

pub(in crate::cli) fn run(
    args: &Import,
    path: &Path,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let input = input(args.file.as_deref())?;
    let found = read(args.from, &input)
        .map_err(|error| Failure::Usage(format!("{error}; {}", error.hint())))?;
    drop(input);
    let wanted = |login: &Imported| {
        args.only.is_empty() || args.only.iter().any(|name| Some(name) == login.name.as_ref())
    };
    let found: Vec<Imported> = found.into_iter().filter(wanted).collect();
    if found.is_empty() {
        return Err(Failure::Usage("no login in it has that name; see: --list".into()));
    }
    if args.list {
        return list(&found, args.format(), console);
    }
    if found.len() > 1 && args.account.is_some() {
        return Err(Failure::Usage(format!(
            "there are {} logins in it: say which one is meant with --only",
            found.len()
        )));
    }
    let mut failed = None;
    for login in found {
        match take_over(args, login, path) {
            Ok(ended) => told(&ended, args.format(), console)?,
            Err(failure) if failed.is_none() => failed = Some(failure),
            Err(failure) => console.tell(&format!("{}\n", one_line(&failure.to_string()))),
        }
    }
    if let Some(failure) = failed {
        return Err(failure);
    }
    // RFC 9700, 4.14.2: with rotation the one who comes second loses the login for both
    console.tell(
        "Now remove the login from the program that it is from: of two that renew one login, one loses \
         it.\n",
    );
    Ok(())
}

fn told(ended: &LoginEnded, format: Output, console: &mut Console<'_>) -> Result<(), Failure> {
    match format {
        Output::Json => console.json(ended),
        Output::Text => {
            let scopes = ended.scopes.join(" ");
            let scopes = if scopes.is_empty() { scopes } else { format!(", scopes {scopes}") };
            show(console, &format!("imported: {}{scopes}\n", ended.account))
        }
    }
}

fn take_over(args: &Import, login: Imported, path: &Path) -> Result<LoginEnded, Failure> {
    let named = login.name.as_deref().map_or_else(String::new, |name| format!("{name}: "));
    let Some(provider) = args.provider.clone().or(login.provider) else {
        return Err(Failure::Usage(format!(
            "{named}it is not said with which provider; give it with --provider"
        )));
    };
    let Some(client_id) = args.client_id.clone().or(login.client_id) else {
        return Err(Failure::Usage(format!(
            "{named}it is not said to which client the login belongs; {}; give it with --client-id",
            args.from.where_the_client_is()
        )));
    };
    let given = crate::cli::login::secret_of(args.client_secret_command.as_deref())?;
    let account = args.account.clone().or_else(|| login.name.as_deref().and_then(account_name));
    let mut request = api::Login {
        provider,
        account,
        client_id: Some(client_id),
        client_secret: given.or(login.client_secret.map(Arc::new)),
        redirect_uri: login.redirect_uri,
        scopes: login.scopes.filter(|scopes| !scopes.is_empty()),
        resource: None,
        audience: login.audience,
        login_hint: None,
        flow: Some(Flow::Import),
        subject: None,
        dpop: None,
        refresh_token: Some(api::Imported(Arc::new(login.refresh_token))),
    };
    let started = match start(&request, path) {
        // oidc-agent 4 puts a slash behind issuers that have none
        Err(Failure::Fault(_)) if without_slash(&mut request) => start(&request, path),
        started => started,
    }?;
    let reference = RequestRef { request: started.request };
    Client::connect(path)?.call("AwaitLogin", &reference, FIRST_TOKEN)
}

fn start(request: &api::Login, path: &Path) -> Result<LoginStarted, Failure> {
    Client::connect(path)?.call("Login", request, DISCOVERY)
}

/// Takes the slash away that an issuer ends with, if it does.
fn without_slash(request: &mut api::Login) -> bool {
    let shorter = request.provider.as_str().strip_suffix('/').filter(|text| text.contains("://"));
    let Some(shorter) = shorter.and_then(|text| text.parse().ok()) else { return false };
    request.provider = shorter;
    true
}

/// A name that an account can have, made of one that a program gave.
fn account_name(text: &str) -> Option<AccountName> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-@+/".contains(c);
    let name: String = text.chars().map(|c| if fits(c) { c } else { '-' }).take(64).collect();
    let ends = |c: char| !c.is_ascii_alphanumeric();
    name.trim_matches(ends).parse().ok()
}

fn list(found: &[Imported], format: Output, console: &mut Console<'_>) -> Result<(), Failure> {
    let listed = found.iter().map(|login| Listed {
        name: login.name.as_deref(),
        provider: login.provider.as_ref(),
        client_id: login.client_id.as_ref(),
        client_secret: login.client_secret.is_some(),
        scopes: login.scopes.as_ref(),
    });
    let listed: Vec<Listed<'_>> = listed.collect();
    if format == Output::Json {
        return console.json(&listed);
    }
    let text = |text: Option<&str>| Cell::from(one_line(text.unwrap_or("-")).as_str());
    let rows: Vec<Vec<Cell>> = listed
        .iter()
        .map(|login| {
            vec![
                text(login.name),
                text(login.provider.map(ProviderId::as_str)),
                text(login.client_id.map(ClientId::as_str)),
                text(Some(if login.client_secret { "yes" } else { "no" })),
                text(login.scopes.map(|scopes| scopes.join(" ")).as_deref()),
            ]
        })
        .collect();
    let header = ["NAME", "PROVIDER", "CLIENT", "SECRET", "SCOPES"];
    show(console, &table(&header, &rows, (console.look)()))
}

/// What is to be read: all secrets, so there is one copy, which is wiped.
fn input(path: Option<&Path>) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let shown = path.map_or_else(|| "standard input".to_owned(), |path| path.display().to_string());
    let failed = |error: io::Error| Failure::Usage(format!("cannot read {shown}: {error}"));
    let source: Box<dyn Read> = match path.filter(|path| *path != Path::new("-")) {
        Some(path) => Box::new(File::open(path).map_err(failed)?),
        None => Box::new(io::stdin()),
    };
    // all the room at once: growing would leave copies behind
    let mut input = Zeroizing::new(Vec::with_capacity(INPUT_MAX + 2));
    source.take(INPUT_MAX as u64 + 1).read_to_end(&mut input).map_err(failed)?;
    Ok(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_fit_for_an_account() {
        for (given, name) in [
            ("google drive", Some("google-drive")),
            ("me@example.org", Some("me@example.org")),
            ("/odd/", Some("odd")),
            ("ä", None),
            ("", None),
        ] {
            let made = account_name(given);
            assert_eq!(made.as_ref().map(AccountName::as_str), name, "{given}");
        }
    }
}
