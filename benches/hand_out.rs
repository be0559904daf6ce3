//! What it costs to be handed a token over the socket, against the least that a socket can cost: a
//! thread that echoes an answer of the same size. Both are asked in turns, in one run, so that only
//! their ratio counts.
//!
//! ```text
//! taskset -c 0 cargo bench --bench hand_out      # both ends on one core: the steadiest figures
//! ```
#![expect(clippy::print_stdout, reason = "the figures are the point")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::error::Error;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use support::clock;
use support::daemon::{Binaries, Daemon, Home};
use support::login::Login;
use support::provider::{Config, Provider};

const ROUNDS: usize = 40;
const ASKS: usize = 500;
const QUESTION: &[u8] =
    b"{\"method\":\"dev.ostler.Ostler1.GetToken\",\"parameters\":{\"account\":\"door\"}}\0";

fn main() -> Result<(), Box<dyn Error>> {
    let provider = Provider::start(Config::parqex().access_lifetime(Duration::from_hours(1)));
    let home = Home::new(Binaries::of_this_test())?
        .config("providers/bench.toml", &provider.definition("bench"))?;
    let daemon = Daemon::start(home)?;
    let login = Login::new("bench", "door").run(&daemon, &provider)?;
    if !login.status.success() {
        return Err(login.stderr.into());
    }

    let mut token = UnixStream::connect(daemon.socket_path())?;
    let answer = ask(&mut token)?;
    let floor = echo(&daemon.home().path("echo"), answer)?;
    let mut echoed = UnixStream::connect(&floor)?;

    let mut persistent = Ratio::new("one connection, p50");
    let mut connecting = Ratio::new("connect, ask, close, p50");
    for _ in 0..ROUNDS {
        let ours = median(ASKS, || ask(&mut token).map(drop))?;
        let theirs = median(ASKS, || ask(&mut echoed).map(drop))?;
        persistent.add(ours, theirs);
        let ours =
            median(ASKS / 5, || ask(&mut UnixStream::connect(daemon.socket_path())?).map(drop))?;
        let theirs = median(ASKS / 5, || ask(&mut UnixStream::connect(&floor)?).map(drop))?;
        connecting.add(ours, theirs);
    }
    println!("answer of {answer} bytes; {ROUNDS} rounds of {ASKS}");
    persistent.show();
    connecting.show();
    Ok(())
}

/// One question; how long its answer is.
fn ask(stream: &mut UnixStream) -> io::Result<usize> {
    stream.write_all(QUESTION)?;
    let mut buffer = [0; 4096];
    let mut length = 0;
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        length += read;
        if buffer[read - 1] == 0 {
            return Ok(length);
        }
    }
}

/// A server that answers each read with so many bytes.
fn echo(path: &Path, length: usize) -> io::Result<std::path::PathBuf> {
    let listener = UnixListener::bind(path)?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream, length));
        }
    });
    Ok(path.to_owned())
}

fn serve(mut stream: UnixStream, length: usize) -> io::Result<()> {
    let mut answer = vec![b'x'; length];
    answer[length - 1] = 0;
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer)? > 0 {
        stream.write_all(&answer)?;
    }
    Ok(())
}

fn median(count: usize, mut ask: impl FnMut() -> io::Result<()>) -> io::Result<Duration> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let start = clock::now();
        ask()?;
        times.push(clock::since(start));
    }
    times.sort_unstable();
    Ok(times[count / 2])
}

/// The ratios of one figure over all rounds.
struct Ratio {
    name: &'static str,
    ours: Vec<Duration>,
    ratios: Vec<f64>,
}

impl Ratio {
    fn new(name: &'static str) -> Self {
        Self { name, ours: Vec::new(), ratios: Vec::new() }
    }

    fn add(&mut self, ours: Duration, theirs: Duration) {
        self.ours.push(ours);
        self.ratios.push(ours.as_secs_f64() / theirs.as_secs_f64());
    }

    fn show(mut self) {
        self.ours.sort_unstable();
        self.ratios.sort_unstable_by(f64::total_cmp);
        let middle = self.ratios.len() / 2;
        let (least, most) = (self.ratios[0], self.ratios[self.ratios.len() - 1]);
        let micros = self.ours[middle].as_secs_f64() * 1e6;
        println!(
            "{:26} {micros:7.1} us   {:5.2} times the floor   [{least:.2} to {most:.2}]",
            self.name, self.ratios[middle]
        );
    }
}
