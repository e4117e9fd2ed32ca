#![doc = include_str!("../README.md")]

mod density;
mod eigen;
mod error;
mod operator;
mod projection;
mod space;
mod start;
mod trace;

pub use density::{Density, SpectralDensity, density};
pub use eigen::{Eigen, Eigenpairs, Which, eigenpairs, eigenpairs_from};
pub use error::LanczosError;
pub use sculpt_random::Seed;
pub use space::{NdarraySpace, Space};
pub use trace::{Trace, hutch_plus_plus, hutchinson};
