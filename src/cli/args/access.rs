//! What can be said about which programs have tokens.

use clap::{Args, Subcommand};
use clap_complete::ArgValueCandidates;

use super::{Format, Plain};
use crate::cli::completion;
use crate::model::{AccountName, Pattern, QuestionId, RuleId, Scope};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AccessCommand {
    /// List the rules about which programs may have tokens
    List(Plain),
    /// Let programs have tokens
    Allow(Rule),
    /// Be asked before programs have tokens
    Ask(Rule),
    /// Keep programs from having tokens
    Deny(Rule),
    /// End rules
    Forget(Rules),
    /// Show which programs were given tokens, when, and how many
    Log(AccessLog),
    /// List the programs that wait for your word
    Pending(Plain),
    /// Say yes to a program that waits for your word
    Approve(Approve),
    /// Say no to a program that waits for your word
    Refuse(Refuse),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AccessLog {
    /// Only this account's
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(completion::accounts))]
    pub(in crate::cli) account: Option<AccountName>,
    /// Print the daemon's answer as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Rule {
    /// The programs, as `ostler access log` writes them: `exe:/usr/bin/curl`, `flatpak:org.example.*`,
    /// `claimed`, `*`
    #[arg(value_name = "PROGRAM", add = ArgValueCandidates::new(completion::programs))]
    pub(in crate::cli) program: Pattern,
    /// Only for this account [default: all accounts]
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(completion::accounts))]
    pub(in crate::cli) account: Option<AccountName>,
    /// Only for this scope; can be given several times [default: all scopes]
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(in crate::cli) scopes: Vec<Scope>,
    /// How long the rule lasts, such as 8h or 30days [default: until it is forgotten]
    #[arg(long = "for", value_name = "SPAN")]
    pub(in crate::cli) lasting: Option<String>,
    /// Print the daemon's answer as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Rules {
    /// The rules, as `ostler access list` numbers them
    #[arg(value_name = "RULE", required = true, add = ArgValueCandidates::new(completion::rules))]
    pub(in crate::cli) rules: Vec<RuleId>,
    /// Print the daemon's answers as JSON, one a line
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Approve {
    /// The number, as `ostler access pending` lists it
    #[arg(value_name = "NUMBER", add = ArgValueCandidates::new(completion::questions))]
    pub(in crate::cli) question: QuestionId,
    /// Only this time
    #[arg(long)]
    pub(in crate::cli) once: bool,
    /// Print the daemon's answer as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Refuse {
    /// The number, as `ostler access pending` lists it
    #[arg(value_name = "NUMBER", add = ArgValueCandidates::new(completion::questions))]
    pub(in crate::cli) question: QuestionId,
    /// Print the daemon's answer as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl AccessCommand {
    pub(super) fn format(&self) -> Format {
        match self {
            Self::Allow(args) | Self::Ask(args) | Self::Deny(args) => args.format(),
            Self::Forget(args) => args.format(),
            Self::Log(args) => args.format(),
            Self::Approve(args) => args.format(),
            Self::Refuse(args) => args.format(),
            Self::List(args) | Self::Pending(args) => args.format(),
        }
    }
}
