//! One desktop notification when the user has to sign in again (Desktop Notifications Specification
//! 1.3, `org.freedesktop.Notifications`).
//!
//! There is one for all accounts that were lost since the daemon started: another loss is added to it
//! in its place, so that a provider that ends fifty logins does not fill the screen. It is withdrawn
//! when each of them is signed in again or gone. An account that was lost before the start has been
//! told of, and is not told of again.
//!
//! The number of a notification means something to the connection that gave it and to no other, so
//! that is whom later calls go to, never whoever has the name by then.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Sleep, sleep};
use tracing::debug;
use zbus::names::OwnedUniqueName;
use zbus::{Connection, Variant};

use crate::api::{Account, Event, Request, Response, State, login_command};
use crate::engine::{Handle, Watch};
use crate::model::{AccountId, Caller, Face, Identity};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// How long after a loss it is told: others may follow.
const SETTLE: Duration = Duration::from_secs(2);
/// The longest piece of a provider's words that is shown, in characters.
const WORDS_MAX: usize = 120;
/// How many accounts are listed.
const LISTED: usize = 5;

/// What the user has been told, and what is to be told. It outlives the connection to a bus.
pub struct Notices {
    handle: Handle,
    owner: u32,
    events: Watch,
    /// The accounts that have to be signed in again.
    lost: BTreeMap<AccountId, Lost>,
    /// What is on the screen.
    shown: Option<Shown>,
    /// Runs while there is something to tell.
    pause: Option<Pin<Box<Sleep>>>,
    /// Whether the accounts that were lost before the start are known.
    begun: bool,
}

/// An account that has to be signed in again.
struct Lost {
    account: Account,
    /// Whether that happened while this daemon ran.
    news: bool,
}

struct Shown {
    server: OwnedUniqueName,
    id: u32,
}

impl Notices {
    /// What happens from now on is told, once [`super::Service::run`] has a bus for it. `owner` is the
    /// user whose daemon this is.
    #[must_use]
    pub fn new(handle: Handle, owner: u32) -> Self {
        let events = handle.watch();
        let lost = BTreeMap::new();
        Self { handle, owner, events, lost, shown: None, pause: None, begun: false }
    }

    /// Finds out which accounts have been lost already. Call before anything else can be lost.
    pub async fn begin(&mut self) {
        self.compare(News::Old).await;
        self.begun = true;
    }

    /// Tells what is to be told on a bus, for as long as that is there.
    pub(super) async fn run(&mut self, connection: &Connection) {
        // on another bus the number would be somebody else's
        self.shown = None;
        if !self.begun {
            self.begin().await;
        }
        loop {
            let pause = async {
                match self.pause.as_mut() {
                    Some(pause) => pause.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = pause => {
                    self.pause = None;
                    self.tell(connection).await;
                }
                event = self.events.next() => match event {
                    Some(event) => self.hear(event).await,
                    // the daemon stops, which others notice
                    None => std::future::pending().await,
                },
            }
            if !self.lost.values().any(|lost| lost.news) {
                self.pause = None;
                self.withdraw(connection).await;
            }
        }
    }

    async fn hear(&mut self, event: Event) {
        match event {
            Event::Account { account, .. } => self.note(*account, News::New),
            Event::Removed { id, .. } => drop(self.lost.remove(&id)),
            Event::Login { .. } => {}
            Event::Missed { .. } => self.compare(News::New).await,
        }
    }

    /// Compares with the accounts as they are.
    async fn compare(&mut self, news: News) {
        let pid = i32::try_from(std::process::id()).ok();
        let caller =
            Caller { face: Face::Bus, uid: self.owner, pid, identity: Identity::default() };
        let Ok(Response::Accounts { accounts }) =
            self.handle.ask(caller, Request::ListAccounts).await
        else {
            return;
        };
        self.lost.retain(|id, _| accounts.iter().any(|account| account.id == *id));
        for account in accounts {
            self.note(account, news);
        }
    }

    fn note(&mut self, account: Account, news: News) {
        match account.state {
            State::LoginRequired if !self.lost.contains_key(&account.id) => {
                let news = news == News::New;
                if news && self.pause.is_none() {
                    self.pause = Some(Box::pin(sleep(SETTLE)));
                }
                self.lost.insert(account.id.clone(), Lost { account, news });
            }
            State::Ready => drop(self.lost.remove(&account.id)),
            // on its way to either
            _ => {}
        }
    }

    async fn tell(&mut self, connection: &Connection) {
        let lost: Vec<&Account> =
            self.lost.values().filter(|lost| lost.news).map(|lost| &lost.account).collect();
        if lost.is_empty() {
            return;
        }
        let (title, body) = (title(&lost), body(&lost));
        match self.notify(connection, &title, &body).await {
            Ok(shown) => {
                debug!(accounts = lost.len(), "the desktop shows that a login is needed");
                self.shown = Some(shown);
            }
            Err(error) => debug!(%error, "no desktop notification"),
        }
    }

    async fn notify(
        &self,
        connection: &Connection,
        title: &str,
        body: &str,
    ) -> zbus::Result<Shown> {
        // Without an owner the call goes to the name, by which the bus starts one if it can.
        let owner = owner(connection).await;
        let replaced = self.shown.as_ref().filter(|shown| Some(&shown.server) == owner.as_ref());
        let replaced = replaced.map_or(0, |shown| shown.id);
        let to = owner.as_ref().map_or(NAME, |owner| owner.as_str());
        // no actions yet: their place is the list behind the body
        let actions: [&str; 0] = [];
        let hints = HashMap::from([("urgency", Variant::from(1_u8))]);
        // -1: the server knows best how long
        let notification =
            ("ostler", replaced, "dialog-password", title, body, &actions[..], hints, -1_i32);
        let reply = connection.call_method(Some(to), PATH, Some(NAME), "Notify", &notification);
        let reply = reply.await?;
        let id = reply.body().deserialize()?;
        // filled in by the bus
        let server = reply.header().sender().map(|name| OwnedUniqueName::from(name.to_owned()));
        let server = server.ok_or(zbus::Error::MissingField)?;
        Ok(Shown { server, id })
    }

    async fn withdraw(&mut self, connection: &Connection) {
        let Some(Shown { server, id }) = self.shown.take() else { return };
        let to = Some(server.as_str());
        let call = connection.call_method(to, PATH, Some(NAME), "CloseNotification", &id);
        if let Err(error) = call.await {
            // the user was faster, or the server is gone
            debug!(%error, "the notification was not withdrawn");
        }
    }
}

/// Whether a loss is one to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Old,
    New,
}

