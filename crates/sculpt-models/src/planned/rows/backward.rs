use super::images::{Images, OfLibtorch};
use super::{Layer, RowsNetwork, Side, Taped, part};
use crate::convolution;
use crate::plan::MaxPool;
use crate::planned::norm;
use sculpt_sparse::{Gate, Sums, before_norm_of_rows, before_relu_of_rows, sums_of_rows};
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

impl<T: OfLibtorch> RowsNetwork<'_, T> {
    /// `Jᵀu`.
    pub(super) fn gradient(&self, u: &Tensor) -> Tensor {
        let u = u.to_kind(T::KIND);
        let n = self.network.layout.n_params() as i64;
        let gradient = Tensor::zeros(n, (Kind::Float, Device::Cpu));
        let fc = self.network.plan.classifier;
        self.put(fc, &u.tr().matmul(&self.pooled), &gradient);
        let over_images = u.sum_dim_intlist([0i64].as_slice(), false, Kind::Float);
        self.put(fc + 1, &over_images, &gradient);

        let [n, c, h, w] = self.features;
        let at_pooled = u.matmul(&self.weights[fc]) / (h * w) as f64;
        let at_features = at_pooled.view([n, c, 1, 1]).expand([n, c, h, w], false);
        let mut g = Some(Images::of(at_features));
        for done in self.tape.iter().rev() {
            // The images' own gradient, which nobody asks for.
            let Some(behind) = g else { break };
            g = match done {
                Taped::Conv(number) => self.through_relu(*number, &behind, &gradient),
                Taped::Pool { pool, x, indices } => Some(pull_back_pooled(pool, x, indices, &behind)),
                Taped::Block { convs, side, out } => {
                    self.pull_back_block(convs, *side, out, behind, &gradient)
                }
            };
        }
        gradient
    }

    /// What was found at a parameter, `[…]` of its shape, to its place.
    fn put(&self, param: usize, values: &Tensor, gradient: &Tensor) {
        let range = self.network.layout.params()[param].range();
        let place = gradient.narrow(0, range.start as i64, range.len() as i64);
        place.view(&self.network.param_shapes[param][..]).copy_(values);
    }

    /// From the gradient behind a block to that at its input, where this is wanted.
    fn pull_back_block(
        &self,
        convs: &[usize],
        side: Side,
        out: &Images<T>,
        mut g: Images<T>,
        gradient: &Tensor,
    ) -> Option<Images<T>> {
        let (&last, first) = convs.split_last().expect("a block has convolutions");
        let sums = self.before_relu(&mut g, out, last);
        let mut inside = self.through_norm(last, Gate::Open, &g, &sums, gradient);
        for &number in first.iter().rev() {
            inside = self.through_relu(number, &inside?, gradient);
        }
        let beside = match side {
            Side::Same | Side::Subsampled => Some(g),
            Side::Projected(number) => {
                let sums = self.sums(number, Gate::Open, &g);
                self.through_norm(number, Gate::Open, &g, &sums, gradient)
            }
        };
        let (mut inside, beside) = (inside?, beside?.tensor());
        let mut sum = inside.tensor_mut();
        if matches!(side, Side::Subsampled) {
            let n = sum.size()[1];
            let new = beside.size()[1] - n;
            let mut picked = sum.slice(2, None, None, 2).slice(3, None, None, 2);
            picked += beside.narrow(1, new / 2, n);
        } else {
            sum += beside;
        }
        Some(inside)
    }

    /// From the gradient behind the ReLU of a convolution to that at its input, where this is wanted.
    fn through_relu(&self, number: usize, g: &Images<T>, gradient: &Tensor) -> Option<Images<T>> {
        let gate = Gate::Normalised(&self.layers[number].affine);
        let sums = self.sums(number, gate, g);
        self.through_norm(number, gate, g, &sums, gradient)
    }

    /// From the gradient behind the BatchNorm of a convolution and a gate, whose sums are known, to that at its input. None: nothing
    /// of parameters stands before the first convolution.
    fn through_norm(
        &self,
        number: usize,
        gate: Gate<'_>,
        g: &Images<T>,
        sums: &[Sums],
        gradient: &Tensor,
    ) -> Option<Images<T>> {
        let Layer {
            conv,
            x,
            y,
            moments,
            affine,
            ..
        } = &self.layers[number];
        let slopes = norm::slopes(moments, sums, affine);
        let size = part(affine.len());
        g.assert_like(y);
        let mut at_y = y.like();
        let parts = at_y.rows_mut().chunks_mut(size);
        let mut parts: Vec<_> = parts
            .zip(g.rows().chunks(size))
            .zip(y.rows().chunks(size))
            .collect();
        self.threads.each(&mut parts, |_, ((at_y, g), y)| {
            before_norm_of_rows(g, gate, y, &slopes, at_y);
        });
        drop(parts);
        for (place, values) in (conv.scale()..).zip(norm::gradients(moments, sums)) {
            self.put(place, &Tensor::from_slice(&values), gradient);
        }
        let wants_input = !Rc::ptr_eq(x, &self.layers[0].x);
        let [at_x, at_weight, _] = convolution::backward(
            &at_y.tensor(),
            &x.tensor(),
            &self.weights[conv.weight],
            conv.stride,
            conv.padding,
            [wants_input, true, false],
        );
        self.put(conv.weight, &at_weight, gradient);
        wants_input.then(|| Images::of(at_x))
    }

    /// Of a gradient behind a gate with the convolution before it.
    fn sums(&self, number: usize, gate: Gate<'_>, g: &Images<T>) -> Vec<Sums> {
        let Layer { y, means, .. } = &self.layers[number];
        let size = part(means.len());
        g.assert_like(y);
        let parts = g.rows().chunks(size).zip(y.rows().chunks(size));
        let mut parts: Vec<_> = parts.map(|rows| (rows, Vec::new())).collect();
        self.threads.each(&mut parts, |_, ((g, y), sums)| {
            *sums = sums_of_rows(g, gate, y, means)
        });
        all(means.len(), parts.into_iter().map(|(_, sums)| sums))
    }

    /// The gradient before the ReLU that made `x`, in place of that behind it, and its sums with a convolution.
    fn before_relu(&self, g: &mut Images<T>, x: &Images<T>, number: usize) -> Vec<Sums> {
        let Layer { y, means, .. } = &self.layers[number];
        let size = part(means.len());
        g.assert_like(x);
        g.assert_like(y);
        let parts = g
            .rows_mut()
            .chunks_mut(size)
            .zip(x.rows().chunks(size))
            .zip(y.rows().chunks(size));
        let mut parts: Vec<_> = parts.map(|rows| (rows, Vec::new())).collect();
        self.threads.each(&mut parts, |_, (((g, x), y), sums)| {
            *sums = before_relu_of_rows(g, x, y, means)
        });
        all(means.len(), parts.into_iter().map(|(_, sums)| sums))
    }
}

/// What was found of parts, added up in their order.
fn all(channels: usize, parts: impl Iterator<Item = Vec<Sums>>) -> Vec<Sums> {
    let mut all = vec![Sums::default(); channels];
    for part in parts {
        for (all, own) in all.iter_mut().zip(part) {
            *all = all.and(own);
        }
    }
    all
}

fn pull_back_pooled<T: OfLibtorch>(
    pool: &MaxPool,
    x: &Rc<Images<T>>,
    indices: &Tensor,
    g: &Images<T>,
) -> Images<T> {
    let [kernel, stride, padding] = pool.sides();
    let x = x.tensor();
    Images::of(x.max_pool2d_with_indices_backward(
        &g.tensor(),
        kernel,
        stride,
        padding,
        [1, 1],
        false,
        indices,
    ))
}
