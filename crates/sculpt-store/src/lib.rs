#![doc = include_str!("../README.md")]

pub mod atomic;
pub mod canonical;
mod error;
mod number_check;
pub mod paths;

pub use error::FileError;
