//! Floor 1: the pure heart.
