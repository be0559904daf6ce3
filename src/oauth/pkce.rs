//! Proof Key for Code Exchange (RFC 7636), with S256 alone, and the random texts of a sign-in.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::error::OauthError;
use crate::model::PkceVerifier;
use crate::provider::Pkce;

/// 256 random bits as 43 characters that need no encoding anywhere.
pub(super) fn random_text() -> Result<String, OauthError> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(&mut *bytes).map_err(OauthError::Random)?;
    Ok(BASE64URL_NOPAD.encode(&*bytes))
}

/// A new verifier (RFC 7636, 4.1: 32 octets, base64url).
pub(super) fn verifier() -> Result<PkceVerifier, OauthError> {
    random_text().map(PkceVerifier::new)
}

/// The S256 challenge of a verifier (RFC 7636, 4.2), or what a provider made of it.
pub(super) fn challenge(verifier: &PkceVerifier, pkce: Pkce) -> String {
    let digest = Sha256::digest(verifier.expose().as_bytes());
    match pkce {
        Pkce::S256Hex => HEXLOWER.encode(&digest),
        Pkce::S256 | Pkce::Off => BASE64URL_NOPAD.encode(&digest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_7636_appendix_b() {
        let octets: [u8; 32] = [
            116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186, 22, 212,
            37, 77, 105, 214, 191, 240, 91, 88, 5, 88, 83, 132, 141, 121,
        ];
        let verifier = PkceVerifier::new(BASE64URL_NOPAD.encode(&octets));
        assert_eq!(verifier.expose(), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge(&verifier, Pkce::S256), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn verifiers_are_long_enough_and_never_the_same() {
        let (one, two) = (verifier().unwrap(), verifier().unwrap());
        assert_eq!(one.expose().len(), 43);
        assert!(one != two);
    }
}
