//! The least that refreshes can cost which lose nothing: one request each, and three durable commits (the intent, the
//! answer, what it means), those of several in one.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::Connection;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::Failure;
use crate::issuer::Issuer;

/// As many at once as the daemon has by default.
const FLIGHTS: usize = 32;
/// As many commits in one as the daemon's store makes of them.
const BATCH: usize = 64;

/// What is to be written, and who waits for it.
struct Write {
    account: usize,
    text: String,
    done: oneshot::Sender<()>,
}

/// Refreshes so many accounts, at each address of an issuer in turn.
pub(crate) fn refresh_all(
    issuer: &Issuer,
    origins: usize,
    count: usize,
    database: &Path,
) -> Result<(), Failure> {
    let connection = open(database)?;
    let (writes, queue) = mpsc::channel(BATCH);
    let store = std::thread::spawn(move || commit(&connection, queue));
    let urls: Arc<[String]> = (0..origins).map(|origin| issuer.token_url(origin)).collect();
    let next = Arc::new(AtomicUsize::new(0));
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).build()?;
        let mut flights: JoinSet<Result<(), String>> = JoinSet::new();
        for _ in 0..FLIGHTS {
            let (client, writes) = (client.clone(), writes.clone());
            let (urls, next) = (Arc::clone(&urls), Arc::clone(&next));
            flights.spawn(async move {
                loop {
                    let account = next.fetch_add(1, Ordering::Relaxed);
                    if account >= count {
                        return Ok(());
                    }
                    refresh(&client, &urls[account % urls.len()], account, &writes)
                        .await
                        .map_err(|error| error.to_string())?;
                }
            });
        }
        while let Some(ended) = flights.join_next().await {
            ended??;
        }
        Ok::<_, Failure>(())
    })?;
    drop(writes);
    store.join().map_err(|_| "the store failed")??;
    Ok(())
}

async fn refresh(
    client: &reqwest::Client,
    url: &str,
    account: usize,
    writes: &mpsc::Sender<Write>,
) -> Result<(), Failure> {
    write(writes, account, "begun".to_owned()).await?;
    let body = format!("grant_type=refresh_token&client_id=many&refresh_token=rt-{account}");
    let request = client.post(url).header("Content-Type", "application/x-www-form-urlencoded");
    let answer = request.body(body).send().await?.text().await?;
    write(writes, account, answer.clone()).await?;
    let read: serde_json::Value = serde_json::from_str(&answer)?;
    write(writes, account, read["access_token"].to_string()).await
}

async fn write(writes: &mpsc::Sender<Write>, account: usize, text: String) -> Result<(), Failure> {
    let (done, is_done) = oneshot::channel();
    writes.send(Write { account, text, done }).await.map_err(|_| "the store is gone")?;
    Ok(is_done.await?)
}

/// A database that is as durable as the daemon's.
fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute("CREATE TABLE tokens (account TEXT PRIMARY KEY, text TEXT)", ())?;
    Ok(connection)
}

fn commit(connection: &Connection, mut queue: mpsc::Receiver<Write>) -> rusqlite::Result<()> {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.blocking_recv_many(&mut batch, BATCH) > 0 {
        let transaction = connection.unchecked_transaction()?;
        for write in &batch {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO tokens VALUES (?1, ?2)")?
                .execute((write.account.to_string(), &write.text))?;
        }
        transaction.commit()?;
        for write in batch.drain(..) {
            // whoever waited has been told of a failure elsewhere, and given up
            let _ = write.done.send(());
        }
    }
    Ok(())
}
