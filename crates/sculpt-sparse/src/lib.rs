#![doc = include_str!("../README.md")]

mod block;
mod dispatch;
mod geometry;
mod lanes;
mod norm;
mod plain;
mod pool;
mod products;
mod registers;
mod rows;
mod taps;
#[cfg(test)]
mod tests;
mod tiles;
mod weight;
mod winograd;

pub use block::{Input, InputGradient, OutputGradient, Scratch, block_of, room};
pub use dispatch::{has_many_registers, is_fast_here};
pub use geometry::{Convolution, Planes, Way, WinogradTile};
pub use lanes::{HalfLanes, LANES, Lanes, Pixel, Storage};
pub use norm::{
    Affine, Beside, Moments, Slope, Sums, before_relu, before_relu_of_norm, join, means_of_pixels, moments,
    subsample_transposed, sums,
};
pub use plain::{add, add_subsampled, gate, rectify, shift, sums_of_channels};
pub use pool::{MaxPool, max_pool, max_pool_along, max_pool_transposed};
pub use rows::{
    BesideRows, Bf16, Gate, Number, before_norm_of_rows, before_relu_of_rows, join_rows, moments_of_rows,
    sums_of_rows,
};
pub use weight::Weight;
