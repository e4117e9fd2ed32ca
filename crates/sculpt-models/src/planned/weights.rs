//! The weights of a network's convolutions for images of one size, and what multiplying by them takes.

use super::threads::Threads;
use super::{Bf16Units, PlannedNetwork};
use crate::Precision;
use crate::plan::Plan;
use sculpt_layout::Layout;
use sculpt_sparse::{Convolution, LANES, Pixel, Planes, Way, Weight, is_fast_here};
use std::ops::Range;
use std::sync::Arc;

/// Images of a batch below which threads would have nothing to share.
const FEWEST_IMAGES: usize = 2 * LANES;

/// What a network's convolutions take of a mask's weights ([`Convolution::fastest`]), forward as for gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvolutionWork {
    /// In which numbers: larger tiles of Winograd's algorithm are for bfloat16 alone.
    pub precision: Precision,
    /// Multiplications by kept weights among all, 0 to 1.
    pub share_kept: f64,
    /// How long they take, 1 being what multiplying by all weights one by one would, were kernels 3 × 3. libtorch's take [`ConvolutionWork::most`].
    pub work: f64,
    /// Multiplications of all weights were channels filled up to sixteens, over those of all weights: at least 1. libtorch's kernels fill up vectors
    /// so; at few channels they take its root longer.
    pub filled_up: f64,
    /// Sixteen over the channels that a convolution reads or makes, the fewer, at most 1: the mean over multiplications. What libtorch's kernels for bfloat16
    /// read and write for each multiplication.
    pub narrowness: f64,
    /// Convolutions.
    pub n_layers: usize,
    /// Those that multiply by all weights one by one, of four channels at once.
    pub n_in_fours: usize,
    /// Those that multiply by all weights at once.
    pub n_by_winograd: usize,
}

impl ConvolutionWork {
    /// What `work` may be in training, and in derivatives of a network in evaluation: above it libtorch's convolutions are faster. 0.6 of f32 numbers, rounded ones
    /// among them, and up to twice as much at few channels: dense networks of width 8 were trained 1.1 to 1.8 × as fast by ours with AVX2, of width 2, 6 and 10 6.4, 3.1 and 1.9 × with AVX-512.
    /// Products with a Hessian of dense networks were 1.1 to 1.8 × as fast by ours (AVX2, and AVX-512 on Zen 5: ResNet-20 of width 8 to 24, ResNet-18/CIFAR, VGG-16).
    ///
    /// Of bfloat16 by what the processor has for it ([`Bf16Units`]). With AMX 0.15: libtorch made 1,200 to 1,500 images of ResNet-20 a second, kept weights
    /// with AVX-512 1,200 at 15 % (two machines, when these were f32 in memory). With units of full rate 0.16 and 0.38 times [`ConvolutionWork::narrowness`]: there (Zen 5) ours were 1.2, 1.15 and
    /// 1 × as fast on a dense ResNet-20 of width 16, 32 and 64 (work 0.32, 0.25, 0.22), 0.78 × on ResNet-18/CIFAR (0.27), 0.48 × on VGG-16 (0.28), and at a density of
    /// 0.1 1.6, 1.55, 1.54, 1.28 and 1.12 × (0.22, 0.17, 0.14, 0.16, 0.15). That times [`ConvolutionWork::filled_up`], at most what it is of f32: ours were 1.2 × as fast on dense ones of width 20 and
    /// 24, 1.4 × of 12, 1.5 to 8 × of 10 to 2 (work 0.42, 0.35, 0.44, 0.5 to 0.7), at 28 as fast (0.42).
    ///
    /// Numbers of a table, not measurements on the way: how a node is trained must not depend on how busy the machine is.
    pub fn most(&self) -> f64 {
        self.most_on(Bf16Units::of_this_processor())
    }

    /// [`ConvolutionWork::most`] on a processor that has these.
    pub(crate) fn most_on(&self, units: Bf16Units) -> f64 {
        let of_f32 = 0.6 * self.filled_up.sqrt().min(2.0);
        match (self.precision, units) {
            (Precision::Bf16, Bf16Units::Tiles) => 0.15,
            (Precision::Bf16, Bf16Units::FullRate) => {
                ((0.16 + 0.38 * self.narrowness) * self.filled_up).min(of_f32)
            }
            (Precision::Bf16, Bf16Units::HalfRate | Bf16Units::None) | (Precision::F32, _) => of_f32,
        }
    }

    /// Whether training on a CPU, of an f32 `θ` and so many images, has the convolutions computed by our own kernels; not with a
    /// [`crate::JointNorm`].
    pub fn is_ours(&self, n_images: usize) -> bool {
        is_fast_here() && n_images >= FEWEST_IMAGES && self.work <= self.most()
    }
}

/// A convolution, what it reads, and where its weight stands among the parameters.
pub(super) struct Placed {
    pub(super) convolution: Convolution,
    pub(super) input: Planes,
    pub(super) range: Range<usize>,
}

