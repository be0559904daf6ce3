//! The certificate by which a client shows who it is, on the connection itself (RFC 8705). It is kept as
//! the client's secret is, in one text with its key: a chain in PEM, the client's own first.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use reqwest::Identity;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::client::Client;
use super::error::OauthError;
use crate::model::{ClientSecret, Now};

/// How many clients of the HTTP library are kept for certificates: each knows the trust store.
const CLIENTS_MAX: usize = 8;
/// The longest chain that is looked at.
const CHAIN_MAX: usize = 16;
/// The beginning of the year 9999, in seconds since the epoch: a certificate that lasts until then has no
/// end (RFC 5280, 4.1.2.5).
const LAST_YEAR: i64 = 253_370_764_800;

/// A client's certificate and its key.
pub(super) struct Certificate {
    bundle: Zeroizing<Vec<u8>>,
    chain: Fingerprint,
    /// From when and until when all of the chain holds, in seconds since the epoch.
    begins: i64,
    ends: i64,
}

/// The SHA-256 of a chain. It says nothing of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fingerprint([u8; 32]);

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("chain", &self.chain).finish_non_exhaustive()
    }
}

/// Whether a secret has the form of a certificate with its key.
pub(super) fn is_certificate(text: &str) -> bool {
    !text.trim_start().starts_with('{') && text.contains("-----BEGIN CERTIFICATE-----")
}

/// When a client's certificate ends, in seconds since the epoch; `None` if its secret is none.
#[must_use]
pub fn certificate_end(secret: &str) -> Option<i64> {
    if !is_certificate(secret) {
        return None;
    }
    Certificate::read(secret).ok().map(|certificate| certificate.ends)
}

/// What a client shows on its connections, if anything: a certificate that holds at this time.
pub(super) fn shown(client: Client<'_>, now: Now) -> Result<Option<Certificate>, OauthError> {
    let secret = client.secret.map(ClientSecret::expose);
    let Some(secret) = secret.filter(|secret| is_certificate(secret)) else { return Ok(None) };
    let certificate = Certificate::read(secret)?;
    certificate.check(now)?;
    Ok(Some(certificate))
}

impl Certificate {
    fn read(text: &str) -> Result<Self, OauthError> {
        let unusable = || unusable("cannot be read: it has to be in PEM, the client's own first");
        let mut chain = Sha256::new();
        let (mut begins, mut ends, mut count) = (i64::MIN, i64::MAX, 0);
        for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
            let certificate = certificate.map_err(|_| unusable())?;
            let (from, to) = validity(&certificate).ok_or_else(unusable)?;
            (begins, ends) = (begins.max(from), ends.min(to));
            chain.update(&certificate);
            count += 1;
            if count > CHAIN_MAX {
                return Err(unusable());
            }
        }
        if count == 0 {
            return Err(unusable());
        }
        let bundle = Zeroizing::new(text.as_bytes().to_vec());
        Ok(Self { bundle, chain: Fingerprint(chain.finalize().into()), begins, ends })
    }

    fn check(&self, now: Now) -> Result<(), OauthError> {
        let now = now.wall.seconds();
        if now < self.begins {
            return Err(unusable(&format!("does not hold before {}", moment(self.begins))));
        }
        if now > self.ends {
            return Err(unusable(&format!("ended on {}: a new one is needed", moment(self.ends))));
        }
        Ok(())
    }

    /// For the HTTP library.
    fn identity(&self) -> Result<Identity, OauthError> {
        Identity::from_pem(&self.bundle).map_err(|_| no_key())
    }
}

fn unusable(problem: &str) -> OauthError {
    OauthError::Certificate { problem: problem.to_owned() }
}

fn no_key() -> OauthError {
    unusable("needs the private key that belongs to it beside it, in PEM and without a passphrase")
}

fn moment(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string())
}

/// The clients of the HTTP library for certificates, the one used last at the end: to set one up takes
/// longer than most requests.
#[derive(Default)]
pub(super) struct Clients(Mutex<VecDeque<(Fingerprint, Route, reqwest::Client)>>);

/// Which way a client's requests take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// As the environment says, by a proxy for instance.
    Routed,
    /// To this machine.
    Direct,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clients(…)")
    }
}

