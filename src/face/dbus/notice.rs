//! One desktop notification when the user has to sign in again (Desktop Notifications Specification
//! 1.3, `org.freedesktop.Notifications`).
//!
//! There is one for all accounts that were lost since the daemon started: another loss is added to it
//! in its place, so that a provider that ends fifty logins does not fill the screen. It is withdrawn
//! when each of them is signed in again or gone. An account that was lost before the start has been
//! told of, and is not told of again.
//!
//! Where the user's service manager is on the bus, it has a button that starts the sign-in.

use std::collections::{BTreeMap, HashSet};
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Sleep, sleep};
use tracing::{debug, warn};
use zbus::Connection;

use super::accounts::STRIDE;
use super::desktop::{Ear, Heard, Notification, Server, Urgency, words_of};
use super::launch;
use crate::api::{Account, Event, Listing, Request, Response, State, login_command};
use crate::engine::{Handle, Watch};
use crate::model::{AccountId, Caller};

/// How long after a loss it is told: others may follow.
const SETTLE: Duration = Duration::from_secs(2);
/// The longest piece of a provider's words that is shown, in characters.
const WORDS_MAX: usize = 120;
/// How many accounts are listed.
const LISTED: usize = 5;
/// How many have a button.
const BUTTONS: usize = 3;

/// What the user has been told, and what is to be told. It outlives the connection to a bus.
pub struct Notices {
    handle: Handle,
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

impl Lost {
    /// Whether its login is good, and programs want a better one.
    fn is_wish(&self) -> bool {
        self.account.state != State::LoginRequired
    }
}

struct Shown {
    server: Server,
    id: u32,
    ear: Ear,
    /// By which token the browser may come to the front, if a button is pressed.
    activation: Option<String>,
}

impl Notices {
    /// What happens from now on is told, once [`super::Service::run`] has a bus for it.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        let events = handle.watch();
        let lost = BTreeMap::new();
        Self { handle, events, lost, shown: None, pause: None, begun: false }
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
                heard = listen(self.shown.as_mut()) => self.heard(heard, connection).await,
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
            Event::Login { .. } | Event::Online { .. } | Event::Pending { .. } => {}
            Event::Missed { .. } => self.compare(News::New).await,
        }
    }

    /// Compares with the accounts as they are.
    async fn compare(&mut self, news: News) {
        let all = Request::ListAccounts(Listing::default());
        let Ok(Response::Accounts(accounts)) = self.handle.ask(Caller::daemon(), all).await else {
            return;
        };
        let mut there = HashSet::new();
        for stride in accounts.pieces(STRIDE) {
            for account in stride.iter() {
                let id = account.id.clone();
                self.note(account, news);
                if self.lost.contains_key(&id) {
                    there.insert(id);
                }
            }
            tokio::task::yield_now().await;
        }
        self.lost.retain(|id, _| there.contains(id));
    }

    fn note(&mut self, account: Account, news: News) {
        match account.state {
            State::LoginRequired if self.lost.get(&account.id).is_some_and(Lost::is_wish) => {
                self.lost.remove(&account.id);
                self.note(account, news);
            }
            State::Ready if account.wanted.is_some() => {
                let told = self.lost.get(&account.id).map(|lost| &lost.account.wanted);
                if told != Some(&account.wanted) {
                    self.lose(account, news);
                }
            }
            State::LoginRequired if !self.lost.contains_key(&account.id) => {
                self.lose(account, news);
            }
            State::Ready => drop(self.lost.remove(&account.id)),
            // on its way to either
            _ => {}
        }
    }

    fn lose(&mut self, account: Account, news: News) {
        let news = news == News::New;
        if news && self.pause.is_none() {
            self.pause = Some(Box::pin(sleep(SETTLE)));
        }
        self.lost.insert(account.id.clone(), Lost { account, news });
    }

    async fn tell(&mut self, connection: &Connection) {
        let lost: Vec<Account> =
            self.lost.values().filter(|lost| lost.news).map(|lost| lost.account.clone()).collect();
        if lost.is_empty() {
            return;
        }
        match self.notify(connection, &lost).await {
            Ok(()) => debug!(accounts = lost.len(), "the desktop shows that a login is needed"),
            Err(error) => debug!(%error, "no desktop notification"),
        }
    }

    async fn notify(&mut self, connection: &Connection, lost: &[Account]) -> zbus::Result<()> {
        let server = Server::find(connection).await?;
        let before = self.shown.take_if(|shown| shown.server == server);
        // before it is shown, so that no click is missed
        let (replaced, ear) = match before {
            Some(Shown { id, ear, .. }) => (id, ear),
            None => (0, server.listen(connection).await?),
        };
        let buttons = if server.has_actions && launch::is_possible(connection).await {
            buttons(lost)
        } else {
            Vec::new()
        };
        let actions: Vec<(&str, &str)> =
            buttons.iter().map(|(key, label)| (key.as_str(), label.as_str())).collect();
        let notification = Notification {
            title: &title(lost),
            body: &body(lost),
            icon: "dialog-password",
            actions: &actions,
            urgency: Urgency::Normal,
        };
        let id = server.show(connection, &notification, replaced).await?;
        self.shown = Some(Shown { server, id, ear, activation: None });
        Ok(())
    }

    /// What the server tells of the notification that is on the screen.
    async fn heard(&mut self, heard: Heard, connection: &Connection) {
        let Some(shown) = &mut self.shown else { return };
        match heard {
            Heard::Activation { id, token } if id == shown.id => shown.activation = Some(token),
            Heard::Invoked { id, action } if id == shown.id => {
                let activation = shown.activation.take();
                let Some(lost) = self.lost.values().find(|it| it.account.id.as_str() == action)
                else {
                    return;
                };
                match launch::login(connection, &lost.account, activation.as_deref()).await {
                    Ok(()) => debug!(account = %lost.account.name, "a sign-in was started"),
                    Err(error) => {
                        warn!(account = %lost.account.name, %error, "a sign-in could not be started");
                    }
                }
            }
            Heard::Closed { id, .. } if id == shown.id => self.shown = None,
            Heard::Gone => self.shown = None,
            _ => {}
        }
    }

    async fn withdraw(&mut self, connection: &Connection) {
        let Some(Shown { server, id, .. }) = self.shown.take() else { return };
        if let Err(error) = server.close(connection, id).await {
            // the user was faster, or the server is gone
            debug!(%error, "the notification was not withdrawn");
        }
    }
}

