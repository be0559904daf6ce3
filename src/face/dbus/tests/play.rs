//! An engine that is played: it keeps accounts and sign-ins in memory, and remembers what it was
//! asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::watch;

use super::super::context::locked;
use crate::api::{
    Account, Accounts, Event, Fault, FaultKind, Flow, Grant, ListUses, Listing, LoggedOut,
    LoginEnded, LoginStarted, Pending, Proof, ProviderInfo, Refreshed, Request, Response,
    Revocation, State, Token, Use,
};
use crate::engine::Handle;
use crate::model::{
    AccessToken, AccountId, Caller, Decision, QuestionId, RequestId, RuleId, Scopes, Values,
};

/// What every token holds that the play hands out, so that leaks can be searched for.
pub(super) const TOKEN: &str = "fake-access-token-canary";

/// What every authorization URL holds.
pub(super) const STATE: &str = "fake-state-canary";

pub(super) fn account(name: &str) -> Account {
    let mut seed = [0; 8];
    for (place, byte) in name.bytes().enumerate() {
        seed[place % 8] ^= byte;
    }
    Account {
        id: AccountId::from_random(seed),
        client_id: "client-1".parse().unwrap(),
        scopes: Scopes::parse_lenient("OPENDOOR CLOSEDOOR"),
        expires_at: Some(1_900_000_000),
        last_refresh: Some(1_899_990_000),
        ..Account::for_tests(name)
    }
}

/// How a sign-in of the play ends.
type Outcome = Option<Result<LoginEnded, Fault>>;

#[derive(Default)]
struct World {
    accounts: BTreeMap<String, Account>,
    sign_ins: BTreeMap<RequestId, (Account, watch::Sender<Outcome>)>,
    count: u8,
    asked: Vec<(Caller, Request)>,
    /// With it, every question for a token is answered so.
    refusal: Option<Fault>,
}

/// The played engine. Clones play the same piece.
#[derive(Clone)]
pub(super) struct Play {
    world: Arc<Mutex<World>>,
    /// Changes with each question.
    questions: watch::Sender<usize>,
    /// Tokens are held back while it is true.
    hold: watch::Sender<bool>,
    cast: Arc<OnceLock<Handle>>,
}

/// What the play says of who uses an account.
fn usage(question: &ListUses) -> Use {
    Use {
        account: question.account.clone().unwrap_or_else(|| "parqex".parse().unwrap()),
        caller: "exe:/usr/bin/curl".to_owned(),
        tier: "claimed".to_owned(),
        face: "socket".to_owned(),
        pid: Some(7),
        first: 10,
        last: 20,
        count: 3,
    }
}

/// The play's one rule.
fn grant() -> Grant {
    Grant {
        id: RuleId(3),
        account: Some("parqex".parse().unwrap()),
        caller: "exe:/usr/bin/*".parse().unwrap(),
        tier: "claimed".to_owned(),
        scopes: Scopes::parse_lenient("OPENDOOR"),
        decision: Decision::Deny,
        expires_at: Some(1_900_000_000),
        created_at: 10,
        created_by: "exe:/usr/bin/ostler".to_owned(),
        last_used: None,
    }
}

/// The play's one question to the user.
pub(super) fn question() -> Pending {
    Pending {
        id: QuestionId(7),
        account: "parqex".parse().unwrap(),
        caller: "flatpak:org.example.Mail".to_owned(),
        tier: "verified".to_owned(),
        face: "dbus".to_owned(),
        pid: Some(7),
        scopes: Scopes::parse_lenient("OPENDOOR"),
        since: 10,
    }
}

impl Play {
    pub(super) fn with(names: &[&str]) -> Self {
        let play = Self {
            world: Arc::default(),
            questions: watch::Sender::new(0),
            hold: watch::Sender::new(false),
            cast: Arc::default(),
        };
        for name in names {
            play.enter(account(name));
        }
        let actor = play.clone();
        let cast = Handle::for_tests(move |caller, request| {
            let actor = actor.clone();
            async move { actor.answer(caller, request).await }
        });
        assert!(play.cast.set(cast).is_ok());
        play
    }

    pub(super) fn handle(&self) -> Handle {
        self.cast.get().unwrap().clone()
    }

    pub(super) fn tell(&self, event: Event) {
        self.cast.get().unwrap().announce(event);
    }

    /// Puts an account into the world, without telling.
    pub(super) fn enter(&self, account: Account) {
        locked(&self.world).accounts.insert(account.name.to_string(), account);
    }

    /// Takes an account out of the world, without telling.
    pub(super) fn exit(&self, name: &str) -> Account {
        locked(&self.world).accounts.remove(name).unwrap()
    }

