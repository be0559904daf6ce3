//! `ostler status`: how the daemon and its accounts are doing.

use std::fmt::Write;

use serde::Deserialize;

use super::args::{Format, Status as Args};
use super::client::{After, Client, Nothing, PROMPT};
use super::console::Console;
use super::failure::{Failure, login_command};
use super::stream;
use super::text::{Cell, Sheet, Tone, moment, one_line, span};
use crate::api::{Account, DaemonInfo, Fault, FaultKind, Listing, State, Unrevoked};
use crate::model::{CERTIFICATE_BOUND, CERTIFICATE_ENDS, IDENTITY, Lack, SUBJECT};

/// What to say when there is nothing to show.
pub(super) const NO_ACCOUNTS: &str = "no accounts yet; `ostler providers` lists whom you can sign in to, `ostler login NAME` does it\n";

/// What the daemon says: all of it, or a piece that others follow.
#[derive(Deserialize)]
struct Status {
    daemon: DaemonInfo,
    accounts: Vec<Account>,
    #[serde(default)]
    unrevoked: Vec<Unrevoked>,
}

pub(super) fn run(
    args: Args,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let format = args.format();
    let Some(name) = args.account else {
        let call = ("Status", &Nothing {});
        return match format {
            Format::Json => stream::json(client, call, "accounts", PROMPT, console),
            Format::Text => overview(client, call, console),
        };
    };
    let Status { daemon, accounts, .. } =
        client.call("Status", &Listing::of(name.clone()), PROMPT)?;
    let Some(account) = accounts.iter().find(|account| account.name == name) else {
        return Err(Fault::new(FaultKind::NoSuchAccount, "no such account").of(name).into());
    };
    match format {
        Format::Json => console.json(account),
        Format::Text => show(console, &detail(account, daemon.now)),
    }
}

/// Writes text that ends its own lines.
pub(super) fn show(console: &mut Console<'_>, text: &str) -> Result<(), Failure> {
    console
        .out
        .write_all(text.as_bytes())
        .and_then(|()| console.out.flush())
        .map_err(Failure::Output)
}

pub(super) fn state(account: &Account) -> Cell {
    let tone = match account.state {
        State::Ready => Tone::Good,
        State::Refreshing | State::SigningIn => Tone::Busy,
        State::BackingOff => Tone::Warning,
        State::LoginRequired | State::Held => Tone::Bad,
        State::SignedOut | State::Disabled => Tone::Dim,
    };
    Cell::new(account.state.as_str(), tone)
}

/// Shows the accounts as they come, and then what needs the user.
fn overview(
    client: &mut Client,
    call: (&str, &Nothing),
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let header = ["ACCOUNT", "PROVIDER", "STATE", "TOKEN", "NEXT REFRESH", "LAST ERROR"];
    let mut sheet = Sheet::new(&header, (console.look)());
    let mut below = None;
    stream::each(client, call, PROMPT, |Status { daemon, accounts, unrevoked }, after| {
        let row = |account: &Account| {
            vec![
                account.name.as_str().into(),
                account.provider.as_str().into(),
                state(account),
                token(account, daemon.now).into(),
                next_refresh(account, daemon.now).into(),
                last_error(account).into(),
            ]
        };
        let is_first = below.is_none();
        let below = below.get_or_insert_with(|| Below::new(&unrevoked, daemon.now));
        below.take(&accounts, daemon.now);
        if after == After::End {
            below.about = about(&daemon);
        }
        if is_first && accounts.is_empty() {
            return show(console, NO_ACCOUNTS);
        }
        show(console, &sheet.page(&accounts.iter().map(row).collect::<Vec<_>>(), after))
    })?;
    below.map_or(Ok(()), |below: Below| show(console, &below.text()))
}

/// What stands below the accounts.
struct Below {
    needed: Lines,
    ending: Lines,
    unrevoked: Lines,
    certificates: Lines,
    about: String,
}

