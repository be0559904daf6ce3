//! A secret handed over through a socket that its receiver made: not even who sees all messages of a bus,
//! descriptors included, can read it.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, Shutdown, SocketType, send, shutdown, sockopt};

/// Why a secret was not handed over.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    /// Whoever has another copy of a pipe's writing end can open it anew for reading, by way of
    /// `/proc/self/fd`. A socket's cannot be (proc(5), unix(7)).
    #[error(
        "the descriptor is not one end of a connected pair of Unix stream sockets (socketpair)"
    )]
    NotAPair,
    /// It took less than the whole. What it took is void.
    #[error("the socket has no room for the token")]
    Full,
    /// The other end is closed.
    #[error("the other end of the socket is closed")]
    Closed,
    /// The kernel did not let us.
    #[error("the socket: {0}")]
    Io(io::Error),
}

/// Writes the secret and then the end of the stream, and closes the socket. Does not wait: whatever is as
/// short as a token fits into a socket in which nothing is.
#[expect(clippy::needless_pass_by_value, reason = "it is closed here, whatever comes of it")]
pub fn hand_over(socket: OwnedFd, secret: &[u8]) -> Result<(), HandOverError> {
    let family = sockopt::socket_domain(&socket).map_err(not_a_pair)?;
    let kind = sockopt::socket_type(&socket).map_err(not_a_pair)?;
    if family != AddressFamily::UNIX || kind != SocketType::STREAM {
        return Err(HandOverError::NotAPair);
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    match send(&socket, secret, flags) {
        Ok(sent) if sent == secret.len() => {}
        Ok(_) | Err(Errno::AGAIN) => return Err(HandOverError::Full),
        Err(Errno::PIPE | Errno::CONNRESET) => return Err(HandOverError::Closed),
        Err(Errno::NOTCONN | Errno::OPNOTSUPP) => return Err(HandOverError::NotAPair),
        Err(error) => return Err(HandOverError::Io(error.into())),
    }
    // to close is not enough: others may hold copies of this end, and the reader waits for its end
    shutdown(&socket, Shutdown::Write).map_err(|error| HandOverError::Io(error.into()))
}

fn not_a_pair(error: Errno) -> HandOverError {
    match error {
        Errno::NOTSOCK => HandOverError::NotAPair,
        error => HandOverError::Io(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    use super::*;

    #[test]
    fn what_is_handed_over_arrives_whole_and_ends_whoever_else_holds_the_socket() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let overheard = ours.try_clone().unwrap();
        let secret = "fake".repeat(4096);
        hand_over(ours.into(), secret.as_bytes()).unwrap();
        let mut read = String::new();
        theirs.read_to_string(&mut read).unwrap();
        assert_eq!(read, secret);
        overheard.set_nonblocking(true).unwrap();
        let nothing = (&overheard).read(&mut [0; 8]).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn only_a_connected_stream_socket_of_this_machine_will_do() {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("socket")).unwrap();
        let loopback = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = std::net::TcpStream::connect(loopback.local_addr().unwrap()).unwrap();
        let (datagram, _other) = UnixDatagram::pair().unwrap();
        let (_reader, pipe) = io::pipe().unwrap();
        let file = tempfile::tempfile().unwrap();
        for wrong in [listener.into(), tcp.into(), datagram.into(), pipe.into(), file.into()] {
            assert!(matches!(hand_over(wrong, b"fake"), Err(HandOverError::NotAPair)));
        }
    }

    #[test]
    fn nobody_is_waited_for() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert!(matches!(hand_over(ours.into(), b"fake"), Err(HandOverError::Closed)));
        let (mut ours, _theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        while ours.write(&[0; 4096]).is_ok() {}
        assert!(matches!(hand_over(ours.into(), b"fake"), Err(HandOverError::Full)));
    }
}
