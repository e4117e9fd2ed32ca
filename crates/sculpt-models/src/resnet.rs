mod linearised;

use crate::{Architecture, ModelSpec, Shortcut, Stem, conv2d};
use linearised::LinearisedResNet;
use sculpt_layout::{Layout, LayoutBuilder};
use sculpt_network::{Linearised, Mode, Network};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// PyTorch's BatchNorm defaults, which torchvision leaves alone.
const BATCH_NORM_EPS: f64 = 1e-5;
const BATCH_NORM_MOMENTUM: f64 = 0.1;

/// In which numbers convolutions and linear layers compute. Changes results: part of a run's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floating point throughout; at an f64 `θ` with f64 buffers and images, 64-bit.
    F32,
    /// bfloat16 weights and activations; `θ`, its gradient, BatchNorm's parameters and the logits stay f32.
    Bf16,
}

/// A residual network as a function of its flat parameter vector.
#[derive(Clone, Debug)]
pub struct ResNet {
    layout: Layout,
    plan: Plan,
    precision: Precision,
    folded: bool,
    param_sizes: Vec<i64>,
    buffer_sizes: Vec<i64>,
    param_shapes: Vec<Vec<i64>>,
}

impl ResNet {
    /// The network that `spec` describes.
    pub fn new(spec: &ModelSpec, precision: Precision) -> Self {
        let (layout, plan) = plan(spec);
        let param_sizes = layout.params().iter().map(|p| p.len() as i64).collect();
        let buffer_sizes = layout.buffers().iter().map(|b| b.range().len() as i64).collect();
        let param_shapes = layout
            .params()
            .iter()
            .map(|p| p.shape().iter().map(|&n| n as i64).collect())
            .collect();
        Self {
            layout,
            plan,
            precision,
            folded: false,
            param_sizes,
            buffer_sizes,
            param_shapes,
        }
    }

    /// The same network, whose [`Mode::Eval`] multiplies each BatchNorm into the convolution before it:
    /// `w·γ/√(σ² + ε)` and `β − μ·γ/√(σ² + ε)`. Logits differ by rounding only; derivatives of them cost less than
    /// through `batch_norm`, and [`Network::linearise`] writes out the second ones.
    pub fn folded(self) -> Self {
        Self { folded: true, ..self }
    }

    /// In which numbers the network computes.
    pub fn precision(&self) -> Precision {
        self.precision
    }
}

impl Network<Tensor> for ResNet {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    /// # Panics
    /// When a length or shape does not fit the layout, or libtorch refuses an operation (no memory).
    fn forward(&self, theta: &Tensor, buffers: &Tensor, images: &Tensor, mode: Mode) -> Tensor {
        let full = theta.split_with_sizes(&self.param_sizes[..], 0);
        let low = match self.precision {
            Precision::F32 => None,
            Precision::Bf16 => Some(
                theta
                    .to_kind(Kind::BFloat16)
                    .split_with_sizes(&self.param_sizes[..], 0),
            ),
        };
        let images = match self.precision {
            Precision::F32 => images.shallow_clone(),
            Precision::Bf16 => images.to_kind(Kind::BFloat16),
        };
        let mut pass = Pass {
            network: self,
            weights: low.as_ref().unwrap_or(&full),
            full: &full,
            running: buffers.split_with_sizes(&self.buffer_sizes[..], 0),
            mode,
        };
        self.plan.forward(&mut pass, &channels_last(&images))
    }

    /// Of a [folded](ResNet::folded) network in full precision; None of any other.
    fn linearise<'a>(
        &'a self,
        theta: &Tensor,
        buffers: &Tensor,
        images: &Tensor,
    ) -> Option<Box<dyn Linearised<Tensor> + 'a>> {
        let can = self.folded && self.precision == Precision::F32;
        can.then(|| Box::new(LinearisedResNet::new(self, theta, buffers, images)) as Box<_>)
    }
}

/// The same values with the channel the fastest dimension in memory, which oneDNN and cuDNN prefer.
fn channels_last(images: &Tensor) -> Tensor {
    images.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
}

