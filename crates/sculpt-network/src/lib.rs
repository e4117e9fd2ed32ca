#![doc = include_str!("../README.md")]

// What a network of one's own needs, so that this crate alone will do.
pub use sculpt_layout::{Layout, LayoutBuilder, LayoutError, ParamKind};

/// A network as a function of its flat parameter vector, over tensors of type `T`.
pub trait Network<T> {
    /// Where each named tensor lies in `theta` and `buffers`.
    fn layout(&self) -> &Layout;

    /// Logits `[n, classes]` of `images` `[n, c, h, w]` at `theta` (`[n_params]`) and `buffers`
    /// (`[n_buffers]`); [`Mode::Train`] and [`Mode::Calibrate`] update `buffers` in place. In libtorch 2.11, no strided
    /// 1 × 1 convolution: see the crate's front page.
    fn forward(&self, theta: &T, buffers: &T, images: &T, mode: Mode) -> T;

    /// The network in [`Mode::Train`] at `theta` on `images`, of a network that computes its gradient itself, faster than by
    /// differentiating [`Network::forward`]. `kept` `[n_params]` is 0 at pruned weights, which are 0, and 1 elsewhere; nobody asks for
    /// the gradient at a pruned weight. `buffers` are updated in place. `images` must stay what they are until the last [`Differentiated::pull_back`]. None, as by default: differentiate `forward`.
    fn differentiate<'a>(
        &'a self,
        theta: &T,
        kept: &T,
        buffers: &T,
        images: &T,
    ) -> Option<Box<dyn Differentiated<T> + 'a>> {
        let _ = (theta, kept, buffers, images);
        None
    }

    /// The network in [`Mode::Eval`] at `theta` on `images`, of a network that knows its own second derivatives.
    /// None, as by default: it does not, and differentiating [`Network::forward`] twice serves as well.
    fn linearise<'a>(&'a self, theta: &T, buffers: &T, images: &T) -> Option<Box<dyn Linearised<T> + 'a>> {
        let _ = (theta, buffers, images);
        None
    }

    /// [`Network::linearise`] for whoever asks for no derivative along pruned weights: `kept` `[n_params]` is 0 there, where `theta` is 0
    /// too, and 1 elsewhere. Directions are 0 at pruned weights, and what comes back there may be anything. By default
    /// [`Network::linearise`].
    fn linearise_kept<'a>(
        &'a self,
        theta: &T,
        kept: &T,
        buffers: &T,
        images: &T,
    ) -> Option<Box<dyn Linearised<T> + 'a>> {
        let _ = kept;
        self.linearise(theta, buffers, images)
    }
}

/// A network at one point `θ` on one batch: the logits `z(θ)` and `J = ∂z/∂θ`.
pub trait Differentiated<T> {
    /// `z`, `[n, classes]`.
    fn logits(&self) -> &T;

    /// `Jᵀu`, `[n_params]`, for `u` of the shape of the logits: with `u` the gradient of a loss at `z`, its gradient at `θ`. As often as wanted.
    fn pull_back(&mut self, u: &T) -> T;
}

/// The same, and how `Jᵀ` changes with `θ`. What all derivatives there share is computed once and kept.
///
/// The `u` that was pulled back last is kept for [`Linearised::change_along`]; before the first it is 0.
pub trait Linearised<T>: Differentiated<T> {
    /// The change of `Jᵀu` along `v` `[n_params]`, that is `d/dt J(θ + tv)ᵀ u(t)` at `t = 0`, where `u(0)` is the
    /// `u` kept and `u'(0)` is `change_of_u(Jv)`.
    ///
    /// With `u` the gradient of a loss at `z` and `change_of_u` its Hessian there, this is the Hessian at `θ`
    /// times `v` (Pearlmutter 1994); with the same `change_of_u` and `u = 0`, the Gauss-Newton matrix times `v`.
    fn change_along(&self, v: &T, change_of_u: &dyn Fn(&T) -> T) -> T;

    /// `Σ_k Σ_i (J_iᵀ u_ki)²`, `[n_params]`, squares taken coordinate by coordinate: `J_i` is the Jacobian of the logits of image
    /// `i`, `u_k`, of the shape of the logits, one of `us`. What was pulled back last stays.
    ///
    /// Where the columns `u_ki` of each image make its `A_i = Σ_k u_ki u_kiᵀ`, this is the diagonal of the Gauss-Newton matrix
    /// `Σ_i J_iᵀ A_i J_i`. None, as by default: the network does not tell the images' shares apart.
    fn squares(&self, us: &[T]) -> Option<T> {
        let _ = us;
        None
    }

    /// Whether the logits are piecewise affine in each parameter while all others stay, as those of convolutions, ReLUs and
    /// BatchNorm in [`Mode::Eval`] are where no path meets a parameter twice: then no logit has a second derivative in one
    /// parameter alone, and the diagonals of a loss's Hessian and of its Gauss-Newton part are the same. By default false: not known.
    fn is_affine_in_each(&self) -> bool {
        false
    }
}

impl<T, N: Network<T> + ?Sized> Network<T> for Box<N> {
    fn layout(&self) -> &Layout {
        (**self).layout()
    }

    fn forward(&self, theta: &T, buffers: &T, images: &T, mode: Mode) -> T {
        (**self).forward(theta, buffers, images, mode)
    }

    fn differentiate<'a>(
        &'a self,
        theta: &T,
        kept: &T,
        buffers: &T,
        images: &T,
    ) -> Option<Box<dyn Differentiated<T> + 'a>> {
        (**self).differentiate(theta, kept, buffers, images)
    }

    fn linearise<'a>(&'a self, theta: &T, buffers: &T, images: &T) -> Option<Box<dyn Linearised<T> + 'a>> {
        (**self).linearise(theta, buffers, images)
    }

    fn linearise_kept<'a>(
        &'a self,
        theta: &T,
        kept: &T,
        buffers: &T,
        images: &T,
    ) -> Option<Box<dyn Linearised<T> + 'a>> {
        (**self).linearise_kept(theta, kept, buffers, images)
    }
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
