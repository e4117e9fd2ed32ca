mod linearised;
mod masked;
mod norm;
mod rows;
mod threads;
mod weights;

use crate::conv2d;
use crate::plan::{ConvNorm, Forward, MaxPool, Plan, add, add_subsampled, mean_of_pixels};
use masked::MaskedNetwork;
use sculpt_layout::Layout;
use sculpt_network::{Differentiated, Linearised, Mode, Network};
use sculpt_sparse::{HalfLanes, Lanes, Storage};
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::sync::{Arc, LazyLock};
use tch::{Device, Kind, Tensor};
pub use weights::ConvolutionWork;
pub(crate) use weights::convolution_work;

/// PyTorch's BatchNorm defaults, which torchvision leaves alone.
const BATCH_NORM_EPS: f64 = 1e-5;
const BATCH_NORM_MOMENTUM: f64 = 0.1;

/// In which numbers convolutions and linear layers compute. Changes results: part of a run's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floating point throughout; at an f64 `θ` with f64 buffers and images, 64-bit.
    F32,
    /// bfloat16 weights and activations; `θ`, its gradient, BatchNorm's parameters and the logits stay f32. On a CPU without units
    /// for them, and where our own convolutions are faster, f32 convolutions of numbers rounded to bfloat16: the same but for the order of sums, and for what
    /// Winograd's algorithm rounds in f32.
    Bf16,
}

impl Precision {
    /// Of what our own convolutions read and write.
    fn storage(self) -> Storage {
        match self {
            Self::F32 => Storage::F32,
            Self::Bf16 => Storage::Bf16,
        }
    }
}

/// What a processor multiplies bfloat16 by, as libtorch's convolutions (oneDNN's) use it: by what it has, not by how busy it is. Speeds are those of libtorch's
/// convolutions against its own in f32, ResNet-20 at batch 512.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bf16Units {
    /// Nothing: f32 numbers are rounded. 0.08 ×.
    None,
    /// AVX512-BF16 on processors that multiply no more numbers at once than of f32, Intel's: 0.75 ×.
    HalfRate,
    /// AVX512-BF16 on those that multiply twice as many, AMD's: 1.66 × (Zen 5; of Zen 4 not measured).
    FullRate,
    /// AMX: 2.1 ×.
    Tiles,
}

impl Bf16Units {
    /// Those of the processor that this runs on.
    ///
    /// Rust cannot ask for AMX yet. The kernel writes its list anew for whoever reads it, which takes longer than most that is asked of a
    /// processor: once a process.
    pub fn of_this_processor() -> Self {
        static FOUND: LazyLock<Bf16Units> = LazyLock::new(|| {
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx512bf16") {
                let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
                let maker = std::arch::x86_64::__cpuid(0);
                let maker = [maker.ebx, maker.edx, maker.ecx].map(u32::to_le_bytes);
                return if cpuinfo.contains(" amx_bf16") {
                    Bf16Units::Tiles
                } else if maker.as_flattened() == b"AuthenticAMD" {
                    Bf16Units::FullRate
                } else {
                    Bf16Units::HalfRate
                };
            }
            Bf16Units::None
        });
        *FOUND
    }
}

/// Whether this processor computes convolutions in bfloat16, where others round f32 numbers.
pub fn has_bf16() -> bool {
    Bf16Units::of_this_processor() != Bf16Units::None
}

/// Whether this processor has AMX with bfloat16, and AVX512-BF16, without which oneDNN does not use it.
pub fn has_amx() -> bool {
    Bf16Units::of_this_processor() == Bf16Units::Tiles
}

/// `x` rounded to bfloat16, in f32; its gradient likewise.
fn through_bf16(x: &Tensor) -> Tensor {
    x.to_kind(Kind::BFloat16).to_kind(Kind::Float)
}

/// BatchNorm in training over more images than the network is given: those of other processes too.
pub trait JointNorm: Debug {
    /// As libtorch's `batch_norm` in training: images `[n, c, h, w]`, normalised by the statistics of them and of the others; running
    /// statistics `[c]`, moved towards those by `momentum`, in place.
    #[expect(clippy::too_many_arguments, reason = "libtorch's own, in its order")]
    fn batch_norm(
        &self,
        images: &Tensor,
        scale: &Tensor,
        shift: &Tensor,
        running_mean: &Tensor,
        running_variance: &Tensor,
        momentum: f64,
        epsilon: f64,
    ) -> Tensor;
}

