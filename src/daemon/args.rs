//! The arguments of `ostlerd`.

#![expect(clippy::doc_markdown, reason = "these comments are the help text, shown as they are")]

use clap::{CommandFactory, Parser};

/// Keeps OAuth tokens fresh for the programs of one user.
///
/// Started by the service manager as a rule (systemctl --user start ostler.socket), or by hand. It
/// listens on $XDG_RUNTIME_DIR/ostler/socket and on the session bus, keeps its state below
/// $XDG_STATE_HOME/ostler and its settings below $XDG_CONFIG_HOME/ostler. TERM and INT end it once no
/// token request is under way; HUP makes it read provider definitions anew. OSTLER_LOG sets what is
/// logged: error, warn, info, debug.
#[derive(Debug, Parser)]
#[command(name = "ostlerd", version, max_term_width = 100)]
pub(super) struct Args {
    /// Stay off the session bus
    #[arg(long)]
    pub(super) no_bus: bool,

    /// Let debuggers attach, and other processes of this user read the daemon's memory with them
    #[arg(long)]
    pub(super) debuggable: bool,
}

/// The definition of the daemon's command line, for help and the man page.
#[must_use]
pub fn command() -> clap::Command {
    Args::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }
}