    /// Tells how an account is now.
    pub(super) fn change(&self, account: Account, new_token: bool) {
        self.enter(account.clone());
        self.tell(Event::Account { account: Box::new(account), new_token });
    }

    pub(super) fn refuse(&self, fault: Fault) {
        locked(&self.world).refusal = Some(fault);
    }

    pub(super) fn hold(&self, held: bool) {
        self.hold.send_replace(held);
    }

    /// The last question of a kind.
    pub(super) fn last<T>(&self, wanted: impl Fn(&Request) -> Option<T>) -> (Caller, T) {
        let world = locked(&self.world);
        let mut asked = world.asked.iter().rev();
        asked
            .find_map(|(caller, request)| Some((caller.clone(), wanted(request)?)))
            .expect("was asked")
    }

    /// Waits until something was asked.
    pub(super) async fn until(&self, wanted: impl Fn(&Request) -> bool) {
        let asked = || locked(&self.world).asked.iter().any(|(_, request)| wanted(request));
        super::soon(self.questions.subscribe().wait_for(|_| asked())).await.unwrap();
    }

    /// How many sign-ins are under way.
    pub(super) fn open(&self) -> usize {
        let world = locked(&self.world);
        world.sign_ins.values().filter(|(_, outcome)| outcome.borrow().is_none()).count()
    }

    /// Ends a sign-in; `true` if it was under way.
    pub(super) fn end(&self, request: &RequestId, outcome: Result<LoginEnded, Fault>) -> bool {
        let world = locked(&self.world);
        let Some((_, ending)) = world.sign_ins.get(request) else { return false };
        ending.send_if_modified(|slot| slot.is_none() && slot.replace(outcome).is_none())
    }

    async fn answer(&self, caller: Caller, request: Request) -> Result<Response, Fault> {
        let answer = self.answer_now(&request);
        let held = matches!(request, Request::GetToken(_));
        let waits = match &request {
            Request::AwaitLogin(question) => {
                locked(&self.world).sign_ins.get(&question.request).map(|entry| entry.1.subscribe())
            }
            _ => None,
        };
        self.note(caller, request);
        if held {
            self.hold.subscribe().wait_for(|held| !held).await.unwrap();
        }
        if let Some(response) = answer? {
            return Ok(response);
        }
        let mut waits = waits.ok_or_else(no_such_request)?;
        let outcome = waits.wait_for(Option::is_some).await.unwrap().clone();
        outcome.unwrap().map(Response::LoginEnded)
    }

    fn note(&self, caller: Caller, request: Request) {
        locked(&self.world).asked.push((caller, request));
        self.questions.send_modify(|count| *count += 1);
    }

