#![doc = include_str!("../README.md")]

mod error;
mod ffi;
mod group;
mod rendezvous;

pub use error::CollectiveError;
pub use group::Group;
pub use rendezvous::Rendezvous;
