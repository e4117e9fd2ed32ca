use crate::ScoreError;
use crate::probe::{Batch, Probe};
use sculpt_layout::Layout;
use sculpt_masks::Mask;
use sculpt_network::{Linearised, Mode, Network};
use tch::{Kind, Reduction, Tensor, no_grad, with_grad};

/// What is scored: a network at `θ`, with the weights that are pruned already.
///
/// Scores are computed in the kind of `θ` (f32 or f64) and on its device. Nothing that is handed in changes:
/// neither the numbers of `θ` and the buffers, nor whether they ask for gradients.
pub struct Point<'a> {
    network: &'a dyn Network<Tensor>,
    theta: Tensor,
    buffers: &'a Tensor,
    mask: Option<&'a Mask>,
}

impl<'a> Point<'a> {
    /// `theta` `[n_params]`, `buffers` `[n_buffers]`, both f32 or both f64; what `mask` prunes is `+0.0` in
    /// `theta`, and never comes back. Without a mask, all prunable weights are candidates.
    ///
    /// # Errors
    /// Another length, kind or device; a weight that is not finite, or pruned and not `+0.0`.
    pub fn new(
        network: &'a dyn Network<Tensor>,
        theta: &Tensor,
        buffers: &'a Tensor,
        mask: Option<&'a Mask>,
    ) -> Result<Self, ScoreError> {
        let layout = network.layout();
        for (what, tensor, expected) in [
            ("θ", theta, layout.n_params()),
            ("the buffers", buffers, layout.n_buffers()),
        ] {
            if tensor.size() != [expected as i64] {
                let found = tensor.size();
                return Err(ScoreError::Length {
                    what,
                    found,
                    expected,
                });
            }
        }
        if let Some(mask) = mask
            && mask.len() != layout.n_prunable()
        {
            return Err(ScoreError::Length {
                what: "the mask",
                found: vec![mask.len() as i64],
                expected: layout.n_prunable(),
            });
        }
        if !matches!(theta.kind(), Kind::Float | Kind::Double) {
            return Err(ScoreError::Kind {
                what: "θ",
                found: theta.kind(),
                expected: "Float or Double",
            });
        }
        if buffers.kind() != theta.kind() {
            return Err(ScoreError::Kind {
                what: "the buffers",
                found: buffers.kind(),
                expected: "that of θ",
            });
        }
        let point = Self {
            network,
            theta: theta.detach(),
            buffers,
            mask,
        };
        point.check_device("the buffers", buffers)?;
        point.check_weights()?;
        Ok(point)
    }

    /// Where the tensors lie in `θ`.
    pub fn layout(&self) -> &Layout {
        self.network.layout()
    }

    /// The weights that are pruned already.
    pub fn mask(&self) -> Option<&Mask> {
        self.mask
    }

    /// `θ` `[n_params]`, without a graph.
    pub fn theta(&self) -> &Tensor {
        &self.theta
    }

    /// The prunable coordinates of a vector over `θ`, joined in layout order: what [`Scores::new`](crate::Scores::new)
    /// takes.
    pub fn prunable(&self, vector: &Tensor) -> Tensor {
        // A layout may have nothing prunable, and nothing cannot be joined.
        let mut parts = vec![vector.narrow(0, 0, 0)];
        for param in self.layout().prunable() {
            parts.push(vector.narrow(0, param.range().start as i64, param.len() as i64));
        }
        Tensor::cat(&parts, 0)
    }

    /// 1 at the prunable weights that survive, 0 at all other coordinates of `θ`; in the kind of `θ`.
    pub(crate) fn candidates(&self) -> Tensor {
        let candidates = self.theta.zeros_like();
        for param in self.layout().prunable() {
            let mut part = candidates.narrow(0, param.range().start as i64, param.len() as i64);
            match (self.mask, param.prunable_range()) {
                (Some(mask), Some(range)) => part.copy_(&Tensor::from_slice(mask.slice(range))),
                (None, _) | (_, None) => {
                    let _ = part.fill_(1.0);
                }
            }
        }
        candidates
    }

    /// `∂L/∂θ` `[n_params]` of the mean cross-entropy `L` over the whole probe, of logits divided by `temperature`.
    ///
    /// # Errors
    /// A probe that does not fit the network.
    pub fn gradient(&self, probe: &Probe, mode: Mode, temperature: f64) -> Result<Tensor, ScoreError> {
        let mut gradient = self.theta.zeros_like();
        self.each_loss(probe.batches(), mode, temperature, |theta, loss| {
            let part = Tensor::run_backward(&[loss], &[theta], false, false).swap_remove(0);
            let _ = gradient.g_add_(&part);
        })?;
        Ok(gradient / probe.n_images() as f64)
    }

