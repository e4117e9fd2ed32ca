use crate::criterion::is_default;
use crate::point::first;
use crate::select::select;
use crate::{BatchNorm, Choice, Images, Point, ScoreError, Scorer};
use sculpt_masks::{Density, Mask, MaskError};
use sculpt_network::Mode;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use tch::{Device, Kind, Tensor, with_grad};

/// What is [`synflow`]'s own: how it comes to the density, and in which network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SynFlow {
    /// `n`, how often it scores and prunes; 100 (Tanaka et al. 2020, §6).
    pub iterations: NonZeroU32,
    /// The densities on the way.
    #[serde(default, skip_serializing_if = "is_default")]
    pub schedule: DensitySchedule,
    /// By fresh statistics, or by those of the image of ones, which centres activations, so that the flow is no longer positive
    /// and whole layers may be lost.
    #[serde(default, skip_serializing_if = "is_default")]
    pub batch_norm: BatchNorm,
}

/// The densities between the first, `d₀`, and the last, `d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DensitySchedule {
    /// `d₀ · (d / d₀)^(t/n)` after iteration `t` of `n`; from the full network, `d^(t/n)`.
    #[default]
    Exponential,
    /// `d₀ − (d₀ − d) · t/n`.
    Linear,
}

impl SynFlow {
    /// What the authors' public harness (TurboPrune) does, to reproduce it: one pass straight to the density, BatchNorm in
    /// training mode. Its bfloat16 is not reproduced.
    pub const TURBO_PRUNE: SynFlow = SynFlow {
        iterations: NonZeroU32::MIN,
        batch_norm: BatchNorm::Train,
        ..SynFlow::USUAL
    };
}

/// A hundred times as many rounds as its authors have would take longer than most training.
const MAX_ITERATIONS: u32 = 100_000;

impl Scorer for SynFlow {
    const HELP: &'static str =
        "Conserved flow of a network of positive weights, pruned little by little; without data";

    /// Tanaka et al. 2020, algorithm 1.
    const USUAL: Self = Self {
        iterations: NonZeroU32::new(100).expect("100 is not 0"),
        schedule: DensitySchedule::Exponential,
        batch_norm: BatchNorm::Eval,
    };

    const NEEDS_PROBE: bool = false;

    fn check(&self) -> Result<(), ScoreError> {
        match self.iterations.get() {
            1..=MAX_ITERATIONS => Ok(()),
            value => Err(ScoreError::Iterations {
                value,
                max: MAX_ITERATIONS,
            }),
        }
    }

    fn choose(&self, point: &Point<'_>, images: Images<'_>, density: Density) -> Result<Choice, ScoreError> {
        let mask = synflow(point, images.size()?, density, *self)?;
        Ok(Choice { mask, ties: None })
    }
}

/// SynFlow: the mask of the largest `|θ ⊙ ∂R/∂θ|` at `|θ|`, where `R` is the sum of the logits of one image of
/// ones, scored anew after each step of the schedule.
///
/// Signs are dropped from all of `θ`: `γ`, `β` and biases too. The point's buffers are not read: BatchNorm
/// starts from mean 0 and variance 1. Everything is f64, so the network must compute in the kind of the `θ`
/// that it is handed. `image_size` is channels, height, width.
///
/// After iteration `t` of `n` exactly `round(d_t·N)` of all `N` prunable weights survive. `d₀` is the density
/// of the point's mask, 1 without one. A layer may end empty: [`Mask::layers`] shows it.
///
/// # Errors
/// No survivors, or more than there are candidates; a score that is not finite.
pub fn synflow(
    point: &Point<'_>,
    image_size: [i64; 3],
    density: Density,
    params: SynFlow,
) -> Result<Mask, ScoreError> {
    if image_size.iter().any(|&n| n < 1) {
        return Err(ScoreError::ImageSize { size: image_size });
    }
    let n = point.layout().n_prunable();
    let start = point.mask().map_or(n, Mask::n_kept);
    let n_kept = density.n_kept(n)?;
    if n_kept > start {
        return Err(MaskError::TooFewCandidates {
            n_kept,
            available: start,
        }
        .into());
    }
    let mut flow = Flow::new(point, image_size);
    let (iterations, mode) = (params.iterations, params.batch_norm.into());
    for t in 1..iterations.get() {
        let on_the_way = params.schedule.n_kept(n, start, density, t, iterations);
        flow.prune(on_the_way.clamp(n_kept, start), mode)?;
    }
    flow.prune(n_kept, mode)?;
    Ok(flow.mask())
}

