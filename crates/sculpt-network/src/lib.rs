#![doc = include_str!("../README.md")]

use sculpt_layout::Layout;

/// A network as a function of its flat parameter vector, over tensors of type `T`.
pub trait Network<T> {
    /// Where each named tensor lies in `theta` and `buffers`.
    fn layout(&self) -> &Layout;

    /// Logits `[n, classes]` of `images` `[n, c, h, w]` at `theta` (`[n_params]`) and `buffers`
    /// (`[n_buffers]`); [`Mode::Train`] and [`Mode::Calibrate`] update `buffers` in place.
    fn forward(&self, theta: &T, buffers: &T, images: &T, mode: Mode) -> T;
}

/// How BatchNorm behaves in a forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Normalise by the batch's own statistics and move the running ones towards them, in place.
    Train,
    /// Normalise by the batch's own statistics and replace the running ones by them, in place: a momentum of
    /// 1. Averages over batches are the caller's.
    Calibrate,
    /// Normalise by the running statistics, and leave them.
    Eval,
}

/// A network made of a layout and a closure `(theta, buffers, images, mode) -> logits`.
#[derive(Clone, Debug)]
pub struct FromFn<F> {
    layout: Layout,
    forward: F,
}

impl<F> FromFn<F> {
    /// The closure must keep what [`Network::forward`] promises.
    pub fn new(layout: Layout, forward: F) -> Self {
        Self { layout, forward }
    }
}

impl<T, F: Fn(&T, &T, &T, Mode) -> T> Network<T> for FromFn<F> {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn forward(&self, theta: &T, buffers: &T, images: &T, mode: Mode) -> T {
        (self.forward)(theta, buffers, images, mode)
    }
}