/// One forward pass: the views of the two vectors, and where to find what.
struct Pass<'a> {
    network: &'a ResNet,
    /// Convolution and linear weights, in the precision of the pass.
    weights: &'a [Tensor],
    /// The f32 views: `γ`, `β`, biases.
    full: &'a [Tensor],
    running: Vec<Tensor>,
    mode: Mode,
}

impl Forward for Pass<'_> {
    fn conv_norm(&mut self, conv: &ConvNorm, x: &Tensor) -> Tensor {
        let (scale, shift) = (&self.full[conv.param + 1], &self.full[conv.param + 2]);
        let (mean, variance) = (&self.running[conv.buffer], &self.running[conv.buffer + 1]);
        let shape = &self.network.param_shapes[conv.param][..];
        if self.network.folded && self.mode == Mode::Eval {
            let Folding { weight, bias, .. } = Folding::new(
                &self.full[conv.param].view(shape),
                [scale, shift],
                [mean, variance],
            );
            let (weight, bias) = (weight.to_kind(x.kind()), bias.to_kind(x.kind()));
            return conv2d(x, &weight, Some(&bias), conv.stride, conv.padding);
        }
        let (batch_statistics, momentum) = match self.mode {
            Mode::Train => (true, BATCH_NORM_MOMENTUM),
            Mode::Calibrate => (true, 1.0),
            Mode::Eval => (false, 0.0),
        };
        let weight = self.weights[conv.param].view(shape);
        let y = conv2d(x, &weight, None, conv.stride, conv.padding);
        y.batch_norm(
            Some(scale),
            Some(shift),
            Some(mean),
            Some(variance),
            batch_statistics,
            momentum,
            BATCH_NORM_EPS,
            true,
        )
    }

    fn relu(&mut self, _: &ConvNorm, mut x: Tensor) -> Tensor {
        x.relu_()
    }

    fn max_pool(&mut self, x: &Tensor) -> Tensor {
        let [kernel, stride, padding] = MAX_POOL;
        x.max_pool2d(kernel, stride, padding, [1, 1], false)
    }

    fn linear(&mut self, pooled: &Tensor) -> Tensor {
        let fc = self.network.plan.fc;
        let weight = self.weights[fc].view(&self.network.param_shapes[fc][..]);
        let bias = self.full[fc + 1].to_kind(pooled.kind());
        // The kind of θ: f32, or f64.
        pooled.linear(&weight, Some(&bias)).to_kind(self.full[fc].kind())
    }
}

/// A convolution that has its BatchNorm multiplied in.
struct Folding {
    /// `1/σ = 1/√(σ² + ε)`.
    inverse: Tensor,
    /// `γ/σ`.
    factor: Tensor,
    /// `w·γ/σ`.
    weight: Tensor,
    /// `β − μ·γ/σ`.
    bias: Tensor,
}

impl Folding {
    fn new(weight: &Tensor, [scale, shift]: [&Tensor; 2], [mean, variance]: [&Tensor; 2]) -> Self {
        let inverse = (variance + BATCH_NORM_EPS).rsqrt();
        let factor = scale * &inverse;
        Self {
            weight: weight * factor.view([-1, 1, 1, 1]),
            bias: shift - mean * &factor,
            inverse,
            factor,
        }
    }
}

/// The operations that a forward pass is made of, whatever passes: values, or their derivatives.
trait Forward {
    fn conv_norm(&mut self, conv: &ConvNorm, x: &Tensor) -> Tensor;
    /// The ReLU behind `last`, or behind the block that `last` ends.
    fn relu(&mut self, last: &ConvNorm, x: Tensor) -> Tensor;
    fn max_pool(&mut self, x: &Tensor) -> Tensor;
    /// Features `[n, channels]` to logits.
    fn linear(&mut self, pooled: &Tensor) -> Tensor;
}

/// Kernel, stride and padding of the pooling behind ImageNet's stem.
const MAX_POOL: [[i64; 2]; 3] = [[3, 3], [2, 2], [1, 1]];

