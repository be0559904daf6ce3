//! Where output goes and input comes from. Passed in, so that tests can stand in for a terminal.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, IsTerminal, Read, Write};
use std::os::fd::AsFd;

use serde::Serialize;
use zeroize::Zeroizing;

use super::failure::Failure;

/// What surrounds a command.
pub(super) struct Console<'a> {
    /// Answers.
    pub(super) out: &'a mut dyn Write,
    /// Instructions, questions and last words.
    pub(super) err: &'a mut dyn Write,
    /// Standard input; gone once somebody has taken it.
    pub(super) input: Option<Input>,
    /// Opens the terminal of the person, wherever standard input comes from.
    pub(super) terminal: OpenTerminal,
    /// Environment variables.
    pub(super) variables: &'a dyn Fn(&str) -> Option<OsString>,
    /// What tables are drawn for. A question, because only tables need the answer.
    pub(super) look: &'a dyn Fn() -> Look,
    /// Whether somebody watches a terminal where standard error goes.
    pub(super) watched: bool,
}

/// Gives the lines that are typed at the terminal.
pub(super) type OpenTerminal = fn() -> io::Result<Lines<Box<dyn Read + Send>>>;

/// Standard input, and whether a person sits there.
pub(super) struct Input {
    pub(super) lines: Lines<Box<dyn Read + Send>>,
    pub(super) interactive: bool,
}

/// How tables are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// Columns of the terminal, if it is one.
    pub(super) width: Option<usize>,
    pub(super) colour: Colour,
}

/// Whether states are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Never,
    Ansi,
}

impl Console<'_> {
    /// The real one.
    pub(super) fn of_process() -> Console<'static> {
        Console {
            // leaked: they last as long as the process, which has one of each
            out: Box::leak(Box::new(Direct(io::stdout()))),
            err: Box::leak(Box::new(Direct(io::stderr()))),
            input: Some(input_of_process()),
            // tty(4): fails without a controlling terminal
            terminal: || Ok(Lines::new(Box::new(File::open("/dev/tty")?))),
            variables: &|name| std::env::var_os(name),
            look: &look_of_process,
            watched: io::stderr().is_terminal(),
        }
    }

    /// Writes a line to standard output at once, without keeping a copy.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<(), Failure> {
        write_all(self.out, [line, b"\n"]).map_err(Failure::Output)
    }

    /// Writes an answer as JSON, on one line.
    pub(super) fn json(&mut self, answer: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(answer).map_err(|error| Failure::Output(error.into()))?;
        self.line(text.as_bytes())
    }

    /// Tells the person at the terminal something. If that does not work, the work goes on.
    pub(super) fn tell(&mut self, text: &str) {
        let _ = self.err.write_all(text.as_bytes()).and_then(|()| self.err.flush());
    }
}

/// Two parts in one system call, as a rule.
fn write_all(out: &mut dyn Write, parts: [&[u8]; 2]) -> io::Result<()> {
    let mut slices = parts.map(IoSlice::new);
    let mut rest = &mut slices[..];
    while !rest.is_empty() {
        match out.write_vectored(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut rest, count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    out.flush()
}

/// A stream of the process without std's buffer, where a token would stay behind.
struct Direct<T: AsFd>(T);

impl<T: AsFd> Write for Direct<T> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(&self.0, data)?)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(rustix::io::writev(&self.0, parts)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Stdin;

impl Read for Stdin {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(io::stdin(), room)?)
    }
}

fn input_of_process() -> Input {
    let lines = Lines::new(Box::new(Stdin) as Box<dyn Read + Send>);
    Input { lines, interactive: io::stdin().is_terminal() }
}

fn look_of_process() -> Look {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return Look { width: None, colour: Colour::Never };
    }
    let width = rustix::termios::tcgetwinsize(&stdout).ok().map(|size| usize::from(size.ws_col));
    // https://no-color.org: present and not empty, whatever it says
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let colour = if refused || dumb { Colour::Never } else { Colour::Ansi };
    Look { width: width.filter(|width| *width > 0), colour }
}

/// The longest line read, in bytes: more than any URL that a browser takes.
const LINE_MAX: usize = 64 * 1024;

/// Reads lines byte by byte: they hold secrets, and a buffer would keep copies of them and read
/// ahead into what is meant for somebody else.
pub(super) struct Lines<R>(R);

impl<R: Read> Lines<R> {
    pub(super) fn new(source: R) -> Self {
        Self(source)
    }

    /// The next line without its end; `None` at the end of input.
    pub(super) fn next(&mut self) -> io::Result<Option<Zeroizing<String>>> {
        // all the room at once: growing would leave copies behind
        let mut line = Zeroizing::new(Vec::with_capacity(LINE_MAX));
        let mut byte = [0];
        loop {
            match self.0.read(&mut byte) {
                Ok(0) if line.is_empty() => return Ok(None),
                Ok(0) => break,
                Ok(_) if byte == *b"\n" => break,
                Ok(_) if line.len() == LINE_MAX => return Err(ErrorKind::InvalidData.into()),
                Ok(_) => line.push(byte[0]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let text =
            std::str::from_utf8(&line).map_err(|_| io::Error::from(ErrorKind::InvalidData))?;
        Ok(Some(Zeroizing::new(text.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_one_at_a_time_and_no_byte_further() {
        let mut source = &b"secret\r\nhttps://redirect\n\nlast"[..];
        let mut lines = Lines::new(&mut source);
        assert_eq!(lines.next().unwrap().unwrap().as_str(), "secret");
        assert_eq!(lines.next().unwrap().unwrap().as_str(), "https://redirect");
        assert_eq!(source, b"\nlast");
        let mut lines = Lines::new(source);
        assert_eq!(lines.next().unwrap().unwrap().as_str(), "");
        assert_eq!(lines.next().unwrap().unwrap().as_str(), "last");
        assert!(lines.next().unwrap().is_none());
        assert!(Lines::new(&b"\xff\n"[..]).next().is_err());
        assert!(Lines::new(io::repeat(b'x')).next().is_err());
    }

    #[test]
    fn a_line_is_written_whole_even_to_a_slow_reader() {
        struct Slow(Vec<u8>);
        impl Write for Slow {
            fn write(&mut self, data: &[u8]) -> io::Result<usize> {
                self.0.extend(&data[..data.len().min(2)]);
                Ok(data.len().min(2))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut out = Slow(Vec::new());
        write_all(&mut out, [b"token", b"\n"]).unwrap();
        assert_eq!(out.0, b"token\n");
    }
}
