//! What is between the daemon and its providers: requests in the air, and what becomes of them.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::provider::{Custody, Servers, Verdict};
use super::tokens::{access_tokens, parse, refresh_tokens};
use crate::model::{FailureClass, RawAnswer};
use crate::oauth::{Courier, Delivery, SendError, TokenRequest};

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is answered.
    Well,
    /// It is answered so many milliseconds later.
    Slow(u16),
    /// The server gets it; the answer is lost.
    AnswerLost,
    /// The connection breaks before the server gets it, and nobody can tell.
    RequestLost,
    /// There is no connection.
    NotSent,
    /// Nothing comes back until the client gives up; the server got it, or did not.
    Silence { arrives: bool },
    /// The server is in trouble and does not look at it; perhaps it says for how many seconds.
    Trouble { status: u16, retry_after: Option<u16> },
    /// The server gets it, and a gateway in front of it answers 502.
    BadGateway,
    /// A page of a captive portal.
    Portal,
    /// The answer breaks off behind the refresh token, or before it.
    Cut { behind: bool },
    /// The answer has a refresh token and nothing else.
    NoAccess,
    /// The server rejects the client for a while.
    BadClient,
    /// A server that forgives calls a sound grant dead.
    FalseAlarm,
}

type Reply = oneshot::Sender<Result<RawAnswer, SendError>>;

struct Aloft {
    token: String,
    sent: i64,
    reply: Reply,
    course: Course,
}

/// What is known of a request's fate.
enum Course {
    Open,
    /// Nothing comes back.
    Silent,
    /// This comes back, then.
    Comes(i64, Result<RawAnswer, SendError>),
}

/// Requests in the air, and the servers on the other side.
#[derive(Default)]
pub(super) struct Air {
    aloft: Vec<Aloft>,
    pub(super) servers: Servers,
    /// The true time, in milliseconds.
    pub(super) now: i64,
    /// Which refresh tokens left, and when.
    pub(super) left: Vec<(i64, String)>,
}

/// The way there and back, for the engine and for the test.
#[derive(Clone, Default)]
pub(super) struct Sky(Arc<Mutex<Air>>);

/// When the HTTP client gives up, in milliseconds.
const PATIENCE: i64 = 30_000;

impl Sky {
    pub(super) fn air(&self) -> MutexGuard<'_, Air> {
        self.0.lock().unwrap()
    }
}

impl Courier for Sky {
    fn deliver(&self, request: TokenRequest) -> Delivery<'_> {
        Box::pin(async move {
            let token = proof(&request);
            let (reply, answer) = oneshot::channel();
            self.air().launch(token, reply);
            let result = answer.await.unwrap_or_else(|_| Err(error(FailureClass::Ambiguous)));
            if let Ok(answer) = &result {
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                let mut air = self.air();
                for token in refresh_tokens(&text) {
                    air.servers.note(token, Custody::Held);
                }
                for token in access_tokens(&text) {
                    air.servers.note_access(token, Custody::Held);
                }
            }
            result
        })
    }
}

/// By what a request asks for tokens.
fn proof(request: &TokenRequest) -> String {
    let of = |name: &str| request.parameter(name).unwrap_or_default();
    match of("grant_type").as_str() {
        "refresh_token" => of("refresh_token"),
        "authorization_code" => format!("code-{}", of("code")),
        "urn:ietf:params:oauth:grant-type:device_code" => format!("code-{}", of("device_code")),
        "client_credentials" => format!("secret-{}:{}", of("client_id"), of("client_secret")),
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => format!("assertion-{}", of("assertion")),
        other => panic!("nobody asks for {other}"),
    }
}

impl Air {
    fn launch(&mut self, token: String, reply: Reply) {
        let account = parse(&token).map(|(account, _)| account);
        let twin = self.aloft.iter().any(|other| {
            account.is_some()
                && !other.reply.is_closed()
                && parse(&other.token).map(|(account, _)| account) == account
        });
        if twin {
            self.servers.wrong.push(format!("{token} was sent beside another of its grant"));
        }
        self.left.push((self.now, token.clone()));
        self.aloft.push(Aloft { token, sent: self.now, reply, course: Course::Open });
    }

    /// How many requests wait for their fate.
    pub(super) fn open(&self) -> usize {
        self.aloft.iter().filter(|aloft| matches!(aloft.course, Course::Open)).count()
    }

    /// The oldest request whose fate is open meets it. Whether there was one.
    pub(super) fn meet(&mut self, fate: Fate) -> bool {
        let Some(place) = self.aloft.iter().position(|aloft| matches!(aloft.course, Course::Open))
        else {
            return false;
        };
        let now = self.now;
        let token = self.aloft[place].token.clone();
        match self.outcome(&token, fate) {
            Course::Comes(at, result) if at <= now => self.come_back(place, result),
            course => self.aloft[place].course = course,
        }
        true
    }

    /// What is due comes back; what took too long is given up.
    pub(super) fn pass(&mut self) -> bool {
        let now = self.now;
        let due = self.aloft.iter().position(|aloft| {
            let answered = matches!(&aloft.course, Course::Comes(at, _) if *at <= now);
            answered || aloft.sent + PATIENCE <= now || aloft.reply.is_closed()
        });
        let Some(place) = due else { return false };
        let result = match std::mem::replace(&mut self.aloft[place].course, Course::Silent) {
            Course::Comes(at, result) if at <= now => result,
            _ => Err(error(FailureClass::Ambiguous)),
        };
        self.come_back(place, result);
        true
    }

