//! Passes on to the engine what becomes of the machine: sleep, wake, networks, the wall clock.

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::engine::Control;
use crate::host::{self, News};
use crate::sys::network::NetworkWatch;
use crate::sys::wall::WallWatch;

/// News that may wait for being passed on.
const NEWS: usize = 8;

/// Starts to listen. What cannot be listened to is done without: all of it is hints. The tasks end
/// with the engine, or with the set.
pub(super) fn listen(tasks: &mut JoinSet<()>, orders: &mpsc::Sender<Control>) {
    match WallWatch::start() {
        Ok(watch) => drop(tasks.spawn(pass_clock(watch, orders.clone()))),
        Err(error) => tracing::debug!(%error, "nothing is heard of a clock that is set"),
    }
    match NetworkWatch::start() {
        Ok(watch) => drop(tasks.spawn(pass_network(watch, orders.clone()))),
        Err(error) => tracing::debug!(%error, "nothing is heard of networks"),
    }
    let (tell, news) = mpsc::channel(NEWS);
    tasks.spawn(host::watch(tell));
    tasks.spawn(pass_news(news, orders.clone()));
}

async fn pass_clock(mut watch: WallWatch, orders: mpsc::Sender<Control>) {
    while watch.set().await.is_ok() {
        if orders.send(Control::ClockSet).await.is_err() {
            return;
        }
    }
}

async fn pass_network(mut watch: NetworkWatch, orders: mpsc::Sender<Control>) {
    while watch.up().await.is_ok() {
        if orders.send(Control::NetworkUp).await.is_err() {
            return;
        }
    }
}

async fn pass_news(mut news: mpsc::Receiver<News>, orders: mpsc::Sender<Control>) {
    while let Some(news) = news.recv().await {
        let order = match news {
            News::Rest(inhibitor) => Control::Rest(inhibitor),
            News::Wake => Control::Wake,
            News::NetworkUp => Control::NetworkUp,
        };
        if orders.send(order).await.is_err() {
            return;
        }
    }
}