impl Clients {
    /// The client that shows this certificate. The one that has not been used for longest makes room.
    pub(super) fn showing(
        &self,
        certificate: &Certificate,
        route: Route,
        builder: reqwest::ClientBuilder,
    ) -> Result<reqwest::Client, OauthError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |(chain, way, _): &(Fingerprint, Route, _)| {
            (*chain, *way) == (certificate.chain, route)
        };
        let found = kept.iter().position(is_it).and_then(|place| kept.remove(place));
        let client = match found {
            Some((_, _, client)) => client,
            // its own error may say more than is good
            None => builder.identity(certificate.identity()?).build().map_err(|_| no_key())?,
        };
        if kept.len() >= CLIENTS_MAX {
            kept.pop_front();
        }
        kept.push_back((certificate.chain, route, client.clone()));
        Ok(client)
    }

    /// Forgets a certificate; nothing if the secret is none.
    pub(super) fn forget(&self, secret: &str) {
        if is_certificate(secret)
            && let Ok(certificate) = Certificate::read(secret)
        {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.retain(|(chain, _, _)| *chain != certificate.chain);
        }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// From when and until when a certificate holds, in seconds since the epoch (RFC 5280, 4.1).
fn validity(certificate: &[u8]) -> Option<(i64, i64)> {
    let (_, signed, _) = element(certificate, SEQUENCE)?;
    let (_, mut rest, _) = element(signed, SEQUENCE)?;
    if let Some((_, _, behind)) = element(rest, VERSION) {
        rest = behind;
    }
    // serial number, algorithm, issuer
    for _ in 0..3 {
        (_, _, rest) = element(rest, ANY)?;
    }
    let (_, times, _) = element(rest, SEQUENCE)?;
    let (kind, begins, rest) = element(times, ANY)?;
    let (other, ends, _) = element(rest, ANY)?;
    Some((time(kind, begins)?, time(other, ends)?))
}

const SEQUENCE: Option<u8> = Some(0x30);
/// Of the version, which may be missing.
const VERSION: Option<u8> = Some(0xa0);
const ANY: Option<u8> = None;

/// The first element of DER: its tag, which has to be this one, what is in it, and what is behind it.
fn element(der: &[u8], wanted: Option<u8>) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    if wanted.is_some_and(|wanted| wanted != *tag) {
        return None;
    }
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = bytes.iter().fold(0, |length: u64, byte| length << 8 | u64::from(*byte));
            (usize::try_from(length).ok()?, rest)
        }
        _ => return None,
    };
    let (inside, rest) = rest.split_at_checked(length)?;
    Some((*tag, inside, rest))
}

