//! `ostler provider`: definitions of providers, shown, checked and drafted.

use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::args::{CheckProvider, Document, Format, NewProvider, ProviderCommand, ShowProvider};
use super::client::{Client, PROMPT};
use super::console::Console;
use super::failure::Failure;
use super::list::{self, unless_json};
use super::status::show;
use super::text::one_line;
use crate::api::{self, Checked, Definition};
use crate::model::{check_document_url, document};

/// The longest file, in bytes: what the daemon takes in one request.
const FILE_MAX: u64 = 48 * 1024;

/// How long an issuer may take to answer.
const DISCOVERY: Duration = Duration::from_mins(1);

/// Runs one of the commands; those that need the daemon `connect`.
pub(super) fn run(
    command: ProviderCommand,
    connect: impl FnOnce() -> Result<Client, Failure>,
    console: &mut Console<'_>,
) -> Result<u8, Failure> {
    match command {
        ProviderCommand::List(args) => list::providers(args, &mut connect()?, console),
        ProviderCommand::Show(args) => show_one(&args, &mut connect()?, console),
        ProviderCommand::Check(args) => return check(&args, &mut connect()?, console),
        ProviderCommand::New(args) => new(&args, &mut connect()?, console),
        ProviderCommand::Document(args) => print_document(&args, console),
    }
    .map(|()| 0)
}

/// The document that is to be published at a client's own address.
fn print_document(args: &Document, console: &mut Console<'_>) -> Result<(), Failure> {
    let unfit = |what: &str, problem: &str| Failure::Usage(format!("the address {what} {problem}"));
    check_document_url(args.url.as_str()).map_err(|problem| unfit("of the document", problem))?;
    if let Some(keys) = &args.jwks_uri {
        check_document_url(keys).map_err(|problem| unfit("of the keys", problem))?;
    }
    let document = document(&args.url, args.jwks_uri.as_deref());
    show(console, &format!("{document:#}\n"))
}

fn show_one(
    args: &ShowProvider,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let request = api::ShowProvider { provider: args.provider.clone() };
    let answer = client.call_raw("ShowProvider", &request, PROMPT);
    let Some(Definition { source, text, .. }) = unless_json(answer, args.format(), console)? else {
        return Ok(());
    };
    console.tell(&format!("# {}\n", one_line(&source)));
    show(console, &text)
}

fn new(args: &NewProvider, client: &mut Client, console: &mut Console<'_>) -> Result<(), Failure> {
    let request = api::DraftProvider { issuer: args.issuer.clone() };
    let answer = client.call_raw("DraftProvider", &request, DISCOVERY);
    let Some(Definition { text, .. }) = unless_json(answer, args.format(), console)? else {
        return Ok(());
    };
    // the issuer is no name to say at login
    let id = args.id.as_ref().map_or("NAME", |id| id.as_str());
    let mut draft = String::from(
        "# Drafted from the issuer's metadata, which says nothing of rotation: see the provider's\n\
         # documentation, and ostler-provider(5).\n",
    );
    for line in text.lines() {
        if line.starts_with("id = ") {
            let _ = writeln!(draft, "id = {id:?}");
        } else if line.starts_with("title = ") {
            let _ = writeln!(draft, "title = {id:?}");
            draft.push_str(
                "verified = \"unverified: all but the endpoints\"
",
            );
        } else {
            draft.push_str(line);
            draft.push('\n');
        }
    }
    show(console, &draft)
}

/// Looks a file over. The exit code is 1 if it has a problem: the report itself went well.
fn check(
    args: &CheckProvider,
    client: &mut Client,
    console: &mut Console<'_>,
) -> Result<u8, Failure> {
    #[derive(Deserialize)]
    struct Problems {
        problems: Vec<serde::de::IgnoredAny>,
    }
    let request = api::CheckProvider { text: read(&args.file)? };
    let answer = client.call_raw("CheckProvider", &request, PROMPT)?;
    let code = u8::from(!super::client::parse::<Problems>(answer)?.problems.is_empty());
    if args.format() == Format::Json {
        console.line(answer.get().as_bytes())?;
        return Ok(code);
    }
    let Checked { provider, problems, advice, examples } = super::client::parse(answer)?;
    let file = args.file.display();
    let mut report = String::new();
    for (kind, remarks) in [("", problems), ("advice: ", advice)] {
        for remark in remarks {
            let line = remark.line.map(|line| format!("{line}:")).unwrap_or_default();
            let _ = writeln!(report, "{file}:{line} {kind}{}", one_line(&remark.message));
        }
    }
    if let Some(provider) = provider {
        let verdict = if code == 0 { "sound" } else { "not as it should be" };
        let _ = writeln!(
            report,
            "{provider}: {verdict}, {examples} examples understood as they are meant"
        );
    }
    show(console, &report)?;
    Ok(code)
}

fn read(path: &Path) -> Result<String, Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        Failure::Usage(format!("cannot read {}: {why}", path.display()))
    };
    let mut text = String::new();
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| failed(&error))?)
    };
    source.take(FILE_MAX + 1).read_to_string(&mut text).map_err(|error| failed(&error))?;
    if text.len() as u64 > FILE_MAX {
        return Err(failed(&format!("it has more than {FILE_MAX} bytes")));
    }
    Ok(text)
}
