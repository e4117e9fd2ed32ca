#![doc = include_str!("../README.md")]

mod error;
mod folders;
mod listing;
mod location;
mod patience;
mod remote;
mod requests;
mod room;
mod s3;
mod settings;
mod upload;

pub use error::RemoteError;
pub use folders::{Index, Pushed, RemoteFolders};
pub use location::Location;
pub use patience::Patience;
pub use remote::{Object, Remote};
pub use room::{Room, make_room};
pub use settings::{Credentials, Secret, Settings};
pub use upload::{Uploaded, upload};
