#![doc = include_str!("../README.md")]

pub mod atomic;
mod bounded;
pub mod cache;
pub mod canonical;
pub mod digest;
mod error;
pub mod folders;
pub mod growing;
pub mod lease;
mod lock;
mod number_check;
pub mod paths;
pub mod sealed;

pub use bounded::{read, read_text};
pub use error::FileError;
pub use lease::{Holder, Holding, Lease};
pub use lock::{Lock, LockError, PassingLock};
