use sculpt_lanczos::{Space, combine_one_by_one, remove_one_by_one};
use sculpt_layout::Layout;
use sculpt_masks::Mask;
use tch::{Device, Kind, Tensor};

/// Directions in which `θ` may move: vectors `[n_params]` on the device of `θ`, 0 at pruned coordinates.
///
/// They hold f64 also where `θ` is f32, so that only the products round; beside a product they cost nothing.
#[derive(Debug)]
pub struct TensorSpace {
    n_params: i64,
    dimension: usize,
    /// Bool `[n_params]`; none: all coordinates are free.
    pruned: Option<Tensor>,
    device: Device,
}

impl TensorSpace {
    pub(crate) fn new(layout: &Layout, mask: Option<&Mask>, device: Device) -> Self {
        let n_pruned = mask.map_or(0, |m| m.len() - m.n_kept());
        Self {
            n_params: layout.n_params() as i64,
            dimension: layout.n_params() - n_pruned,
            pruned: mask.map(|m| Tensor::from_slice(&m.expand(layout)).eq(0.0).to_device(device)),
            device,
        }
    }

    /// 1 at free coordinates, 0 at pruned ones, in numbers of this kind.
    pub(crate) fn kept(&self, kind: Kind) -> Tensor {
        match &self.pruned {
            None => Tensor::ones([self.n_params], (kind, self.device)),
            Some(pruned) => pruned.logical_not().to_kind(kind),
        }
    }

    /// `x` with 0 at pruned coordinates.
    pub(crate) fn restrict(&self, x: &Tensor) -> Tensor {
        match &self.pruned {
            None => x.shallow_clone(),
            Some(pruned) => x.masked_fill(pruned, 0.0),
        }
    }
}

impl Space for TensorSpace {
    type Vector = Tensor;

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn vector(&self, coordinates: &[f64]) -> Tensor {
        assert_eq!(
            coordinates.len(),
            self.dimension,
            "a vector has one coordinate for each free parameter"
        );
        let values = Tensor::from_slice(coordinates).to_device(self.device);
        match &self.pruned {
            None => values,
            Some(pruned) => {
                let zeros = Tensor::zeros([self.n_params], (Kind::Double, self.device));
                zeros.masked_scatter(&pruned.logical_not(), &values)
            }
        }
    }

    fn copy(&self, x: &Tensor) -> Tensor {
        x.copy()
    }

    fn dot(&self, x: &Tensor, y: &Tensor) -> f64 {
        x.dot(y).double_value(&[])
    }

    fn axpy(&self, a: f64, x: &Tensor, y: &mut Tensor) {
        // In one pass over memory; a product first would be another, and a vector more.
        let _ = y.addcmul_(x, &Tensor::full(1, a, (Kind::Double, self.device)));
    }

    fn scale(&self, a: f64, x: &mut Tensor) {
        let _ = x.g_mul_scalar_(a);
    }

    /// On a GPU by two products with a matrix, and one wait for it; in host memory, where to make the matrix costs as much as it
    /// saves, vector by vector.
    fn orthogonalise(&self, basis: &[Tensor], x: &mut Tensor) -> Vec<f64> {
        match self.device.is_cuda() && !basis.is_empty() {
            true => remove_at_once(basis, x),
            false => remove_one_by_one(self, basis, x),
        }
    }

    fn combine(&self, basis: &[Tensor], coefficients: &[f64]) -> Tensor {
        match self.device.is_cuda() {
            true => combine_at_once(basis, coefficients),
            false => combine_one_by_one(self, basis, coefficients),
        }
    }
}

/// `c = Bᵀx`, `x ← x − Bc`.
fn remove_at_once(basis: &[Tensor], x: &mut Tensor) -> Vec<f64> {
    let rows = Tensor::stack(basis, 0);
    let coefficients = rows.mv(x);
    let _ = x.g_sub_(&rows.tr().mv(&coefficients));
    Vec::try_from(&coefficients).expect("a vector of f64")
}

/// `Bc`.
fn combine_at_once(basis: &[Tensor], coefficients: &[f64]) -> Tensor {
    let coefficients = Tensor::from_slice(coefficients).to_device(basis[0].device());
    Tensor::stack(basis, 0).tr().mv(&coefficients)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// b₁ = (1, 0, 0), b₂ = (0, .6, .8), x = (2, 5, 10): 2 and .6·5 + .8·10 = 11 are taken; 2b₁ + 5b₂ = (2, 3, 4).
    #[test]
    fn at_once_and_one_by_one_are_one() {
        let basis = [
            Tensor::from_slice(&[1.0, 0.0, 0.0]),
            Tensor::from_slice(&[0.0, 0.6, 0.8]),
        ];
        let layout = sculpt_network::Layout::builder()
            .linear("fc", 1, 2)
            .build()
            .expect("a layout");
        let space = TensorSpace::new(&layout, None, Device::Cpu);
        let [mut a, mut b] = [0, 1].map(|_| Tensor::from_slice(&[2.0, 5.0, 10.0]));
        let close =
            |x: &[f64], y: &[f64]| x.len() == y.len() && x.iter().zip(y).all(|(x, y)| (x - y).abs() < 1e-14);
        let numbers = |x: &Tensor| Vec::<f64>::try_from(x).expect("a vector of f64");
        assert!(close(&remove_at_once(&basis, &mut a), &[2.0, 11.0]));
        assert!(close(&space.orthogonalise(&basis, &mut b), &[2.0, 11.0]));
        assert!(close(&numbers(&a), &[0.0, -1.6, 1.2]) && close(&numbers(&b), &[0.0, -1.6, 1.2]));
        assert!(close(
            &numbers(&combine_at_once(&basis, &[2.0, 5.0])),
            &[2.0, 3.0, 4.0]
        ));
        assert!(close(
            &numbers(&space.combine(&basis, &[2.0, 5.0])),
            &[2.0, 3.0, 4.0]
        ));
        assert!(space.orthogonalise(&[], &mut a).is_empty());
    }
}
