use crate::scores::first_non_finite;
use crate::{Point, ScoreError};
use sculpt_layout::{BufferKind, Layout};
use sculpt_masks::{Density, Mask, MaskError, keep_top};
use sculpt_network::Mode;
use std::num::NonZeroU32;
use tch::{Device, Kind, Tensor, with_grad};

/// How often SynFlow scores on its way to the density, and in which network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SynFlow {
    /// Score and prune, `iterations` times, BatchNorm in evaluation mode on fresh statistics (Tanaka et al.
    /// 2020, algorithm 1).
    Iterative {
        /// `n`; 100 in that paper.
        iterations: NonZeroU32,
        /// The densities on the way.
        schedule: DensitySchedule,
    },
    /// What the authors' public harness (TurboPrune) does, to reproduce it: one pass straight to the density,
    /// BatchNorm in training mode, which centres activations, so that the flow is no longer positive and whole
    /// layers may be lost. Its bfloat16 is not reproduced.
    TurboPrune,
}

/// The densities between the first, `d₀`, and the last, `d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DensitySchedule {
    /// `d₀ · (d / d₀)^(t/n)` after iteration `t` of `n`; from the full network, `d^(t/n)`.
    Exponential,
    /// `d₀ − (d₀ − d) · t/n`.
    Linear,
}

impl SynFlow {
    /// 100 iterations, exponential (Tanaka et al. 2020, §6).
    pub const PAPER: SynFlow = SynFlow::Iterative {
        iterations: NonZeroU32::new(100).expect("100 is not 0"),
        schedule: DensitySchedule::Exponential,
    };
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
    variant: SynFlow,
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
    match variant {
        SynFlow::Iterative { iterations, schedule } => {
            for t in 1..iterations.get() {
                let on_the_way = schedule.n_kept(n, start, density, t, iterations);
                flow.prune(on_the_way.clamp(n_kept, start), Mode::Eval)?;
            }
            flow.prune(n_kept, Mode::Eval)?;
        }
        SynFlow::TurboPrune => flow.prune(n_kept, Mode::Train)?,
    }
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
    /// Fresh ones, in f64.
    buffers: Tensor,
    ones: Tensor,
    /// Places in θ, in order. Fewer and fewer are left: what is done on the host is done for these alone.
    survivors: Vec<usize>,
    /// Their scores; memory that every iteration uses again.
    scores: Vec<f64>,
}

impl<'a> Flow<'a> {
    fn new(point: &'a Point<'a>, [channels, height, width]: [i64; 3]) -> Self {
        let device = point.theta().device();
        let mut survivors = Vec::with_capacity(point.layout().n_prunable());
        for param in point.layout().prunable() {
            match point.mask() {
                None => survivors.extend(param.range()),
                Some(mask) => {
                    let prunable = param.prunable_range().expect("a prunable tensor has a place");
                    let places = param.range().zip(mask.slice(prunable));
                    survivors.extend(places.filter_map(|(place, kept)| kept.then_some(place)));
                }
            }
        }
        Self {
            point,
            theta: point.theta().abs().to_kind(Kind::Double),
            buffers: Tensor::from_slice(&fresh_buffers(point.layout())).to_device(device),
            ones: Tensor::ones([1, channels, height, width], (Kind::Double, device)),
            scores: Vec::with_capacity(survivors.len()),
            survivors,
        }
    }

    /// Scores the survivors, and keeps `n_kept` of them.
    fn prune(&mut self, n_kept: usize, mode: Mode) -> Result<(), ScoreError> {
        self.score(mode)?;
        let kept = keep_top(&self.scores, n_kept, None)?;
        let ended = self.survivors.iter().zip(kept.iter()).filter(|(_, kept)| !kept);
        let ended: Vec<i64> = ended.map(|(&place, _)| place as i64).collect();
        let ended = Tensor::from_slice(&ended).to_device(self.theta.device());
        let _ = self.theta.index_fill_(0, &ended, 0.0);
        let mut kept = kept.iter();
        self.survivors
            .retain(|_| kept.next().expect("a bit for each survivor"));
        Ok(())
    }

