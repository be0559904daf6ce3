//! Floor 2: the operating system.