/// Lines of one kind: so many, and how many more there were.
#[derive(Default)]
struct Lines {
    text: String,
    count: usize,
}

/// How many lines of a kind are shown: who has more accounts that need something does not read them one by one.
const LINES_MAX: usize = 200;

impl Lines {
    fn add(&mut self, name: &str, words: std::fmt::Arguments<'_>) {
        self.count += 1;
        if self.count <= LINES_MAX {
            let _ = writeln!(self.text, "{name}{words}");
        }
    }

    fn put(self, text: &mut String) {
        text.push_str(&self.text);
        if let Some(more) = self.count.checked_sub(LINES_MAX).filter(|more| *more > 0) {
            let _ = writeln!(text, "and {more} more like that; see: ostler status --json");
        }
    }
}

impl Below {
    fn new(unrevoked: &[Unrevoked], now: i64) -> Self {
        let mut lines = Lines::default();
        for left in unrevoked {
            lines.add(left.account.as_str(), format_args!(": {}", waiting(left, now)));
        }
        Self {
            needed: Lines::default(),
            ending: Lines::default(),
            unrevoked: lines,
            certificates: Lines::default(),
            about: String::new(),
        }
    }

    fn take(&mut self, accounts: &[Account], now: i64) {
        for account in accounts {
            let name = account.name.as_str();
            if account.state == State::LoginRequired {
                self.needed.add(name, format_args!(" needs you: {}", login_command(account)));
            }
            if account.login_ends_soon {
                self.ending.add(name, format_args!(": {}", ending(account, now)));
            }
            if account.certificate_ends_soon(now) {
                self.certificates.add(name, format_args!(": {}", certificate_ending(account, now)));
            }
        }
    }

    fn text(self) -> String {
        let mut text = "\n".to_owned();
        for lines in [self.needed, self.ending, self.unrevoked, self.certificates] {
            lines.put(&mut text);
        }
        text.push_str(&self.about);
        text
    }
}

/// What to say of a logout that the provider could not be told yet.
fn waiting(left: &Unrevoked, now: i64) -> String {
    let next =
        left.next_try.filter(|at| *at > now).map(|at| format!("next try in {}", span(at - now)));
    let why = left.reason.iter().map(|reason| one_line(reason)).chain(next);
    let why = why.collect::<Vec<_>>().join("; ");
    let why = if why.is_empty() { why } else { format!(" ({why})") };
    format!("signed out; its tokens are revoked as soon as {} can be reached{why}", left.provider)
}

fn about(daemon: &DaemonInfo) -> String {
    let DaemonInfo { version, pid, started_at, now, database, protection, bus, online } = daemon;
    let up = span(now - started_at);
    let since = moment(*started_at);
    let bus = if *bus { "on D-Bus" } else { "not on D-Bus" };
    let online = if *online { "" } else { ", offline" };
    format!(
        "ostlerd {}, process {pid}, up {up} since {since}, {bus}{online}\ndatabase {}, protection: {}\n",
        one_line(version),
        one_line(database),
        one_line(protection)
    )
}

fn token(account: &Account, now: i64) -> String {
    match account.expires_at {
        None => String::new(),
        Some(at) if at <= now => "expired".to_owned(),
        Some(at) => format!("{} left", span(at - now)),
    }
}

fn next_refresh(account: &Account, now: i64) -> String {
    match account.next_refresh {
        None => String::new(),
        Some(at) if at <= now => "now".to_owned(),
        Some(at) => format!("in {}", span(at - now)),
    }
}

/// How long a login lasts if nothing is done.
fn login_left(account: &Account, now: i64) -> String {
    match account.login_ends_at {
        Some(at) if at > now => format!("in {}, unless a refresh moves that on", span(at - now)),
        _ => String::new(),
    }
}

