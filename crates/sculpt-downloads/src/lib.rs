#![doc = include_str!("../README.md")]

mod archive;
mod client;
mod error;
mod get;
mod limits;
#[cfg(test)]
mod test_server;
mod unpack;

pub use archive::{Archive, ArchiveFile, Proof};
pub use client::{Client, Request};
pub use error::DownloadError;
pub use get::get;
pub use limits::{Limits, is_this_machine};
