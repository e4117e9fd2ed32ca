#![doc = include_str!("../README.md")]

mod error;
mod hessian;
mod loss;
mod product;
mod sample;
mod space;
mod spectrum;

pub use error::HessianError;
pub use hessian::{Graphs, Hessian, MICRO_BATCH};
pub use loss::MeanLoss;
pub use product::Product;
pub use space::TensorSpace;

// What a network of one's own needs, so that this crate alone will do.
pub use sculpt_lanczos::{
    Density, Eigen, Eigenpairs, LanczosError, Seed, Space, SpectralDensity, Trace, Which,
};
pub use sculpt_layout::{Layout, LayoutBuilder, LayoutError, ParamKind};
pub use sculpt_masks::Mask;
pub use sculpt_network::{FromFn, Mode, Network};
