//! Where the client's secret, key or certificate comes from: never the command line, which everybody can see.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::api;
use crate::cli::args::Login;
use crate::cli::console::{Console, Lines};
use crate::cli::failure::Failure;
use crate::cli::hidden;
use crate::model::ClientSecret;

/// The longest key file, in bytes.
const KEY_MAX: u64 = 64 * 1024;

pub(super) fn client_secret(
    args: &Login,
    console: &mut Console<'_>,
) -> Result<Option<api::Secret>, Failure> {
    if let Some(path) = &args.client_certificate {
        return certified(path, args.client_key.as_deref()).map(Some);
    }
    if let Some(path) = &args.client_key {
        return key(path).map(Some);
    }
    let line = if let Some(command) = &args.client_secret_command {
        secret_of_command(command)?
    } else if args.client_secret_stdin {
        let read = match &mut console.input {
            Some(input) if input.interactive => {
                hidden::line(io::stdin(), || console.tell("Client secret: "))
            }
            Some(input) => input.lines.next(),
            None => Ok(None),
        };
        read.map_err(|error| Failure::Usage(format!("cannot read standard input: {error}")))?
    } else {
        return Ok(None);
    };
    given(line).map(Some)
}

/// A secret that was to be given.
fn given(line: Option<Zeroizing<String>>) -> Result<api::Secret, Failure> {
    match line {
        Some(mut line) if !line.is_empty() => {
            Ok(Arc::new(ClientSecret::new(std::mem::take(&mut *line))))
        }
        _ => Err(Failure::Usage("the client secret is empty; see: ostler login --help".into())),
    }
}

pub(super) fn secret_of_command(command: &str) -> Result<Option<Zeroizing<String>>, Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        Failure::Usage(format!("the command for the client secret failed: {why}"))
    };
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error))?;
    let line = child.stdout.take().map(|stdout| {
        let mut lines = Lines::new(stdout);
        let first = lines.next();
        // to the end, so that the command is not killed for saying more than was asked
        while let Ok(Some(_)) = lines.next() {}
        first
    });
    let status = child.wait().map_err(|error| failed(&error))?;
    if !status.success() {
        return Err(failed(&status));
    }
    line.transpose().map(Option::flatten).map_err(|error| failed(&error))
}

/// A client secret that a command prints, if one is named.
pub(in crate::cli) fn secret_of(command: Option<&str>) -> Result<Option<api::Secret>, Failure> {
    let Some(command) = command else { return Ok(None) };
    given(secret_of_command(command)?).map(Some)
}

/// A certificate and its key in one text.
fn certified(certificate: &Path, key: Option<&Path>) -> Result<api::Secret, Failure> {
    let shown = certificate.display();
    let chain = read(certificate)?;
    if !chain.contains("-----BEGIN CERTIFICATE-----") {
        return Err(Failure::Usage(format!("there is no certificate in PEM in {shown}")));
    }
    let has_key = chain.contains("PRIVATE KEY-----");
    let key = match key {
        Some(_) if has_key => {
            let message = format!("{shown} has a key already; leave --client-key out");
            return Err(Failure::Usage(message));
        }
        Some(key) => read(key)?,
        None if has_key => Zeroizing::default(),
        None => {
            let message = format!("{shown} has no key; give it with --client-key");
            return Err(Failure::Usage(message));
        }
    };
    let mut text = String::with_capacity(chain.len() + 1 + key.len());
    text.push_str(&chain);
    text.push('\n');
    text.push_str(&key);
    Ok(Arc::new(ClientSecret::new(text)))
}

/// A private key, whole: it has many lines.
fn key(path: &Path) -> Result<api::Secret, Failure> {
    let mut text = read(path)?;
    Ok(Arc::new(ClientSecret::new(std::mem::take(&mut *text))))
}

/// A file with a key or a certificate.
fn read(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let shown = path.display();
    let failed =
        |why: &dyn std::fmt::Display| Failure::Usage(format!("cannot read {shown}: {why}"));
    let mut text = Zeroizing::new(String::new());
    let file = File::open(path).map_err(|error| failed(&error))?;
    // all the room at once: growing would leave copies behind
    text.reserve_exact(usize::try_from(KEY_MAX).unwrap_or_default() + 1);
    file.take(KEY_MAX + 1).read_to_string(&mut text).map_err(|error| failed(&error))?;
    if text.trim().is_empty() || text.len() as u64 > KEY_MAX {
        return Err(failed(&"that is no key"));
    }
    Ok(text)
}
