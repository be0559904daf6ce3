//! What could be better about a definition that is sound.

use super::definition::Provider;
use super::dialect::{ClientAuth, Pkce, Redirect};
use super::example::{Example, ExampleOf};
use super::life::Rotation;

/// What a reader of a definition would like to know, or to be told.
pub(super) fn advice(provider: &Provider, examples: &[Example]) -> Vec<String> {
    let mut advice = Vec::new();
    let mut say = |text: &str| advice.push(text.to_owned());
    if provider.source.is_none() {
        say("source is missing: the provider's own page that the facts are from");
    }
    if provider.verified.is_none() {
        say("verified is missing: when the facts were checked, and which were not");
    }
    let is_here = !matches!(provider.redirect, Redirect::HttpsOnly);
    let is_public = provider.client_auth == Some(ClientAuth::None);
    if provider.pkce == Pkce::Off && is_here {
        // RFC 8252, 8.1 and 8.6
        say("pkce is off and the browser comes back to this machine: a code that another program \
             catches can be redeemed by it, unless the client has a real secret");
    }
    if provider.pkce == Pkce::Off && is_public {
        say("a client without a secret and without PKCE has nothing that protects its codes");
    }
    if provider.issuer.is_none() && provider.iss_in_callback {
        say("iss_in_callback is of use with issuer alone: there is nothing to compare with");
    }
    if provider.rotation == Rotation::Strict && provider.rt_idle.is_none() {
        say("rt_idle is missing: it is not known how often an unused login has to be kept alive");
    }
    let shows = |wanted: &dyn Fn(&Example) -> bool| examples.iter().any(wanted);
    if !shows(&|it| it.of == ExampleOf::Exchange && it.expect.outcome == "granted") {
        say("there is no example of an exchange that goes well");
    }
    if !shows(&|it| it.expect.outcome == "dead-grant") {
        say("there is no example of how the provider says that a login is over");
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(more: &str) -> Vec<String> {
        let text = format!(
            "id = \"x\"\ntitle = \"X\"\nauthorization_url = \"https://x.example/a\"\n\
             token_url = \"https://x.example/t\"\n{more}"
        );
        advice(&Provider::parse(&text).unwrap(), &[])
    }

    #[test]
    fn codes_without_any_protection_are_pointed_out() {
        let says = |more: &str, what: &str| of(more).iter().any(|text| text.contains(what));
        assert!(says("pkce = \"off\"", "can be redeemed"));
        assert!(!says("pkce = \"off\"\nredirect = { kind = \"https_only\" }", "can be redeemed"));
        assert!(says("pkce = \"off\"\nclient_auth = \"none\"", "has nothing"));
        assert!(!says("", "pkce"));
        assert!(says("", "no example of an exchange"));
    }
}