/// The forward pass as indices into the layout.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    stem: ConvNorm,
    pool: bool,
    blocks: Vec<Block>,
    /// The parameter of `fc.weight`; `fc.bias` follows it.
    fc: usize,
}

impl Plan {
    fn forward(&self, pass: &mut impl Forward, images: &Tensor) -> Tensor {
        let stem = pass.conv_norm(&self.stem, images);
        let mut x = pass.relu(&self.stem, stem);
        if self.pool {
            x = pass.max_pool(&x);
        }
        for block in &self.blocks {
            let (first, last) = block.convs();
            let mut y = x.shallow_clone();
            for conv in first {
                y = pass.conv_norm(conv, &y);
                y = pass.relu(conv, y);
            }
            y = pass.conv_norm(last, &y);
            y += match &block.shortcut {
                Join::Same => x,
                Join::Project(conv) => pass.conv_norm(conv, &x),
                Join::Subsample { n_in, n_out } => {
                    // Option A: every second pixel; the new channels are zero, half of them on either side.
                    let new = n_out - n_in;
                    let half = x.slice(2, None, None, 2).slice(3, None, None, 2);
                    half.constant_pad_nd([0, 0, 0, 0, new / 2, new - new / 2])
                }
            };
            x = pass.relu(last, y);
        }
        pass.linear(&x.mean_dim([2i64, 3].as_slice(), false, None::<Kind>))
    }
}

#[derive(Clone, Debug)]
struct Block {
    /// Each but the last is followed by a ReLU.
    convs: Vec<ConvNorm>,
    shortcut: Join,
}

impl Block {
    /// All convolutions but the last, each followed by a ReLU, and the last one.
    fn convs(&self) -> (&[ConvNorm], &ConvNorm) {
        let (last, first) = self.convs.split_last().expect("a block has convolutions");
        (first, last)
    }
}

#[derive(Clone, Debug)]
enum Join {
    Same,
    Project(ConvNorm),
    Subsample { n_in: i64, n_out: i64 },
}

/// A convolution (its parameter, then `γ` and `β`) and its BatchNorm (two buffers).
#[derive(Clone, Debug)]
struct ConvNorm {
    param: usize,
    buffer: usize,
    stride: i64,
    padding: i64,
}

impl ConvNorm {
    /// Its place among the network's convolutions, in the order of the layout, which is that of a forward pass.
    fn number(&self) -> usize {
        self.param / 3
    }
}

