use crate::loss::MicroBatch;
use crate::product::Products;
use crate::sample::sample;
use crate::{HessianError, MeanLoss, Product, TensorSpace};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use tch::{Kind, Tensor, no_grad};

/// The Hessian of a [`MeanLoss`] at its point, restricted to the free coordinates of `θ`, as a linear operator
/// (with [`Product::GaussNewton`], its Gauss-Newton part).
pub struct Hessian<'a> {
    batches: Vec<MicroBatch<'a>>,
    /// Some of the images, where there are enough.
    sample: Option<MicroBatch<'a>>,
    /// `m ⊙ θ`, the leaf of every graph.
    theta: Tensor,
    space: TensorSpace,
    product: Product,
    /// One for each micro-batch, or none.
    kept: Vec<Products<'a>>,
    loss: f64,
    done: Arc<AtomicUsize>,
}

/// Images at once that suit a CPU: fewer leave too little to do for each call and to share among threads, many more take memory for nothing, and a
/// probe in several parts tells more of where to begin. (An untrained ResNet-20, 512 images: 20.4 s in parts of 64 images, 17.5 s in parts of 128, 18.4 s in
/// two or one.)
pub const MICRO_BATCH: usize = 128;

/// What becomes, between products, of what they share: graphs, or activations and gradients. Products are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Graphs {
    /// They stay, all of the probe's in memory.
    Keep,
    /// Each product builds them anew, a micro-batch at a time: the memory of one micro-batch, for a third more time
    /// with graphs and two thirds more with derivatives written out.
    Rebuild,
}

impl<'a> Hessian<'a> {
    /// Checks everything once and evaluates the loss. `micro_batch`: images that go through the network at once,
    /// at least 1. It bounds memory, sets the order of summation and where a search for eigenpairs begins, nothing
    /// else: the loss is a mean over images, and BatchNorm does not see the batch.
    ///
    /// # Errors
    /// Lengths, kinds or devices that do not fit, labels that are no class, a loss that is not finite, a step that
    /// is not positive.
    ///
    /// # Panics
    /// When the network refuses the images, or there is no memory.
    pub fn new(
        of: MeanLoss<'a>,
        product: Product,
        micro_batch: usize,
        graphs: Graphs,
    ) -> Result<Self, HessianError> {
        product.check()?;
        of.check()?;
        if micro_batch == 0 {
            return Err(HessianError::NoMicroBatch);
        }
        let (n, step) = (of.n_images(), micro_batch as i64);
        let space = TensorSpace::new(of.network.layout(), of.mask, of.theta.device());
        let free = space.kept(of.theta.kind());
        // By class, so that the micro-batches' gradients tell classes apart.
        let order = of.labels.argsort_stable(true, 0, false);
        let batches: Vec<_> = (0..n)
            .step_by(micro_batch)
            .map(|start| MicroBatch::new(&of, &free, &order.narrow(0, start, step.min(n - start))))
            .collect();
        let theta = space.restrict(&of.theta.detach()).copy();
        let theta = theta.set_requires_grad(true);
        let (mut loss, mut curvatures) = (0.0, Vec::new());
        let mut kept = Vec::new();
        for batch in &batches {
            let logits = match graphs {
                Graphs::Keep => {
                    let (products, logits) = product.linearise(batch, &theta);
                    kept.push(products);
                    logits
                }
                Graphs::Rebuild => no_grad(|| batch.logits(&theta)),
            };
            loss += no_grad(|| batch.loss(&logits.to_kind(Kind::Double)).double_value(&[]));
            curvatures.push(MicroBatch::curvatures(&logits));
        }
        if !f64::is_finite(loss) {
            return Err(HessianError::LossNotFinite { loss });
        }
        let sample = sample(&of, &free, &order, &Tensor::cat(&curvatures, 0));
        Ok(Self {
            batches,
            sample,
            theta,
            space,
            product,
            kept,
            loss,
            done: Arc::default(),
        })
    }

    /// The loss, nats: of logits in the numbers of `θ`, by f64.
    pub fn loss(&self) -> f64 {
        self.loss
    }

    /// The gradient of the loss, `[n_params]`, of the kind of `θ`, 0 at pruned coordinates.
    pub fn gradient(&self) -> Tensor {
        let mut sum = self.theta.zeros_like();
        for (i, batch) in self.batches.iter().enumerate() {
            sum += match self.kept.get(i).and_then(Products::gradient) {
                Some(known) => known,
                None => {
                    let loss = batch.loss(&batch.logits(&self.theta));
                    Tensor::run_backward(&[loss], &[&self.theta], false, false).swap_remove(0)
                }
            };
        }
        self.space.restrict(&sum)
    }

