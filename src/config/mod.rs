//! Floor 2: settings.
