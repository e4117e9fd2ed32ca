use crate::HessianError;
use crate::loss::MicroBatch;
use sculpt_network::Linearised;
use tch::{Kind, Tensor, no_grad};

/// How a matrix is applied to a vector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Product {
    /// `H v = ∇(∇L · v)`, exact but for rounding: differentiated twice, or as the network writes it out
    /// ([`sculpt_network::Network::linearise_kept`]).
    DoubleBackward,
    /// `H v ≈ (∇L(θ + ε v) − ∇L(θ − ε v)) / 2ε`, with `ε = step / ‖v‖`: `θ` moves by `step` either way.
    ///
    /// Gradients only, so a network that cannot be differentiated twice will do. In f32 the best step trades
    /// rounding against curvature; a ReLU that switches on the way is felt, which the derivative at `θ` is not.
    FiniteDifference {
        /// Length of the displacement, in the units of `θ`; positive.
        step: f64,
    },
    /// `G v = Jᵀ A J v` instead of `H v`: `J` the Jacobian of the logits, `A = (diag(p) − p pᵀ)/n` the Hessian
    /// of the loss in the logits of each image. Positive semi-definite; equal to `H` where the logits are linear
    /// in `θ`, or fit the labels perfectly.
    GaussNewton,
}

impl Product {
    pub(crate) fn check(self) -> Result<(), HessianError> {
        match self {
            Product::DoubleBackward | Product::GaussNewton => Ok(()),
            Product::FiniteDifference { step } if step > 0.0 && step.is_finite() => Ok(()),
            Product::FiniteDifference { step } => Err(HessianError::Step { step }),
        }
    }

    /// The diagonal of the matrix of `batch`, where `network`, which is linearised there, gives it.
    pub(crate) fn diagonal(self, batch: &MicroBatch<'_>, network: &dyn Linearised<Tensor>) -> Option<Tensor> {
        let same = self == Product::GaussNewton || network.is_affine_in_each();
        same.then(|| network.squares(&batch.columns_of_curvature(network.logits())))
            .flatten()
    }

    /// What products on one micro-batch share at `theta` (a leaf that requires gradients), and the logits there.
    pub(crate) fn linearise<'a>(self, batch: &MicroBatch<'a>, theta: &Tensor) -> (Products<'a>, Tensor) {
        match self {
            Product::DoubleBackward => {
                if let Some(mut network) = batch.linearise(theta) {
                    let logits = network.logits().shallow_clone();
                    let gradient = Some(network.pull_back(&batch.slope(&logits)));
                    return (Products::Written { network, gradient }, logits);
                }
                let logits = batch.logits(theta);
                let gradient = differentiable_derivative(&batch.loss(&logits), theta);
                (Products::Gradient(gradient), logits.detach())
            }
            Product::FiniteDifference { step } => {
                let logits = no_grad(|| batch.logits(theta));
                (Products::Difference { step }, logits)
            }
            Product::GaussNewton => {
                if let Some(network) = batch.linearise(theta) {
                    let logits = network.logits().shallow_clone();
                    let gradient = None;
                    return (Products::Written { network, gradient }, logits);
                }
                let logits = batch.logits(theta);
                let values = logits.detach();
                // u -> Jᵀu is linear, so its derivative along v is J v, whatever u is.
                let u = logits.detach().zeros_like().set_requires_grad(true);
                let pulled_back = differentiable_derivative(&(&logits * &u).sum(None::<Kind>), theta);
                let jacobian = Products::Jacobian {
                    logits,
                    u,
                    pulled_back,
                };
                (jacobian, values)
            }
        }
    }
}

/// What is computed once for all products on one micro-batch at one point.
pub(crate) enum Products<'a> {
    /// The network's own derivatives. With `∇L` they make `H v`, without `G v`.
    Written {
        network: Box<dyn Linearised<Tensor> + 'a>,
        gradient: Option<Tensor>,
    },
    /// `∇L`, as a function of `θ`.
    Gradient(Tensor),
    /// Nothing.
    Difference { step: f64 },
    /// The logits as a function of `θ`, and `Jᵀu` as a function of `u`.
    Jacobian {
        logits: Tensor,
        u: Tensor,
        pulled_back: Tensor,
    },
}

impl Products<'_> {
    /// `∇L` of the micro-batch, where it is known.
    pub(crate) fn gradient(&self) -> Option<Tensor> {
        match self {
            Products::Written { gradient, .. } => gradient.as_ref().map(Tensor::shallow_clone),
            Products::Gradient(gradient) => Some(gradient.detach()),
            Products::Difference { .. } | Products::Jacobian { .. } => None,
        }
    }

    /// The matrix of `batch` at `theta` times `v`. What is kept stays for the next product.
    pub(crate) fn product(&self, batch: &MicroBatch<'_>, theta: &Tensor, v: &Tensor) -> Tensor {
        match self {
            Products::Written { network, .. } => {
                network.change_along(v, &|dz| batch.curvature(network.logits(), dz))
            }
            Products::Gradient(gradient) => derivative(&gradient.dot(v), theta),
            Products::Difference { step } => {
                let norm = v.norm().double_value(&[]);
                if norm == 0.0 {
                    return v.zeros_like();
                }
                let epsilon = step / norm;
                let gradient = |epsilon: f64| {
                    let moved = (theta.detach() + v * epsilon).set_requires_grad(true);
                    derivative(&batch.loss(&batch.logits(&moved)), &moved)
                };
                (gradient(epsilon) - gradient(-epsilon)) / (2.0 * epsilon)
            }
            Products::Jacobian {
                logits,
                u,
                pulled_back,
            } => {
                let forward = derivative(&pulled_back.dot(v), u);
                let scaled = batch.curvature(logits, &forward);
                derivative(&(logits * scaled).sum(None::<Kind>), theta)
            }
        }
    }
}

/// `∂y/∂x` of a single number, graph kept.
fn derivative(y: &Tensor, x: &Tensor) -> Tensor {
    Tensor::run_backward(&[y], &[x], true, false).swap_remove(0)
}

/// `∂y/∂x` of a single number, itself a function.
fn differentiable_derivative(y: &Tensor, x: &Tensor) -> Tensor {
    Tensor::run_backward(&[y], &[x], true, true).swap_remove(0)
}
