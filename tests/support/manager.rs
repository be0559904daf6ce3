//! The service manager's end of `sd_notify(3)`. It reads all the time, as a service manager does: a
//! socket that nobody reads is soon full and holds up whoever has something to tell.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;

/// What `NOTIFY_SOCKET` names.
#[derive(Debug)]
pub(crate) struct Manager {
    socket: UnixDatagram,
    /// The lines of all datagrams, one after the other; readable when there is something new.
    told: UnixStream,
    rest: Vec<u8>,
}

impl Manager {
    /// Listens at a path.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::bind(path)?;
        let (told, mut lines) = UnixStream::pair()?;
        told.set_nonblocking(true)?;
        let ears = socket.try_clone()?;
        std::thread::Builder::new().name("manager".to_owned()).spawn(move || {
            let mut message = [0; 4096];
            // it ends with the socket's shutdown, which is read as nothing
            while let Ok(length @ 1..) = ears.recv(&mut message) {
                // in one piece, so that whoever sees one line of a message sees all of them
                let text = [message[..length].trim_ascii_end(), b"\n"].concat();
                if lines.write_all(&text).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { socket, told, rest: Vec::new() })
    }

    /// What has been told since the last time, one `NAME=value` each. Does not wait.
    pub(crate) fn collect(&mut self) -> io::Result<Vec<String>> {
        match self.told.read_to_end(&mut self.rest) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        let whole = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines: Vec<u8> = self.rest.drain(..whole).collect();
        Ok(String::from_utf8_lossy(&lines).lines().map(str::to_owned).collect())
    }
}

impl AsFd for Manager {
    /// Readable when [`Manager::collect`] has something to give.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.told.as_fd()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        // fails only if it is shut down already
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}
