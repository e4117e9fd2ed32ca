use crate::dispatch::for_this_processor;
use crate::geometry::Convolution;
use crate::{Lanes, Pixel, Planes};

/// The largest pixel under each place of a square window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool {
    /// Its side.
    pub kernel: usize,
    /// Pixels from one place to the next.
    pub stride: usize,
    /// Rows and columns on each side that are never the largest.
    pub padding: usize,
}

impl MaxPool {
    /// What it makes of `input`. None: the window does not fit.
    pub fn output(&self, input: Planes) -> Option<Planes> {
        let &Self {
            kernel,
            stride,
            padding,
        } = self;
        let n_out = input.channels;
        Convolution {
            n_out,
            kernel,
            stride,
            padding,
        }
        .output(input)
    }

    /// The pixels under the window at a place of the output, in order.
    #[inline(always)]
    fn window(&self, input: Planes, row: usize, column: usize) -> impl Iterator<Item = usize> + Clone {
        let along = |at: usize, n: usize| {
            let first = at * self.stride;
            first.saturating_sub(self.padding)..(first + self.kernel - self.padding).min(n)
        };
        let columns = along(column, input.width);
        along(row, input.height).flat_map(move |r| columns.clone().map(move |c| r * input.width + c))
    }
}

for_this_processor! {
    /// The largest pixels of a block's images.
    pub fn max_pool<P: Pixel>(pool: MaxPool, x: &[P], input: Planes, y: &mut [P], output: Planes) {
        let _ = TILE;
        for channel in 0..input.channels {
            let x = &x[channel * input.area()..][..input.area()];
            let y = &mut y[channel * output.area()..][..output.area()];
            for row in 0..output.height {
                for column in 0..output.width {
                    let mut largest = Lanes([f32::NEG_INFINITY; crate::LANES]);
                    for place in pool.window(input, row, column) {
                        // What is no number is the largest, as in libtorch.
                        largest = largest.zip(&x[place].widen(), |largest, x| if x > largest || x.is_nan() { x } else { largest });
                    }
                    y[row * output.width + column] = P::narrow(&largest);
                }
            }
        }
    }
}

for_this_processor! {
    /// Adds the gradient `g` at the output `y` to that at the images `x`: each goes to the first of the largest pixels. What is kept as
    /// bfloat16 is rounded after each window.
    pub fn max_pool_transposed<P: Pixel>(
        pool: MaxPool,
        x: &[P],
        input: Planes,
        y: &[P],
        g: &[P],
        output: Planes,
        at_images: &mut [P],
    ) {
        let _ = TILE;
        for channel in 0..input.channels {
            let of_input = channel * input.area()..(channel + 1) * input.area();
            let (x, at_images) = (&x[of_input.clone()], &mut at_images[of_input]);
            for row in 0..output.height {
                for column in 0..output.width {
                    let place = channel * output.area() + row * output.width + column;
                    let (largest, mut left) = (y[place].widen(), g[place].widen());
                    for place in pool.window(input, row, column) {
                        let (x, mut here) = (x[place].widen(), at_images[place].widen());
                        for (lane, here) in here.0.iter_mut().enumerate() {
                            if x.0[lane] == largest.0[lane] {
                                *here += left.0[lane];
                                left.0[lane] = 0.0;
                            }
                        }
                        at_images[place] = P::narrow(&here);
                    }
                }
            }
        }
    }
}

for_this_processor! {
    /// The change `dy` of the output `y` with a change `dx` of the images `x`: of each place that of the first of its largest pixels.
    pub fn max_pool_along(
        pool: MaxPool,
        x: &[Lanes],
        input: Planes,
        y: &[Lanes],
        dx: &[Lanes],
        output: Planes,
        dy: &mut [Lanes],
    ) {
        for channel in 0..input.channels {
            let of_input = channel * input.area()..(channel + 1) * input.area();
            let (x, dx) = (&x[of_input.clone()], &dx[of_input]);
            for row in 0..output.height {
                for column in 0..output.width {
                    let at = channel * output.area() + row * output.width + column;
                    let mut change = Lanes::ZERO;
                    for (lane, change) in change.0.iter_mut().enumerate() {
                        let largest = pool.window(input, row, column).find(|&place| x[place].0[lane] == y[at].0[lane]);
                        // Of what is no number none is the largest.
                        *change = largest.map_or(0.0, |place| dx[place].0[lane]);
                    }
                    dy[at] = change;
                }
            }
        }
    }
}
