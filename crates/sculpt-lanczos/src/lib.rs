#![doc = include_str!("../README.md")]

mod density;
mod eigen;
mod error;
// Its tests compile it without the feature.
#[cfg(any(test, feature = "ndarray"))]
mod ndarray_space;
mod operator;
mod outliers;
mod params;
mod projection;
mod space;
mod start;
mod trace;

pub use density::{Density, SpectralDensity, density};
pub use eigen::{Eigenpairs, eigenpairs, eigenpairs_from};
pub use error::LanczosError;
pub use params::{Eigen, Which};
pub use sculpt_random::Seed;
pub use space::{Space, VecSpace, combine_one_by_one, remove_one_by_one};
pub use trace::{Trace, hutch_plus_plus, hutchinson};

/// The version of ndarray whose vectors [`NdarraySpace`] takes: 0.16. A crate's own may be another.
#[cfg(feature = "ndarray")]
pub use ndarray;
#[cfg(any(test, feature = "ndarray"))]
pub use ndarray_space::NdarraySpace;
