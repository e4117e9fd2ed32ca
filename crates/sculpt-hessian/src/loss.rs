use crate::HessianError;
use sculpt_masks::Mask;
use sculpt_network::{Linearised, Mode, Network};
use tch::{Kind, Reduction, Tensor, no_grad};

/// The function whose Hessian is meant, and the point: `L(θ)`, the mean cross-entropy in nats over a fixed set
/// of images, BatchNorm in evaluation mode. All tensors lie on one device.
#[derive(Clone, Copy)]
pub struct MeanLoss<'a> {
    /// Logits as a function of `θ`. A network whose BatchNorm is folded into the convolutions is the same
    /// function, and its derivatives cost less.
    pub network: &'a dyn Network<Tensor>,
    /// `θ`, `[n_params]`, f32 or f64: everything is computed in these numbers.
    pub theta: &'a Tensor,
    /// BatchNorm running statistics, `[n_buffers]`, of the kind of `θ`.
    pub buffers: &'a Tensor,
    /// Which prunable weights survive. The others count as 0 whatever `theta` holds there, and no derivative is
    /// taken along them; `γ`, `β` and biases are free always. None: all of `θ` is free.
    pub mask: Option<&'a Mask>,
    /// What the network takes, image by image along the first dimension, `[n, …]`, of the kind of `θ`.
    pub images: &'a Tensor,
    /// Classes, `[n]`, Int64.
    pub labels: &'a Tensor,
}

impl MeanLoss<'_> {
    /// Number of images.
    pub(crate) fn n_images(&self) -> i64 {
        self.images.size().first().copied().unwrap_or(0)
    }

    /// Everything that libtorch would refuse later, and less clearly.
    pub(crate) fn check(&self) -> Result<(), HessianError> {
        let layout = self.network.layout();
        let n = self.n_images() as usize;
        let vectors = [
            ("θ", self.theta, layout.n_params()),
            ("the vector of buffers", self.buffers, layout.n_buffers()),
            ("the vector of labels", self.labels, n),
        ];
        for (what, vector, expected) in vectors {
            if vector.dim() != 1 {
                let found = vector.size();
                return Err(HessianError::NotFlat { what, found });
            }
            check_length(what, vector.numel(), expected)?;
        }
        if let Some(mask) = self.mask {
            check_length("the mask", mask.len(), layout.n_prunable())?;
        }
        if n == 0 {
            return Err(HessianError::NoImages);
        }
        let kind = self.theta.kind();
        if kind != Kind::Float && kind != Kind::Double {
            return Err(HessianError::ThetaKind { found: kind });
        }
        let device = self.theta.device();
        let tensors = [
            ("the vector of buffers", self.buffers, kind),
            ("the tensor of images", self.images, kind),
            ("the vector of labels", self.labels, Kind::Int64),
        ];
        for (what, tensor, expected) in tensors {
            if tensor.kind() != expected {
                let found = tensor.kind();
                return Err(HessianError::Kind {
                    what,
                    found,
                    expected,
                });
            }
            if tensor.device() != device {
                let found = tensor.device();
                return Err(HessianError::Device {
                    what,
                    found,
                    expected: device,
                });
            }
        }
        self.check_labels()
    }

    /// One image tells the number of classes.
    fn check_labels(&self) -> Result<(), HessianError> {
        let first = self.images.narrow(0, 0, 1);
        let logits = no_grad(|| self.network.forward(self.theta, self.buffers, &first, Mode::Eval));
        let &[1, classes] = &logits.size()[..] else {
            let found = logits.size();
            return Err(HessianError::LogitsShape { found });
        };
        let labels = Vec::<i64>::try_from(self.labels).expect("labels are Int64 and one-dimensional");
        match labels.iter().position(|label| !(0..classes).contains(label)) {
            None => Ok(()),
            Some(index) => Err(HessianError::Label {
                index,
                label: labels[index],
                classes,
            }),
        }
    }
}

fn check_length(what: &'static str, found: usize, expected: usize) -> Result<(), HessianError> {
    if found != expected {
        return Err(HessianError::Length {
            what,
            found,
            expected,
        });
    }
    Ok(())
}

