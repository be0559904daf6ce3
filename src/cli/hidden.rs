//! A line that is typed and not shown.

use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::low_level::{emulate_default_handler, pipe, unregister};
use signal_hook::{SigId, flag};
use zeroize::Zeroizing;

use super::console::Lines;

/// Turns echo off, calls `prompt`, and reads a line; `None` at the end of input. Echo is on again
/// afterwards, also if a signal ends the process meanwhile.
pub(super) fn line(
    terminal: impl AsFd,
    prompt: impl FnOnce(),
) -> io::Result<Option<Zeroizing<String>>> {
    let held = Held::hold(&[SIGINT, SIGTERM, SIGHUP, SIGQUIT])?;
    let silence = Silence::fall(&terminal)?;
    prompt();
    let line = Lines::new(Typed { terminal: &terminal, held: &held }).next();
    drop(silence);
    if let Some(signal) = held.arrived()? {
        emulate_default_handler(signal)?;
    }
    line
}

/// A terminal without echo.
struct Silence<'a, T: AsFd> {
    terminal: &'a T,
    before: Termios,
}

impl<'a, T: AsFd> Silence<'a, T> {
    fn fall(terminal: &'a T) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        // the cursor goes to the next line all the same
        silent.local_modes.insert(LocalModes::ECHONL);
        // what was typed before the question was no answer to it, as in getpass(3)
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl<T: AsFd> Drop for Silence<'_, T> {
    fn drop(&mut self) {
        // fails only if the terminal is gone
        let _ = tcsetattr(self.terminal, OptionalActions::Drain, &self.before);
    }
}

/// Signals that would end the process, kept waiting. They are as before once this is dropped.
struct Held {
    /// Each with what its handler writes into.
    pipes: Vec<(i32, UnixStream, SigId)>,
    over: Arc<AtomicBool>,
}

impl Held {
    fn hold(signals: &[i32]) -> io::Result<Self> {
        let mut held = Self { pipes: Vec::new(), over: Arc::new(AtomicBool::new(false)) };
        for signal in signals {
            // signal-hook's handler stays for good: this gives the signal its effect back
            flag::register_conditional_default(*signal, Arc::clone(&held.over))?;
            let (read, write) = UnixStream::pair()?;
            held.pipes.push((*signal, read, pipe::register(*signal, write)?));
        }
        Ok(held)
    }

    /// A signal that waits.
    fn arrived(&self) -> io::Result<Option<i32>> {
        for (signal, pipe, _) in &self.pipes {
            pipe.set_nonblocking(true)?;
            match (&*pipe).read(&mut [0]) {
                Ok(1..) => return Ok(Some(*signal)),
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
        Ok(None)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        for (_, _, id) in &self.pipes {
            unregister(*id);
        }
    }
}

/// What is typed, until a signal comes.
struct Typed<'a, T> {
    terminal: &'a T,
    held: &'a Held,
}

impl<T: AsFd> Read for Typed<'_, T> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let signals = self.held.pipes.iter().map(|(_, pipe, _)| pipe.as_fd());
        let mut ready: Vec<_> = signals
            .chain([self.terminal.as_fd()])
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        // interrupted by a signal: the caller asks again, and then it is in its pipe
        poll(&mut ready, None)?;
        if ready[..self.held.pipes.len()].iter().any(|pipe| !pipe.revents().is_empty()) {
            return Err(io::Error::other("a signal came"));
        }
        Ok(rustix::io::read(self.terminal, room)?)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use signal_hook::consts::SIGUSR1;
    use signal_hook::low_level::raise;

    use super::*;

    #[test]
    fn a_signal_ends_the_wait_for_a_line_and_is_told() {
        let held = Held::hold(&[SIGUSR1]).unwrap();
        let (mut person, terminal) = UnixStream::pair().unwrap();
        let mut lines = Lines::new(Typed { terminal: &terminal, held: &held });
        person.write_all(b"fake-secret\nfake").unwrap();
        assert_eq!(lines.next().unwrap().unwrap().as_str(), "fake-secret");
        assert_eq!(held.arrived().unwrap(), None);
        raise(SIGUSR1).unwrap();
        assert!(lines.next().is_err(), "the person never ends the line");
        assert_eq!(held.arrived().unwrap(), Some(SIGUSR1));
    }

    #[test]
    fn what_is_no_terminal_is_not_asked() {
        let (_person, terminal) = UnixStream::pair().unwrap();
        assert!(line(&terminal, || panic!("asked")).is_err());
    }
}
