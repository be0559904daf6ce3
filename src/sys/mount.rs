//! Files that may lie below a mount that is stuck (autofs, NFS, FUSE): the kernel lets nobody go who touches one.

use std::time::Duration;

use tokio::sync::Semaphore;

/// Threads in which such files are read, for one purpose. One that is stuck keeps its place: then the others are fewer,
/// and never more.
pub(super) struct Readers {
    places: Semaphore,
    patience: Duration,
}

impl Readers {
    /// So many threads at a time. Nobody waits for one longer than that.
    pub(super) const fn new(threads: usize, patience: Duration) -> Self {
        Self { places: Semaphore::const_new(threads), patience }
    }

    /// What the work brings; nothing if it is stuck, or has no place to be done.
    pub(super) async fn read<T: Send + 'static>(
        &'static self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let reading = async {
            let place = self.places.acquire().await.ok()?;
            let thread = tokio::task::spawn_blocking(move || {
                let _place = place;
                work()
            });
            thread.await.ok()
        };
        tokio::time::timeout(self.patience, reading).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_thread_that_is_stuck_keeps_its_place_and_nobody_waits_for_it() {
        static READERS: Readers = Readers::new(2, Duration::from_millis(50));
        let (go, stuck) = mpsc::channel::<()>();
        let (end, ended) = tokio::sync::oneshot::channel();
        let first = READERS.read(move || {
            // it fails when the other end is dropped
            let _ = stuck.recv();
            let _ = end.send(());
        });
        assert_eq!(first.await, None);
        assert_eq!(READERS.places.available_permits(), 1, "it has its place yet");
        // on a machine that is slow this may be too slow, too
        while READERS.read(|| 7).await != Some(7) {}
        drop(go);
        ended.await.unwrap();
        let both = READERS.places.acquire_many(2).await.unwrap();
        drop(both);
    }
}
