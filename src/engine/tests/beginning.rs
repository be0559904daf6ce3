//! How a history begins: what providers there are, and accounts that were signed in just now.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::hour::{EPOCH, UP};
use super::provider::Kind;
use super::robots;
use crate::model::{
    AccessToken, AccountId, AccountSeed, Boot, BootId, ClientId, ClientKey, ClientRecord, FlightId,
    GrantChange, Issued, Now, RefreshToken, Scopes, Stamp, Target, TokenType, Values, Wall,
};
use crate::oauth::{Http, HttpOptions};
use crate::provider::Catalog;
use crate::store::{Begin, BeginKind, Command, Exchange, Places, by_hand};

pub(super) fn http() -> Http {
    static HTTP: OnceLock<Http> = OnceLock::new();
    HTTP.get_or_init(|| Http::new(&HttpOptions::default()).unwrap()).clone()
}

pub(super) fn catalog() -> Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    let read = || {
        let kinds = [
            ("strict", "none", "kind = \"strict\""),
            ("timed", "none", "kind = \"timed\"\nseconds = 30"),
            ("confirmed", "none", "kind = \"until_confirmed\""),
            ("static", "none", "kind = \"static\""),
            ("robots", "post", "kind = \"static\""),
            // nobody listens there
            (
                "deaf",
                "none",
                "kind = \"strict\"\n[revocation]\nurl = \"http://127.0.0.1:1/revoke\"",
            ),
        ];
        let files = kinds.map(|(id, auth, rotation)| {
            let text = format!(
                "id = \"{id}\"\ntitle = \"{id}\"\n\
                 authorization_url = \"https://{id}.example/authorize\"\n\
                 token_url = \"https://{id}.example/token\"\nclient_auth = \"{auth}\"\n\
                 [rotation]\n{rotation}\n"
            );
            (PathBuf::from(format!("{id}.toml")), text)
        });
        let (catalog, errors) = Catalog::read(files);
        assert!(errors.is_empty(), "{errors:?}");
        catalog
    };
    CATALOG.get_or_init(read).clone()
}

pub(super) fn seed(
    name: &str,
    provider: &str,
    client: ClientId,
    kind: Kind,
    id: AccountId,
) -> AccountSeed {
    AccountSeed {
        id,
        name: name.parse().unwrap(),
        client: ClientKey { provider: provider.parse().unwrap(), client },
        scopes: Scopes::parse_lenient("open close"),
        target: Target::default(),
        grant: robots::grant_type(kind),
        values: Values::default(),
    }
}

/// Signs accounts in, on a disk that has none.
pub(super) fn sign_in(places: &Places, accounts: &[(&'static str, &'static str, Kind, i64)]) {
    let now = Now { wall: Wall(EPOCH), boot: Boot(UP) };
    let sent = Stamp { at: now, boot_id: BootId("boot-0".into()) };
    let (store, mut reports, _, mut desk) = by_hand::open(places, now).unwrap();
    for (number, (name, provider, kind, lifetime)) in accounts.iter().enumerate() {
        let flight = FlightId(number as u64 + 1);
        let mut id = [0; 8];
        id[..4].copy_from_slice(&u32::try_from(number).unwrap().to_le_bytes());
        let client = robots::client(name, *kind);
        let seed = seed(name, provider, client, *kind, AccountId::from_random(id));
        let key = seed.client.clone();
        let account = seed.id.clone();
        let client = ClientRecord { key, redirect_uri: None, discovered: None, secret_ends: None };
        let exchange = BeginKind::Exchange(Box::new(Exchange {
            seed,
            client,
            secret: robots::secret(*kind),
            registration: None,
            key: None,
        }));
        let begin = Begin { flight, sent: sent.clone(), kind: exchange };
        let issued = Issued {
            access: AccessToken::new(format!("at-{name}")).into(),
            token_type: TokenType::Bearer,
            scopes: Scopes::parse_lenient("open close"),
            sent: sent.clone(),
            lifetime: Some(Duration::from_millis(u64::try_from(*lifetime).unwrap())),
            values: Values::default(),
        };
        let change = GrantChange {
            flight,
            account,
            refresh: Some(if kind.renews_itself() {
                RefreshToken::unneeded()
            } else {
                RefreshToken::new(format!("rt-{name}-0"))
            }),
            issued: Some(Arc::new(issued)),
            refresh_lifetime: None,
        };
        store.send(Command::Begin(Box::new(begin))).unwrap();
        store.send(Command::Grant(Box::new(change))).unwrap();
        if number % 64 == 63 {
            desk.turns();
            while reports.try_recv().is_ok() {}
        }
    }
    desk.turns();
}