    /// The matrix times `v`, `[n_params]`, of the kind and device of `v`; entries of `v` at pruned coordinates
    /// count as 0. Products are computed in the kind of `θ`, micro-batches summed in that of `v`.
    ///
    /// # Panics
    /// When `v` has another length or device than `θ`.
    pub fn product(&self, v: &Tensor) -> Tensor {
        assert_eq!(v.size(), self.theta.size(), "a direction has the length of θ");
        let direction = self.space.restrict(&v.detach().to_kind(self.theta.kind()));
        let mut sum = v.detach().zeros_like();
        for (i, batch) in self.batches.iter().enumerate() {
            let share = match self.kept.get(i) {
                Some(products) => products.product(batch, &self.theta, &direction),
                None => {
                    let (products, _) = self.product.linearise(batch, &self.theta);
                    products.product(batch, &self.theta, &direction)
                }
            };
            sum += share.to_kind(v.kind());
        }
        self.done.fetch_add(1, Ordering::Relaxed);
        self.space.restrict(&sum)
    }

    /// The diagonal of the matrix, `[n_params]`, f64, 0 at pruned coordinates, exact but for rounding: without products, by as many
    /// backward passes as there are classes. Of [`Product::GaussNewton`]'s, where the network tells the images' shares apart
    /// ([`sculpt_network::Linearised::squares`]); of the whole Hessian, where the logits are piecewise affine in each
    /// parameter besides, since then it has the same. None elsewhere.
    pub fn diagonal(&self) -> Option<Tensor> {
        let mut sum = self.theta.detach().zeros_like().to_kind(Kind::Double);
        for (i, batch) in self.batches.iter().enumerate() {
            let share = match (self.kept.get(i), self.product) {
                (_, Product::FiniteDifference { .. }) => None,
                (Some(Products::Written { network, .. }), product) => {
                    product.diagonal(batch, network.as_ref())
                }
                (Some(_), _) => None,
                (None, product) => {
                    product.diagonal(batch, batch.linearise_for_squares(&self.theta)?.as_ref())
                }
            };
            sum += share?.to_kind(Kind::Double);
        }
        Some(self.space.restrict(&sum))
    }

    /// How many products have been computed, for whoever watches from another thread.
    pub fn products_done(&self) -> Weak<AtomicUsize> {
        Arc::downgrade(&self.done)
    }

    /// The vectors that products act on.
    pub fn space(&self) -> &TensorSpace {
        &self.space
    }