impl PlannedNetwork {
    /// Whether a batch `[n, c, h, w]` is so large, and the convolutions take so little, that libtorch is slower.
    pub(super) fn is_worth_it(&self, kept: &[f32], size: &[i64]) -> bool {
        self.takes_little(kept, size, |work| work.is_ours(size[0] as usize))
    }

    /// The same of derivatives in evaluation, by so many threads, which libtorch keeps busy, and ours with a block each.
    pub(super) fn derivatives_are_worth_it(&self, kept: &[f32], size: &[i64], n_threads: usize) -> bool {
        let n_blocks = (size[0] as usize).div_ceil(LANES);
        let busy = n_blocks.min(n_threads) as f64 / n_threads as f64;
        self.takes_little(kept, size, |work| work.work <= work.most() * busy)
    }

    fn takes_little(
        &self,
        kept: &[f32],
        size: &[i64],
        is_little: impl FnOnce(ConvolutionWork) -> bool,
    ) -> bool {
        let size_of_images = [size[2], size[3]].map(|n| n as u32);
        let work = || convolution_work(&self.layout, &self.plan, kept, size_of_images, self.precision);
        size[0] as usize >= FEWEST_IMAGES && work().is_some_and(is_little)
    }

    /// All weights, by [`crate::plan::ConvNorm::number`].
    ///
    /// # Panics
    /// When nothing is left of such images on the way.
    pub(super) fn weights<P: Pixel>(
        &self,
        threads: &Threads,
        theta: &[f32],
        kept: &[f32],
        planes: Planes,
    ) -> Vec<Arc<Weight<P>>> {
        let size = [planes.height, planes.width].map(|n| n as u32);
        let convolutions = convolutions(&self.layout, &self.plan, size);
        let convolutions = convolutions.expect("the image is large enough");
        let mut made: Vec<Option<Arc<Weight<P>>>> = vec![None; convolutions.len()];
        threads.each(&mut made, |number, made| {
            let Placed {
                convolution,
                input,
                ref range,
            } = convolutions[number];
            let (values, kept) = (&theta[range.clone()], &kept[range.clone()]);
            *made = Some(Arc::new(Weight::new(convolution, input, values, kept)));
        });
        made.into_iter().flatten().collect()
    }
}

/// Of images of `height` × `width` pixels. None: nothing is left of such images on the way.
pub(crate) fn convolution_work(
    layout: &Layout,
    plan: &Plan,
    kept: &[f32],
    [height, width]: [u32; 2],
    precision: Precision,
) -> Option<ConvolutionWork> {
    let (mut of_all, mut of_kept, mut taken, mut filled_up, mut narrowness) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let (mut n_layers, mut n_in_fours, mut n_by_winograd) = (0, 0, 0);
    for placed in convolutions(layout, plan, [height, width])? {
        let Placed {
            convolution,
            input,
            range,
        } = placed;
        let of_layer = &kept[range];
        let n_kept = of_layer.iter().filter(|&&kept| kept != 0.0).count();
        let share = n_kept as f64 / of_layer.len() as f64;
        let output = convolution.output(input)?;
        let all = output.area() as f64 * of_layer.len() as f64;
        of_all += all;
        of_kept += all * share;
        let (way, work) = convolution.fastest(input, share, precision.storage());
        taken += all * work;
        filled_up += all * filled(convolution.n_out) * filled(input.channels);
        narrowness += all * (16.0 / convolution.n_out.min(input.channels) as f64).min(1.0);
        n_layers += 1;
        n_in_fours += usize::from(way == Way::InFours);
        n_by_winograd += usize::from(matches!(way, Way::Winograd(_)));
    }
    Some(ConvolutionWork {
        precision,
        share_kept: of_kept / of_all,
        work: taken / of_all,
        filled_up: filled_up / of_all,
        narrowness: narrowness / of_all,
        n_layers,
        n_in_fours,
        n_by_winograd,
    })
}

/// Channels with those that fill them up to sixteens, over them. Images, of three, have kernels of their own.
fn filled(channels: usize) -> f64 {
    if channels < 4 {
        return 1.0;
    }
    channels.next_multiple_of(16) as f64 / channels as f64
}

/// By [`crate::plan::ConvNorm::number`]. None: nothing is left of such images on the way.
pub(super) fn convolutions(layout: &Layout, plan: &Plan, [height, width]: [u32; 2]) -> Option<Vec<Placed>> {
    let sizes = plan.sizes(height, width)?;
    let all = plan.convs().zip(sizes).map(|(conv, sizes)| {
        let param = &layout.params()[conv.weight];
        let [height, width] = sizes.input.map(|n| n as usize);
        Placed {
            convolution: Convolution {
                n_out: param.shape()[0],
                kernel: conv.kernel as usize,
                stride: conv.stride as usize,
                padding: conv.padding as usize,
            },
            input: Planes {
                channels: param.shape()[1],
                height,
                width,
            },
            range: param.range(),
        }
    });
    Some(all.collect())
}
