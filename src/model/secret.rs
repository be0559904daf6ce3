//! Secrets. Each kind is its own type over memory that is wiped when dropped: it has no `Display`,
//! its `Debug` shows nothing but the kind, and `expose()` is the one word to search for when asking
//! where a secret goes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name(Zeroizing<String>);

        impl $name {
            /// Takes the text over; the caller keeps no copy.
            #[must_use]
            pub fn new(text: String) -> Self {
                Self(Zeroizing::new(text))
            }

            /// The secret itself. Whoever calls this answers for where it goes.
            #[must_use]
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
            }
        }

        impl Eq for $name {}
    };
}

secret! {
    /// An access token (RFC 6749, 1.4): opaque, short-lived, handed out to callers.
    AccessToken
}
secret! {
    /// A refresh token (RFC 6749, 1.5). It never leaves the daemon but to the token endpoint; it
    /// cannot be cloned, so at any time one owner has it.
    RefreshToken
}
secret! {
    /// A client secret (RFC 6749, 2.3.1).
    ClientSecret
}
secret! {
    /// An ID token (OpenID Connect Core, 2). It opens nothing, but says who somebody is.
    IdToken
}
secret! {
    /// The token by which a client that registered itself is managed (RFC 7592, 3).
    RegistrationToken
}
secret! {
    /// That token with the address where it is of use: what is kept of such a registration.
    Registration
}
secret! {
    /// An authorization code (RFC 6749, 1.3.1), redeemed once.
    AuthorizationCode
}
secret! {
    /// A device code (RFC 8628, 3.2), with which is asked whether the user has allowed it.
    DeviceCode
}
secret! {
    /// The private key that a grant's tokens are bound to (RFC 9449): PKCS #8 in base64. It signs in the
    /// daemon and never leaves it.
    ProofKey
}
secret! {
    /// A PKCE code verifier (RFC 7636, 4.1), used once.
    PkceVerifier
}

impl AccessToken {
    /// What identifies this token to those who must not see it.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.expose())
    }
}

impl RefreshToken {
    /// Stands where no refresh token is needed, because the client has new tokens for the asking.
    #[must_use]
    pub fn unneeded() -> Self {
        Self::new(String::new())
    }

    /// Whether it is that.
    #[must_use]
    pub fn is_unneeded(&self) -> bool {
        self.0.is_empty()
    }
}

// A client secret arrives over the socket at login and an access token leaves over it; a device code
// comes from its endpoint. No other secret has a wire form.
impl<'de> Deserialize<'de> for ClientSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl Serialize for ClientSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for RegistrationToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl Serialize for RegistrationToken {
    /// For what is sealed at once.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for DeviceCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl<'de> Deserialize<'de> for AccessToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl Serialize for AccessToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

/// The SHA-256 of an access token: callers name with it the token that an API rejected, without
/// sending the token again. Written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a token's text.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

/// Why a text is not a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is the SHA-256 of a token as 64 hexadecimal digits")]
pub struct FingerprintError;

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let mut bytes = [0; 32];
        if text.len() != 64 {
            return Err(FingerprintError);
        }
        data_encoding::HEXLOWER_PERMISSIVE
            .decode_mut(text.as_bytes(), &mut bytes)
            .map_err(|_| FingerprintError)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    /// The first 8 digits: enough to tell tokens apart in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tok:{}", data_encoding::HEXLOWER.encode(&self.0[..4]))
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_kind_and_nothing_else() {
        let token = RefreshToken::new("canary-7f3a".into());
        assert_eq!(format!("{token:?}"), "RefreshToken(…)");
        assert!(!format!("{:?}", AccessToken::new("canary".into())).contains("canary"));
    }

    #[test]
    fn a_fingerprint_survives_its_text_form() {
        let print = AccessToken::new("abc".into()).fingerprint();
        // SHA-256("abc"), FIPS 180-4 example
        assert!(print.to_string().starts_with("ba7816bf8f01cfea"));
        assert_eq!(print.to_string().to_uppercase().parse::<Fingerprint>().unwrap(), print);
        assert!("ba78".parse::<Fingerprint>().is_err());
        assert_eq!(format!("{print:?}"), "tok:ba7816bf");
    }
}
