//! A token endpoint at many addresses that knows no accounts: whoever comes with a refresh token is given another. For
//! crowds, of which the provider of the tests would keep a log.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};

use crate::Failure;
use crate::support::clock;
use crate::support::daemon::Home;

/// How long is waited for the next answer.
const PATIENCE: Duration = Duration::from_mins(2);

/// When it answered.
type Answers = Arc<Mutex<Vec<Instant>>>;

/// A token endpoint that is there until it is dropped.
#[derive(Debug)]
pub(crate) struct Issuer {
    origins: usize,
    port: u16,
    seen: Seen,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the handler needs.
#[derive(Debug, Clone)]
struct Seen {
    answers: Answers,
    count: watch::Sender<usize>,
    lifetime: Duration,
}

impl Issuer {
    /// One at so many addresses of this machine, whose access tokens live so long.
    pub(crate) fn start(origins: usize, lifetime: Duration) -> Result<Self, Failure> {
        let seen = Seen { answers: Answers::default(), count: watch::Sender::new(0), lifetime };
        let (report, started) = mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        let app = Router::new().route("/token", post(token)).with_state(seen.clone());
        let thread = std::thread::Builder::new().name("issuer".to_owned()).spawn(move || {
            let Ok(runtime) = Builder::new_current_thread().enable_all().build() else { return };
            runtime.block_on(async move {
                // whoever waits for it may have given up
                let _ = report.send(listen(origins, app).await);
                let _ = stopped.await;
            });
        })?;
        let port = started.recv()??;
        Ok(Self { origins, port, seen, stop: Some(stop), thread: Some(thread) })
    }

    /// A home with a definition for each address.
    pub(crate) fn known_in(&self, mut home: Home) -> Result<Home, Failure> {
        for origin in 0..self.origins {
            let (id, base) = (provider(origin), self.base(origin));
            let definition = format!(
                "id = \"{id}\"\ntitle = \"Bench\"\nauthorization_url = \"{base}/authorize\"\n\
                 token_url = \"{base}/token\"\nclient_auth = \"none\"\n"
            );
            home = home.config(&format!("providers/{id}.toml"), &definition)?;
        }
        Ok(home)
    }

    /// The token endpoint at one of the addresses.
    pub(crate) fn token_url(&self, origin: usize) -> String {
        format!("{}/token", self.base(origin))
    }

    fn base(&self, origin: usize) -> String {
        format!("http://{}", SocketAddrV4::new(address(origin), self.port))
    }

    /// How often it has answered.
    pub(crate) fn count(&self) -> usize {
        *self.seen.count.borrow()
    }

    /// Waits until it has answered so often.
    pub(crate) fn wait(&self, count: usize) -> Result<(), Failure> {
        let mut watch = self.seen.count.subscribe();
        let runtime = Builder::new_current_thread().enable_time().build()?;
        runtime.block_on(async {
            while *watch.borrow_and_update() < count {
                let next = tokio::time::timeout(PATIENCE, watch.changed()).await;
                next.map_err(|_| format!("no answer after the {}th", self.count()))??;
            }
            Ok(())
        })
    }

    /// How many answers a second it gave from one to another, by their numbers.
    pub(crate) fn rate(&self, from: usize, to: usize) -> f64 {
        let answers = self.seen.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let span = answers[to - 1].duration_since(answers[from]);
        1.0 / (span / u32::try_from(to - 1 - from).unwrap_or(u32::MAX)).as_secs_f64()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // it may have ended by itself
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The name of the provider at one of the addresses.
pub(crate) fn provider(origin: usize) -> String {
    format!("bench-{origin:03}")
}

/// Each is an origin of its own, and none leaves the machine.
fn address(origin: usize) -> Ipv4Addr {
    let [.., high, low] = (origin + 1).to_be_bytes();
    Ipv4Addr::new(127, 1, high, low)
}

/// Listens at all addresses on one port.
async fn listen(origins: usize, app: Router) -> std::io::Result<u16> {
    let mut port = 0;
    for origin in 0..origins {
        let listener = TcpListener::bind(SocketAddrV4::new(address(origin), port)).await?;
        port = listener.local_addr()?.port();
        let app = app.clone();
        // they end with the runtime
        tokio::spawn(async move { axum::serve(listener, app).await });
    }
    Ok(port)
}

async fn token(State(seen): State<Seen>) -> impl IntoResponse {
    let number = {
        let mut answers = seen.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.push(clock::now());
        answers.len()
    };
    seen.count.send_replace(number);
    let body = format!(
        "{{\"access_token\":\"at-{number:0900}\",\"refresh_token\":\"rt-{number:040}\",\
         \"token_type\":\"Bearer\",\"expires_in\":{}}}",
        seen.lifetime.as_secs()
    );
    ([(CONTENT_TYPE, "application/json")], body)
}
