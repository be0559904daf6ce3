//! A home with many accounts, each with its own tokens: made with the daemon's own store, for what is to be measured
//! is what a daemon makes of them.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use ostler::model::{
    AccessToken, AccountId, AccountSeed, ClientKey, ClientRecord, FlightId, Generation,
    GrantChange, GrantType, Issued, RefreshToken, Scopes, Target, TokenType, Values,
};
use ostler::store::{Begin, BeginKind, Command, Exchange, Opened, Places, open};
use ostler::sys::clock::Clock;

use super::daemon::Home;

/// How long the tokens live, if nothing else is said: none is due as long as something is measured.
const LIFETIME: Duration = Duration::from_hours(24);

/// As long as access tokens are that are JWTs.
pub(crate) const TOKEN_LENGTH: usize = 900;

/// How many commands are sent before their reports are read.
const AT_ONCE: usize = 512;

/// The name of one of them.
pub(crate) fn name(number: usize) -> String {
    format!("many/{number:06}")
}

/// Makes so many accounts at a provider in a home where no daemon runs.
pub(crate) fn sign_in(home: &Home, provider: &str, count: usize) -> Result<(), Box<dyn Error>> {
    sign_in_at(home, count, |_| (provider.to_owned(), LIFETIME))
}

/// The same with a provider and a life of the access token for each.
pub(crate) fn sign_in_at(
    home: &Home,
    count: usize,
    at: impl Fn(usize) -> (String, Duration),
) -> Result<(), Box<dyn Error>> {
    let places = Places {
        database: home.path("state/ostler/ostler.db"),
        keys: home.path("config/ostler/keys.toml"),
        marks: vec![home.path("config/ostler/marks"), home.path("cache/ostler/marks")],
    };
    let clock = Clock::open()?;
    let Opened { store, mut reports, loaded } = open(&places, clock.now())?;
    let mut under_way = 0;
    for number in 0..count {
        let flight = FlightId(loaded.next_flight.0 + number as u64);
        let (provider, lifetime) = at(number);
        for command in signed_in(flight, &provider, lifetime, number, &clock)? {
            store.send(command).map_err(|_| "the store takes no more")?;
            under_way += 1;
        }
        if under_way >= AT_ONCE || number + 1 == count {
            for _ in 0..std::mem::take(&mut under_way) {
                reports.blocking_recv().ok_or("the store is gone")?;
            }
        }
    }
    store.close();
    Ok(())
}

/// What a sign-in writes down: the intent, and the grant.
fn signed_in(
    flight: FlightId,
    provider: &str,
    lifetime: Duration,
    number: usize,
    clock: &Clock,
) -> Result<[Command; 2], Box<dyn Error>> {
    let sent = clock.stamp();
    let key = ClientKey { provider: provider.parse()?, client: "many".parse()? };
    let scopes = Scopes::parse_lenient("https://mail.example/read https://mail.example/send");
    let seed = AccountSeed {
        id: AccountId::from_random((number as u64).to_le_bytes()),
        name: name(number).parse()?,
        client: key.clone(),
        scopes: scopes.clone(),
        target: Target::default(),
        grant: GrantType::Code,
        values: Values::default(),
    };
    let account = seed.id.clone();
    let client = ClientRecord { key, redirect_uri: None, discovered: None, secret_ends: None };
    let exchange = Exchange { seed, client, secret: None, registration: None, key: None };
    let kind = BeginKind::Exchange(Box::new(exchange));
    let begin = Begin { flight, sent: sent.clone(), kind };
    let issued = Issued {
        access: AccessToken::new(format!("at-{number:0TOKEN_LENGTH$}")).into(),
        token_type: TokenType::Bearer,
        scopes,
        sent,
        lifetime: Some(lifetime),
        values: Values::default(),
    };
    let grant = GrantChange {
        flight,
        account,
        refresh: Some(RefreshToken::new(format!("rt-{number}"))),
        issued: Some(Arc::new(issued)),
        refresh_lifetime: None,
    };
    Ok([Command::Begin(Box::new(begin)), Command::Grant(Box::new(grant))])
}