impl DensitySchedule {
    /// Survivors of `n` weights, `start` of them left before, after iteration `t` of `iterations`.
    fn n_kept(self, n: usize, start: usize, density: Density, t: u32, iterations: NonZeroU32) -> usize {
        let (first, last) = (start as f64 / n as f64, density.get());
        let progress = f64::from(t) / f64::from(iterations.get());
        let density = match self {
            DensitySchedule::Exponential => first * (last / first).powf(progress),
            DensitySchedule::Linear => first - (first - last) * progress,
        };
        (density * n as f64).round() as usize
    }
}

/// A network of positive weights on its way to a density.
struct Flow<'a> {
    point: &'a Point<'a>,
    /// `|θ|` in f64; what is pruned is 0.
    theta: Tensor,
    /// Flags over θ of what is not pruned: unprunable parameters are always among it.
    alive: Tensor,
    /// Places in θ of the unprunable parameters.
    unprunable: Tensor,
    n_unprunable: usize,
    /// Fresh ones, in f64.
    buffers: Tensor,
    ones: Tensor,
}

impl<'a> Flow<'a> {
    fn new(point: &'a Point<'a>, [channels, height, width]: [i64; 3]) -> Self {
        let device = point.theta().device();
        let mut alive = vec![true; point.layout().n_params()];
        let mut unprunable: Vec<i64> = Vec::new();
        for param in point.layout().params() {
            match (param.prunable_range(), point.mask()) {
                (Some(prunable), Some(mask)) => alive[param.range()].copy_from_slice(mask.slice(prunable)),
                (Some(_), None) => {}
                (None, _) => unprunable.extend(param.range().map(|place| place as i64)),
            }
        }
        Self {
            point,
            theta: point.theta().abs().to_kind(Kind::Double),
            alive: Tensor::from_slice(&alive).to_device(device),
            unprunable: Tensor::from_slice(&unprunable).to_device(device),
            n_unprunable: unprunable.len(),
            buffers: Tensor::from_slice(&point.layout().fresh_buffers())
                .to_kind(Kind::Double)
                .to_device(device),
            ones: Tensor::ones([1, channels, height, width], (Kind::Double, device)),
        }
    }

    /// Scores the survivors, and keeps `n_kept` of the prunable ones.
    fn prune(&mut self, n_kept: usize, mode: Mode) -> Result<(), ScoreError> {
        let scores = self.score(mode)?;
        let kept = select(&scores, n_kept + self.n_unprunable, &self.alive);
        // In one pass, 0 where the score is at most `high`; then the others again.
        let others = self.theta.index_select(0, &kept.others);
        let _ = scores.threshold_backward_grad_input(&self.theta, &self.theta, kept.high);
        let _ = self.theta.index_copy_(0, &kept.others, &others);
        self.alive = kept.flags;
        Ok(())
    }

    /// `|θ ⊙ ∂R/∂θ|`, of unprunable parameters infinite.
    fn score(&self, mode: Mode) -> Result<Tensor, ScoreError> {
        let gradient = with_grad(|| {
            let theta = self.theta.detach().set_requires_grad(true);
            let buffers = self.buffers.copy();
            let flow = self.point.logit_sum(&theta, &buffers, &self.ones, mode)?;
            Ok::<_, ScoreError>(Tensor::run_backward(&[&flow], &[&theta], false, false).swap_remove(0))
        })?;
        // A gradient may be one number, expanded.
        let mut scores = gradient.contiguous().g_mul_(&self.theta);
        let _ = scores.index_fill_(0, &self.unprunable, 0.0);
        // NaN is the least and the greatest of its vector.
        let (least, greatest) = scores.aminmax(None, false);
        let (least, greatest) = (least.double_value(&[]), greatest.double_value(&[]));
        if !(least.is_finite() && greatest.is_finite()) {
            // What is pruned may be 0 · ∞.
            let refused = scores.isfinite().logical_not().logical_and(&self.alive);
            if let Some(place) = first(&refused) {
                let score = scores.double_value(&[place as i64]).abs();
                return Err(self.point.non_finite_score("SynFlow", place, score));
            }
        }
        if least.is_nan() || least < 0.0 {
            let _ = scores.abs_();
        }
        Ok(scores.index_fill_(0, &self.unprunable, f64::INFINITY))
    }