/// A part of the probe, and its share of the mean loss.
pub(crate) struct MicroBatch<'a> {
    network: &'a dyn Network<Tensor>,
    /// 1 at parameters that are free, 0 at pruned ones.
    kept: Tensor,
    buffers: Tensor,
    images: Tensor,
    labels: Tensor,
    /// Images of the whole probe.
    n: f64,
}

impl<'a> MicroBatch<'a> {
    /// Those images of `whole`, of whose parameters those are free that are `kept`.
    pub(crate) fn new(whole: &MeanLoss<'a>, kept: &Tensor, which: &Tensor) -> Self {
        Self {
            network: whole.network,
            kept: kept.shallow_clone(),
            buffers: whole.buffers.detach(),
            images: whole.images.detach().index_select(0, which),
            labels: whole.labels.index_select(0, which),
            n: whole.n_images() as f64,
        }
    }

    /// Logits `[len, classes]`.
    pub(crate) fn logits(&self, theta: &Tensor) -> Tensor {
        self.network
            .forward(theta, &self.buffers, &self.images, Mode::Eval)
    }

    /// The network at `theta` with its own derivatives, if it knows them.
    pub(crate) fn linearise(&self, theta: &Tensor) -> Option<Box<dyn Linearised<Tensor> + 'a>> {
        self.network
            .linearise_kept(theta, &self.kept, &self.buffers, &self.images)
    }

    /// The same for [`Linearised::squares`] alone.
    pub(crate) fn linearise_for_squares(&self, theta: &Tensor) -> Option<Box<dyn Linearised<Tensor> + 'a>> {
        self.network.linearise(theta, &self.buffers, &self.images)
    }

    /// Sum of the cross-entropies of these images over the number of all images: the shares add to the mean.
    pub(crate) fn loss(&self, logits: &Tensor) -> Tensor {
        logits.cross_entropy_loss(&self.labels, None::<Tensor>, Reduction::Sum, -100, 0.0) / self.n
    }

    /// Probabilities `[len, classes]` in f64: of a confident network, `1 - p` is nothing in f32.
    fn probabilities(logits: &Tensor) -> Tensor {
        logits.detach().to_kind(Kind::Double).softmax(-1, None::<Kind>)
    }

    /// Of each image, `1 − Σ p²`, `[len]`, f64: the trace of `∇_z` of its cross-entropy twice.
    pub(crate) fn curvatures(logits: &Tensor) -> Tensor {
        let squares = Self::probabilities(logits).square();
        1.0 - squares.sum_dim_intlist([-1i64].as_slice(), false, None::<Kind>)
    }

    /// `∇_z` of [`MicroBatch::loss`]: `(p − e_y) / n` for each image's probabilities `p` and label `y`.
    pub(crate) fn slope(&self, logits: &Tensor) -> Tensor {
        let p = Self::probabilities(logits);
        let hit = -Tensor::ones_like(&self.labels).to_kind(p.kind()).unsqueeze(-1);
        (p.scatter_add(1, &self.labels.unsqueeze(-1), &hit) / self.n).to_kind(logits.kind())
    }

    /// The columns `u_k` `[len, classes]` of `∇_z` of [`MicroBatch::loss`] twice, `Σ_k u_k u_kᵀ` for each image: with its
    /// probabilities `p`, `diag(p) − p pᵀ = Σ_k p_k (e_k − p)(e_k − p)ᵀ`.
    pub(crate) fn columns_of_curvature(&self, logits: &Tensor) -> Vec<Tensor> {
        let p = Self::probabilities(logits);
        let classes = p.size()[1];
        let column = |k| {
            let u = -&p;
            let _ = u.narrow(1, k, 1).g_add_scalar_(1.0);
            (u * (p.narrow(1, k, 1) / self.n).sqrt()).to_kind(logits.kind())
        };
        (0..classes).map(column).collect()
    }

    /// `∇_z` of [`MicroBatch::loss`] twice, times `direction` `[len, classes]`: `(diag(p) − p pᵀ) d / n` for each
    /// image's probabilities `p`.
    pub(crate) fn curvature(&self, logits: &Tensor, direction: &Tensor) -> Tensor {
        let p = Self::probabilities(logits);
        let weighted = &p * direction;
        let mean = weighted.sum_dim_intlist([-1i64].as_slice(), true, None::<Kind>);
        ((weighted - p * mean) / self.n).to_kind(direction.kind())
    }
}