    /// A small part of the images' share in the product, as a product of its own; none where there are few images. What it
    /// keeps goes with it.
    pub(crate) fn sampled(&self) -> Option<impl Fn(&Tensor) -> Tensor + '_> {
        let batch = self.sample.as_ref()?;
        let (products, _) = self.product.linearise(batch, &self.theta);
        Some(move |v: &Tensor| {
            let direction = self.space.restrict(&v.detach().to_kind(self.theta.kind()));
            let product = products.product(batch, &self.theta, &direction);
            self.space.restrict(&product.to_kind(v.kind()))
        })
    }

    /// The shares of the gradient that products needed already, one for each micro-batch, or none.
    pub(crate) fn gradients_at_hand(&self) -> Vec<Tensor> {
        self.kept.iter().filter_map(Products::gradient).collect()
    }

    /// Spacing of the numbers that products are computed in, at 1.
    pub(crate) fn epsilon(&self) -> f64 {
        if self.theta.kind() == Kind::Float {
            f64::from(f32::EPSILON)
        } else {
            f64::EPSILON
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_lanczos::{Eigen, Seed, Space as _, Which};
    use sculpt_layout::{Layout, ParamKind};
    use sculpt_masks::Mask;
    use sculpt_network::{FromFn, Network};
    use tch::Device;

    /// Of 64 images, 8 are chosen: of those about which the network is in doubt (x is small there), and one alone of the others.
    #[test]
    fn samples_are_of_images_in_doubt() {
        let network = logistic();
        let (theta, none) = (Tensor::from_slice(&[1.0]), Tensor::from_slice::<f64>(&[]));
        let mut images = [6.0; 64];
        images[..7].fill(0.5);
        let of = MeanLoss {
            network: &network,
            theta: &theta,
            buffers: &none,
            mask: None,
            images: &matrix(&images),
            labels: &Tensor::from_slice(&[0i64; 64]),
        };
        let hessian = Hessian::new(of, Product::DoubleBackward, 16, Graphs::Keep).unwrap();
        let product = hessian.sampled().unwrap()(&Tensor::from_slice(&[1.0])).double_value(&[0]);
        let share = |x: f64| x * x * (-x).exp() / (1.0 + (-x).exp()).powi(2) / 64.0;
        let expected = 7.0 * share(0.5) + share(6.0);
        assert!((product / expected - 1.0).abs() < 1e-12, "{product} {expected}");
    }

    /// θ = [w]; logits of the image x are [w x, 0].
    fn logistic() -> impl Network<Tensor> {
        let layout = Layout::builder().prunable("w", &[1], ParamKind::Linear).build();
        FromFn::new(layout.unwrap(), |theta: &Tensor, _: &Tensor, x: &Tensor, _| {
            let first = theta * x;
            Tensor::cat(&[&first, &first.zeros_like()], 1)
        })
    }

    fn matrix(rows: &[f64]) -> Tensor {
        Tensor::from_slice(rows).view([-1, 1])
    }

    /// At w = 0 both classes have p = 1/2. Images 2 and 4 of class 0: the loss is ln 2, its gradient
    /// −(2 + 4)/2 · 1/2 = −1.5, its second derivative (4 + 16)/2 · 1/4 = 2.5. The third vanishes there, so that the
    /// difference errs by its step's square.
    #[test]
    fn logistic_regression_by_hand() {
        let (network, theta, none) = (
            logistic(),
            Tensor::from_slice(&[0.0]),
            Tensor::from_slice::<f64>(&[]),
        );
        let of = MeanLoss {
            network: &network,
            theta: &theta,
            buffers: &none,
            mask: None,
            images: &matrix(&[2.0, 4.0]),
            labels: &Tensor::from_slice(&[0i64, 0]),
        };
        let products = [
            Product::DoubleBackward,
            Product::GaussNewton,
            Product::FiniteDifference { step: 1e-5 },
        ];
        for product in products {
            for (micro_batch, graphs) in [(5, Graphs::Keep), (1, Graphs::Keep), (1, Graphs::Rebuild)] {
                let hessian = Hessian::new(of, product, micro_batch, graphs).unwrap();
                assert!((hessian.loss() - 2f64.ln()).abs() < 1e-15);
                assert_eq!(hessian.gradient(), Tensor::from_slice(&[-1.5]));
                let six = hessian.product(&Tensor::from_slice(&[2.4])).double_value(&[0]);
                assert!((six - 6.0).abs() < 1e-8, "{product:?}: {six}");
                let f32_too = hessian.product(&Tensor::from_slice(&[2.4f32]));
                assert_eq!(f32_too.kind(), Kind::Float);
                let zero = hessian.product(&Tensor::from_slice(&[0.0]));
                assert_eq!(zero, Tensor::from_slice(&[0.0]));
            }
        }
        // Without its only weight the loss is the same ln 2, whatever θ holds, and nothing is free.
        let (pruned, elsewhere) = (Mask::from_bools(vec![false]), Tensor::from_slice(&[9.0]));
        let of = MeanLoss {
            theta: &elsewhere,
            mask: Some(&pruned),
            ..of
        };
        let hessian = Hessian::new(of, Product::DoubleBackward, 2, Graphs::Keep).unwrap();
        assert!((hessian.loss() - 2f64.ln()).abs() < 1e-15);
        assert_eq!(hessian.space().dimension(), 0);
        for zero in [hessian.gradient(), hessian.product(&elsewhere)] {
            assert_eq!(zero, Tensor::from_slice(&[0.0]));
        }
    }

    /// Logits of [20, 0] are a loss of 2e-9 at a class of which the probability is 1 in f32: the curvature is p(1 - p) all the same. One
    /// linear layer, f32, two images of one number, 1: by hand, along the weight of the first class.
    #[test]
    fn a_confident_network_has_curvature() {
        let layout = Layout::builder().linear("fc", 2, 1).build().unwrap();
        let network = two_classes(layout);
        let theta = Tensor::from_slice(&[20f32, 0.0, 0.0, 0.0]);
        let none = Tensor::from_slice::<f32>(&[]);
        let of = MeanLoss {
            network: &network,
            theta: &theta,
            buffers: &none,
            mask: None,
            images: &Tensor::from_slice(&[1f32, 1.0]).view([-1, 1]),
            labels: &Tensor::from_slice(&[0i64, 0]),
        };
        let hessian = Hessian::new(of, Product::GaussNewton, 2, Graphs::Keep).unwrap();
        assert!((hessian.loss() / (-20f64).exp().ln_1p() - 1.0).abs() < 1e-7);
        let product = hessian.product(&Tensor::from_slice(&[1.0, 0.0, 0.0, 0.0]));
        let p = 1.0 / (1.0 + (-20f64).exp());
        let expected = p * ((-20f64).exp() * p);
        assert!(
            (product.double_value(&[0]) / expected - 1.0).abs() < 1e-5,
            "{product} {expected:e}"
        );
    }

    fn two_classes(layout: Layout) -> impl Network<Tensor> {
        FromFn::new(layout, |theta: &Tensor, _: &Tensor, x: &Tensor, _| {
            x.linear(&theta.narrow(0, 0, 2).view([2, 1]), Some(&theta.narrow(0, 2, 2)))
        })
    }

    fn refusal(of: MeanLoss<'_>, product: Product, micro_batch: usize) -> String {
        let hessian = Hessian::new(of, product, micro_batch, Graphs::Keep);
        hessian.err().unwrap().to_string()
    }

    #[track_caller]
    fn check(of: MeanLoss<'_>, text: &str) {
        assert_eq!(refusal(of, Product::DoubleBackward, 1), text);
    }

    #[test]
    fn refusals() {
        let (network, theta, none) = (
            logistic(),
            Tensor::from_slice(&[0.0]),
            Tensor::from_slice::<f64>(&[]),
        );
        let of = MeanLoss {
            network: &network,
            theta: &theta,
            buffers: &none,
            mask: None,
            images: &matrix(&[2.0, 4.0]),
            labels: &Tensor::from_slice(&[0i64, 1]),
        };
        let two = Tensor::from_slice(&[0.0, 0.0]);
        check(MeanLoss { theta: &two, ..of }, "θ has 2 entries, not 1");
        let square = matrix(&[0.0]);
        check(
            MeanLoss { theta: &square, ..of },
            "θ has shape [1, 1], which is not flat",
        );
        check(
            MeanLoss { buffers: &two, ..of },
            "the vector of buffers has 2 entries, not 0",
        );
        let one_label = Tensor::from_slice(&[0i64]);
        check(
            MeanLoss {
                labels: &one_label,
                ..of
            },
            "the vector of labels has 1 entries, not 2",
        );
        let mask = Mask::full(2);
        check(
            MeanLoss {
                mask: Some(&mask),
                ..of
            },
            "the mask has 2 entries, not 1",
        );

        let whole = Tensor::from_slice(&[0i64]);
        check(
            MeanLoss { theta: &whole, ..of },
            "θ holds Int64, not Float or Double",
        );
        let single = of.images.to_kind(Kind::Float);
        check(
            MeanLoss {
                images: &single,
                ..of
            },
            "the tensor of images holds Float, not Double",
        );

        let no_images = Tensor::zeros([0, 1], (Kind::Double, Device::Cpu));
        let no_labels = Tensor::from_slice::<i64>(&[]);
        let empty = MeanLoss {
            images: &no_images,
            labels: &no_labels,
            ..of
        };
        check(empty, "the probe holds no image");
        for label in [-1, 2] {
            let labels = Tensor::from_slice(&[0i64, label]);
            let text = format!("label {label} of image 1 is not in 0..2");
            check(
                MeanLoss {
                    labels: &labels,
                    ..of
                },
                &text,
            );
        }
        let layout = network.layout().clone();
        let scalar = FromFn::new(layout, |theta: &Tensor, _: &Tensor, x: &Tensor, _| {
            (theta * x).squeeze()
        });
        let text = "the network answers one image by a tensor of shape [], not [1, classes]";
        check(
            MeanLoss {
                network: &scalar,
                ..of
            },
            text,
        );
        let nan = Tensor::from_slice(&[f64::NAN]);
        check(
            MeanLoss { theta: &nan, ..of },
            "the loss is NaN: there is no Hessian here",
        );

        assert_eq!(
            refusal(of, Product::DoubleBackward, 0),
            "micro-batches of 0 images"
        );
        for step in [0.0, f64::NAN, f64::INFINITY] {
            let text = format!("finite-difference step {step} is not positive and finite");
            assert_eq!(refusal(of, Product::FiniteDifference { step }, 1), text);
        }
        let hessian = Hessian::new(of, Product::DoubleBackward, 1, Graphs::Keep).unwrap();
        let two = Eigen::new(2, Which::LargestAlgebraic, 1e-3, 10, 10, Seed(1)).unwrap();
        let error = hessian.eigenpairs(&two).unwrap_err();
        assert_eq!(error.to_string(), "a space of dimension 1 has no 2 eigenpairs");
    }
}
