//! The Varlink socket.
