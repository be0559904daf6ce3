//! The man pages: there is one for each command, they say all that can be said, and groff takes them.

use std::fs;

use tempfile::TempDir;

use crate::{files, run, said, source, text};

/// The pages, written anew.
fn pages() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let manifest = source().join("Cargo.toml");
    let target = dir.path().to_str().unwrap();
    let example = ["run", "--quiet", "--locked", "--example", "pages", "--manifest-path"];
    said(&cargo, &[&example[..], &[manifest.to_str().unwrap(), "--", target]].concat());
    dir
}

/// The pages of a command and of those below it.
fn names(command: &clap::Command, name: &str, found: &mut Vec<String>) {
    found.push(format!("/{name}.1"));
    for command in command.get_subcommands() {
        names(command, &format!("{name}-{}", command.get_name()), found);
    }
}

#[test]
fn each_command_has_a_page_that_groff_has_nothing_to_say_about() {
    let dir = pages();
    let mut expected = Vec::new();
    names(&ostler::cli::command(), "ostler", &mut expected);
    expected.extend(["/ostler-provider.5", "/ostler.toml.5", "/ostlerd.8"].map(Into::into));
    expected.sort();
    assert_eq!(files(dir.path()), expected);
    for page in expected {
        let path = dir.path().join(&page[1..]);
        let path = path.to_str().unwrap();
        let shown = run("man", &["--warnings", "--local-file", "-E", "UTF-8", path]);
        assert!(shown.status.success() && shown.stderr.is_empty(), "{page}: {shown:?}");
        assert!(shown.stdout.contains("SEE ALSO"), "{page}");
        let header = shown.stdout.lines().find(|line| !line.is_empty()).unwrap();
        assert!(header.contains("ostler manual"), "{page}: {header}");
        // man-db finds it by its name
        let name = said("lexgrog", &[path]);
        assert!(name.contains(" - "), "{page}: {name}");
    }
}

#[test]
fn the_pages_of_files_name_every_field() {
    let fields = |source: &str| -> Vec<String> {
        text(source)
            .lines()
            .filter_map(|line| line.strip_prefix("    pub ")?.split_once(": "))
            .map(|(name, _)| name.to_owned())
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
            .collect()
    };
    for (page, code, least) in [
        ("packaging/man/ostler.toml.5", "src/config/mod.rs", 5),
        ("packaging/man/ostler-provider.5", "src/provider/definition.rs", 39),
        ("packaging/man/ostler-provider.5", "src/provider/dialect.rs", 19),
        ("packaging/man/ostler-provider.5", "src/provider/mtls.rs", 8),
        ("packaging/man/ostler-provider.5", "src/provider/answer.rs", 9),
        ("packaging/man/ostler-provider.5", "src/provider/life.rs", 2),
        ("packaging/man/ostler-provider.5", "src/provider/template.rs", 5),
        ("packaging/man/ostler-provider.5", "src/provider/example.rs", 13),
    ] {
        let (page_text, fields) = (text(page), fields(code));
        assert!(fields.len() >= least, "{code} has {} fields", fields.len());
        for field in fields {
            assert!(page_text.contains(&field), "{page} does not speak of {field}");
        }
    }
    // and the values of its enumerations
    let page = text("packaging/man/ostler-provider.5");
    for value in [
        "basic_raw",
        "basic_always",
        "bearer_secret",
        "private_key_jwt",
        "tls_client_auth",
        "self_signed_tls_client_auth",
        "until_confirmed",
        "overlapping",
        "zero_means_never",
        "delete_json",
        "delete_path",
        "s256_hex",
        "custom_scheme",
        "access_token",
        "segment",
    ] {
        assert!(page.contains(&format!("\"{value}\"")), "{value}");
    }
}

#[test]
fn the_examples_in_the_pages_are_ones_that_work() {
    let page = text("packaging/man/ostler-provider.5");
    let examples = page.split(".nf\n").skip(1).map(|rest| rest.split_once(".fi").unwrap().0);
    let mut whole = 0;
    for example in examples {
        let example = example.replace("\\-", "-").replace("\\(aq", "'").replace("\\e", "\\");
        let found = ostler::provider::check(&example);
        assert!(found.is_ok(), "{example}: {}", found.unwrap_err());
        whole += 1;
    }
    assert!(whole >= 2, "{whole}");
    let page = text("packaging/man/ostler.toml.5");
    let example = page.rsplit_once(".nf\n").unwrap().1.split_once(".fi").unwrap().0;
    assert!(ostler::config::Settings::parse(example).is_ok(), "{example}");
    // the commands' own are commands
    let directory = source().join("packaging/man");
    let mut checked = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let prose = fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in prose.lines().filter(|line| line.starts_with("ostler ")) {
            let line = line.replace("\\-", "-");
            // what is for the shell
            let line = line.split_once(" > ").map_or(line.clone(), |(line, _)| line.to_owned());
            let line = line.split_once(" | ").map_or(line.clone(), |(line, _)| line.to_owned());
            // what a shell would put in place of the quoted parts
            let line = line.replace("'pass github/oauth'", "command");
            let line = line.split_once(" \"$(").map_or(line.clone(), |(line, _)| {
                format!("{line} e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
            });
            let parsed = ostler::cli::command().try_get_matches_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            checked += 1;
        }
    }
    assert!(checked >= 6, "{checked}");
}
