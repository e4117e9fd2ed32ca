#![doc = include_str!("../README.md")]

mod column;
mod error;
mod footer;
mod page;
mod read;
mod table;
mod thrift;
mod write;

pub use column::Column;
pub use error::ParquetError;
pub use table::Table;
