//! What the real programs wrote is read, or refused with a word on what to do.

mod noise;

use super::*;

/// A sample and where it is from: see `tests/import/README.md`.
macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/import/", $name)).as_slice()
    };
}

const OIDC_AGENT_4: &[u8] = sample!("oidc-agent-4.2.6.json");
const OIDC_AGENT_5: &[u8] = sample!("oidc-agent-5.json");
const ORTIE: &[u8] = sample!("ortie-2.3.0.json");
const MUTT: &[u8] = sample!("mutt_oauth2-mutt-2.2.12.json");
const NEOMUTT: &[u8] = sample!("mutt_oauth2-neomutt.json");
const RCLONE: &[u8] = sample!("rclone-1.60.1.conf");
const GCLOUD: &[u8] = sample!("gcloud-528-adc.json");

fn one(format: Format, input: &[u8]) -> Imported {
    let mut found = read(format, input).unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

/// The error, and what it and its hint say.
fn refused(format: Format, input: &[u8]) -> (ImportError, String) {
    let error = read(format, input).unwrap_err();
    let said = format!("{error}: {}", error.hint());
    (error, said)
}

fn provider(login: &Imported) -> Option<&str> {
    login.provider.as_ref().map(ProviderId::as_str)
}

fn client(login: &Imported) -> Option<&str> {
    login.client_id.as_ref().map(ClientId::as_str)
}

fn client_secret(login: &Imported) -> Option<&str> {
    login.client_secret.as_ref().map(ClientSecret::expose)
}

fn scopes(login: &Imported) -> String {
    login.scopes.as_ref().map(|scopes| scopes.join(" ")).unwrap_or_default()
}

#[test]
fn the_names_on_the_command_line_are_those_of_the_programs() {
    let names: Vec<String> = Format::value_variants()
        .iter()
        .filter_map(|format| Some(format.to_possible_value()?.get_name().to_owned()))
        .collect();
    let programs = ["oidc-agent", "pizauth", "ortie", "mutt_oauth2", "rclone", "gcloud", "plain"];
    assert_eq!(names, programs);
}

#[test]
fn an_account_of_oidc_agent_has_all_that_a_login_needs() {
    let login = one(Format::OidcAgent, OIDC_AGENT_4);
    assert_eq!(login.name.as_deref(), Some("bench"));
    assert_eq!(provider(&login), Some("http://localhost:9555/"));
    assert_eq!(client(&login), Some("bench"));
    assert_eq!(client_secret(&login), Some("fake-client-secret"));
    assert_eq!(login.refresh_token.expose(), "fake-refresh-token-2");
    assert_eq!(scopes(&login), "offline_access openid profile");
    assert_eq!(login.redirect_uri.as_deref(), Some("http://localhost:4242"));
    assert_eq!(login.audience, None);

    let login = one(Format::OidcAgent, OIDC_AGENT_5);
    assert_eq!(provider(&login), Some("https://issuer.example.org/realm"));
    assert_eq!(scopes(&login), "email offline_access openid profile");
    // the first that is not for oidc-agent's own scheme
    assert_eq!(login.redirect_uri.as_deref(), Some("http://localhost:8080"));
    assert_eq!(login.audience.unwrap().as_str(), "https://api.example.org");
}

#[test]
fn several_accounts_may_follow_one_another() {
    let both = [OIDC_AGENT_4, b"\n", OIDC_AGENT_5].concat();
    let names: Vec<_> = read(Format::OidcAgent, &both)
        .unwrap()
        .into_iter()
        .filter_map(|login| login.name)
        .collect();
    assert_eq!(names, ["bench", "egi"]);
    // and an error says at which line of all
    let spoiled = [OIDC_AGENT_4, b"{\n\"refresh_token\": 5}"].concat();
    let (error, _) = refused(Format::OidcAgent, &spoiled);
    let lines = String::from_utf8_lossy(OIDC_AGENT_4).lines().count();
    assert_eq!(error, ImportError::Malformed { line: lines + 2, format: Format::OidcAgent });
}

#[test]
fn what_only_its_own_program_can_open_is_told_apart_and_how_to_open_it_said() {
    let gpg =
        b"-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n5.3.3\n".as_slice();
    let old = b"150:0011:2233:445566".as_slice();
    for (format, input, hint) in [
        (Format::OidcAgent, sample!("oidc-agent-4.2.6.encrypted"), "run: oidc-gen -p ACCOUNT"),
        (Format::OidcAgent, gpg, "run: oidc-gen -p ACCOUNT"),
        (Format::OidcAgent, old, "run: oidc-gen -p ACCOUNT"),
        (Format::MuttOauth2, sample!("mutt_oauth2-mutt-2.2.12.gpg"), "gpg --decrypt FILE"),
        (Format::MuttOauth2, gpg, "gpg --decrypt FILE"),
        (Format::Rclone, sample!("rclone-1.60.1-encrypted.conf"), "run: rclone config show"),
        (Format::Ortie, b"age-encryption.org/v1\n-> X25519 x\n", "decrypt it"),
    ] {
        let (error, said) = refused(format, input);
        assert!(matches!(error, ImportError::Encrypted { .. }), "{said}");
        assert!(said.contains(hint), "{said}");
    }
}

#[test]
fn pizauth_lets_nothing_out_and_that_is_said() {
    let encoded = b"xST5NZGdkfGjM+4Y8MzqJAxWISxz3dCeRG3cwNN+OPk=".as_slice();
    for (input, what) in [
        (sample!("pizauth-1.1.0.dump"), "encrypted for pizauth restore alone"),
        (encoded, "encrypted for pizauth restore alone"),
        (sample!("pizauth.conf"), "has clients and no tokens"),
    ] {
        let (_, said) = refused(Format::Pizauth, input);
        assert!(said.contains(what), "{said}");
        assert!(said.contains("sign in with ostler login"), "{said}");
    }
}

#[test]
fn ortie_stores_a_token_and_not_whose_it_is() {
    let login = one(Format::Ortie, ORTIE);
    assert_eq!(login.refresh_token.expose(), "fake-refresh-token-6");
    assert_eq!(scopes(&login), "offline_access openid profile");
    assert_eq!((provider(&login), client(&login), &login.name), (None, None, &None));
    assert!(Format::Ortie.where_the_client_is().contains("config.toml"));

    // as client credentials are stored
    let none = br#"{"access_token":"x","token_type":"Bearer","expires_in":null,"refresh_token":null,"scope":null,"issued_at":1}"#;
    assert_eq!(refused(Format::Ortie, none).0, ImportError::NoLogin(Format::Ortie));
    let settings = b"[accounts.work]\nclient-id = \"x\"\nstorage.read.command = [\"x\"]\n";
    assert!(refused(Format::Ortie, settings).1.contains("storage.read.command"));
}

#[test]
fn a_token_file_of_mutt_names_the_provider_and_only_neomutt_names_the_client() {
    let login = one(Format::MuttOauth2, MUTT);
    assert_eq!(login.name.as_deref(), Some("me@example.org"));
    assert_eq!(provider(&login), Some("google"));
    assert_eq!(login.refresh_token.expose(), "fake-refresh-token-3");
    assert_eq!(client(&login), None);
    assert!(Format::MuttOauth2.where_the_client_is().contains("script"));

    let login = one(Format::MuttOauth2, NEOMUTT);
    assert_eq!(provider(&login), Some("microsoft"));
    assert_eq!(client(&login), Some("11111111-2222-3333-4444-555555555555"));
    assert_eq!(client_secret(&login), Some("fake-client-secret"));

    // a registration of the user's own, and a file of a first run that was broken off
    let own = br#"{"registration": "work", "refresh_token": "x", "client_secret": ""}"#;
    let login = one(Format::MuttOauth2, own);
    assert_eq!((provider(&login), client_secret(&login)), (None, None));
    let fresh = br#"{"registration": "google", "email": "x", "refresh_token": ""}"#;
    assert_eq!(refused(Format::MuttOauth2, fresh).0, ImportError::NoLogin(Format::MuttOauth2));
}

#[test]
fn each_remote_of_rclone_with_a_login_is_read_and_the_others_passed_over() {
    let found = read(Format::Rclone, RCLONE).unwrap();
    let table: Vec<_> = found
        .iter()
        .map(|login| (login.name.as_deref().unwrap(), provider(login), client_secret(login)))
        .collect();
    assert_eq!(
        table,
        [
            ("gdrive", Some("google"), Some("fake-client-secret-drive")),
            ("work files", Some("microsoft"), Some("fake-client-secret-onedrive")),
            ("box", None, None),
            ("dbx", None, Some("fake#;=secret")),
            // at an endpoint of its own, and in a tenant of its own
            ("own", None, Some("fake-client-secret-own")),
            ("tenant", None, Some("fake")),
        ]
    );
    let [drive, _, boxed, dropbox, own, tenant] = found.as_slice() else { unreachable!() };
    assert_eq!(drive.refresh_token.expose(), "fake-refresh-drive");
    assert_eq!(
        scopes(drive),
        "https://www.googleapis.com/auth/drive.metadata.readonly \
         https://www.googleapis.com/auth/drive.readonly"
    );
    assert_eq!(dropbox.token_endpoint.as_ref().unwrap().host_str(), Some("api.dropboxapi.com"));
    assert_eq!(own.token_endpoint.as_ref().unwrap().as_str(), "http://localhost:9555/token");
    assert_eq!(own.refresh_token.expose(), "fake-refresh-token-1");
    assert_eq!(tenant.token_endpoint, None);
    // issued to rclone's own client
    assert_eq!(client(boxed), None);
    assert!(Format::Rclone.where_the_client_is().contains("built in"));
}

#[test]
fn the_odd_corners_of_an_rclone_conf_are_read_as_rclone_does() {
    let text = "\u{feff}# a comment\r\n[a]\r\ntype: dropbox\r\n`token` = `{\"RefreshToken\": \"r`t\"}`\r\n\
                [b]\n type=box\n token = {\"refresh_token\":\"s\\u0026\"}";
    let found = read(Format::Rclone, text.as_bytes()).unwrap();
    let tokens: Vec<_> = found.iter().map(|login| login.refresh_token.expose()).collect();
    assert_eq!(tokens, ["r`t", "s&"]);

    for (input, error) in [
        ("token = {}", ImportError::Malformed { line: 1, format: Format::Rclone }),
        ("[a]\nnothing", ImportError::Malformed { line: 2, format: Format::Rclone }),
        ("[a]\n\ntoken = {\"x", ImportError::Malformed { line: 3, format: Format::Rclone }),
        ("{\n \"a\": {}\n}", ImportError::Malformed { line: 1, format: Format::Rclone }),
        ("[a]\ntype = sftp\ntoken = x", ImportError::NoLogin(Format::Rclone)),
        ("[a]\ntoken = {\"access_token\":\"x\"}", ImportError::NoLogin(Format::Rclone)),
    ] {
        assert_eq!(refused(Format::Rclone, input.as_bytes()).0, error, "{input}");
    }
}

#[test]
fn gcloud_keeps_logins_of_users_and_other_things_beside_them() {
    for input in
        [GCLOUD, sample!("gcloud-528-legacy.json"), sample!("gcloud-528-database-value.json")]
    {
        let login = one(Format::Gcloud, input);
        assert_eq!(provider(&login), Some("google"));
        assert_eq!(client(&login), Some("123-fake.apps.googleusercontent.com"));
        assert_eq!(client_secret(&login), Some("fake-client-secret"));
        assert_eq!(login.refresh_token.expose(), "1//fake-refresh-token");
        assert_eq!(login.name, None);
    }
    let stored = one(Format::Gcloud, sample!("gcloud-528-database-value.json"));
    assert_eq!(scopes(&stored), "https://www.googleapis.com/auth/cloud-platform openid");

    for (input, what) in [
        (sample!("gcloud-service-account.json"), "service account"),
        (sample!("gcloud-528-impersonated.json"), "service account"),
        (br#"{"type": "external_account"}"#, "kept elsewhere"),
        (br#"{"installed": {"client_id": "x"}}"#, "authorized_user"),
        (b"SQLite format 3\0\x10\0", "legacy_credentials"),
    ] {
        let (error, said) = refused(Format::Gcloud, input);
        assert!(matches!(error, ImportError::Foreign { .. }), "{said}");
        assert!(said.contains(what), "{said}");
    }
    // a cloud built alike, and a workforce pool
    let other =
        br#"{"type": "authorized_user", "universe_domain": "cloud.example", "refresh_token": "x"}"#;
    assert_eq!(provider(&one(Format::Gcloud, other)), None);
    let pool = br#"{"type": "external_account_authorized_user", "refresh_token": "x",
                    "token_url": "https://sts.googleapis.com/v1/oauthtoken"}"#;
    let login = one(Format::Gcloud, pool);
    assert_eq!((provider(&login), login.token_endpoint.is_some()), (None, true));
}

#[test]
fn a_token_alone_is_one_word() {
    assert_eq!(one(Format::Plain, b" 1//0abc-_~.x=\r\n").refresh_token.expose(), "1//0abc-_~.x=");
    for input in ["two words", "one\ntwo", "{\"refresh_token\":\"x\"}", "\"quoted\""] {
        let (error, _) = refused(Format::Plain, input.as_bytes());
        assert_eq!(error, ImportError::Malformed { line: 1, format: Format::Plain }, "{input}");
    }
    assert!(matches!(refused(Format::Plain, "tökén".as_bytes()).0, ImportError::Field { .. }));
}

#[test]
fn there_is_an_end_to_what_is_read() {
    let long = vec![b'x'; INPUT_MAX + 1];
    let token = "x".repeat(64 * 1024 + 1);
    let objects = "{\"refresh_token\":\"x\"}".repeat(LOGINS_MAX + 1);
    let remotes = "[a]\ntoken={\"refresh_token\":\"x\"}\n".repeat(LOGINS_MAX + 1);
    for format in Format::value_variants() {
        assert_eq!(refused(*format, &long).0, ImportError::TooLong);
        for input in ["", " \n", "\u{feff}\n"] {
            assert_eq!(refused(*format, input.as_bytes()).0, ImportError::Empty(*format));
        }
    }
    assert!(matches!(refused(Format::Plain, token.as_bytes()).0, ImportError::Field { .. }));
    assert_eq!(refused(Format::Ortie, objects.as_bytes()).0, ImportError::TooMany);
    assert_eq!(refused(Format::Rclone, remotes.as_bytes()).0, ImportError::TooMany);
    let (_, last) = remotes.split_at(remotes.len() / (LOGINS_MAX + 1));
    assert_eq!(read(Format::Rclone, last.as_bytes()).unwrap().len(), LOGINS_MAX);
    let login = one(
        Format::OidcAgent,
        format!("{{\"name\":\"{}\\nx\",\"refresh_token\":\"x\"}}", "ä".repeat(300)).as_bytes(),
    );
    assert_eq!(login.name.unwrap(), "ä".repeat(128));
}

#[test]
fn what_would_fail_at_the_provider_is_refused_here() {
    for (field, value) in [
        ("refresh_token", "\"a\\nb\""),
        ("client_secret", "\"a\\u0000b\""),
        ("client_id", "\"a\\tb\""),
        ("issuer_url", "\"javascript:x\""),
        ("issuer_url", "\"https://user:word@issuer.example\""),
    ] {
        let others = if field == "refresh_token" { "" } else { "\"refresh_token\":\"x\"," };
        let (error, _) =
            refused(Format::OidcAgent, format!("\n{{{others}\"{field}\":{value}}}").as_bytes());
        assert!(matches!(error, ImportError::Field { line: 2, .. }), "{field}: {error:?}");
    }
    let utf16 = b"\xff\xfe{\0}\0";
    assert!(refused(Format::Gcloud, utf16).1.contains("UTF-8"));
    let mytoken = br#"{"mytoken_url": "https://mytoken.example", "refresh_token": "x"}"#;
    assert!(refused(Format::OidcAgent, mytoken).1.contains("mytoken"));
}

#[test]
fn what_was_read_shows_no_secret() {
    for (format, input) in [(Format::OidcAgent, OIDC_AGENT_4), (Format::Rclone, RCLONE)] {
        let shown = format!("{:?}", read(format, input).unwrap());
        assert!(!shown.contains("fake-refresh") && !shown.contains("secret-"), "{shown}");
        assert!(!shown.contains("fake-client-secret"), "{shown}");
    }
}
