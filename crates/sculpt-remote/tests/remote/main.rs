//! Remote places against a server of our own that fails as it is told, and against servers that are not ours.

#![expect(clippy::unwrap_used, reason = "tests")]

mod folders;
mod requests;
mod server;
mod servers;
mod uploads;