/// What to say of a login that ends soon.
fn ending(account: &Account, now: i64) -> String {
    let login = login_command(account);
    match account.login_ends_at {
        Some(at) if at > now => {
            format!("the login ends in {}; sign in again in good time: {login}", span(at - now))
        }
        _ => format!("the login should have ended by now; sign in again: {login}"),
    }
}

/// How long a certificate lasts.
fn certificate_left(account: &Account, now: i64) -> String {
    match account.certificate_ends_at {
        Some(at) if at > now => format!("ends in {}", span(at - now)),
        Some(_) => "over".to_owned(),
        None => String::new(),
    }
}

/// What to say of one that ends soon.
fn certificate_ending(account: &Account, now: i64) -> String {
    let (login, when) = (login_command(account), certificate_left(account, now));
    let when = if when == "over" { "is over".to_owned() } else { when };
    format!(
        "the client's certificate {when}; sign in again with the new one: {login} --client-certificate FILE"
    )
}

/// What a token is bound to.
fn bound(account: &Account) -> String {
    let bound = account.certificate_bound.then_some("to the client's certificate");
    bound.unwrap_or_default().to_owned()
}

fn last_error(account: &Account) -> String {
    let class = account.last_failure.map(crate::model::FailureClass::as_str);
    let what = account.detail.as_deref().or(class).unwrap_or_default();
    match account.failures {
        0 | 1 => what.to_owned(),
        count => format!("{what} ({count} times)"),
    }
}

/// One account, a line for each thing known about it.
fn detail(account: &Account, now: i64) -> String {
    let at = |moment_of: Option<i64>, relative: String| match moment_of {
        Some(seconds) if relative.is_empty() => moment(seconds),
        Some(seconds) => format!("{} ({relative})", moment(seconds)),
        None => String::new(),
    };
    let ago = account.last_refresh.map(|then| format!("{} ago", span(now - then)));
    let lines = [
        ("account", account.name.to_string()),
        ("id", account.id.to_string()),
        ("provider", account.provider.to_string()),
        ("user", account.values.get(IDENTITY).unwrap_or_default().to_owned()),
        ("client", account.client_id.to_string()),
        ("state", account.state.as_str().to_owned()),
        ("scopes", account.scopes.join(" ")),
        ("token expires", at(account.expires_at, token(account, now))),
        ("last refresh", at(account.last_refresh, ago.unwrap_or_default())),
        ("next refresh", at(account.next_refresh, next_refresh(account, now))),
        ("mode", account.mode.as_str().to_owned()),
        ("login ends", at(account.login_ends_at, login_left(account, now))),
        ("certificate", at(account.certificate_ends_at, certificate_left(account, now))),
        ("token bound", bound(account)),
        ("last error", last_error(account)),
    ];
    let mut text = String::new();
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "{name:14} {}", one_line(value));
    }
    let told =
        |name: &str| [IDENTITY, SUBJECT, CERTIFICATE_BOUND, CERTIFICATE_ENDS].contains(&name);
    for (name, value) in account.values.iter().filter(|(name, _)| !told(name)) {
        let _ = writeln!(text, "{:14} {}", one_line(name), one_line(value));
    }
    if let Some(wanted) = &account.wanted {
        let _ = writeln!(text, "{:14} {}", "wanted", one_line(&lacking(wanted)));
    }
    let wanted = account.wanted.is_some();
    if account.state == State::LoginRequired || account.login_ends_soon || wanted {
        let _ = writeln!(text, "{:14} {}", "to do", login_command(account));
    }
    text
}

/// What APIs want of another login.
fn lacking(wanted: &Lack) -> String {
    let step_up = match (&wanted.acr_values, wanted.max_age) {
        (Some(contexts), _) => Some(format!("a sign-in by {contexts}")),
        (None, Some(_)) => Some("a sign-in anew".to_owned()),
        (None, None) => None,
    };
    let scopes = Some(wanted.scopes.join(" ")).filter(|scopes| !scopes.is_empty());
    scopes.into_iter().chain(step_up).collect::<Vec<_>>().join("; ")
}
