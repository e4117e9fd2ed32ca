#![doc = include_str!("../README.md")]

mod stream;

pub use stream::Stream;

/// The seed of a run; every random number of the run follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seed(pub u64);

/// What random numbers are for. Streams of different purposes are independent under one seed.
///
/// A purpose is a constant of the crate whose numbers they are. Its eight bytes are part of the key: they never change, since
/// every id rests on them, and no two crates have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Purpose([u8; 8]);

impl Purpose {
    /// Inputs of tests and benchmarks.
    pub const TEST: Self = Self::new(b"test----");

    /// The purpose of this tag.
    pub const fn new(tag: &[u8; 8]) -> Self {
        Self(*tag)
    }

    /// Eight bytes of the key.
    pub(crate) fn tag(self) -> [u8; 8] {
        self.0
    }
}