/// What the server tells next; nothing if nothing is on the screen.
async fn listen(shown: Option<&mut Shown>) -> Heard {
    match shown {
        Some(shown) => shown.ear.next().await,
        None => std::future::pending().await,
    }
}

/// A button for each account, as far as there is room.
fn buttons(lost: &[Account]) -> Vec<(String, String)> {
    let label = |account: &Account| match lost {
        [_] => "Sign in".to_owned(),
        _ => format!("Sign in to {}", account.name),
    };
    let button = |account: &Account| (account.id.as_str().to_owned(), label(account));
    lost.iter().take(BUTTONS).map(button).collect()
}

/// Whether a loss is one to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Old,
    New,
}

fn title(lost: &[Account]) -> String {
    match lost {
        [one] => format!("Sign in to {} again", one.name),
        many => format!("Sign in again to {} accounts", many.len()),
    }
}

fn body(lost: &[Account]) -> String {
    if let [one] = lost
        && let Some(wanted) = &one.wanted
        && one.state != State::LoginRequired
    {
        let scopes = words(&wanted.scopes.join(" "));
        let what = match (scopes.is_empty(), wanted.is_step_up()) {
            (true, _) => "you to show again who you are".to_owned(),
            (false, false) => format!("more than you allowed: {scopes}"),
            (false, true) => format!("you to sign in again, and more: {scopes}"),
        };
        return format!("An API that a program uses wants {what}.\nRun: {}", command(one));
    }
    if let [one] = lost {
        let words = one.detail.as_deref().map(words).filter(|words| !words.is_empty());
        let words = words.map_or(String::new(), |words| format!(" ({words})"));
        return format!("The provider ended the login{words}.\nRun: {}", command(one));
    }
    let ended = lost.iter().all(|account| account.state == State::LoginRequired);
    let why = if ended {
        "Their providers ended the logins. Run:"
    } else {
        "Their providers ended the logins, or want more than they allow. Run:"
    };
    let mut lines = vec![why.to_owned()];
    lines.extend(lost.iter().take(LISTED).map(command));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Lack;

    fn lost(name: &str, provider: &str, detail: &str) -> Account {
        Account {
            provider: provider.parse().unwrap(),
            state: State::LoginRequired,
            detail: Some(detail.to_owned()),
            failures: 1,
            ..Account::for_tests(name)
        }
    }

    #[test]
    fn what_an_api_wants_is_told_as_such() {
        let wants = |scopes: &str, max_age| Account {
            state: State::Ready,
            wanted: Some(Lack {
                scopes: crate::model::Scopes::parse_lenient(scopes),
                acr_values: None,
                max_age,
            }),
            ..lost("parqex", "parqex", "")
        };
        let text = body(&[wants("OPENDOOR", None)]);
        assert!(text.contains("more than you allowed: OPENDOOR"), "{text}");
        assert!(text.ends_with("\nRun: ostler login parqex"), "{text}");
        assert!(body(&[wants("", Some(0))]).contains("show again who you are"));
        let both = body(&[wants("OPENDOOR", None), lost("b", "parqex", "x")]);
        assert!(both.contains("or want more"), "{both}");
        assert!(!body(&[lost("a", "parqex", "x"), lost("b", "parqex", "x")]).contains("want"));
    }

    #[test]
    fn one_account_is_told_with_the_providers_words_and_several_are_listed() {
        let door = lost("door", "https://id.example", "invalid_grant: <b>gone</b> &amp; over\n");
        assert_eq!(title(std::slice::from_ref(&door)), "Sign in to door again");
        assert_eq!(
            body(std::slice::from_ref(&door)),
            "The provider ended the login (invalid_grant: b gone /b amp; over).\n\
             Run: ostler login --issuer https://id.example --as door"
        );
        let many: Vec<Account> = ["a", "b", "c", "d", "e", "f", "g"]
            .map(|name| lost(name, "parqex", "invalid_grant"))
            .to_vec();
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
