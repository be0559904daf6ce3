//! Who asks.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::names::NameError;

/// A local process that asks something, as far as its connection shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The face it came by.
    pub face: Face,
    /// Its process id, if the kernel or the bus told it.
    pub pid: Option<i32>,
    /// What it is known by.
    pub identity: Identity,
}

/// A surface that callers reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Face {
    /// The Unix socket.
    Socket,
    /// The Unix socket that is made to be shown to containers: it is good for tokens alone.
    Tokens,
    /// D-Bus.
    Bus,
}

impl Face {
    /// The name in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Tokens => "tokens",
            Self::Bus => "dbus",
        }
    }

    /// The face with that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Socket, Self::Tokens, Self::Bus].into_iter().find(|face| face.as_str() == name)
    }
}

impl Caller {
    /// The daemon itself, which asks for what its faces show.
    #[must_use]
    pub fn daemon() -> Self {
        let pid = i32::try_from(std::process::id()).ok();
        Self { face: Face::Bus, pid, identity: Identity::host() }
    }

    /// Whether it may ask for nothing but tokens: a program that somebody put into a sandbox, or of which
    /// nobody can tell that it is in none.
    #[must_use]
    pub fn is_confined(&self) -> bool {
        self.face == Face::Tokens || self.identity.tier() != Tier::Claimed
    }
}

/// What a program is known by from one process to the next: `flatpak:org.example.Mail`,
/// `unit:mbsync.service`, `exe:/usr/bin/curl`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Identity {
    kind: IdentityKind,
    name: Arc<str>,
}

/// Where an identity is from, the most trustworthy first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum IdentityKind {
    /// The id of a Flatpak application, from the file that Flatpak puts into its sandbox.
    Flatpak,
    /// The name of a Snap application, from the label that `AppArmor` enforces.
    Snap,
    /// A service of the user's systemd.
    Unit,
    /// A desktop application, from the name of the unit that it was started in.
    App,
    /// The program's file. Not that of an interpreter: it says nothing of the program.
    Exe,
    /// The session of a terminal.
    Tty,
    /// A program in a file tree that is not the daemon's, in no sandbox that vouches for it: the file it is
    /// there, whatever that means.
    Container,
    /// A program outside any sandbox of which nothing else is known that lasts.
    Host,
    /// Nothing that could be used; it may be in a sandbox or not.
    #[default]
    Unknown,
}

/// What an identity is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// The sandbox vouches for it.
    Verified,
    /// Any program of the user can have it look like that.
    Claimed,
    /// There is none.
    None,
}

/// The longest name that is kept, in bytes; the kernel's limit to a path is above it.
const NAME_MAX: usize = 512;

impl Identity {
    /// An identity. A name that is empty, too long or not printable is unknown.
    #[must_use]
    pub fn new(kind: IdentityKind, name: &str) -> Self {
        if kind.has_names() == is_name(name) {
            Self { kind, name: name.into() }
        } else {
            Self::default()
        }
    }

    /// A program outside any sandbox of which nothing else is known.
    #[must_use]
    pub fn host() -> Self {
        Self { kind: IdentityKind::Host, name: "".into() }
    }

    /// What it is worth.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.kind.tier()
    }

    /// Where it is from.
    #[must_use]
    pub fn kind(&self) -> IdentityKind {
        self.kind
    }

    /// The name among those of its kind; empty where the kind has none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl IdentityKind {
    /// All kinds, the most trustworthy first.
    pub const ALL: [Self; 9] = [
        Self::Flatpak,
        Self::Snap,
        Self::Unit,
        Self::App,
        Self::Exe,
        Self::Tty,
        Self::Container,
        Self::Host,
        Self::Unknown,
    ];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flatpak => "flatpak",
            Self::Snap => "snap",
            Self::Unit => "unit",
            Self::App => "app",
            Self::Exe => "exe",
            Self::Tty => "tty",
            Self::Container => "container",
            Self::Host => "host",
            Self::Unknown => "unknown",
        }
    }
}

