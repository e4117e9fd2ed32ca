use crate::HessianError;
use crate::loss::MicroBatch;
use tch::{Kind, Tensor};

/// How a matrix is applied to a vector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Product {
    /// `H v = ∇(∇L · v)`, differentiated twice: exact but for rounding.
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

    /// What products on one micro-batch share at `theta` (a leaf that requires gradients).
    pub(crate) fn linearise(self, batch: &MicroBatch<'_>, theta: &Tensor) -> Linearised {
        match self {
            Product::DoubleBackward => {
                Linearised::Gradient(differentiable_derivative(&batch.loss(theta), theta))
            }
            Product::FiniteDifference { step } => Linearised::Difference { step },
            Product::GaussNewton => {
                let logits = batch.logits(theta);
                // u -> Jᵀu is linear, so its derivative along v is J v, whatever u is.
                let u = logits.detach().zeros_like().set_requires_grad(true);
                let pulled_back = differentiable_derivative(&(&logits * &u).sum(None::<Kind>), theta);
                Linearised::Jacobian {
                    logits,
                    u,
                    pulled_back,
                }
            }
        }
    }
}

/// What is computed once for all products on one micro-batch at one point.
pub(crate) enum Linearised {
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

impl Linearised {
    /// The matrix of `batch` at `theta` times `v`. The graph stays for the next product.
    pub(crate) fn product(&self, batch: &MicroBatch<'_>, theta: &Tensor, v: &Tensor) -> Tensor {
        match self {
            Linearised::Gradient(gradient) => derivative(&gradient.dot(v), theta),
            Linearised::Difference { step } => {
                let norm = v.norm().double_value(&[]);
                if norm == 0.0 {
                    return v.zeros_like();
                }
                let epsilon = step / norm;
                let gradient = |epsilon: f64| {
                    let moved = (theta.detach() + v * epsilon).set_requires_grad(true);
                    derivative(&batch.loss(&moved), &moved)
                };
                (gradient(epsilon) - gradient(-epsilon)) / (2.0 * epsilon)
            }
            Linearised::Jacobian {
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
