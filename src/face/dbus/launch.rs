//! Starts `ostler login` where it has none of the daemon's restrictions, which a browser could not live
//! with: in a unit of its own of the user's service manager (`org.freedesktop.systemd1(5)`).

use zbus::{Connection, Variant};

use crate::api::{Account, login_command};

const SYSTEMD: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const BUS: &str = "org.freedesktop.DBus";

/// What finds a program by its name, as the manager itself does not.
const ENV: &str = "/usr/bin/env";

/// Whether the user's service manager is on the bus.
pub(super) async fn is_possible(connection: &Connection) -> bool {
    let path = "/org/freedesktop/DBus";
    let reply = connection.call_method(Some(BUS), path, Some(BUS), "NameHasOwner", &SYSTEMD).await;
    reply.is_ok_and(|reply| reply.body().deserialize().unwrap_or(false))
}

/// Starts the sign-in of an account. `activation` is the token by which the browser may come to the front
/// (XDG Activation Protocol).
pub(super) async fn login(
    connection: &Connection,
    account: &Account,
    activation: Option<&str>,
) -> zbus::Result<()> {
    let command = login_command(&account.provider, &account.name);
    // neither providers nor accounts have blanks in their names
    let argv: Vec<&str> = std::iter::once(ENV).chain(command.split(' ')).collect();
    let mut environment = Vec::new();
    if let Some(token) = activation.filter(|token| !token.chars().any(char::is_control)) {
        environment.push(format!("XDG_ACTIVATION_TOKEN={token}"));
    }
    let properties: Vec<(&str, Variant<'_>)> = vec![
        ("Description", format!("Sign in to {}", account.name).into()),
        ("ExecStart", Variant::new(vec![(ENV, argv, false)])),
        ("Environment", environment.into()),
        // the address to visit is between the browser and the provider
        ("StandardOutput", "null".into()),
        ("CollectMode", "inactive-or-failed".into()),
    ];
    let others: Vec<(&str, Vec<(&str, Variant<'_>)>)> = Vec::new();
    // one at a time for an account: a second click while it waits for the browser starts nothing
    let unit = format!("ostler-login-{}.service", account.id.as_str());
    let body = (unit, "fail", properties, others);
    let call =
        connection.call_method(Some(SYSTEMD), PATH, Some(MANAGER), "StartTransientUnit", &body);
    call.await.map(drop)
}
