//! Puts questions to the user: whether a program may have tokens of an account. A registered agent asks, or
//! else a desktop notification with three buttons. Where neither can, the engine is told, and the program
//! hears what the user has to run.

use std::sync::Arc;

use tokio::task::JoinSet;
use tracing::debug;
use zbus::Connection;

use super::agent::{self, Put};
use super::context::Context;
use super::desktop::{Closing, Heard, Notification, Server, Urgency, words_of};
use crate::api::{Pending, Verdict};
use crate::engine::{Prompt, Prompts};

/// The longest piece of a question that is shown, in characters.
const WORDS_MAX: usize = 160;

/// The buttons.
const ACTIONS: [(&str, &str); 3] = [("allow", "Allow"), ("once", "Only once"), ("deny", "Deny")];

/// Where questions to the user are taken up. It outlives the connection to a bus.
pub struct Desk {
    prompts: Prompts,
    /// Whether notifications may be shown; an agent is asked all the same.
    notifies: bool,
}

impl Desk {
    /// A desk for the questions that come out there; `notifies` is whether desktop notifications may ask
    /// them.
    #[must_use]
    pub fn new(prompts: Prompts, notifies: bool) -> Self {
        Self { prompts, notifies }
    }

    /// Puts questions for as long as the bus is there; what is open then was not asked.
    pub(super) async fn run(&mut self, context: &Arc<Context>, connection: &Connection) {
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                Some(_) = open.join_next() => {}
                prompt = self.prompts.next() => match prompt {
                    Some(prompt) => {
                        let (context, connection) = (Arc::clone(context), connection.clone());
                        open.spawn(put(context, connection, prompt, self.notifies));
                    }
                    // the daemon stops, which others notice
                    None => std::future::pending().await,
                },
            }
        }
    }
}

async fn put(context: Arc<Context>, connection: Connection, mut prompt: Prompt, notifies: bool) {
    if let Some(agent) = context.agents.current() {
        match agent::put(&agent, &context, &connection, prompt).await {
            Put::Settled => return,
            Put::Failed(back) => prompt = back,
        }
    }
    if notifies && let Err(error) = notify(&connection, prompt).await {
        debug!(%error, "the user could not be asked");
    }
}

/// Asks by a notification. On an error the prompt is dropped, which means that it was not shown.
async fn notify(connection: &Connection, mut prompt: Prompt) -> zbus::Result<()> {
    let server = tokio::select! {
        biased;
        () = prompt.withdrawn() => return Ok(()),
        server = Server::find(connection) => server?,
    };
    if !server.has_actions {
        debug!("the notification server has no buttons");
        return Ok(());
    }
    // before it is shown, so that no click is missed
    let mut ear = server.listen(connection).await?;
    let (title, body) = (title(&prompt.question), body(&prompt.question));
    let notification = Notification {
        title: &title,
        body: &body,
        icon: "dialog-password",
        actions: &ACTIONS,
        urgency: Urgency::Critical,
    };
    let shown = server.show(connection, &notification, 0).await?;
    loop {
        let heard = tokio::select! {
            biased;
            () = prompt.withdrawn() => break,
            heard = ear.next() => heard,
        };
        match heard {
            Heard::Invoked { id, action } if id == shown => {
                // a click beside the buttons is no answer
                let Some(verdict) = Verdict::from_word(&action) else { continue };
                prompt.answer(verdict, "notification".to_owned());
                break;
            }
            Heard::Closed { id, why } if id == shown => {
                if why == Closing::Dismissed {
                    prompt.dismiss();
                }
                return Ok(());
            }
            Heard::Gone => return Ok(()),
            _ => {}
        }
    }
    // some servers leave it there after a click
    if let Err(error) = server.close(connection, shown).await {
        debug!(%error, "the notification was not withdrawn");
    }
    Ok(())
}

fn title(question: &Pending) -> String {
    format!("May this program use {}?", question.account)
}

fn body(question: &Pending) -> String {
    let caller = words_of(&question.caller, WORDS_MAX);
    let worth = match question.tier.as_str() {
        "verified" => "its sandbox vouches for that name",
        "claimed" => "any program of yours can call itself that",
        _ => "nothing vouches for that name",
    };
    let mut lines = vec![format!("{caller} ({worth}) asks for an access token.")];
    if !question.scopes.is_empty() {
        let scopes = words_of(&question.scopes.join(" "), WORDS_MAX);
        lines.push(format!("It is good for: {scopes}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Scopes;

    #[test]
    fn a_question_says_who_wants_what_and_what_the_name_is_worth() {
        let mut question = Pending {
            id: "q7".parse().unwrap(),
            account: "work/mail".parse().unwrap(),
            caller: "flatpak:org.example.<b>Mail".to_owned(),
            tier: "verified".to_owned(),
            face: "dbus".to_owned(),
            pid: Some(7),
            scopes: Scopes::parse_lenient("read send"),
            since: 0,
        };
        assert_eq!(title(&question), "May this program use work/mail?");
        assert_eq!(
            body(&question),
            "flatpak:org.example. b Mail (its sandbox vouches for that name) asks for an access token.\n\
             It is good for: read send"
        );
        question.tier = "claimed".to_owned();
        question.scopes = Scopes::default();
        assert!(
            body(&question)
                .ends_with("(any program of yours can call itself that) asks for an access token.")
        );
    }

    #[test]
    fn each_button_is_a_verdict() {
        let words: Vec<&str> = ACTIONS.iter().map(|(key, _)| *key).collect();
        assert_eq!(words, Verdict::ALL.map(Verdict::as_str));
    }
}