    /// `|θ ⊙ ∂R/∂θ|` of the survivors.
    fn score(&mut self, mode: Mode) -> Result<(), ScoreError> {
        let gradient = with_grad(|| {
            let theta = self.theta.detach().set_requires_grad(true);
            let buffers = self.buffers.copy();
            let flow = self.point.logit_sum(&theta, &buffers, &self.ones, mode)?;
            Ok::<_, ScoreError>(Tensor::run_backward(&[&flow], &[&theta], false, false).swap_remove(0))
        })?;
        // A gradient may be one number, expanded.
        let products = gradient.contiguous().g_mul_(&self.theta).to_device(Device::Cpu);
        self.scores.clear();
        let mut part: Vec<f64> = Vec::new();
        for param in self.point.layout().prunable() {
            let range = param.range();
            part.resize(param.len(), 0.0);
            let of_param = products.narrow(0, range.start as i64, param.len() as i64);
            of_param.copy_data(&mut part, param.len());
            let left = self.survivors[self.scores.len()..].iter();
            let here = left.take_while(|&&place| place < range.end);
            self.scores
                .extend(here.map(|place| part[place - range.start].abs()));
        }
        match first_non_finite(&self.scores) {
            None => Ok(()),
            Some(i) => Err(self
                .point
                .non_finite_score("SynFlow", self.survivors[i], self.scores[i])),
        }
    }

    fn mask(&self) -> Mask {
        let mut bits = vec![false; self.point.layout().n_prunable()];
        let mut left = self.survivors.iter().peekable();
        for param in self.point.layout().prunable() {
            let prunable = param.prunable_range().expect("a prunable tensor has a place");
            while let Some(place) = left.next_if(|&&place| place < param.range().end) {
                bits[place - param.range().start + prunable.start] = true;
            }
        }
        Mask::from_bools(bits)
    }
}

/// Running means 0, variances 1.
fn fresh_buffers(layout: &Layout) -> Vec<f64> {
    let mut buffers = vec![0.0; layout.n_buffers()];
    for buffer in layout.buffers() {
        buffers[buffer.range()].fill(match buffer.kind() {
            BufferKind::RunningMean => 0.0,
            BufferKind::RunningVar => 1.0,
        });
    }
    buffers
}

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_layout::ParamKind;
    use sculpt_network::{FromFn, Network};

    /// Two paths `a_i b_i v_i` from image to logit, with BatchNorm-like variances `v`; in training, path 1 is a
    /// hundred times as wide.
    fn paths() -> impl Network<Tensor> {
        let layout = Layout::builder()
            .param("a.weight", &[2, 1], ParamKind::Linear)
            .param("b.weight", &[1, 2], ParamKind::Linear)
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

    const THREE: SynFlow = SynFlow::Iterative {
        iterations: NonZeroU32::new(3).unwrap(),
        schedule: DensitySchedule::Linear,
    };

    /// a = (3, −1), b = (−2, 4): both weights of path 0 score |3 · −2| = 6, of path 1 4. Half of the weights are
    /// path 0; in training, path 1 of 400.
    #[test]
    fn the_stronger_path_survives() {
        let theta = [3.0, -1.0, -2.0, 4.0];
        let of = |variant| kept(theta, None, 0.5, variant).unwrap();
        assert_eq!(of(SynFlow::PAPER).as_slice(), [true, false, true, false]);
        assert_eq!(of(THREE).as_slice(), [true, false, true, false]);
        assert_eq!(of(SynFlow::TurboPrune).as_slice(), [false, true, false, true]);
    }

    /// Without b₀, a₀ carries nothing: of the three that are left, path 1 scores.
    #[test]
    fn what_is_pruned_stays() {
        let mask = Mask::from_bools(vec![true, true, false, true]);
        let theta = [3.0, -1.0, 0.0, 4.0];
        for variant in [SynFlow::PAPER, THREE, SynFlow::TurboPrune] {
            let kept = kept(theta, Some(&mask), 0.5, variant).unwrap();
            assert_eq!(kept.as_slice(), [false, true, false, true]);
        }
        let error = kept(theta, Some(&mask), 1.0, THREE).unwrap_err();
        assert_eq!(
            error.to_string(),
            "4 weights cannot be kept: only 3 are not pruned already"
        );
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