    /// Hands `∂L_i/∂θ` of the cross-entropy of each image `i` to `visit`, in evaluation mode.
    pub(crate) fn each_gradient(
        &self,
        probe: &Probe,
        mut visit: impl FnMut(Tensor),
    ) -> Result<(), ScoreError> {
        // tch has no vmap, and the trait shares θ between the images of a batch: one backward pass an image.
        self.each_loss(probe.examples(), Mode::Eval, 1.0, |theta, loss| {
            visit(Tensor::run_backward(&[loss], &[theta], false, false).swap_remove(0));
        })
    }

    /// Hands (θ as a leaf, the sum of the cross-entropies of a batch) to `visit`, batch by batch.
    pub(crate) fn each_loss<B: std::borrow::Borrow<Batch>>(
        &self,
        batches: impl IntoIterator<Item = B>,
        mode: Mode,
        temperature: f64,
        mut visit: impl FnMut(&Tensor, &Tensor),
    ) -> Result<(), ScoreError> {
        // A network that updates its buffers updates these.
        let buffers = self.buffers.detach().copy();
        with_grad(|| {
            let theta = self.theta.detach().set_requires_grad(true);
            for batch in batches {
                let batch = batch.borrow();
                self.check_device("the images", &batch.images)?;
                self.check_device("the labels", &batch.labels)?;
                let logits = self.network.forward(&theta, &buffers, &batch.images, mode);
                check_logits(&logits, batch)?;
                let loss = (logits / temperature).cross_entropy_loss(
                    &batch.labels,
                    None::<Tensor>,
                    Reduction::Sum,
                    -100,
                    0.0,
                );
                visit(&theta, &loss);
            }
            Ok(())
        })
    }

    /// The network here on a batch that [`Point::gradient`] was given before, and checked, in evaluation mode; where the network knows its
    /// second derivatives.
    pub(crate) fn linearise(&self, batch: &Batch) -> Option<Box<dyn Linearised<Tensor> + 'a>> {
        self.network.linearise(&self.theta, self.buffers, &batch.images)
    }

    /// The sum of all logits at other parameters.
    pub(crate) fn logit_sum(
        &self,
        theta: &Tensor,
        buffers: &Tensor,
        images: &Tensor,
        mode: Mode,
    ) -> Result<Tensor, ScoreError> {
        let logits = self.network.forward(theta, buffers, images, mode);
        if !logits.requires_grad() {
            return Err(ScoreError::NoGradient);
        }
        Ok(logits.sum(None::<Kind>))
    }

    /// The refusal of a score at a coordinate of `θ`.
    pub(crate) fn non_finite_score(&self, criterion: &'static str, place: usize, value: f64) -> ScoreError {
        let (tensor, index) = self.name(place);
        ScoreError::NonFiniteScore {
            criterion,
            tensor,
            index,
            value,
        }
    }

    /// The tensor that coordinate `index` of `θ` belongs to, and the place in it.
    fn name(&self, index: usize) -> (String, usize) {
        let params = self.layout().params().iter();
        let found = params.clone().find(|param| param.range().contains(&index));
        let param = found.expect("every coordinate of θ belongs to a tensor");
        (param.name().to_owned(), index - param.range().start)
    }

    fn check_device(&self, what: &'static str, tensor: &Tensor) -> Result<(), ScoreError> {
        let (found, expected) = (tensor.device(), self.theta.device());
        if found == expected {
            Ok(())
        } else {
            Err(ScoreError::OtherDevice {
                what,
                found,
                expected,
            })
        }
    }

    fn check_weights(&self) -> Result<(), ScoreError> {
        no_grad(|| {
            if let Some(place) = first(&self.theta.isfinite().logical_not()) {
                let (tensor, index) = self.name(place);
                return Err(ScoreError::NonFiniteWeight {
                    tensor,
                    index,
                    value: self.theta.double_value(&[place as i64]),
                });
            }
            let Some(mask) = self.mask else { return Ok(()) };
            let keep = Tensor::from_slice(&mask.expand(self.layout())).to_device(self.theta.device());
            // −0.0 equals 0, but its sign is set.
            let not_zero = self.theta.not_equal(0.0).logical_or(&self.theta.signbit());
            if let Some(place) = first(&not_zero.logical_and(&keep.eq(0.0))) {
                let (tensor, index) = self.name(place);
                return Err(ScoreError::PrunedNotZero {
                    tensor,
                    index,
                    value: self.theta.double_value(&[place as i64]),
                });
            }
            Ok(())
        })
    }
}

/// The first place of a vector of flags that is set.
pub(crate) fn first(flags: &Tensor) -> Option<usize> {
    if flags.any().int64_value(&[]) == 0 {
        return None;
    }
    Some(flags.nonzero().int64_value(&[0, 0]) as usize)
}

