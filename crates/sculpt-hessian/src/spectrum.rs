use crate::{Hessian, HessianError};
use sculpt_lanczos::{Density, Eigen, Eigenpairs, Seed, SpectralDensity, Trace};
use tch::{Kind, Tensor};

/// What `sculpt-lanczos` makes of the products. Vectors are f64, `[n_params]`, 0 at pruned coordinates.
impl Hessian<'_> {
    /// The eigenpairs that `params` asks for. Within its residual of each value lies an eigenvalue.
    ///
    /// The search begins near eigenvectors of an eighth of the images (at most 256), most of those about which the network is in doubt: `H` is a mean over
    /// images, and what is large in it is much the same over these, at an eighth of the cost. That search in turn, as the
    /// whole one where there are fewer than 64 images, begins near the direction in which the gradients of the classes
    /// differ most, as far as micro-batches tell classes apart: eigenvectors of large eigenvalues lie near the span of
    /// these gradients (Papyan 2020). They are at hand. Products of some images are not counted.
    ///
    /// A residual bounds `‖Hv − λv‖` for unit `v`, absolute; it and the estimated error hold what the rounding of
    /// products can hide: 64 units in the last place of `‖H‖`, 8e-6 of it in f32 ([`Eigen::hiding`]). A tolerance below that ends
    /// the search where a tenth of it is left. (Pairs that come before the last one converge further than they need to, to where f32
    /// errs by more than the residual shows.)
    ///
    /// # Errors
    /// When fewer coordinates are free than eigenpairs asked for, or a product is not finite.
    pub fn eigenpairs(&self, params: &Eigen) -> Result<Eigenpairs<Tensor>, HessianError> {
        let product = |v: &Tensor| self.product(v);
        let start = self.start(params);
        let params = params.hiding(64.0 * self.epsilon());
        let norm = start.norm().double_value(&[]);
        Ok(if norm > 0.0 && norm.is_finite() {
            sculpt_lanczos::eigenpairs_from(self.space(), product, &params, &start)?
        } else {
            sculpt_lanczos::eigenpairs(self.space(), product, &params)?
        })
    }

    /// The sum of rough eigenvectors of a part of the images, or what their search begins with.
    fn start(&self, params: &Eigen) -> Tensor {
        let of_classes = self.difference_of_classes();
        let rough = self.sampled().and_then(|product| {
            // What stops this search stops that by all images, where it is said.
            sculpt_lanczos::eigenpairs_from(self.space(), product, &params.roughly(), &of_classes).ok()
        });
        match rough {
            Some(pairs) => {
                Tensor::stack(&pairs.vectors, 0).sum_dim_intlist([0i64].as_slice(), false, None::<Kind>)
            }
            None => of_classes,
        }
    }

    /// The first principal direction (not centred) of the micro-batches' gradients `G` `[k, n_params]`: `Gᵀa` for
    /// the eigenvector `a` of the largest eigenvalue of `G Gᵀ`. Where they are not at hand, the gradient.
    fn difference_of_classes(&self) -> Tensor {
        let shares = self.gradients_at_hand();
        if shares.is_empty() {
            return self.gradient().to_kind(Kind::Double);
        }
        let g = self.space().restrict(&Tensor::stack(&shares, 0));
        let (_, vectors) = g.matmul(&g.tr()).linalg_eigh("L");
        vectors.select(1, -1).matmul(&g).to_kind(Kind::Double)
    }

    /// The spectral density by stochastic Lanczos quadrature.
    ///
    /// # Errors
    /// When no coordinate is free, or a product is not finite.
    pub fn density(&self, params: &Density) -> Result<SpectralDensity, HessianError> {
        let product = |v: &Tensor| self.product(v);
        Ok(sculpt_lanczos::density(self.space(), product, params)?)
    }

    /// The trace where the diagonal is known ([`Hessian::diagonal`]): no estimate, no products. None elsewhere, or where it is not finite.
    pub fn exact_trace(&self) -> Option<f64> {
        let trace = self.diagonal()?.sum(Kind::Double).double_value(&[]);
        trace.is_finite().then_some(trace)
    }

    /// The trace by Hutchinson's estimator, `n_samples` products.
    ///
    /// # Errors
    /// When `n_samples` is 0, or a product is not finite.
    pub fn trace(&self, n_samples: usize, seed: Seed) -> Result<Trace, HessianError> {
        let product = |v: &Tensor| self.product(v);
        Ok(sculpt_lanczos::hutchinson(
            self.space(),
            product,
            n_samples,
            seed,
        )?)
    }

    /// The trace by Hutch++, `n_products` products: the better one where few eigenvalues hold most of it.
    ///
    /// # Errors
    /// When `n_products` is less than 3, or a product is not finite.
    pub fn trace_by_hutch_plus_plus(&self, n_products: usize, seed: Seed) -> Result<Trace, HessianError> {
        let product = |v: &Tensor| self.product(v);
        Ok(sculpt_lanczos::hutch_plus_plus(
            self.space(),
            product,
            n_products,
            seed,
        )?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Graphs, MeanLoss, Product};
    use sculpt_lanczos::Which;
    use sculpt_models::{InitRule, ModelSpec, Precision, initialise};
    use sculpt_network::Network as _;
    use std::sync::atomic::Ordering;
    use tch::Device;

    /// Where a search begins is not where it ends, but some of the images tell where all of them lead: fewer products of all
    /// images than from the gradients of the classes, and these alone are counted.
    #[test]
    fn some_of_the_images_save_products_of_all() {
        tch::set_num_threads(1);
        let spec = ModelSpec::named("resnet14", 10, Some(16), None).unwrap();
        let network = spec.folded_network(Precision::F32).unwrap();
        let (theta, buffers) = initialise(network.layout(), InitRule::KaimingNormalFanIn, Seed(1));
        let n = 96;
        let noise = (Tensor::arange(n * 3 * 8 * 8, (Kind::Double, Device::Cpu)) * 0.7).sin();
        let double = |values: &[f32]| Tensor::from_slice(values).to_kind(Kind::Double);
        let (theta, buffers) = (double(&theta), double(&buffers));
        let images = noise.view([n, 3, 8, 8]);
        let labels = Tensor::arange(n, (Kind::Int64, Device::Cpu)).remainder(10);
        let hessian = Hessian::new(
            MeanLoss {
                network: &network,
                theta: &theta,
                buffers: &buffers,
                mask: None,
                images: &images,
                labels: &labels,
            },
            Product::DoubleBackward,
            32,
            Graphs::Keep,
        )
        .unwrap();
        let largest = Eigen::new(1, Which::LargestAlgebraic, 1e-3, 200, 60, Seed(1)).unwrap();
        let found = hessian.eigenpairs(&largest).unwrap();
        let counted = hessian.products_done().upgrade().unwrap();
        assert_eq!(counted.load(Ordering::Relaxed), found.products);
        let of_classes = sculpt_lanczos::eigenpairs_from(
            hessian.space(),
            |v: &Tensor| hessian.product(v),
            &largest,
            &hessian.difference_of_classes(),
        )
        .unwrap();
        assert!(found.converged && of_classes.converged);
        let difference = (found.values[0] - of_classes.values[0]).abs();
        assert!(difference <= found.residuals[0] + of_classes.residuals[0]);
        assert!(
            found.products < of_classes.products,
            "{} and {}",
            found.products,
            of_classes.products
        );
    }
}
