use crate::{LanczosError, Space, space::norm};

/// Unit round-off with room for the sums of a product: what is smaller than this share of the operator's norm
/// is zero.
pub(crate) const ROUNDING: f64 = 100.0 * f64::EPSILON;

/// A symmetric operator `A`, known by its products, that counts and checks them.
pub(crate) struct Operator<F> {
    product: F,
    /// Products so far.
    pub(crate) products: usize,
    /// Largest `‖Ax‖` so far, or Ritz value of largest size: a lower bound of `‖A‖`.
    pub(crate) norm: f64,
}

impl<F> Operator<F> {
    pub(crate) fn new(product: F) -> Self {
        Self {
            product,
            products: 0,
            norm: 0.0,
        }
    }

    /// `Ax` for `‖x‖ ≤ 1`.
    pub(crate) fn apply<S: Space>(&mut self, space: &S, x: &S::Vector) -> Result<S::Vector, LanczosError>
    where
        F: FnMut(&S::Vector) -> S::Vector,
    {
        let y = (self.product)(x);
        self.products += 1;
        let norm = norm(space, &y);
        if !norm.is_finite() {
            let product = self.products;
            return Err(LanczosError::NotFinite { product });
        }
        self.norm = self.norm.max(norm);
        Ok(y)
    }
}