/// A [`Plan`] as a function of its flat parameter vector.
#[derive(Clone, Debug)]
pub(crate) struct PlannedNetwork {
    layout: Layout,
    plan: Plan,
    precision: Precision,
    folded: bool,
    /// None: the images of a batch are all that there are.
    norm: Option<Arc<dyn JointNorm>>,
    param_sizes: Vec<i64>,
    buffer_sizes: Vec<i64>,
    param_shapes: Vec<Vec<i64>>,
    /// Of training by our own convolutions, from step to step.
    memory: masked::Memory,
    /// Of derivatives by our own convolutions, from batch to batch.
    recent: linearised::Recent,
}

impl PlannedNetwork {
    /// `folded`: see [`crate::ModelSpec::folded_network`].
    pub(crate) fn new(layout: Layout, plan: Plan, precision: Precision, folded: bool) -> Self {
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
            folded,
            norm: None,
            param_sizes,
            buffer_sizes,
            param_shapes,
            memory: masked::Memory::default(),
            recent: linearised::Recent::default(),
        }
    }

    /// The same, normalising in training over more images than it is given.
    pub(crate) fn normalised_by(self, norm: Arc<dyn JointNorm>) -> Self {
        Self {
            norm: Some(norm),
            ..self
        }
    }
}

impl Network<Tensor> for PlannedNetwork {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    /// # Panics
    /// When a length or shape does not fit the layout, or libtorch refuses an operation (no memory).
    fn forward(&self, theta: &Tensor, buffers: &Tensor, images: &Tensor, mode: Mode) -> Tensor {
        // Not of what training evaluates: its records stay what libtorch makes of them.
        if self.folded
            && self.precision == Precision::F32
            && let Some(logits) = MaskedNetwork::<Lanes>::logits_at(self, theta, buffers, images, mode)
        {
            return logits;
        }
        let full = theta.split_with_sizes(&self.param_sizes[..], 0);
        let rounded = self.precision == Precision::Bf16 && theta.device() == Device::Cpu && !has_bf16();
        let low = |x: &Tensor| match self.precision {
            Precision::F32 => x.shallow_clone(),
            Precision::Bf16 if rounded => through_bf16(x),
            Precision::Bf16 => x.to_kind(Kind::BFloat16),
        };
        let images = low(images);
        let low = match self.precision {
            Precision::F32 => None,
            Precision::Bf16 => Some(low(theta).split_with_sizes(&self.param_sizes[..], 0)),
        };
        let mut pass = Pass {
            network: self,
            weights: low.as_ref().unwrap_or(&full),
            full: &full,
            running: buffers.split_with_sizes(&self.buffer_sizes[..], 0),
            mode,
            rounded,
        };
        self.plan.forward(&mut pass, channels_last(&images))
    }

    /// On a CPU, from an f32 `θ`: by our own convolutions where these take little enough ([`ConvolutionWork::most`]), else by libtorch's with our own
    /// passes between them. None elsewhere, with a [`JointNorm`], and in bfloat16 without units for it where our convolutions take too much.
    fn differentiate<'a>(
        &'a self,
        theta: &Tensor,
        kept: &Tensor,
        buffers: &Tensor,
        images: &Tensor,
    ) -> Option<Box<dyn Differentiated<Tensor> + 'a>> {
        if let Some(kept) = self.masked(theta, kept, buffers, images) {
            return Some(match self.precision {
                Precision::F32 => Box::new(MaskedNetwork::<Lanes>::new(self, theta, &kept, buffers, images)),
                Precision::Bf16 => Box::new(MaskedNetwork::<HalfLanes>::new(
                    self, theta, &kept, buffers, images,
                )),
            });
        }
        rows::differentiate(self, theta, buffers, images)
    }

    /// Of a folded network in full precision; None of any other. By libtorch: the masks of nodes rest on it.
    fn linearise<'a>(
        &'a self,
        theta: &Tensor,
        buffers: &Tensor,
        images: &Tensor,
    ) -> Option<Box<dyn Linearised<Tensor> + 'a>> {
        linearised::linearise(self, theta, buffers, images)
    }

    /// The same, by our own convolutions where these are faster.
    fn linearise_kept<'a>(
        &'a self,
        theta: &Tensor,
        kept: &Tensor,
        buffers: &Tensor,
        images: &Tensor,
    ) -> Option<Box<dyn Linearised<Tensor> + 'a>> {
        linearised::linearise_kept(self, theta, kept, buffers, images)
    }
}

/// The same values with the channel the fastest dimension in memory, which oneDNN and cuDNN prefer.
fn channels_last(images: &Tensor) -> Tensor {
    images.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
}

/// One forward pass: the views of the two vectors, and where to find what.
struct Pass<'a> {
    network: &'a PlannedNetwork,
    /// Convolution and linear weights, in the precision of the pass.
    weights: &'a [Tensor],
    /// The f32 views: `γ`, `β`, biases.
    full: &'a [Tensor],
    running: Vec<Tensor>,
    mode: Mode,
    /// Whether f32 numbers stand for bfloat16 ones.
    rounded: bool,
}

