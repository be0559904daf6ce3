//! How the provider describes itself: to the daemon as a provider file, to clients as metadata.

use ostler::provider::{ClientAuth, Provider as Definition, Redirect as RedirectRule};
use serde_json::{Value, json};

use super::Provider;
use super::config::{Auth, Dialect, Redirect, Rotation};
use super::shared::Shared;

/// A provider file. For `ParqEx` it is the preset that ships, pointed at this server, so that what is
/// tested is what users have.
pub(super) fn toml(provider: &Provider, id: &str) -> String {
    let mut definition = match provider.config().dialect {
        Dialect::ParqEx => ostler::provider::presets()
            .find(|preset| preset.id.as_str() == "parqex")
            .expect("the preset ships"),
        Dialect::Standard => standard(provider),
    };
    definition.id = id.parse().expect("tests make well-formed ids");
    "Test provider".clone_into(&mut definition.title);
    definition.source = None;
    definition.verified = None;
    definition.authorization_url = parse(&provider.authorization_url());
    definition.token_url = parse(&provider.token_url());
    definition.client_auth = Some(match provider.config().client.auth {
        Auth::Basic => ClientAuth::Basic,
        Auth::Post => ClientAuth::Post,
        Auth::Public => ClientAuth::None,
    });
    definition.redirect = match provider.config().client.redirect {
        Redirect::Page(_) => RedirectRule::HttpsOnly,
        Redirect::Loopback => RedirectRule::LoopbackIp,
    };
    definition.rotation = match provider.config().rotation {
        Rotation::Strict => ostler::provider::Rotation::Strict,
        Rotation::Grace(grace) => ostler::provider::Rotation::Timed { seconds: grace.as_secs() },
        Rotation::Off => ostler::provider::Rotation::Static,
    };
    definition.to_toml()
}

fn standard(provider: &Provider) -> Definition {
    let text = format!(
        "id = \"standard\"\ntitle = \"\"\nissuer = \"{base}\"\niss_in_callback = true\n\
         authorization_url = \"{authorization}\"\ntoken_url = \"{token}\"\n\
         [scopes]\ndefaults = [{scopes}]\n[revocation]\nurl = \"{revocation}\"\n",
        base = provider.base(),
        authorization = provider.authorization_url(),
        token = provider.token_url(),
        revocation = provider.revocation_url(),
        scopes = provider
            .config()
            .scopes
            .iter()
            .map(|scope| format!("\"{scope}\""))
            .collect::<Vec<_>>()
            .join(", "),
    );
    Definition::parse(&text).expect("the definition is sound")
}

fn parse(url: &str) -> url::Url {
    url.parse().expect("the provider's own URLs are well-formed")
}

/// Metadata (RFC 8414, 2).
pub(super) fn metadata(shared: &Shared) -> Value {
    let base = &shared.base;
    let auth = match shared.config.client.auth {
        Auth::Basic => "client_secret_basic",
        Auth::Post => "client_secret_post",
        Auth::Public => "none",
    };
    json!({
        "issuer": base,
        "authorization_endpoint": format!("{base}{}", shared.config.authorization_path()),
        "token_endpoint": format!("{base}{}", shared.config.token_path()),
        "revocation_endpoint": format!("{base}/revoke"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": [auth],
        "authorization_response_iss_parameter_supported": true,
        "scopes_supported": shared.config.scopes,
    })
}