/// Lays the tensors out and notes where each operation finds its own.
pub(crate) fn plan(spec: &ModelSpec) -> (Layout, Plan) {
    let width = spec.width() as usize;
    let mut walk = Walk {
        builder: Layout::builder(),
        n_params: 0,
        n_buffers: 0,
    };
    let (stem_kernel, stem_stride, pool) = match spec.architecture() {
        Architecture::CifarResnet { .. }
        | Architecture::Resnet {
            stem: Stem::Cifar, ..
        } => (3, 1, false),
        Architecture::Resnet {
            stem: Stem::Imagenet, ..
        } => (7, 2, true),
    };
    let stem = walk.conv_norm("conv1", "bn1", width, 3, stem_kernel, stem_stride);
    let mut blocks = Vec::new();
    let mut n_in = width;
    for (stage, n_blocks) in stage_sizes(spec.architecture()).into_iter().enumerate() {
        let planes = width << stage;
        for block in 0..n_blocks {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let name = format!("layer{}.{block}", stage + 1);
            let kernels: &[(usize, usize)] = match spec.architecture() {
                Architecture::Resnet { depth: 50, .. } => &[(1, 1), (3, 1), (1, 4)],
                Architecture::CifarResnet { .. } | Architecture::Resnet { .. } => &[(3, 1), (3, 1)],
            };
            // torchvision strides the 3×3 convolution of a bottleneck, the first one of a basic block.
            let strided = kernels
                .iter()
                .position(|&(kernel, _)| kernel == 3)
                .expect("a block has a 3×3");
            let mut channels = n_in;
            let mut convs = Vec::new();
            for (i, &(kernel, expansion)) in kernels.iter().enumerate() {
                let n_out = planes * expansion;
                let s = if i == strided { stride } else { 1 };
                let (conv, bn) = (format!("{name}.conv{}", i + 1), format!("{name}.bn{}", i + 1));
                convs.push(walk.conv_norm(&conv, &bn, n_out, channels, kernel, s));
                channels = n_out;
            }
            let shortcut = if stride == 1 && n_in == channels {
                Join::Same
            } else {
                match spec.architecture() {
                    Architecture::CifarResnet {
                        shortcut: Shortcut::Identity,
                        ..
                    } => Join::Subsample {
                        n_in: n_in as i64,
                        n_out: channels as i64,
                    },
                    Architecture::CifarResnet {
                        shortcut: Shortcut::Projection,
                        ..
                    }
                    | Architecture::Resnet { .. } => {
                        let (conv, bn) = (format!("{name}.downsample.0"), format!("{name}.downsample.1"));
                        Join::Project(walk.conv_norm(&conv, &bn, channels, n_in, 1, stride))
                    }
                }
            };
            blocks.push(Block { convs, shortcut });
            n_in = channels;
        }
    }
    let fc = walk.n_params;
    let builder = walk.builder.linear("fc", spec.classes() as usize, n_in);
    let layout = builder
        .build()
        .expect("names are distinct and sizes checked by ModelSpec");
    (
        layout,
        Plan {
            stem,
            pool,
            blocks,
            fc,
        },
    )
}

fn stage_sizes(architecture: Architecture) -> Vec<u32> {
    match architecture {
        Architecture::CifarResnet { depth, .. } => vec![(depth - 2) / 6; 3],
        Architecture::Resnet { depth: 50, .. } => vec![3, 4, 6, 3],
        Architecture::Resnet { .. } => vec![2; 4],
    }
}

/// Collects tensors in `state_dict` order and counts where they go.
struct Walk {
    builder: LayoutBuilder,
    n_params: usize,
    n_buffers: usize,
}

impl Walk {
    fn conv_norm(
        &mut self,
        conv: &str,
        bn: &str,
        n_out: usize,
        n_in: usize,
        kernel: usize,
        stride: i64,
    ) -> ConvNorm {
        let builder = std::mem::take(&mut self.builder);
        self.builder = builder
            .conv(conv, [n_out, n_in, kernel, kernel])
            .batch_norm(bn, n_out);
        let place = ConvNorm {
            param: self.n_params,
            buffer: self.n_buffers,
            stride,
            padding: (kernel / 2) as i64,
        };
        self.n_params += 3;
        self.n_buffers += 2;
        place
    }
}

/// See [`ModelSpec::multiply_accumulates`].
pub(crate) fn multiply_accumulates(spec: &ModelSpec, height: u32, width: u32) -> Vec<u64> {
    let (layout, plan) = plan(spec);
    let mut positions = vec![0u64; layout.params().len()];
    let out = |size: (u64, u64), stride: i64| {
        let stride = stride as u64;
        (size.0.div_ceil(stride), size.1.div_ceil(stride))
    };
    let mut size = out((u64::from(height), u64::from(width)), plan.stem.stride);
    positions[plan.stem.param] = size.0 * size.1;
    if plan.pool {
        size = out(size, 2);
    }
    for block in &plan.blocks {
        let mut inner = size;
        for conv in &block.convs {
            inner = out(inner, conv.stride);
            positions[conv.param] = inner.0 * inner.1;
        }
        if let Join::Project(conv) = &block.shortcut {
            positions[conv.param] = inner.0 * inner.1;
        }
        size = inner;
    }
    positions[plan.fc] = 1;
    let counts = layout.params().iter().zip(positions);
    counts
        .filter(|(p, _)| p.is_prunable())
        .map(|(p, n)| p.len() as u64 * n)
        .collect()
}