impl Pass<'_> {
    /// A parameter in its shape, of `all` parameters.
    fn shaped(&self, all: &[Tensor], param: usize) -> Tensor {
        all[param].view(&self.network.param_shapes[param][..])
    }

    /// What a layer leaves, as the next finds it.
    fn stored(&self, x: Tensor) -> Tensor {
        if self.rounded { through_bf16(&x) } else { x }
    }
}

impl Forward for Pass<'_> {
    type Images = Tensor;

    fn conv_norm(&mut self, conv: &ConvNorm, x: &Tensor) -> Tensor {
        if self.network.folded && self.mode == Mode::Eval {
            let kind = x.kind();
            let folding = Folding::new(conv, self.full, &self.running);
            let weight = folding.weight(&self.shaped(self.full, conv.weight));
            let [weight, bias] = [weight, folding.bias].map(|x| self.stored(x.to_kind(kind)));
            return self.stored(conv2d(x, &weight, Some(&bias), conv.stride, conv.padding));
        }
        let (batch_statistics, momentum) = match self.mode {
            Mode::Train => (true, BATCH_NORM_MOMENTUM),
            Mode::Calibrate => (true, 1.0),
            Mode::Eval => (false, 0.0),
        };
        let weight = self.shaped(self.weights, conv.weight);
        let bias = conv.bias().map(|bias| &self.weights[bias]);
        let y = self.stored(conv2d(x, &weight, bias, conv.stride, conv.padding));
        if let (Some(norm), true) = (&self.network.norm, batch_statistics) {
            let (params, running) = (&self.full[conv.scale()..], &self.running[conv.buffer..]);
            return norm.batch_norm(
                &y,
                &params[0],
                &params[1],
                &running[0],
                &running[1],
                momentum,
                BATCH_NORM_EPS,
            );
        }
        y.batch_norm(
            Some(&self.full[conv.scale()]),
            Some(&self.full[conv.scale() + 1]),
            Some(&self.running[conv.buffer]),
            Some(&self.running[conv.buffer + 1]),
            batch_statistics,
            momentum,
            BATCH_NORM_EPS,
            true,
        )
    }

    fn relu(&mut self, _: &ConvNorm, x: Tensor) -> Tensor {
        self.stored(x).relu_()
    }

    fn max_pool(&mut self, pool: &MaxPool, x: &Tensor) -> Tensor {
        let [kernel, stride, padding] = pool.sides();
        x.max_pool2d(kernel, stride, padding, [1, 1], false)
    }

    fn add(&mut self, y: Tensor, x: &Tensor) -> Tensor {
        add(y, x)
    }

    fn add_subsampled(&mut self, y: Tensor, x: &Tensor) -> Tensor {
        add_subsampled(y, x)
    }

    fn classify(&mut self, features: &Tensor) -> Tensor {
        let classifier = self.network.plan.classifier;
        let pooled = self.stored(mean_of_pixels(features));
        let weight = self.shaped(self.weights, classifier);
        let bias = self.stored(self.full[classifier + 1].to_kind(pooled.kind()));
        // The kind of θ: f32, or f64.
        self.stored(pooled.linear(&weight, Some(&bias)))
            .to_kind(self.full[classifier].kind())
    }
}

/// A BatchNorm that is multiplied into its convolution.
struct Folding {
    /// `b − μ`.
    offset: Tensor,
    /// `1/σ = 1/√(σ² + ε)`.
    inverse: Tensor,
    /// `γ/σ`.
    factor: Tensor,
    /// `β + (b − μ)·γ/σ`.
    bias: Tensor,
}

impl Folding {
    /// Of views of `θ` and of the running statistics.
    fn new(conv: &ConvNorm, params: &[Tensor], running: &[Tensor]) -> Self {
        let (mean, variance) = (&running[conv.buffer], &running[conv.buffer + 1]);
        let (scale, shift) = (&params[conv.scale()], &params[conv.scale() + 1]);
        let offset = match conv.bias() {
            None => -mean,
            Some(bias) => &params[bias] - mean,
        };
        let inverse = (variance + BATCH_NORM_EPS).rsqrt();
        let factor = scale * &inverse;
        Self {
            bias: shift + &offset * &factor,
            offset,
            inverse,
            factor,
        }
    }

    /// `w·γ/σ`, of `w` in its shape.
    fn weight(&self, weight: &Tensor) -> Tensor {
        weight * self.factor.view([-1, 1, 1, 1])
    }
}

/// A tensor's numbers, in order.
fn numbers(x: &Tensor) -> Vec<f32> {
    let flat = x.detach().contiguous().view(-1);
    Vec::try_from(&flat).expect("an f32 tensor of one dimension")
}
