//! Floor 2: the protocol.