    fn mask(&self) -> Mask {
        let alive = Vec::<bool>::try_from(self.alive.to_device(Device::Cpu)).expect("a vector of flags");
        let of_params = self.point.layout().prunable().map(|param| &alive[param.range()]);
        Mask::from_bools(of_params.collect::<Vec<_>>().concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_layout::{Layout, ParamKind};
    use sculpt_network::{FromFn, Network};

    /// Two paths `a_i b_i v_i` from image to logit, with BatchNorm-like variances `v`; in training, path 1 is a
    /// hundred times as wide.
    fn paths() -> impl Network<Tensor> {
        let layout = Layout::builder()
            .prunable("a.weight", &[2, 1], ParamKind::Linear)
            .prunable("b.weight", &[1, 2], ParamKind::Linear)
            .batch_norm("bn", 2)
            .build()
            .unwrap();
        FromFn::new(layout, |theta: &Tensor, buffers: &Tensor, x: &Tensor, mode| {
            let width = match mode {
                Mode::Eval => [1.0, 1.0],
                Mode::Train | Mode::Calibrate => [1.0, 100.0],
            };
            let path = theta.narrow(0, 0, 2) * theta.narrow(0, 2, 2) * buffers.narrow(0, 2, 2);
            (path * Tensor::from_slice(&width)).sum(None::<Kind>) * x.view([-1, 1])
        })
    }

    fn kept(
        theta: [f32; 4],
        mask: Option<&Mask>,
        density: f64,
        variant: SynFlow,
    ) -> Result<Mask, ScoreError> {
        let network = paths();
        let theta = Tensor::from_slice(&[&theta[..], &[1.0; 4]].concat());
        // Were the buffers read, path 0 would be nothing.
        let buffers = Tensor::from_slice(&[0f32, 0.0, 0.0, 1000.0]);
        let point = Point::new(&network, &theta, &buffers, mask).unwrap();
        synflow(&point, [1, 1, 1], Density::new(density).unwrap(), variant)
    }

    const THREE: SynFlow = SynFlow {
        iterations: NonZeroU32::new(3).unwrap(),
        schedule: DensitySchedule::Linear,
        ..SynFlow::USUAL
    };

    /// a = (3, −1), b = (−2, 4): both weights of path 0 score |3 · −2| = 6, of path 1 4. Half of the weights are
    /// path 0; in training, path 1 of 400.
    #[test]
    fn the_stronger_path_survives() {
        let theta = [3.0, -1.0, -2.0, 4.0];
        let of = |variant| kept(theta, None, 0.5, variant).unwrap();
        assert_eq!(of(SynFlow::USUAL).as_slice(), [true, false, true, false]);
        assert_eq!(of(THREE).as_slice(), [true, false, true, false]);
        assert_eq!(of(SynFlow::TURBO_PRUNE).as_slice(), [false, true, false, true]);
    }

    /// Without b₀, a₀ carries nothing: of the three that are left, path 1 scores.
    #[test]
    fn what_is_pruned_stays() {
        let mask = Mask::from_bools(vec![true, true, false, true]);
        let theta = [3.0, -1.0, 0.0, 4.0];
        for variant in [SynFlow::USUAL, THREE, SynFlow::TURBO_PRUNE] {
            let kept = kept(theta, Some(&mask), 0.5, variant).unwrap();
            assert_eq!(kept.as_slice(), [false, true, false, true]);
        }
        let error = kept(theta, Some(&mask), 1.0, THREE).unwrap_err();
        assert_eq!(
            error.to_string(),
            "4 weights cannot be kept: only 3 are not pruned already"
        );
    }

    /// Path 0 carries nothing and both its weights score 0: the first survives, and not the one that was pruned.
    #[test]
    fn scores_of_0_may_survive() {
        let theta = [0.0, -1.0, 0.0, 4.0];
        let without_a0 = Mask::from_bools(vec![false, true, true, true]);
        for variant in [SynFlow::USUAL, THREE, SynFlow::TURBO_PRUNE] {
            let free = kept(theta, None, 0.75, variant).unwrap();
            assert_eq!(free.as_slice(), [true, true, false, true]);
            assert_eq!(kept(theta, Some(&without_a0), 0.75, variant).unwrap(), without_a0);
        }
    }

    /// `θ₀ θ₁ 1e200 + θ₂` at `(1e200, 0, 1)` without `θ₁`, whose score is 0 · ∞: of the others, `θ₂` scores.
    #[test]
    fn what_is_pruned_may_score_anything() {
        let layout = Layout::builder()
            .prunable("fc.weight", &[3, 1], ParamKind::Linear)
            .build()
            .unwrap();
        let network = FromFn::new(layout, |theta: &Tensor, _: &Tensor, x: &Tensor, _| {
            let [a, b, c] = [0, 1, 2].map(|place| theta.narrow(0, place, 1));
            (a * b * 1e200 + c) * x.view([-1, 1])
        });
        let theta = Tensor::from_slice(&[1e200f64, 0.0, 1.0]);
        let buffers = Tensor::zeros([0], (Kind::Double, Device::Cpu));
        let mask = Mask::from_bools(vec![true, false, true]);
        let point = Point::new(&network, &theta, &buffers, Some(&mask)).unwrap();
        let third = synflow(&point, [1, 1, 1], Density::new(0.34).unwrap(), THREE).unwrap();
        assert_eq!(third.as_slice(), [false, false, true]);
    }

    #[test]
    fn refusals() {
        let error = kept([1e30; 4], None, 0.1, THREE).unwrap_err().to_string();
        assert_eq!(error, "density 0.1 keeps none of 4 prunable weights");
        let network = paths();
        let huge = Tensor::from_slice(&[1e200f64; 8]);
        let buffers = Tensor::from_slice(&[0f64; 4]);
        let point = Point::new(&network, &huge, &buffers, None).unwrap();
        let density = Density::new(0.5).unwrap();
        let error = synflow(&point, [1, 1, 1], density, THREE)
            .unwrap_err()
            .to_string();
        assert_eq!(error, "the SynFlow score of entry 0 of a.weight is inf");
        let error = synflow(&point, [1, 0, 1], density, THREE)
            .unwrap_err()
            .to_string();
        assert_eq!(error, "image size [1, 0, 1] has a dimension below 1");
    }

    #[track_caller]
    fn check(schedule: DensitySchedule, start: usize, density: f64, expected: &[usize]) {
        let density = Density::new(density).unwrap();
        let iterations = NonZeroU32::new(expected.len() as u32).unwrap();
        let counts: Vec<usize> = (1..=iterations.get())
            .map(|t| schedule.n_kept(1000, start, density, t, iterations))
            .collect();
        assert_eq!(counts, expected);
    }

    /// Of 1000. Full to 0.01 in 4: 0.01^(1/4) = 0.3162, 0.1, 0.0316, 0.01. From 0.5 to 0.02 in 2:
    /// 0.5 · √0.04 = 0.1, 0.02. Linear from 1 to 0.2 in 4: 0.8, 0.6, 0.4, 0.2; from 0.5 to 0.2 in 3: 0.4, 0.3,
    /// 0.2.
    #[test]
    fn survivors_by_iteration() {
        check(DensitySchedule::Exponential, 1000, 0.01, &[316, 100, 32, 10]);
        check(DensitySchedule::Exponential, 500, 0.02, &[100, 20]);
        check(DensitySchedule::Linear, 1000, 0.2, &[800, 600, 400, 200]);
        check(DensitySchedule::Linear, 500, 0.2, &[400, 300, 200]);
        check(DensitySchedule::Linear, 1000, 1.0, &[1000, 1000]);
    }
}
