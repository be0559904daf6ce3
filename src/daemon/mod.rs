//! Floor 5: assembly.
