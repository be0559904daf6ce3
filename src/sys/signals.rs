//! TERM, INT and HUP as events: signal-hook's handler writes a byte into a pipe per signal, and the
//! runtime reads it (signal-safety(7) allows a handler no more than that).

use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// TERM or INT: end what is under way, then stop.
    Stop,
    /// HUP: read provider definitions anew.
    Reload,
}

/// The signals that the daemon listens to.
pub struct Signals {
    stop: UnixStream,
    reload: UnixStream,
}

impl Signals {
    /// Starts to listen. Call inside the runtime.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { stop: pipe_for(&[SIGTERM, SIGINT])?, reload: pipe_for(&[SIGHUP])? })
    }

    /// The next signal. Several of a kind that arrive together count as one.
    pub async fn next(&mut self) -> Signal {
        let (mut stop, mut reload) = ([0; 64], [0; 64]);
        // a stop goes before a reload
        tokio::select! {
            biased;
            _ = self.stop.read(&mut stop) => Signal::Stop,
            _ = self.reload.read(&mut reload) => Signal::Reload,
        }
    }
}

fn pipe_for(signals: &[i32]) -> io::Result<UnixStream> {
    let (read, write) = StdUnixStream::pair()?;
    read.set_nonblocking(true)?;
    for signal in signals {
        pipe::register(*signal, write.try_clone()?)?;
    }
    UnixStream::from_std(read)
}
