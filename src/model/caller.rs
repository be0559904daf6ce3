//! Who asks.

use std::fmt;
use std::sync::Arc;

/// A local process that asks something, as far as its connection shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The face it came by.
    pub face: Face,
    /// Its user.
    pub uid: u32,
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
    /// D-Bus.
    Bus,
}

impl Face {
    /// The name in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Bus => "dbus",
        }
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
    /// Nothing that could be used.
    #[default]
    Unknown,
}

/// What an identity is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        let printable = !name.is_empty() && !name.chars().any(char::is_control);
        if printable && name.len() <= NAME_MAX {
            Self { kind, name: name.into() }
        } else {
            Self::default()
        }
    }

    /// What it is worth.
    #[must_use]
    pub fn tier(&self) -> Tier {
        match self.kind {
            IdentityKind::Flatpak | IdentityKind::Snap => Tier::Verified,
            IdentityKind::Unit | IdentityKind::App | IdentityKind::Exe | IdentityKind::Tty => {
                Tier::Claimed
            }
            IdentityKind::Unknown => Tier::None,
        }
    }
}

impl IdentityKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Flatpak => "flatpak",
            Self::Snap => "snap",
            Self::Unit => "unit",
            Self::App => "app",
            Self::Exe => "exe",
            Self::Tty => "tty",
            Self::Unknown => "unknown",
        }
    }
}

impl Tier {
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
        match self.kind {
            IdentityKind::Unknown => f.write_str("unknown"),
            kind => write!(f, "{}:{}", kind.as_str(), self.name),
        }
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
        assert_eq!(Identity::default().tier(), Tier::None);
    }

    #[test]
    fn what_would_spoil_a_line_is_no_name() {
        for name in ["", "a\nb", "\u{1b}[31m", &"x".repeat(NAME_MAX + 1)] {
            assert_eq!(Identity::new(IdentityKind::Exe, name), Identity::default());
        }
    }
}
