//! Networks of the usual kind as data: convolutions with BatchNorm and ReLU, residual blocks, max pooling, and one linear
//! layer on the mean over all pixels.

use sculpt_layout::{Layout, LayoutBuilder};
use tch::{Kind, Tensor};

/// The operations that a forward pass is made of, whatever passes: values, or their derivatives.
pub(crate) trait Forward {
    /// Images, however they lie in memory, or what stands for them.
    type Images;

    fn conv_norm(&mut self, conv: &ConvNorm, x: &Self::Images) -> Self::Images;
    /// The ReLU behind `last`, or behind the block that `last` ends.
    fn relu(&mut self, last: &ConvNorm, x: Self::Images) -> Self::Images;
    fn max_pool(&mut self, pool: &MaxPool, x: &Self::Images) -> Self::Images;
    /// `y + x`.
    fn add(&mut self, y: Self::Images, x: &Self::Images) -> Self::Images;
    /// `y`, and what [`Join::Subsample`] makes of `x`.
    fn add_subsampled(&mut self, y: Self::Images, x: &Self::Images) -> Self::Images;
    /// Features `[n, channels, height, width]` to logits: a linear layer on their mean over all pixels.
    fn classify(&mut self, features: &Self::Images) -> Tensor;
}

/// `y + x` of tensors, in place of `y`.
pub(crate) fn add(mut y: Tensor, x: &Tensor) -> Tensor {
    y += x;
    y
}

/// Every second pixel of `x`, added to `y`, in place; the channels that `x` has not are zero, half of them on either side (option A).
pub(crate) fn add_subsampled(y: Tensor, x: &Tensor) -> Tensor {
    let new = y.size()[1] - x.size()[1];
    let half = x.slice(2, None, None, 2).slice(3, None, None, 2);
    add(y, &half.constant_pad_nd([0, 0, 0, 0, new / 2, new - new / 2]))
}

/// `[n, channels]`, of `[n, channels, height, width]`.
pub(crate) fn mean_of_pixels(features: &Tensor) -> Tensor {
    features.mean_dim([2i64, 3].as_slice(), false, None::<Kind>)
}

/// A forward pass as indices into the layout.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    /// The parameter of the linear layer's weight; its bias follows.
    pub(crate) classifier: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A convolution with its BatchNorm, and a ReLU.
    ConvNorm(ConvNorm),
    MaxPool(MaxPool),
    /// A residual block, and a ReLU.
    Block(Block),
}

/// A convolution and its BatchNorm.
#[derive(Clone, Debug)]
pub(crate) struct ConvNorm {
    /// Its place among the network's convolutions, in the order of the layout, which is that of a forward pass.
    pub(crate) number: usize,
    /// Its parameter; a bias follows it.
    pub(crate) weight: usize,
    pub(crate) has_bias: bool,
    /// Of the running mean; the variance follows.
    pub(crate) buffer: usize,
    pub(crate) kernel: i64,
    pub(crate) stride: i64,
    pub(crate) padding: i64,
}

impl ConvNorm {
    pub(crate) fn bias(&self) -> Option<usize> {
        self.has_bias.then_some(self.weight + 1)
    }

    /// The parameter of `γ`; `β` follows it.
    pub(crate) fn scale(&self) -> usize {
        self.weight + 1 + usize::from(self.has_bias)
    }

    /// Parameters that it and its BatchNorm have, one behind the other.
    pub(crate) fn n_params(&self) -> usize {
        3 + usize::from(self.has_bias)
    }
}

/// Square kernel, stride and padding.
#[derive(Clone, Debug)]
pub(crate) struct MaxPool {
    /// Its place among the network's poolings.
    pub(crate) number: usize,
    pub(crate) kernel: i64,
    pub(crate) stride: i64,
    pub(crate) padding: i64,
}

impl MaxPool {
    /// Kernel, stride and padding, as libtorch takes them.
    pub(crate) fn sides(&self) -> [[i64; 2]; 3] {
        [self.kernel, self.stride, self.padding].map(|n| [n, n])
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// Each but the last is followed by a ReLU.
    pub(crate) convs: Vec<ConvNorm>,
    pub(crate) shortcut: Join,
}

impl Block {
    /// All convolutions but the last, each followed by a ReLU, and the last one.
    pub(crate) fn convs(&self) -> (&[ConvNorm], &ConvNorm) {
        let (last, first) = self.convs.split_last().expect("a block has convolutions");
        (first, last)
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Join {
    Same,
    Project(ConvNorm),
    /// Every second pixel; the new channels are zero, half of them on either side.
    Subsample,
}

/// Rows and columns of what a convolution reads and makes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) input: [u64; 2],
    pub(crate) output: [u64; 2],
}

impl Sizes {
    /// Pixels that are made.
    pub(crate) fn pixels(&self) -> u64 {
        self.output.iter().product()
    }
}

impl Plan {
    pub(crate) fn forward<P: Forward>(&self, pass: &mut P, images: P::Images) -> Tensor {
        let mut x = images;
        for step in &self.steps {
            x = match step {
                Step::ConvNorm(conv) => {
                    let y = pass.conv_norm(conv, &x);
                    pass.relu(conv, y)
                }
                Step::MaxPool(pool) => pass.max_pool(pool, &x),
                Step::Block(block) => block.forward(pass, x),
            };
        }
        pass.classify(&x)
    }

