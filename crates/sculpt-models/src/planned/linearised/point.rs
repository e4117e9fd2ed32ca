use crate::plan::ConvNorm;
use crate::planned::{Folding, PlannedNetwork};
use tch::{Kind, Tensor};

/// The parameters at which a network is linearised, and what of BatchNorm is folded there: `y = x ∗ w·γ/σ + β + (b − μ)·γ/σ`.
pub(super) struct Point<'a> {
    pub(super) network: &'a PlannedNetwork,
    /// Views of `θ`.
    pub(super) params: Vec<Tensor>,
    /// By [`ConvNorm::number`].
    pub(super) foldings: Vec<Folding>,
}

/// Something for each number of a folded weight, in its shape, and of a folded bias.
pub(super) struct Folded {
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
}

/// Something for each number of `w`, `b`, `γ` and `β`, flat.
pub(super) struct Unfolded {
    weight: Tensor,
    bias: Option<Tensor>,
    scale: Tensor,
    shift: Tensor,
}

impl Unfolded {
    /// To their places among those of all parameters.
    pub(super) fn put(self, conv: &ConvNorm, all: &mut [Tensor]) {
        all[conv.weight] = self.weight;
        if let (Some(place), Some(bias)) = (conv.bias(), self.bias) {
            all[place] = bias;
        }
        all[conv.scale()] = self.scale;
        all[conv.scale() + 1] = self.shift;
    }
}

impl<'a> Point<'a> {
    pub(super) fn new(network: &'a PlannedNetwork, theta: &Tensor, buffers: &Tensor) -> Self {
        let params = theta.detach().split_with_sizes(&network.param_sizes[..], 0);
        let running = buffers.split_with_sizes(&network.buffer_sizes[..], 0);
        let convs = network.plan.convs();
        let foldings = convs.map(|conv| Folding::new(conv, &params, &running));
        let foldings = foldings.collect();
        Self {
            network,
            params,
            foldings,
        }
    }

    /// `w·γ/σ` of all layers.
    pub(super) fn folded_weights(&self) -> Vec<Tensor> {
        let convs = self.network.plan.convs();
        let weight =
            |conv: &ConvNorm| self.foldings[conv.number].weight(&self.shaped(&self.params, conv.weight));
        convs.map(weight).collect()
    }

    /// `w`, `γ` or another parameter in its shape, of `all` parameters.
    pub(super) fn shaped(&self, all: &[Tensor], param: usize) -> Tensor {
        all[param].view(&self.network.param_shapes[param][..])
    }

    pub(super) fn classifier(&self, all: &[Tensor]) -> Tensor {
        self.shaped(all, self.network.plan.classifier)
    }

    /// The change of a layer's folded weight and bias with that of `w`, `b`, `γ` and `β`.
    pub(super) fn fold(&self, conv: &ConvNorm, direction: &[Tensor]) -> Folded {
        let folding = &self.foldings[conv.number];
        let change = &direction[conv.scale()] * &folding.inverse;
        let weight = self.shaped(direction, conv.weight) * along_outputs(&folding.factor)
            + self.shaped(&self.params, conv.weight) * along_outputs(&change);
        let mut bias = &direction[conv.scale() + 1] + &folding.offset * change;
        if let Some(own) = conv.bias() {
            bias += &direction[own] * &folding.factor;
        }
        Folded { weight, bias }
    }

    /// The transpose of [`Self::fold`].
    pub(super) fn unfold(&self, conv: &ConvNorm, gradient: &Folded) -> Unfolded {
        let folding = &self.foldings[conv.number];
        let weight = &gradient.weight * along_outputs(&folding.factor);
        let scale = sum_of_outputs(&(&gradient.weight * self.shaped(&self.params, conv.weight)))
            + &gradient.bias * &folding.offset;
        Unfolded {
            weight: weight.reshape([-1]),
            bias: conv.bias().map(|_| &gradient.bias * &folding.factor),
            scale: scale * &folding.inverse,
            shift: gradient.bias.shallow_clone(),
        }
    }

    /// Adds the change of [`Self::unfold`] itself along a direction, of a `gradient` that stays: the folded weight w·γ/σ and the folded bias
    /// β + (b − μ)·γ/σ are bilinear.
    pub(super) fn add_change_of_unfold(
        &self,
        conv: &ConvNorm,
        gradient: &Folded,
        direction: &[Tensor],
        unfolded: &mut Unfolded,
    ) {
        let inverse = &self.foldings[conv.number].inverse;
        let factor = &direction[conv.scale()] * inverse;
        let Folded { weight, bias } = gradient;
        unfolded.weight += (weight * along_outputs(&factor)).reshape([-1]);
        let along = self.shaped(direction, conv.weight);
        unfolded.scale += sum_of_outputs(&(weight * along)) * inverse;
        if let (Some(of_bias), Some(own)) = (&mut unfolded.bias, conv.bias()) {
            *of_bias += bias * &factor;
            unfolded.scale += bias * &direction[own] * inverse;
        }
    }
}

/// One factor for each output channel of a weight `[n_out, n_in, k, k]`.
pub(super) fn along_outputs(factor: &Tensor) -> Tensor {
    factor.view([-1, 1, 1, 1])
}

/// `[n_out]`, of a weight `[n_out, n_in, k, k]`.
fn sum_of_outputs(weight: &Tensor) -> Tensor {
    weight.sum_dim_intlist([1i64, 2, 3].as_slice(), false, None::<Kind>)
}
