use crate::ModelError;
use sculpt_layout::{Layout, ParamKind};
use sculpt_random::{Purpose, Seed, Stream};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Initial parameters; index: place of the tensor in the layout.
const INIT: Purpose = Purpose::new(b"init----");

/// How initial weights are drawn. A normalisation starts at γ = 1, β = 0, running mean 0 and variance 1 under every
/// rule; a bias from PyTorch's default U(−1/√fan_in, 1/√fan_in).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitRule {
    /// N(0, 2 / fan_in) for convolutions and linear layers: "Kaiming Normal" (Table 1) as open_lth reads it.
    KaimingNormalFanIn,
    /// N(0, 2 / fan_out) for convolutions, PyTorch's default for linear layers: torchvision's ResNet.
    KaimingNormalFanOut,
    /// U(−1/√fan_in, 1/√fan_in) for both: PyTorch's default, what the authors' masked layers really start
    /// from (reference §1.6).
    TorchDefault,
}

/// Draws `θ` and the fresh buffers. Each tensor has a stream of its own, so that equal layers at equal places
/// start equal whatever stands before them. Tensors of other kinds start at 0: only who made the network knows better, and
/// [`ModelSpec::initialise`](crate::ModelSpec::initialise) asks.
pub fn initialise(layout: &Layout, rule: InitRule, seed: Seed) -> (Vec<f32>, Vec<f32>) {
    draw(layout, rule, seed, |_| Law::Constant(0.0))
}

/// As [`initialise`], where `other` gives the law of a tensor of another kind, by its place in the layout.
pub(crate) fn draw(
    layout: &Layout,
    rule: InitRule,
    seed: Seed,
    other: impl Fn(usize) -> Law,
) -> (Vec<f32>, Vec<f32>) {
    let mut theta = vec![0.0; layout.n_params()];
    let mut fan_in = 1;
    for (place, param) in layout.params().iter().enumerate() {
        let mut stream = Stream::new(seed, INIT, place as u64);
        let slice = &mut theta[param.range()];
        let law = match (param.kind(), rule) {
            (ParamKind::Conv, InitRule::KaimingNormalFanIn | InitRule::KaimingNormalFanOut)
            | (ParamKind::Linear, InitRule::KaimingNormalFanIn) => {
                let fan = match rule {
                    InitRule::KaimingNormalFanOut => param.fan_out(),
                    InitRule::KaimingNormalFanIn | InitRule::TorchDefault => param.fan_in(),
                };
                Law::Normal(square_root(2.0 / fan as f64))
            }
            (ParamKind::Conv, InitRule::TorchDefault)
            | (ParamKind::Linear, InitRule::KaimingNormalFanOut | InitRule::TorchDefault) => {
                Law::Uniform(1.0 / square_root(param.fan_in() as f64))
            }
            (ParamKind::Bias, _) => Law::Uniform(1.0 / square_root(fan_in as f64)),
            (ParamKind::NormScale, _) => Law::Constant(1.0),
            (ParamKind::NormShift, _) => Law::Constant(0.0),
            (ParamKind::Other, _) => other(place),
        };
        // A bias follows its own weight in every layout.
        if matches!(param.kind(), ParamKind::Conv | ParamKind::Linear) {
            fan_in = param.fan_in();
        }
        for value in slice {
            *value = law.draw(&mut stream);
        }
    }
    (theta, layout.fresh_buffers())
}

/// How a tensor's values are drawn.
pub(crate) enum Law {
    /// Of mean 0 and this deviation.
    Normal(f64),
    /// From minus this to this.
    Uniform(f64),
    /// Of this mean and deviation.
    Around(f64, f64),
    /// All equal.
    Constant(f32),
}

impl Law {
    fn draw(&self, stream: &mut Stream) -> f32 {
        match *self {
            Law::Normal(deviation) => (deviation * stream.normal()) as f32,
            Law::Uniform(bound) => (bound * (2.0 * stream.uniform() - 1.0)) as f32,
            Law::Around(mean, deviation) => (mean + deviation * stream.normal()) as f32,
            Law::Constant(value) => value,
        }
    }
}

/// IEEE 754 requires the square root to be rounded correctly, so std's is equal on every machine.
fn square_root(x: f64) -> f64 {
    x.sqrt()
}

impl FromStr for InitRule {
    type Err = ModelError;

    fn from_str(word: &str) -> Result<Self, ModelError> {
        match word {
            "kaiming-normal-fan-in" => Ok(InitRule::KaimingNormalFanIn),
            "kaiming-normal-fan-out" => Ok(InitRule::KaimingNormalFanOut),
            "torch-default" => Ok(InitRule::TorchDefault),
            other => Err(ModelError::UnknownWord {
                what: "init rule",
                value: other.to_owned(),
                allowed: "kaiming-normal-fan-in, kaiming-normal-fan-out, torch-default",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModelSpec;

    fn deviation(values: &[f32]) -> f64 {
        (values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
    }

    /// layer3.2.conv2 of ResNet-20: 64·64·3·3 = 36,864 values, fan_in = fan_out = 576, so σ = √(2/576) = 0.0589
    /// (standard error 0.0002); the default U(±1/24) has σ = 1/(24·√3) = 0.02406. conv1 (16·3·3·3):
    /// fan_out = 144, σ = 0.118.
    #[test]
    fn deviations_follow_the_rules() {
        let layout = ModelSpec::named("resnet20", 10, None, None).unwrap().layout();
        let conv = layout.param("layer3.2.conv2.weight").unwrap().range();
        let (kaiming, buffers) = initialise(&layout, InitRule::KaimingNormalFanIn, Seed(1));
        assert!((deviation(&kaiming[conv.clone()]) - 0.0589).abs() < 0.001);
        let (default, _) = initialise(&layout, InitRule::TorchDefault, Seed(1));
        assert!((deviation(&default[conv]) - 0.02406).abs() < 0.0005);
        assert!(default.iter().all(|v| v.is_finite()));
        let (fan_out, _) = initialise(&layout, InitRule::KaimingNormalFanOut, Seed(1));
        let stem = layout.param("conv1.weight").unwrap().range();
        assert!((deviation(&fan_out[stem]) - 0.118).abs() < 0.02);
        let scale = layout.param("bn1.weight").unwrap().range();
        assert!(kaiming[scale].iter().all(|&v| v == 1.0));
        assert_eq!((buffers[0], buffers[16]), (0.0, 1.0));
        // fc.bias: fan_in 64, so within ±1/8.
        let bias = layout.param("fc.bias").unwrap().range();
        assert!(kaiming[bias].iter().all(|v| v.abs() <= 0.125));
    }

    const FROZEN_SUM: u64 = 41_411_131_285_364;

    /// Frozen: initial parameters are equal on every machine and for ever.
    #[test]
    fn initial_values_are_frozen() {
        let layout = ModelSpec::named("resnet8", 10, Some(8), None).unwrap().layout();
        let (theta, _) = initialise(&layout, InitRule::KaimingNormalFanIn, Seed(1));
        assert_eq!(
            (theta[0].to_bits(), theta[theta.len() - 1].to_bits()),
            (1_056_765_572, 3_127_857_159)
        );
        let sum: u64 = theta.iter().map(|v| u64::from(v.to_bits())).sum();
        assert_eq!(sum, FROZEN_SUM);
    }
}