    /// All convolutions, by [`ConvNorm::number`].
    pub(crate) fn convs(&self) -> impl Iterator<Item = &ConvNorm> {
        self.steps.iter().flat_map(|step| {
            let (convs, beside) = match step {
                Step::ConvNorm(conv) => (std::slice::from_ref(conv), None),
                Step::MaxPool(_) => (&[][..], None),
                Step::Block(block) => match &block.shortcut {
                    Join::Project(conv) => (&block.convs[..], Some(conv)),
                    Join::Same | Join::Subsample => (&block.convs[..], None),
                },
            };
            convs.iter().chain(beside)
        })
    }

    /// Rows and columns that each convolution reads and makes of an image of `height` × `width` pixels, by
    /// [`ConvNorm::number`]. None where nothing is left of the image on the way.
    pub(crate) fn sizes(&self, height: u32, width: u32) -> Option<Vec<Sizes>> {
        let mut sizes = Vec::new();
        let mut size = [u64::from(height), u64::from(width)];
        let conv_out = |input, conv: &ConvNorm, sizes: &mut Vec<Sizes>| {
            let output = out(input, conv.kernel, conv.stride, conv.padding)?;
            sizes.push(Sizes { input, output });
            Some(output)
        };
        for step in &self.steps {
            size = match step {
                Step::ConvNorm(conv) => conv_out(size, conv, &mut sizes)?,
                Step::MaxPool(pool) => out(size, pool.kernel, pool.stride, pool.padding)?,
                Step::Block(block) => {
                    let mut inner = size;
                    for conv in &block.convs {
                        inner = conv_out(inner, conv, &mut sizes)?;
                    }
                    if let Join::Project(conv) = &block.shortcut {
                        conv_out(size, conv, &mut sizes)?;
                    }
                    inner
                }
            };
        }
        Some(sizes)
    }
}

impl Block {
    fn forward<P: Forward>(&self, pass: &mut P, x: P::Images) -> P::Images {
        let (first, last) = self.convs();
        let mut y = None;
        for conv in first {
            let made = pass.conv_norm(conv, y.as_ref().unwrap_or(&x));
            y = Some(pass.relu(conv, made));
        }
        let y = pass.conv_norm(last, y.as_ref().unwrap_or(&x));
        let y = match &self.shortcut {
            Join::Same => pass.add(y, &x),
            Join::Project(conv) => {
                let beside = pass.conv_norm(conv, &x);
                pass.add(y, &beside)
            }
            Join::Subsample => pass.add_subsampled(y, &x),
        };
        pass.relu(last, y)
    }
}

/// What a convolution or pooling makes of a size, rounded down as PyTorch does.
fn out(size: [u64; 2], kernel: i64, stride: i64, padding: i64) -> Option<[u64; 2]> {
    let (kernel, stride, padding) = (kernel as u64, stride as u64, padding as u64);
    let along = |n: u64| Some((n + 2 * padding).checked_sub(kernel)? / stride + 1);
    Some([along(size[0])?, along(size[1])?])
}

/// Collects tensors in `state_dict` order and notes where each operation finds its own.
#[derive(Default)]
pub(crate) struct PlanBuilder {
    layout: LayoutBuilder,
    n_params: usize,
    n_buffers: usize,
    n_convs: usize,
    n_pools: usize,
}

/// Of a convolution.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) n_out: usize,
    pub(crate) n_in: usize,
    /// Odd: it is padded so that a stride of 1 keeps the size.
    pub(crate) kernel: usize,
    pub(crate) stride: i64,
    pub(crate) has_bias: bool,
}

impl PlanBuilder {
    pub(crate) fn conv_norm(&mut self, conv: &str, batch_norm: &str, shape: Shape) -> ConvNorm {
        let Shape {
            n_out,
            n_in,
            kernel,
            stride,
            has_bias,
        } = shape;
        let layout = std::mem::take(&mut self.layout);
        let oihw = [n_out, n_in, kernel, kernel];
        let layout = match has_bias {
            true => layout.conv_with_bias(conv, oihw),
            false => layout.conv(conv, oihw),
        };
        self.layout = layout.batch_norm(batch_norm, n_out);
        let place = ConvNorm {
            number: self.n_convs,
            weight: self.n_params,
            has_bias,
            buffer: self.n_buffers,
            kernel: kernel as i64,
            stride,
            padding: (kernel / 2) as i64,
        };
        self.n_convs += 1;
        self.n_params += place.n_params();
        self.n_buffers += 2;
        place
    }

    pub(crate) fn max_pool(&mut self, kernel: i64, stride: i64, padding: i64) -> MaxPool {
        self.n_pools += 1;
        MaxPool {
            number: self.n_pools - 1,
            kernel,
            stride,
            padding,
        }
    }

    /// The linear layer, and the end.
    pub(crate) fn finish(
        self,
        steps: Vec<Step>,
        classifier: &str,
        classes: usize,
        n_in: usize,
    ) -> (Layout, Plan) {
        let layout = self.layout.linear(classifier, classes, n_in).build();
        let layout = layout.expect("names are distinct and sizes checked by ModelSpec");
        let classifier = self.n_params;
        (layout, Plan { steps, classifier })
    }
}
