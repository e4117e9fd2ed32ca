//! BatchNorm by the statistics of a batch, channel by channel: what passes over images are told, and what is made of what they find.

use super::{BATCH_NORM_EPS, BATCH_NORM_MOMENTUM};
use crate::plan::ConvNorm;
use sculpt_layout::Layout;
use sculpt_network::Mode;
use sculpt_sparse::{Affine, Moments, Slope, Sums};

/// `1/√(σ² + ε)`.
fn inverse_deviation(moments: &Moments) -> f64 {
    1.0 / (moments.squares / moments.n + BATCH_NORM_EPS).sqrt()
}

/// BatchNorm by the batch's own statistics, which those in `running` are told. `param` gives the values of a parameter: scales, shifts, biases.
pub(super) fn norm_of_batch<'a>(
    layout: &Layout,
    param: impl Fn(usize) -> &'a [f32],
    conv: &ConvNorm,
    moments: &[Moments],
    mode: Mode,
    running: &mut [f32],
) -> Vec<Affine> {
    let momentum = match mode {
        Mode::Train | Mode::Eval => BATCH_NORM_MOMENTUM,
        Mode::Calibrate => 1.0,
    };
    let (scales, shifts) = (param(conv.scale()), param(conv.scale() + 1));
    // A bias in front of BatchNorm changes nothing but the mean.
    let bias = conv.bias().map(&param);
    let [mean_range, variance_range] = [0, 1].map(|i| layout.buffers()[conv.buffer + i].range());
    for (channel, moments) in moments.iter().enumerate() {
        let bias = bias.map_or(0.0, |bias| f64::from(bias[channel]));
        let mut towards = |place: usize, value: f64| {
            let before = f64::from(running[place]);
            running[place] = (before + momentum * (value - before)) as f32;
        };
        towards(mean_range.start + channel, moments.mean + bias);
        towards(
            variance_range.start + channel,
            moments.squares / (moments.n - 1.0),
        );
    }
    let affine = moments.iter().zip(scales.iter().zip(shifts));
    affine
        .map(|(moments, (scale, shift))| {
            let scale = f64::from(*scale) * inverse_deviation(moments);
            Affine {
                scale: scale as f32,
                shift: (f64::from(*shift) - moments.mean * scale) as f32,
            }
        })
        .collect()
}

/// What is needed to find the gradient before a BatchNorm: of the sums of that behind it.
pub(super) fn slopes(moments: &[Moments], sums: &[Sums], affine: &[Affine]) -> Vec<Slope> {
    let channels = moments.iter().zip(sums).zip(affine);
    channels
        .map(|((moments, sums), affine)| {
            let variance = inverse_deviation(moments).powi(2);
            Slope {
                scale: affine.scale,
                mean: moments.mean as f32,
                mean_g: (sums.g / moments.n) as f32,
                slope: (sums.products / moments.n * variance) as f32,
            }
        })
        .collect()
}

/// The gradients at a BatchNorm's scales and shifts. A bias in front of it has none.
pub(super) fn gradients(moments: &[Moments], sums: &[Sums]) -> [Vec<f32>; 2] {
    let channels = moments.iter().zip(sums);
    let at_scales = channels.map(|(moments, sums)| (sums.products * inverse_deviation(moments)) as f32);
    [
        at_scales.collect(),
        sums.iter().map(|sums| sums.g as f32).collect(),
    ]
}
