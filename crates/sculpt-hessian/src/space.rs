use sculpt_lanczos::Space;
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
        let _ = y.g_add_(&(x * a));
    }

    fn scale(&self, a: f64, x: &mut Tensor) {
        let _ = x.g_mul_scalar_(a);
    }
}