fn check_logits(logits: &Tensor, batch: &Batch) -> Result<(), ScoreError> {
    let &[n, classes] = &logits.size()[..] else {
        return Err(ScoreError::Logits {
            found: logits.size(),
            n_images: batch.n_images(),
        });
    };
    if n != batch.n_images() {
        return Err(ScoreError::Logits {
            found: logits.size(),
            n_images: batch.n_images(),
        });
    }
    let (lowest, highest) = batch.label_bounds;
    for label in [lowest, highest] {
        if !(0..classes).contains(&label) {
            return Err(ScoreError::Label {
                batch: batch.place,
                label,
                classes,
            });
        }
    }
    if !logits.requires_grad() {
        return Err(ScoreError::NoGradient);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_networks::{linear, no_buffers, probe, three_to_one};
    use crate::{Layout, snip};
    use sculpt_network::FromFn;
    use tch::Device;

    fn refused(theta: &Tensor, buffers: &Tensor, mask: Option<&Mask>) -> String {
        let network = linear();
        let error = Point::new(&network, theta, buffers, mask).err().unwrap();
        error.to_string()
    }

    #[test]
    fn refusals() {
        let theta = |values: [f32; 2]| Tensor::from_slice(&values);
        let none = Tensor::zeros([0], (Kind::Float, Device::Cpu));
        assert_eq!(
            refused(&Tensor::from_slice(&[1f32]), &none, None),
            "θ has shape [1] where the network has [2]"
        );
        assert_eq!(
            refused(&theta([1.0; 2]), &theta([1.0; 2]), None),
            "the buffers has shape [2] where the network has [0]"
        );
        assert_eq!(
            refused(&theta([1.0; 2]), &none, Some(&Mask::full(3))),
            "the mask has shape [3] where the network has [2]"
        );
        assert_eq!(
            refused(&theta([1.0; 2]).to_kind(Kind::Half), &none, None),
            "θ is of kind Half, not Float or Double"
        );
        assert_eq!(
            refused(&theta([1.0; 2]).to_kind(Kind::Double), &none, None),
            "the buffers is of kind Float, not that of θ"
        );
        assert_eq!(
            refused(&theta([1.0, f32::INFINITY]), &none, None),
            "entry 1 of fc.weight is inf, not a finite number"
        );
        let first = Mask::from_bools(vec![true, false]);
        assert_eq!(
            refused(&theta([1.0, 1e-3]), &none, Some(&first)),
            "entry 1 of fc.weight is pruned but holds 1.0000000474974513e-3, not +0.0"
        );
        assert_eq!(
            refused(&theta([1.0, -0.0]), &none, Some(&first)),
            "entry 1 of fc.weight is pruned but holds -0e0, not +0.0"
        );
    }

    /// Of a network that answers `logits`, whatever it is asked.
    #[track_caller]
    fn check_answer(answer: fn(&Tensor) -> Tensor, expected: &str) {
        let layout = Layout::builder().linear("fc", 1, 1).build().unwrap();
        let network = FromFn::new(layout, move |theta: &Tensor, _: &Tensor, _: &Tensor, _| {
            answer(theta)
        });
        let theta = Tensor::from_slice(&[1f32, 2.0]);
        let none = Tensor::zeros([0], (Kind::Float, Device::Cpu));
        let point = Point::new(&network, &theta, &none, None).unwrap();
        let error = snip(&point, &probe(&[1, 0]), Mode::Eval).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn answers_are_logits() {
        check_answer(
            |theta| theta.shallow_clone(),
            "the network made logits of shape [2] from 2 images",
        );
        check_answer(
            |theta| theta.view([1, 2]),
            "the network made logits of shape [1, 2] from 2 images",
        );
        check_answer(
            |theta| theta.view([2, 1]),
            "batch 0 has label 1, and the network 1 classes",
        );
        check_answer(
            |theta| theta.detach().expand([2, 2], false),
            "the logits have no gradient with respect to θ",
        );
        check_answer(
            |theta| (theta * f64::MAX).expand([2, 2], false),
            "the SNIP score of entry 0 of fc.weight is NaN",
        );
    }

    /// Not even inside `no_grad`, or of a θ that asks for gradients.
    #[test]
    fn gradients_are_nobody_elses() {
        let network = linear();
        let theta = three_to_one(1.0).set_requires_grad(true);
        let none = no_buffers();
        let point = Point::new(&network, &theta, &none, None).unwrap();
        let outside = snip(&point, &probe(&[0]), Mode::Eval).unwrap();
        let inside = no_grad(|| snip(&point, &probe(&[0]), Mode::Eval).unwrap());
        assert_eq!(outside, inside);
        assert!(theta.requires_grad() && !theta.grad().defined());
        assert!(outside.values()[0] > 0.0);
    }
}