async fn owner(connection: &Connection) -> Option<OwnedUniqueName> {
    const BUS: &str = "org.freedesktop.DBus";
    let path = "/org/freedesktop/DBus";
    let reply = connection.call_method(Some(BUS), path, Some(BUS), "GetNameOwner", &NAME).await;
    reply.ok()?.body().deserialize().ok()
}

fn title(lost: &[&Account]) -> String {
    match lost {
        [one] => format!("Sign in to {} again", one.name),
        many => format!("Sign in again to {} accounts", many.len()),
    }
}

fn body(lost: &[&Account]) -> String {
    if let [one] = lost {
        let words = one.detail.as_deref().map(words).filter(|words| !words.is_empty());
        let words = words.map_or(String::new(), |words| format!(" ({words})"));
        return format!("The provider ended the login{words}.\nRun: {}", command(one));
    }
    let mut lines = vec!["Their providers ended the logins. Run:".to_owned()];
    lines.extend(lost.iter().take(LISTED).map(|account| command(account)));
    if lost.len() > LISTED {
        lines.push(format!("and for {} more: ostler status", lost.len() - LISTED));
    }
    lines.join("\n")
}

fn command(account: &Account) -> String {
    words_of(&login_command(&account.provider, &account.name), usize::MAX)
}

fn words(text: &str) -> String {
    words_of(text, WORDS_MAX)
}

/// The text on one line and cut, without what a server may take for markup: some do, and some show
/// an escape as it is.
fn words_of(text: &str, most: usize) -> String {
    let plain = |c: char| if c.is_control() || matches!(c, '<' | '>' | '&') { ' ' } else { c };
    let text: String = text.chars().map(plain).collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() <= most {
        return line;
    }
    line.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(name: &str, provider: &str, detail: &str) -> Account {
        Account {
            id: AccountId::from_random([1; 8]),
            name: name.parse().unwrap(),
            provider: provider.parse().unwrap(),
            client_id: "client".parse().unwrap(),
            state: State::LoginRequired,
            detail: Some(detail.to_owned()),
            scopes: crate::model::Scopes::default(),
            expires_at: None,
            last_refresh: None,
            next_refresh: None,
            last_failure: None,
            failures: 1,
            mode: crate::model::Mode::Always,
            login_ends_at: None,
            login_ends_soon: false,
        }
    }

    #[test]
    fn one_account_is_told_with_the_providers_words_and_several_are_listed() {
        let door = lost("door", "https://id.example", "invalid_grant: <b>gone</b> &amp; over\n");
        assert_eq!(title(&[&door]), "Sign in to door again");
        assert_eq!(
            body(&[&door]),
            "The provider ended the login (invalid_grant: b gone /b amp; over).\n\
             Run: ostler login --issuer https://id.example --as door"
        );
        let many: Vec<Account> = ["a", "b", "c", "d", "e", "f", "g"]
            .map(|name| lost(name, "parqex", "invalid_grant"))
            .to_vec();
        let many: Vec<&Account> = many.iter().collect();
        assert_eq!(title(&many), "Sign in again to 7 accounts");
        let text = body(&many);
        assert_eq!(text.lines().count(), 7, "{text}");
        assert!(text.contains("\nostler login parqex --as e\n"), "{text}");
        assert!(text.ends_with("and for 2 more: ostler status"), "{text}");
    }

    #[test]
    fn a_long_story_is_cut() {
        let text = words(&"word ".repeat(100));
        assert_eq!(text.chars().count(), WORDS_MAX);
        assert!(text.ends_with('…'));
    }
}
