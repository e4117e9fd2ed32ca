use super::Moves;
use crate::plan::{ConvNorm, MaxPool};
use tch::Tensor;

/// What a folded network's derivatives are made of: passes over images `[n, c, h, w]`, over changes of them, and over gradients at them,
/// however they lie in memory.
pub(super) trait Kernels {
    type Images;
    /// A folded weight, as convolutions take it.
    type Weight;
    /// What a pooling saw, of which its derivatives are made.
    type Pooled;

    /// Of a batch.
    fn images(&self, batch: &Tensor) -> Self::Images;
    /// The same images, for whoever keeps them.
    fn share(&self, x: &Self::Images) -> Self::Images;
    /// Of all layers, by [`ConvNorm::number`].
    fn weights(&self, of: Moves, folded: Vec<Tensor>) -> Vec<Self::Weight>;

    /// The sum of images, each convolved with its weight, and of a bias.
    fn convolve(
        &self,
        conv: &ConvNorm,
        terms: &[(&Self::Images, &Self::Weight)],
        bias: Option<&Tensor>,
    ) -> Self::Images;
    /// Back through one convolution, or two whose gradients are added.
    fn pull_back(
        &self,
        conv: &ConvNorm,
        terms: &[Term<'_, Self>],
        asks_for_input: bool,
    ) -> PulledBack<Self::Images>;

    fn add(&self, y: Self::Images, x: &Self::Images) -> Self::Images;
    fn relu(&self, x: Self::Images) -> Self::Images;
    /// `x` where a ReLU lets pass, which has put out `output`, 0 elsewhere: its derivative, either way.
    fn gate(&self, output: &Self::Images, x: Self::Images) -> Self::Images;

    fn max_pool(&self, pool: &MaxPool, x: &Self::Images) -> (Self::Images, Self::Pooled);
    fn max_pool_along(&self, pool: &MaxPool, pooled: &Self::Pooled, dx: &Self::Images) -> Self::Images;
    fn max_pool_back(&self, pool: &MaxPool, pooled: &Self::Pooled, g: &Self::Images) -> Self::Images;

    /// [`crate::plan::add_subsampled`].
    fn add_subsampled(&self, y: Self::Images, x: &Self::Images) -> Self::Images;
    /// The gradient at images such as `x`, from that at what was subsampled of them.
    fn subsampled_back(&self, g: &Self::Images, x: &Self::Images) -> Self::Images;

    /// `[n, channels]`.
    fn mean_of_pixels(&self, x: &Self::Images) -> Tensor;
    /// The gradient at images such as `x`, from that at their mean over all pixels.
    fn mean_of_pixels_back(&self, at_mean: &Tensor, x: &Self::Images) -> Self::Images;
}

/// Of a gradient.
pub(super) struct Term<'a, K: Kernels + ?Sized> {
    /// What the convolution read.
    pub(super) x: &'a K::Images,
    /// The gradient at what it made.
    pub(super) g: &'a K::Images,
    pub(super) weight: &'a K::Weight,
}

/// Gradients at a convolution's input, where that was asked for, at its weight and at a bias.
pub(super) struct PulledBack<I> {
    pub(super) at_input: Option<I>,
    pub(super) at_weight: Tensor,
    /// By the first term alone: what the bias adds does not change with a direction.
    pub(super) at_bias: Tensor,
}
