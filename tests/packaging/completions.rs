//! Completions in the real shells, beside a daemon that has an account.

use std::process::Command;

use crate::PATIENCE;
use crate::support::daemon::{Binaries, Daemon, Home};
use crate::support::login::Login;
use crate::support::process;
use crate::support::provider::{Config, Provider};

/// Says what bash offers for the words that follow the script, the last of which is incomplete.
const BASH: &str = r#"
    source <(COMPLETE=bash ostler)
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_TYPE=9
    _clap_complete_ostler ostler "${!#}" "${@: -2:1}"
    printf '%s\n' "${COMPREPLY[@]}"
"#;

/// Says what fish offers.
const FISH: &str = "COMPLETE=fish ostler | source; complete --do-complete \"$argv\"";

/// Types the words and a tab into an interactive zsh and says what is on the line then. The completion
/// is loaded as a package's is: by its file's name, when it is needed first.
const ZSH: &str = r#"
    zmodload zsh/zpty
    mkdir functions
    { COMPLETE=zsh ostler; echo '[[ $funcstack[1] != _ostler ]] || _clap_dynamic_completer_ostler "$@"' } \
        > functions/_ostler
    zpty shell zsh -f -i
    zpty -w shell 'fpath=($PWD/functions $fpath); autoload -U compinit; compinit -u; PS1="READY:"; setopt noprompt_cr noprompt_sp'
    zpty -w shell 'print -r -- loa""ded'
    zpty -r shell out '*loaded*'
    zpty -w -n shell "$*"$'\t'
    zpty -r shell out "*$EXPECTED*"
    print -r -- $out
    zpty -d shell
"#;

fn scene() -> (Daemon, Provider) {
    let provider = Provider::start(Config::standard());
    let home = Home::new(Binaries::of_this_test()).unwrap();
    let home = home.config("providers/test.toml", &provider.definition("test")).unwrap();
    let daemon = Daemon::start(home).unwrap();
    let finished = Login::new("test", "work/mail").run(&daemon, &provider).unwrap();
    assert!(finished.status.success(), "{finished:?}");
    (daemon, provider)
}

fn offered(daemon: &Daemon, shell: &[&str], words: &[&str], expected: &str) -> String {
    let mut command: Command = daemon.home().in_environment(shell[0].as_ref());
    let binaries = Binaries::of_this_test();
    let path = format!(
        "{}:{}",
        binaries.ostler.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    command.args(&shell[1..]).args(words).env("PATH", path).env("EXPECTED", expected);
    let finished = process::run(&mut command, "", PATIENCE).unwrap();
    assert!(finished.status.success(), "{finished:?}");
    finished.stdout
}

#[test]
fn bash_completes_commands_accounts_and_providers() {
    let (daemon, _provider) = scene();
    let bash = |words: &[&str]| {
        let shell = ["bash", "--norc", "-c", BASH, "bash"];
        offered(&daemon, &shell, words, "")
            .lines()
            .map(|it| it.trim().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(bash(&["ostler", "tok"]), ["token"]);
    assert_eq!(bash(&["ostler", "token", ""])[0], "work/mail");
    assert_eq!(bash(&["ostler", "logout", "wor"]), ["work/mail"]);
    assert_eq!(bash(&["ostler", "login", "par"]), ["parqex"]);
    assert_eq!(bash(&["ostler", "login", "tes"]), ["test"], "those of the user's own, too");
    assert_eq!(bash(&["ostler", "login", "x", "--as", "w"]), ["work/mail"]);
    assert_eq!(bash(&["ostler", "token", "--rej"]), ["--rejected"]);
}

#[test]
fn fish_completes_commands_accounts_and_providers() {
    let (daemon, _provider) = scene();
    let fish = |line: &str| offered(&daemon, &["fish", "--no-config", "-c", FISH], &[line], "");
    assert!(fish("ostler tok").starts_with("token\t"));
    assert_eq!(fish("ostler token wo"), "work/mail\ttest, ready\n");
    assert_eq!(fish("ostler login par"), "parqex\tParqEx\n");
}

#[test]
fn zsh_completes_at_the_first_tab() {
    let (daemon, _provider) = scene();
    let zsh = |line: &str, expected: &str| {
        let shown = offered(&daemon, &["zsh", "-f", "-c", ZSH, "zsh"], &[line], expected);
        assert!(shown.contains(expected), "{shown}");
    };
    zsh("ostler tok", "token ");
    zsh("ostler token w", "work/mail ");
    zsh("ostler login parq", "parqex ");
}

#[test]
fn without_a_daemon_completion_knows_the_commands_and_says_nothing_of_it() {
    let home = Home::new(Binaries::of_this_test()).unwrap();
    let mut command = home.command(&["--", "ostler", "token", ""]);
    command.env("COMPLETE", "fish");
    let finished = process::run(&mut command, "", PATIENCE).unwrap();
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(finished.stderr, "");
    assert!(finished.stdout.contains("--min-valid"), "{finished:?}");
}