    /// When [`Air::pass`] next has something to do.
    pub(super) fn next(&self) -> Option<i64> {
        let times = self.aloft.iter().map(|aloft| match &aloft.course {
            Course::Comes(at, _) => (*at).min(aloft.sent + PATIENCE),
            _ => aloft.sent + PATIENCE,
        });
        times.min()
    }

    /// The daemon is gone: what was in the air arrives, or does not, and nobody hears the answers.
    pub(super) fn fall(&mut self, arrives: impl Fn(usize) -> bool) {
        for (place, aloft) in std::mem::take(&mut self.aloft).into_iter().enumerate() {
            if matches!(aloft.course, Course::Open) && arrives(place) {
                self.servers.take(&aloft.token, self.now);
            }
        }
        self.servers.forget_memory();
    }

    fn come_back(&mut self, place: usize, result: Result<RawAnswer, SendError>) {
        let Aloft { reply, .. } = self.aloft.remove(place);
        if let Err(Ok(answer)) = reply.send(result) {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            for token in refresh_tokens(&text) {
                self.servers.note(token, Custody::Lost);
            }
        }
    }

    /// What comes back and when.
    fn outcome(&mut self, token: &str, fate: Fate) -> Course {
        let now = self.now;
        let lost = Err(error(FailureClass::Ambiguous));
        let result = match fate {
            Fate::Well => Ok(self.serve(token)),
            Fate::Slow(millis) => {
                let answer = self.serve(token);
                return Course::Comes(now + i64::from(millis), Ok(answer));
            }
            Fate::AnswerLost => {
                self.serve_in_vain(token);
                lost
            }
            Fate::RequestLost => lost,
            Fate::NotSent => Err(error(FailureClass::NotSent)),
            Fate::Silence { arrives } => {
                if arrives {
                    self.serve_in_vain(token);
                }
                return Course::Silent;
            }
            Fate::Trouble { status, retry_after } => {
                let mut raw = answer(status, "<h1>Sorry</h1>");
                raw.retry_after = retry_after.map(|seconds| seconds.to_string());
                Ok(raw)
            }
            Fate::BadGateway => {
                self.serve_in_vain(token);
                Ok(answer(502, "<h1>Bad Gateway</h1>"))
            }
            Fate::Portal => Ok(answer(200, "<html>Welcome to our hotel</html>")),
            Fate::Cut { behind } => {
                let mut raw = self.serve(token);
                let text = String::from_utf8_lossy(&raw.body).into_owned();
                match text.find(",\"access_token\"") {
                    Some(place) if raw.status == 200 && behind => raw.body.truncate(place + 8),
                    _ if raw.status == 200 => {
                        for token in refresh_tokens(&text) {
                            self.servers.note(token, Custody::Lost);
                        }
                        return Course::Comes(now, lost);
                    }
                    _ => {}
                }
                let whole = raw.status != 200 || raw.body.starts_with(b"{\"refresh_token\"");
                if whole { Ok(raw) } else { lost }
            }
            Fate::NoAccess => {
                let mut raw = self.serve(token);
                let text = String::from_utf8_lossy(&raw.body).into_owned();
                if let Some(place) = text.find(",\"access_token\"") {
                    raw.body.truncate(place);
                    raw.body.push(b'}');
                }
                Ok(raw)
            }
            Fate::BadClient => Ok(answer(401, "{\"error\":\"invalid_client\"}")),
            Fate::FalseAlarm if self.servers.errs(token) => {
                Ok(answer(400, "{\"error\":\"invalid_grant\"}"))
            }
            Fate::FalseAlarm => Ok(answer(503, "")),
        };
        Course::Comes(now, result)
    }

    fn serve(&mut self, token: &str) -> RawAnswer {
        match self.servers.take(token, self.now) {
            Verdict::Dead => answer(400, "{\"error\":\"invalid_grant\"}"),
            Verdict::Stranger => answer(401, "{\"error\":\"invalid_client\"}"),
            Verdict::Pending => answer(400, "{\"error\":\"authorization_pending\"}"),
            Verdict::Granted { refresh, access, lifetime } => {
                let refresh = refresh.map(|token| format!("\"refresh_token\":\"{token}\","));
                let seconds = lifetime / 1000;
                let refresh = refresh.unwrap_or_else(|| "\"note\":\"none\",".into());
                let body = format!(
                    "{{{refresh}\"access_token\":\"{access}\",\"token_type\":\"Bearer\",\
                     \"expires_in\":{seconds}}}"
                );
                answer(200, &body)
            }
        }
    }

    fn serve_in_vain(&mut self, token: &str) {
        let raw = self.serve(token);
        for token in refresh_tokens(&String::from_utf8_lossy(&raw.body)) {
            self.servers.note(token, Custody::Lost);
        }
    }
}

fn answer(status: u16, body: &str) -> RawAnswer {
    let kind = if body.starts_with('<') { "text/html" } else { "application/json" };
    RawAnswer {
        status,
        content_type: Some(kind.into()),
        retry_after: None,
        date: None,
        www_authenticate: None,
        body: Zeroizing::new(body.as_bytes().to_vec()),
    }
}

fn error(class: FailureClass) -> SendError {
    SendError { class, status: None, detail: "as the model has it".into() }
}
