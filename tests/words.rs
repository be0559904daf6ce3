//! One table of what can be asked, and where: each request has a method on the socket, a member on D-Bus and a
//! command, or it is said why not.
#![expect(clippy::unwrap_used, reason = "a test may fail where it reads its own sources")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ostler::api::{INTERFACE_DESCRIPTION, Request};

/// Where a request is on D-Bus.
enum Bus {
    /// A method, signal or property of ours.
    Member(&'static str),
    /// A member of a standard interface.
    Standard(&'static str),
    /// Not there, and why not.
    NotOffered(&'static str),
}

use Bus::{Member, NotOffered, Standard};

/// Method on the socket, member on D-Bus, command.
const TABLE: [(&str, Bus, &str); 26] = [
    ("GetToken", Member("Manager.GetAccessToken"), "token"),
    ("SignProof", Member("Account.SignProof"), "proof"),
    ("ListAccounts", Member("Manager.ListAccounts"), "accounts"),
    (
        "Status",
        NotOffered("what a program needs of it are the properties of the objects"),
        "status",
    ),
    ("ListProviders", Member("Manager.ListProviders"), "providers"),
    ("Login", Member("Manager.AddAccount"), "login"),
    ("AwaitLogin", Member("Request.Completed"), "login"),
    ("SubmitRedirect", Member("Request.SubmitRedirect"), "login"),
    ("Cancel", Member("Request.Cancel"), "login"),
    ("Logout", Member("Account.Logout"), "logout"),
    ("Diagnose", NotOffered("a report for people, who read it where they type"), "doctor"),
    ("Resume", Member("Account.Resume"), "resume"),
    ("Refresh", Member("Account.Refresh"), "refresh"),
    ("Rename", Member("Account.SetAlias"), "rename"),
    ("SetEnabled", Member("Account.Enabled"), "enable"),
    ("Revoke", Member("Account.Revoke"), "revoke"),
    ("ListUses", Member("AccessControl.ListUses"), "access log"),
    ("ListGrants", Member("AccessControl.ListGrants"), "access list"),
    ("SetGrant", Member("AccessControl.SetGrant"), "access allow"),
    ("RemoveGrant", Member("AccessControl.RemoveGrant"), "access forget"),
    ("ListPending", Member("AccessControl.ListPending"), "access pending"),
    ("Respond", Member("AccessControl.Respond"), "access approve"),
    ("ShowProvider", NotOffered("for those who write definitions"), "provider show"),
    ("CheckProvider", NotOffered("for those who write definitions"), "provider check"),
    ("DraftProvider", NotOffered("for those who write definitions"), "provider new"),
    ("Monitor", Standard("org.freedesktop.DBus.Properties.PropertiesChanged"), "monitor"),
];

/// What D-Bus has beside that: the same in another form, or what is only needed there.
const MORE_ON_BUS: [&str; 11] = [
    // of an account's own object
    "Account.GetAccessToken",
    "Account.Reauthorize",
    "Account.AccessTokenChanged",
    // Logout, with the provider told nothing
    "Account.Remove",
    // the token by a way that nobody can watch: the socket is one
    "Account.WriteAccessToken",
    "Manager.LookupAccount",
    // who asks the user; the socket's way is ListPending and Respond
    "AccessControl.RegisterAgent",
    "AccessControl.UnregisterAgent",
    "AccessControl.PendingChanged",
    "Agent.Ask",
    "Agent.Cancel",
];

/// The commands beside those in the table.
const MORE_COMMANDS: [&str; 8] = [
    "disable",
    "access ask",
    "access deny",
    "access refuse",
    "import",
    "provider list",
    // a text for the user to publish
    "provider document",
    // SubmitRedirect, by the desktop
    "callback",
];

/// The members that the files in `dbus/` declare, but for properties that are only read.
fn on_bus() -> BTreeSet<String> {
    let mut members = BTreeSet::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("dbus")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(interface) =
            name.strip_prefix("dev.ostler.Ostler1.").and_then(|it| it.strip_suffix(".xml"))
        else {
            continue;
        };
        for line in fs::read_to_string(&path).unwrap().lines().map(str::trim) {
            let member = line
                .strip_prefix("<method name=\"")
                .or_else(|| line.strip_prefix("<signal name=\""))
                .or_else(|| {
                    line.contains("access=\"readwrite\"")
                        .then(|| line.strip_prefix("<property name=\""))?
                });
            if let Some(member) = member {
                let member = member.split('"').next().unwrap();
                members.insert(format!("{interface}.{member}"));
            }
        }
    }
    members
}

fn commands(command: &clap::Command, before: &str, found: &mut BTreeSet<String>) {
    for command in command.get_subcommands() {
        let name = format!("{before}{}", command.get_name());
        if command.has_subcommands() {
            commands(command, &format!("{name} "), found);
        } else {
            found.insert(name);
        }
    }
}

#[test]
fn each_request_is_on_all_faces_or_it_is_said_why_not() {
    let methods: Vec<&str> = TABLE.iter().map(|row| row.0).collect();
    assert_eq!(methods, Request::METHODS, "the table has them all, in their order");
    let declared = on_bus();
    let mut known = BTreeSet::new();
    commands(&ostler::cli::command(), "", &mut known);
    for (method, bus, command) in &TABLE {
        assert!(INTERFACE_DESCRIPTION.contains(&format!("\nmethod {method}(")), "{method}");
        match bus {
            Member(member) => assert!(declared.contains(*member), "{method}: {member}"),
            Standard(member) => assert!(member.starts_with("org.freedesktop.DBus."), "{method}"),
            NotOffered(why) => assert!(!why.is_empty(), "{method}"),
        }
        assert!(known.contains(*command), "{method}: {command}");
    }
    // and the other way round: nothing is anywhere that the table does not speak of
    let of_table = TABLE.iter().filter_map(|row| match row.1 {
        Member(member) => Some(member),
        _ => None,
    });
    let spoken_of: BTreeSet<String> = of_table.chain(MORE_ON_BUS).map(str::to_owned).collect();
    assert_eq!(declared, spoken_of);
    let spoken_of: BTreeSet<String> =
        TABLE.iter().map(|row| row.2).chain(MORE_COMMANDS).map(str::to_owned).collect();
    assert_eq!(known, spoken_of);
}
