use super::kernels::Kernels;
use super::point::Folded;
use super::{LinearisedNetwork, Moves};
use crate::plan::{ConvNorm, Forward, MaxPool};
use tch::Tensor;

/// The forward pass of the values' change along a direction. Of what does not change there is none: the images.
pub(super) struct Tangents<'a, K: Kernels> {
    pub(super) of: &'a LinearisedNetwork<'a, K>,
    pub(super) direction: &'a [Tensor],
    /// By [`ConvNorm::number`].
    pub(super) layers: Vec<Moved<K>>,
    pub(super) pooled: Tensor,
}

/// Changes at a layer.
pub(super) struct Moved<K: Kernels> {
    /// None: of the images, or of what is not yet passed.
    pub(super) input: Option<K::Images>,
    pub(super) weight: K::Weight,
    bias: Tensor,
}

impl<K: Kernels> Moved<K> {
    pub(super) fn along(of: &LinearisedNetwork<'_, K>, direction: &[Tensor]) -> Vec<Self> {
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for conv in of.point.network.plan.convs() {
            let Folded { weight, bias } = of.point.fold(conv, direction);
            weights.push(weight);
            biases.push(bias);
        }
        let weights = of.kernels.weights(Moves::Direction, weights);
        let layers = weights.into_iter().zip(biases);
        let layer = |(weight, bias)| Self {
            input: None,
            weight,
            bias,
        };
        layers.map(layer).collect()
    }
}

const STARTS: &str = "a network starts with a convolution";

impl<K: Kernels> Forward for Tangents<'_, K> {
    type Images = Option<K::Images>;

    fn conv_norm(&mut self, conv: &ConvNorm, dx: &Self::Images) -> Self::Images {
        let LinearisedNetwork { kernels, layers, .. } = self.of;
        let (layer, moved) = (&layers[conv.number], &mut self.layers[conv.number]);
        let mut terms = vec![(&layer.input, &moved.weight)];
        terms.extend(dx.as_ref().map(|dx| (dx, &layer.weight)));
        let dy = kernels.convolve(conv, &terms, Some(&moved.bias));
        moved.input = dx.as_ref().map(|dx| kernels.share(dx));
        Some(dy)
    }

    fn relu(&mut self, last: &ConvNorm, dx: Self::Images) -> Self::Images {
        dx.map(|dx| self.of.through_relu(last, dx))
    }

    fn max_pool(&mut self, pool: &MaxPool, dx: &Self::Images) -> Self::Images {
        let along = |dx| {
            self.of
                .kernels
                .max_pool_along(pool, &self.of.pools[pool.number], dx)
        };
        dx.as_ref().map(along)
    }

    fn add(&mut self, dy: Self::Images, dx: &Self::Images) -> Self::Images {
        match (dy, dx) {
            (Some(dy), Some(dx)) => Some(self.of.kernels.add(dy, dx)),
            (dy, _) => dy,
        }
    }

    fn add_subsampled(&mut self, dy: Self::Images, dx: &Self::Images) -> Self::Images {
        match (dy, dx) {
            (Some(dy), Some(dx)) => Some(self.of.kernels.add_subsampled(dy, dx)),
            (dy, _) => dy,
        }
    }

    fn classify(&mut self, d_features: &Self::Images) -> Tensor {
        let point = &self.of.point;
        let classifier = point.network.plan.classifier;
        self.pooled = self.of.kernels.mean_of_pixels(d_features.as_ref().expect(STARTS));
        self.pooled.matmul(&point.classifier(&point.params).tr())
            + self.of.pooled.linear(
                &point.classifier(self.direction),
                Some(&self.direction[classifier + 1]),
            )
    }
}