    /// The answer, unless it has to be waited for.
    #[expect(clippy::too_many_lines, reason = "a line or two for each question")]
    fn answer_now(&self, request: &Request) -> Result<Option<Response>, Fault> {
        let mut world = locked(&self.world);
        Ok(Some(match request {
            Request::ListAccounts(listing) => {
                let all: Accounts = world.accounts.values().cloned().collect();
                let Listing { account, after, limit } = listing.clone();
                Response::Accounts(match account {
                    Some(name) => all.only(&name).ok_or_else(|| {
                        Fault::new(FaultKind::NoSuchAccount, "no such account").of(name)
                    })?,
                    None => all.page(after, limit.map(|limit| limit as usize)),
                })
            }
            Request::GetToken(question) => {
                if let Some(fault) = &world.refusal {
                    return Err(fault.clone());
                }
                let account = world.accounts.get(question.account.as_str());
                let account = account.ok_or_else(no_such_account)?;
                Response::Token(Token {
                    account: account.name.clone(),
                    access_token: Arc::new(AccessToken::new(format!("{TOKEN}-{}", account.name))),
                    token_type: "Bearer".to_owned(),
                    expires_at: account.expires_at,
                    scopes: account.scopes.clone(),
                    stale: account.state == State::BackingOff,
                    certificate_bound: account.certificate_bound,
                    values: Values::default(),
                })
            }
            Request::SignProof(question) => {
                let account = world.accounts.get(question.account.as_str());
                let account = account.ok_or_else(no_such_account)?;
                let token = Token {
                    account: account.name.clone(),
                    access_token: Arc::new(AccessToken::new(format!("{TOKEN}-{}", account.name))),
                    token_type: "DPoP".to_owned(),
                    expires_at: account.expires_at,
                    scopes: account.scopes.clone(),
                    stale: false,
                    certificate_bound: false,
                    values: Values::default(),
                };
                let proof = format!("proof of {} {}", question.http_method, question.url);
                Response::Proof(Proof { token, proof })
            }
            Request::ListUses(ListUses { account: Some(name) })
                if !world.accounts.contains_key(name.as_str()) =>
            {
                return Err(no_such_account());
            }
            Request::ListUses(question) => Response::Uses { uses: vec![usage(question)] },
            Request::Refresh(question) => {
                let account = world.accounts.get(question.account.as_str());
                let account = account.ok_or_else(no_such_account)?;
                Response::Refreshed(Refreshed {
                    account: account.name.clone(),
                    expires_at: account.expires_at,
                })
            }
            Request::Revoke(question) => Response::LoggedOut(LoggedOut {
                account: question.account.clone(),
                revocation: Revocation::Revoked,
                reason: None,
            }),
            Request::ListGrants => Response::Grants { grants: vec![grant()] },
            Request::SetGrant(_) => Response::GrantSet { grant: RuleId(3) },
            Request::Rename(_)
            | Request::SetEnabled(_)
            | Request::RemoveGrant(_)
            | Request::Respond(_) => Response::Done {},
            Request::ListPending => Response::Pending { pending: vec![question()] },
            Request::ListProviders => Response::Providers {
                providers: vec![ProviderInfo {
                    id: "parqex".parse().unwrap(),
                    title: "ParqEx".to_owned(),
                    source: "preset".to_owned(),
                    scopes: Scopes::parse_lenient("OPENDOOR"),
                    redirect: "paste".to_owned(),
                    device: false,
                    variables: Vec::new(),
                    verified: None,
                    register_url: None,
                }],
            },
            Request::Login(login) => {
                world.count += 1;
                let request = RequestId::from_random([world.count; 10]);
                let name = login.account.as_ref().map_or("parqex", |name| name.as_str());
                let entry = (account(name), watch::Sender::new(None));
                world.sign_ins.insert(request.clone(), entry);
                Response::LoginStarted(LoginStarted {
                    request,
                    account: name.parse().unwrap(),
                    flow: Flow::Browser,
                    user_code: None,
                    verification_uri: None,
                    authorization_uri: format!("https://as.example/authorize?state={STATE}"),
                    redirect_uri: "https://app.example/done".to_owned(),
                    paste: true,
                    expires_at: 1_900_000_600,
                })
            }
            Request::AwaitLogin(_) => return Ok(None),
            Request::SubmitRedirect(redirect) => {
                let entry = redirect
                    .request
                    .as_ref()
                    .and_then(|it| world.sign_ins.get(it))
                    .ok_or_else(no_such_request)?;
                if !redirect.uri.contains("code=") {
                    return Err(Fault::new(FaultKind::InvalidOption, "no code in the redirect"));
                }
                let (account, ending) = entry;
                let ended = LoginEnded {
                    account: account.name.clone(),
                    id: account.id.clone(),
                    scopes: account.scopes.clone(),
                    expires_at: account.expires_at,
                    renewable: true,
                };
                ending.send_replace(Some(Ok(ended)));
                let account = account.clone();
                world.accounts.insert(account.name.to_string(), account);
                Response::Done {}
            }
            Request::Cancel(question) => {
                let entry = world.sign_ins.get(&question.request).ok_or_else(no_such_request)?;
                let cancelled = Fault::new(FaultKind::Cancelled, "the sign-in was cancelled");
                entry.1.send_replace(Some(Err(cancelled)));
                Response::Done {}
            }
            Request::Logout(question) => {
                let account = world.accounts.remove(question.account.as_str());
                let account = account.ok_or_else(no_such_account)?;
                let name = account.name;
                self.tell(Event::Removed { id: account.id, name: name.clone() });
                Response::LoggedOut(LoggedOut {
                    account: name,
                    revocation: Revocation::Failed,
                    reason: Some("HTTP status 503".to_owned()),
                })
            }
            Request::ShowProvider(_)
            | Request::CheckProvider(_)
            | Request::DraftProvider(_)
            | Request::Status(_)
            | Request::Diagnose => {
                return Err(Fault::new(FaultKind::Internal, "not in this play"));
            }
            Request::Resume(question) => {
                if !world.accounts.contains_key(question.account.as_str()) {
                    return Err(no_such_account());
                }
                Response::Done {}
            }
        }))
    }
}

fn no_such_account() -> Fault {
    Fault::new(FaultKind::NoSuchAccount, "no account has that name")
}

fn no_such_request() -> Fault {
    Fault::new(FaultKind::NoSuchRequest, "no sign-in has that id")
}
