//! The weights of a network's convolutions for images of one size, and what multiplying by them takes.

use super::Threads;
use crate::plan::Plan;
use crate::planned::{PlannedNetwork, most_work};
use sculpt_layout::Layout;
use sculpt_sparse::{Convolution, LANES, Planes, Storage, Way, Weight};
use std::ops::Range;
use std::sync::Arc;

/// Images of a batch below which threads would have nothing to share.
pub(super) const FEWEST_IMAGES: i64 = 2 * LANES as i64;

/// What a network's convolutions take of a mask's weights ([`Convolution::fastest`]), forward as for gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvolutionWork {
    /// Multiplications by kept weights among all, 0 to 1.
    pub share_kept: f64,
    /// How long they take, 1 being what multiplying by all weights one by one would, were kernels 3 × 3. libtorch's take [`most_work`].
    pub work: f64,
    /// Convolutions.
    pub n_layers: usize,
    /// Those that multiply by all weights one by one, of four channels at once.
    pub n_in_fours: usize,
    /// Those that multiply by all weights at once.
    pub n_by_winograd: usize,
}

/// A convolution, what it reads, and where its weight stands among the parameters.
struct Placed {
    convolution: Convolution,
    input: Planes,
    range: Range<usize>,
}

impl PlannedNetwork {
    /// Whether a batch `[n, c, h, w]` is so large, and the convolutions take so little, that libtorch is slower.
    pub(super) fn is_worth_it(&self, kept: &[f32], size: &[i64]) -> bool {
        let size_of_images = [size[2], size[3]].map(|n| n as u32);
        let work = || convolution_work(&self.layout, &self.plan, kept, size_of_images);
        size[0] >= FEWEST_IMAGES && work().is_some_and(|work| work.work <= most_work(self.precision))
    }

    /// All weights, by [`crate::plan::ConvNorm::number`].
    ///
    /// # Panics
    /// When nothing is left of such images on the way.
    pub(super) fn weights(
        &self,
        threads: &Threads,
        theta: &[f32],
        kept: &[f32],
        planes: Planes,
        storage: Storage,
    ) -> Vec<Arc<Weight>> {
        let size = [planes.height, planes.width].map(|n| n as u32);
        let convolutions = convolutions(&self.layout, &self.plan, size);
        let convolutions = convolutions.expect("the image is large enough");
        let mut made: Vec<Option<Arc<Weight>>> = vec![None; convolutions.len()];
        threads.each(&mut made, |number, made| {
            let Placed {
                convolution,
                input,
                ref range,
            } = convolutions[number];
            let (values, kept) = (&theta[range.clone()], &kept[range.clone()]);
            *made = Some(Arc::new(Weight::new(convolution, input, values, kept, storage)));
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
) -> Option<ConvolutionWork> {
    let (mut of_all, mut of_kept, mut taken) = (0.0, 0.0, 0.0);
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
        let (way, work) = convolution.fastest(input, share);
        taken += all * work;
        n_layers += 1;
        n_in_fours += usize::from(way == Way::InFours);
        n_by_winograd += usize::from(way == Way::Winograd);
    }
    Some(ConvolutionWork {
        share_kept: of_kept / of_all,
        work: taken / of_all,
        n_layers,
        n_in_fours,
        n_by_winograd,
    })
}

fn convolutions(layout: &Layout, plan: &Plan, [height, width]: [u32; 2]) -> Option<Vec<Placed>> {
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
