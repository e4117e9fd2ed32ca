#![doc = include_str!("../README.md")]

pub mod atomic;
pub mod canonical;
pub mod digest;
mod error;
mod lock;
mod number_check;
pub mod paths;
pub mod sealed;

pub use error::FileError;
pub use lock::{Lock, LockError};
