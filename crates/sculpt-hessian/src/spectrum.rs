use crate::{Hessian, HessianError};
use sculpt_lanczos::{Density, Eigen, Eigenpairs, Seed, SpectralDensity, Trace};
use tch::{Kind, Tensor};

/// What `sculpt-lanczos` makes of the products. Vectors are f64, `[n_params]`, 0 at pruned coordinates.
impl Hessian<'_> {
    /// The eigenpairs that `params` asks for. Within its residual of each value lies an eigenvalue.
    ///
    /// The search begins near the direction in which the gradients of the classes differ most, as far as
    /// micro-batches tell classes apart: eigenvectors of large eigenvalues lie near the span of these gradients
    /// (Papyan 2020). They are at hand, and save one to three products.
    ///
    /// A residual bounds `‖Hv − λv‖` for unit `v`, absolute; it and the estimated error hold what the rounding of
    /// products can hide: 64 units in the last place of the largest `|λ|`, 8e-6 of it in f32. (Pairs that come
    /// before the last one converge further than they need to, to where f32 errs by more than the residual shows.)
    ///
    /// # Errors
    /// When fewer coordinates are free than eigenpairs asked for, or a product is not finite.
    pub fn eigenpairs(&self, params: &Eigen) -> Result<Eigenpairs<Tensor>, HessianError> {
        let product = |v: &Tensor| self.product(v);
        let start = self.start();
        let norm = start.norm().double_value(&[]);
        let mut pairs = if norm > 0.0 && norm.is_finite() {
            sculpt_lanczos::eigenpairs_from(self.space(), product, params, &start)?
        } else {
            sculpt_lanczos::eigenpairs(self.space(), product, params)?
        };
        let largest = pairs.values.iter().fold(0.0, |m: f64, value| m.max(value.abs()));
        for bound in pairs.residuals.iter_mut().chain(&mut pairs.errors) {
            *bound += 64.0 * self.epsilon() * largest;
        }
        Ok(pairs)
    }

    /// The first principal direction (not centred) of the micro-batches' gradients `G` `[k, n_params]`: `Gᵀa` for
    /// the eigenvector `a` of the largest eigenvalue of `G Gᵀ`. Where they are not at hand, the gradient.
    fn start(&self) -> Tensor {
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
