//! Journeys across the crates. Each is a test binary of this package.
