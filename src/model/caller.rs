//! Who asks.

/// A local process that asks something, as far as its connection shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The face it came by.
    pub face: Face,
    /// Its user.
    pub uid: u32,
    /// Its process id, if the kernel or the bus told it.
    pub pid: Option<i32>,
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