impl IdentityKind {
    /// What identities of the kind are worth.
    #[must_use]
    pub fn tier(self) -> Tier {
        match self {
            Self::Flatpak | Self::Snap => Tier::Verified,
            Self::Unit | Self::App | Self::Exe | Self::Tty | Self::Host => Tier::Claimed,
            Self::Container | Self::Unknown => Tier::None,
        }
    }

    /// Whether identities of the kind are told apart by a name.
    #[must_use]
    pub fn has_names(self) -> bool {
        !matches!(self, Self::Host | Self::Unknown)
    }

    /// The kind with that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Whether a text can be a program's name: what would spoil a line cannot.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_MAX && !text.chars().any(char::is_control)
}

impl Tier {
    /// All tiers.
    pub const ALL: [Self; 3] = [Self::Verified, Self::Claimed, Self::None];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Claimed => "claimed",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        if self.kind.has_names() { write!(f, ":{}", self.name) } else { Ok(()) }
    }
}

impl FromStr for Identity {
    type Err = NameError;

    /// Reads what [`Identity`] is written as.
    fn from_str(text: &str) -> Result<Self, NameError> {
        const WHAT: &str = "program's identity";
        let (word, name) = match text.split_once(':') {
            Some((word, name)) => (word, Some(name)),
            None => (text, None),
        };
        let kind = IdentityKind::from_word(word).ok_or(NameError::Shape {
            what: WHAT,
            rule: "is flatpak:, snap:, unit:, app:, exe:, tty: or container: and a name, host or unknown",
        })?;
        if kind.has_names() != name.is_some_and(is_name) || kind.has_names() != name.is_some() {
            return Err(NameError::Shape { what: WHAT, rule: "has a name behind the colon" });
        }
        Ok(Self { kind, name: name.unwrap_or_default().into() })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_says_what_it_is_from_and_what_it_is_worth() {
        let flatpak = Identity::new(IdentityKind::Flatpak, "org.example.Mail");
        assert_eq!(
            (flatpak.to_string().as_str(), flatpak.tier()),
            ("flatpak:org.example.Mail", Tier::Verified)
        );
        let exe = Identity::new(IdentityKind::Exe, "/usr/bin/curl");
        assert_eq!((exe.to_string().as_str(), exe.tier()), ("exe:/usr/bin/curl", Tier::Claimed));
        assert_eq!(Identity::default().to_string(), "unknown");
        assert_eq!(
            (Identity::host().to_string().as_str(), Identity::host().tier()),
            ("host", Tier::Claimed)
        );
        assert_eq!(Identity::default().tier(), Tier::None);
    }

    #[test]
    fn an_identity_is_read_as_it_is_written() {
        for text in [
            "flatpak:org.example.Mail",
            "exe:/opt/a:b",
            "tty:77@123",
            "container:/bin/x",
            "host",
            "unknown",
        ] {
            assert_eq!(text.parse::<Identity>().unwrap().to_string(), text);
        }
        for text in ["", "exe", "exe:", "host:x", "unknown:", "door:x", "exe:a\nb"] {
            assert!(text.parse::<Identity>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn who_is_in_a_sandbox_or_may_be_asks_for_tokens_alone() {
        let caller =
            |face, identity: &str| Caller { face, pid: None, identity: identity.parse().unwrap() };
        for confined in ["flatpak:org.example.Mail", "snap:mail.app", "container:/bin/x", "unknown"]
        {
            assert!(caller(Face::Bus, confined).is_confined(), "{confined}");
        }
        for free in ["unit:a.service", "app:org.example.Mail", "exe:/bin/x", "tty:1@2", "host"] {
            assert!(!caller(Face::Socket, free).is_confined(), "{free}");
            assert!(caller(Face::Tokens, free).is_confined(), "{free}");
        }
        assert!(!Caller::daemon().is_confined());
    }

    #[test]
    fn what_would_spoil_a_line_is_no_name() {
        for name in ["", "a\nb", "\u{1b}[31m", &"x".repeat(NAME_MAX + 1)] {
            assert_eq!(Identity::new(IdentityKind::Exe, name), Identity::default());
        }
    }
}
