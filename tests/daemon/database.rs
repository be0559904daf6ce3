//! The database as a stranger sees it: rows and standings, and nothing that is sealed.

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::support::daemon::Daemon;

/// Where it lies.
pub(crate) const FILE: &str = "state/ostler/ostler.db";

fn open(daemon: &Daemon) -> Connection {
    let path = daemon.home().path(FILE);
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

/// How many rows a table has.
pub(crate) fn rows(daemon: &Daemon, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    open(daemon).query_row(&sql, [], |row| row.get(0)).unwrap()
}

/// How far the flights on record have come: those without an answer, and those with one.
pub(crate) fn flights(daemon: &Daemon) -> (i64, i64) {
    let sql = "SELECT count(*) - count(answer), count(answer) FROM attempt";
    open(daemon).query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

/// How far a flight on record has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flight {
    /// It was sent, or was about to be.
    Sent,
    /// Its raw answer is on record, too.
    Answered,
}

/// The last flight of an account that is on record.
pub(crate) fn flight(daemon: &Daemon, account: &str) -> Option<Flight> {
    let sql =
        "SELECT answer IS NOT NULL FROM attempt JOIN account ON attempt.account = account.account
               WHERE account.name = ?1 ORDER BY flight DESC LIMIT 1";
    let answered = open(daemon).query_row(sql, [account], |row| row.get(0)).optional().unwrap();
    answered.map(|answered: bool| if answered { Flight::Answered } else { Flight::Sent })
}

/// The refresh tokens of an account that are in force: sealed, and long enough to be one.
pub(crate) fn refresh_tokens(daemon: &Daemon, account: &str) -> i64 {
    let sql =
        "SELECT count(*) FROM refresh_token JOIN account ON refresh_token.account = account.id
               WHERE account.name = ?1 AND superseded_wall_ms IS NULL AND length(token) > 40";
    open(daemon).query_row(sql, [account], |row| row.get(0)).unwrap()
}

/// Makes all that is on record a thing of an earlier boot, as a restart of the machine does.
pub(crate) fn reboot(daemon: &Daemon) {
    let connection = Connection::open(daemon.home().path(FILE)).unwrap();
    for (table, stamp) in [("access_token", "sent"), ("refresh_token", "sent"), ("attempt", "sent")]
    {
        // the boot clock of then counted from somewhere else
        let sql = format!(
            "UPDATE {table} SET {stamp}_boot_id = 'an-earlier-boot', {stamp}_boot_ms = {stamp}_boot_ms + 777000000"
        );
        connection.execute(&sql, []).unwrap();
    }
}

/// The standing of an account and its generation.
pub(crate) fn standing(daemon: &Daemon, account: &str) -> (String, i64) {
    let sql = "SELECT standing, generation FROM account WHERE name = ?1";
    open(daemon).query_row(sql, [account], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

/// The first page of a table or index, counted from 1.
pub(crate) fn root_page(daemon: &Daemon, name: &str) -> u64 {
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    let page: i64 = open(daemon).query_row(sql, [name], |row| row.get(0)).unwrap();
    page.try_into().unwrap()
}