/// A time of a certificate: `YYMMDDHHMMSSZ` until 2049, else with all of the year (RFC 5280, 4.1.2.5).
fn time(tag: u8, text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let text = match (tag, text.len()) {
        (0x17, 12) if text.as_bytes()[0] >= b'5' => format!("19{text}"),
        (0x17, 12) => format!("20{text}"),
        (0x18, 14) if text.starts_with("9999") => return Some(LAST_YEAR),
        (0x18, 14) => text.to_owned(),
        _ => return None,
    };
    let civil = DateTime::strptime("%Y%m%d%H%M%S", &text).ok()?;
    let at = TimeZone::UTC.to_ambiguous_timestamp(civil).unambiguous().ok()?;
    Some(at.as_second())
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::model::{Boot, ClientId, Wall};

    const CLIENT: &str = include_str!("tests/certificates/client.pem");
    const OTHER: &str = include_str!("tests/certificates/stranger.pem");
    /// When both were made.
    const MADE: i64 = 1_795_723_634;

    fn at(seconds: i64) -> Now {
        Now { wall: Wall(seconds * 1000), boot: Boot(0) }
    }

    fn ask(secret: &str, now: Now) -> Result<Option<Certificate>, OauthError> {
        let id: ClientId = "app".parse().unwrap();
        let secret = ClientSecret::new(secret.into());
        shown(Client { id: &id, secret: Some(&secret) }, now)
    }

    #[test]
    fn the_times_of_a_certificate_are_read_in_both_forms() {
        let read = |text| Certificate::read(text).unwrap();
        let client = read(CLIENT);
        assert_eq!((client.begins, client.ends), (MADE, MADE + 3650 * 86400));
        let other = read(OTHER);
        assert_eq!((other.begins, other.ends), (MADE, MADE + 36500 * 86400));
        // of a chain what ends first
        let chain = read(&format!("{OTHER}{CLIENT}"));
        assert_eq!(chain.ends, client.ends);
        assert!(chain.chain != client.chain && chain.chain != other.chain);
        assert_eq!(time(0x18, b"99991231235959Z"), Some(LAST_YEAR));
        assert_eq!(time(0x17, b"500101000000Z"), Some(-631_152_000));
        for odd in [&b"261126200714"[..], b"26112620071\xffZ", b"261326200714Z", b"Z", b""] {
            assert_eq!(time(0x17, odd), None);
        }
        assert_eq!(certificate_end(CLIENT), Some(client.ends));
        assert_eq!(certificate_end("fake-secret"), None);
    }

    #[test]
    fn one_that_does_not_hold_now_is_not_shown() {
        assert!(ask(CLIENT, at(MADE + 1)).unwrap().is_some());
        let early = ask(CLIENT, at(MADE - 1)).unwrap_err().to_string();
        assert_eq!(early, "the client's certificate does not hold before 2026-11-26T20:07:14Z");
        let late = ask(CLIENT, at(MADE + 3651 * 86400)).unwrap_err().to_string();
        assert!(late.contains("ended on 2036-11-23T20:07:14Z: a new one is needed"), "{late}");
        assert!(ask("fake-secret", at(MADE)).unwrap().is_none());
        assert!(ask("{\"private_key\":\"-----BEGIN CERTIFICATE-----\"}", at(0)).unwrap().is_none());
    }

    #[test]
    fn what_is_no_certificate_or_has_no_key_is_said_to_be_that_and_not_shown() {
        let broken = "-----BEGIN CERTIFICATE-----\nZmFrZQ==\n-----END CERTIFICATE-----\n";
        for text in [broken, "-----BEGIN CERTIFICATE-----\nfake", "-----BEGIN CERTIFICATE-----"] {
            let error = ask(text, at(MADE)).unwrap_err().to_string();
            assert!(error.contains("cannot be read") && !error.contains("Zm"), "{error}");
        }
        let many = CLIENT.repeat(CHAIN_MAX + 1);
        assert!(ask(&many, at(MADE + 1)).is_err(), "a chain has an end");
        let part = |text: &str, from: &str| text[text.find(from).unwrap()..].to_owned();
        let (alone, key) = CLIENT.split_at(CLIENT.find("-----BEGIN PRIVATE").unwrap());
        let foreign = format!("{alone}{}", part(OTHER, "-----BEGIN PRIVATE"));
        let clients = Clients::default();
        for text in [alone, &foreign] {
            let certificate = ask(text, at(MADE + 1)).unwrap().unwrap();
            let error = clients
                .showing(&certificate, Route::Direct, reqwest::Client::builder())
                .unwrap_err()
                .to_string();
            assert!(error.contains("needs the private key that belongs to it"), "{error}");
        }
        assert_eq!(clients.count(), 0);
        let shown = format!("{:?}", Certificate::read(CLIENT).unwrap());
        assert!(!shown.contains(key.lines().nth(1).unwrap()), "{shown}");
    }

    proptest! {
        #[test]
        fn any_bytes_have_times_of_a_calendar_or_none(
            noise in vec(any::<u8>(), 0..64),
            place in any::<Index>(),
        ) {
            prop_assert!(validity(&noise).is_none());
            let mut der = CertificateDer::from_pem_slice(CLIENT.as_bytes()).unwrap().to_vec();
            let place = place.index(der.len());
            let end = der.len().min(place + noise.len());
            der[place..end].copy_from_slice(&noise[..end - place]);
            if let Some((begins, ends)) = validity(&der) {
                prop_assert!(begins <= LAST_YEAR && ends <= LAST_YEAR);
            }
        }
    }

    #[test]
    fn clients_are_kept_by_certificate_and_way_and_are_few() {
        let clients = Clients::default();
        let show = |text: &str, route| {
            let certificate = Certificate::read(text).unwrap();
            clients.showing(&certificate, route, reqwest::Client::builder()).unwrap()
        };
        for _ in 0..2 {
            show(CLIENT, Route::Direct);
            show(CLIENT, Route::Routed);
            show(OTHER, Route::Direct);
        }
        assert_eq!(clients.count(), 3);
        clients.forget("fake-secret");
        clients.forget(OTHER);
        assert_eq!(clients.count(), 2);
        for count in 1..CHAIN_MAX {
            // the chain is another one each time, the key the client's
            let chain = format!(
                "{CLIENT}{}",
                OTHER[..OTHER.find("-----BEGIN PRIVATE").unwrap()].repeat(count)
            );
            show(&chain, Route::Direct);
        }
        assert_eq!(clients.count(), CLIENTS_MAX);
    }
}
