//! Floor 2: SQLite.
