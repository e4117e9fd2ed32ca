use crate::end::{check_finite, named_buffers};
use crate::{BatchNormRule, ConnectivityError, Curve, End, ExampleSet};
use sculpt_network::{Mode, Network};
use serde::{Deserialize, Serialize};
use std::iter;
use std::ops::Range;
use tch::{Kind, Reduction, Tensor, no_grad};

/// Bytes of interpolated weights held at once, unless [`Connectivity::with_memory`] says otherwise.
const MEMORY: usize = 512 << 20;

/// How to walk the line between two ends.
pub struct Connectivity<'a> {
    network: &'a dyn Network<Tensor>,
    alpha: Vec<f64>,
    rule: BatchNormRule,
    /// `Some` where the rule is to recalibrate.
    calibration: Option<&'a ExampleSet<'a>>,
    memory: usize,
}

impl<'a> Connectivity<'a> {
    /// Lines of `points` points, evenly spaced from end to end, under this rule. `calibration` is the set that
    /// [`BatchNormRule::Recalibrate`] estimates statistics on (un-augmented; its labels are not read); other
    /// rules leave it alone.
    ///
    /// # Errors
    /// Fewer than 2 points; nothing to recalibrate on.
    pub fn new(
        network: &'a dyn Network<Tensor>,
        points: usize,
        rule: BatchNormRule,
        calibration: Option<&'a ExampleSet<'a>>,
    ) -> Result<Self, ConnectivityError> {
        if points < 2 {
            return Err(ConnectivityError::Points { points });
        }
        let calibration = match rule {
            BatchNormRule::Recalibrate => Some(calibration.ok_or(ConnectivityError::NoCalibrationSet)?),
            BatchNormRule::Interpolate | BatchNormRule::Endpoint => None,
        };
        let alpha = (0..points).map(|i| i as f64 / (points - 1) as f64).collect();
        Ok(Self {
            network,
            alpha,
            rule,
            calibration,
            memory: MEMORY,
        })
    }

    /// Holds interpolated weights and statistics of up to `bytes` at once (at least one point's; 512 MiB if this is
    /// not called), so that a set is walked once for many points. Numbers do not depend on it.
    pub fn with_memory(self, bytes: usize) -> Self {
        Self {
            memory: bytes,
            ..self
        }
    }

    /// The curve from `a` (α = 0) to `b` (α = 1) on each set, in the order of the sets.
    ///
    /// # Errors
    /// Ends of different kinds or devices; a set without images or with labels that do not fit; a loss or
    /// statistic that is not finite.
    ///
    /// # Panics
    /// When an end is not of the network's layout, or libtorch refuses an operation (images of a wrong shape,
    /// no memory).
    pub fn curve(&self, a: &End, b: &End, sets: &[ExampleSet<'_>]) -> Result<Vec<Curve>, ConnectivityError> {
        let values = self.values(a, b, 0..self.alpha.len(), sets)?;
        Ok(self.curves(&values, sets.len()))
    }

    /// What an end is worth on each set, for all lines that begin or end there.
    ///
    /// # Errors
    /// As [`Connectivity::curve`]; the place α is 0.
    ///
    /// # Panics
    /// As there.
    pub fn at_end(&self, end: &End, sets: &[ExampleSet<'_>]) -> Result<Vec<Worth>, ConnectivityError> {
        Ok(self.values(end, end, 0..1, sets)?.remove(0))
    }

    /// The same as [`Connectivity::curve`], where it is known what the ends are worth.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// As there, and when an end is not worth something on each set.
    pub fn curve_between(
        &self,
        a: &End,
        b: &End,
        ends: [&[Worth]; 2],
        sets: &[ExampleSet<'_>],
    ) -> Result<Vec<Curve>, ConnectivityError> {
        assert!(ends.iter().all(|end| end.len() == sets.len()), "one for each set");
        let inside = self.values(a, b, 1..self.alpha.len() - 1, sets)?;
        let mut values = vec![ends[0].to_vec()];
        values.extend(inside);
        values.push(ends[1].to_vec());
        Ok(self.curves(&values, sets.len()))
    }

    /// The curves from each end to the next: one item for each pair, one curve in it for each set. Takes each
    /// end once, when its turn comes, holds two, and evaluates an end that two pairs share once. Stops after
    /// the first error. Fewer than two ends make no pair.
    ///
    /// # Panics
    /// As [`Connectivity::curve`].
    pub fn consecutive<'s, E: From<ConnectivityError>>(
        &'s self,
        ends: impl IntoIterator<Item = Result<End, E>, IntoIter: 's>,
        sets: &'s [ExampleSet<'s>],
    ) -> impl Iterator<Item = Result<Vec<Curve>, E>> + 's {
        let mut ends = ends.into_iter();
        // The end behind, and what is known of it.
        let mut left: Option<(End, Vec<Vec<Worth>>)> = None;
        let mut next_pair = move || -> Result<Option<Vec<Curve>>, E> {
            let (a, mut values) = match left.take() {
                Some(left) => left,
                None => match ends.next().transpose()? {
                    Some(first) => (first, Vec::new()),
                    None => return Ok(None),
                },
            };
            let Some(b) = ends.next().transpose()? else {
                return Ok(None);
            };
            values.extend(self.values(&a, &b, values.len()..self.alpha.len(), sets)?);
            let curves = self.curves(&values, sets.len());
            left = Some((b, values.split_off(values.len() - 1)));
            Ok(Some(curves))
        };
        let mut over = false;
        iter::from_fn(move || {
            if over {
                return None;
            }
            let item = next_pair().transpose();
            over = !matches!(item, Some(Ok(_)));
            item
        })
    }

    /// What each of these points is worth on each set.
    fn values(
        &self,
        a: &End,
        b: &End,
        which: Range<usize>,
        sets: &[ExampleSet<'_>],
    ) -> Result<Vec<Vec<Worth>>, ConnectivityError> {
        self.check_ends(a, b)?;
        no_grad(|| {
            let bytes = a.theta.numel() * a.theta.kind().elt_size_in_bytes()
                + a.buffers.numel() * a.buffers.kind().elt_size_in_bytes();
            let n_at_once = (self.memory / bytes.max(1)).max(1);
            let mut values = Vec::new();
            let indices: Vec<usize> = which.collect();
            for group in indices.chunks(n_at_once) {
                let mut points: Vec<Point> = group.iter().map(|&i| self.point(a, b, i)).collect();
                if let Some(set) = self.calibration {
                    self.recalibrate(&mut points, set)?;
                }
                let mut of_points = vec![Vec::with_capacity(sets.len()); points.len()];
                for (i, set) in sets.iter().enumerate() {
                    let on_set = self.evaluate(&points, set, i)?;
                    for (of_point, value) in of_points.iter_mut().zip(on_set) {
                        of_point.push(value);
                    }
                }
                values.extend(of_points);
            }
            Ok(values)
        })
    }

    fn check_ends(&self, a: &End, b: &End) -> Result<(), ConnectivityError> {
        let layout = self.network.layout();
        for end in [a, b] {
            let lengths = (end.theta.numel(), end.buffers.numel());
            assert_eq!(
                lengths,
                (layout.n_params(), layout.n_buffers()),
                "an end must be made with the layout of the network"
            );
        }
        let (kind_a, kind_b) = (a.theta.kind(), b.theta.kind());
        if kind_a != kind_b {
            return Err(ConnectivityError::EndKinds { a: kind_a, b: kind_b });
        }
        if b.theta.device() != a.theta.device() {
            return Err(ConnectivityError::Device {
                what: "end b",
                found: b.theta.device(),
                expected: a.theta.device(),
            });
        }
        Ok(())
    }

    /// Point `i` of the line, with `a`'s buffers where they are yet to be estimated.
    fn point(&self, a: &End, b: &End, i: usize) -> Point {
        let last = self.alpha.len() - 1;
        let between = |a: &Tensor, b: &Tensor| match i {
            // The ends themselves: arithmetic might round.
            0 => a.shallow_clone(),
            i if i == last => b.shallow_clone(),
            // (1 − α)a + αb, so written that equal weights stay as they are, +0.0 among them.
            i => a.lerp(b, self.alpha[i]),
        };
        let buffers = match self.rule {
            BatchNormRule::Interpolate => between(&a.buffers, &b.buffers),
            BatchNormRule::Recalibrate => a.buffers.shallow_clone(),
            BatchNormRule::Endpoint if 2 * i <= last => a.buffers.shallow_clone(),
            BatchNormRule::Endpoint => b.buffers.shallow_clone(),
        };
        Point {
            alpha: self.alpha[i],
            theta: between(&a.theta, &b.theta),
            buffers,
        }
    }

    /// Gives each point the mean of the statistics of all batches, every batch counting the same.
    fn recalibrate(&self, points: &mut [Point], set: &ExampleSet<'_>) -> Result<(), ConnectivityError> {
        let zeros = |point: &Point| point.buffers.to_kind(Kind::Double).zeros_like();
        let mut sums: Vec<Tensor> = points.iter().map(zeros).collect();
        let mut n_batches = 0i64;
        set.walk(|images, _| {
            for (point, sum) in points.iter().zip(&mut sums) {
                let statistics = point.buffers.copy();
                let (theta, mode) = (&point.theta, Mode::Calibrate);
                let _ = self.network.forward(theta, &statistics, images, mode);
                *sum += statistics;
            }
            n_batches += 1;
            Ok(())
        })?;
        if n_batches == 0 {
            return Err(ConnectivityError::EmptyCalibrationSet);
        }
        for (point, sum) in points.iter_mut().zip(sums) {
            point.buffers = (sum / n_batches).to_kind(point.buffers.kind());
            let checked = check_finite(&point.buffers, named_buffers(self.network.layout()));
            checked.map_err(|error| match error {
                ConnectivityError::NotFinite { tensor, value, .. } => ConnectivityError::Statistics {
                    alpha: point.alpha,
                    tensor,
                    value,
                },
                other => other,
            })?;
        }
        Ok(())
    }

    /// What each point is worth on set number `set_idx`, whose batches are walked once.
    fn evaluate(
        &self,
        points: &[Point],
        set: &ExampleSet<'_>,
        set_idx: usize,
    ) -> Result<Vec<Worth>, ConnectivityError> {
        // Loss and number wrong, in f64, summed where they are computed: a GPU need not wait for the answers.
        let zero = |point: &Point| Tensor::zeros([], (Kind::Double, point.theta.device()));
        let mut sums: Vec<(Tensor, Tensor)> = points.iter().map(|p| (zero(p), zero(p))).collect();
        let mut n = 0i64;
        let mut seen = SeenLabels::default();
        set.walk(|images, labels| {
            let mut safe = None;
            for (point, (loss, n_wrong)) in points.iter().zip(&mut sums) {
                let (theta, buffers) = (&point.theta, &point.buffers);
                let logits = self.network.forward(theta, buffers, images, Mode::Eval);
                let labels = match &safe {
                    Some(labels) => labels,
                    None => safe.insert(seen.see(labels, &logits, set_idx)?),
                };
                *loss += logits.cross_entropy_loss(labels, None::<Tensor>, Reduction::Sum, -100, 0.0);
                *n_wrong += logits.argmax(1, false).not_equal_tensor(labels).sum(Kind::Int64);
            }
            n += labels.size()[0];
            Ok(())
        })?;
        if n == 0 {
            return Err(ConnectivityError::EmptySet { set: set_idx });
        }
        seen.check(set_idx)?;
        let value = |(point, (loss, n_wrong)): (&Point, (Tensor, Tensor))| {
            let loss = loss.double_value(&[]) / n as f64;
            if !loss.is_finite() {
                let (set, alpha) = (set_idx, point.alpha);
                return Err(ConnectivityError::Loss { set, alpha, loss });
            }
            let error = n_wrong.double_value(&[]) / n as f64;
            Ok(Worth { loss, error })
        };
        points.iter().zip(sums).map(value).collect()
    }

    /// The curve on each set through what its points are worth.
    fn curves(&self, values: &[Vec<Worth>], n_sets: usize) -> Vec<Curve> {
        let along = |set: usize, of: fn(&Worth) -> f64| values.iter().map(|v| of(&v[set])).collect();
        let curve = |set| {
            let (loss, error) = (along(set, |v| v.loss), along(set, |v| v.error));
            Curve::new(self.alpha.clone(), loss, error)
        };
        (0..n_sets).map(curve).collect()
    }
}

/// A network on the line.
struct Point {
    alpha: f64,
    theta: Tensor,
    buffers: Tensor,
}

/// What a network is worth on a set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worth {
    /// Mean cross-entropy, nats.
    pub loss: f64,
    /// Fraction of images classified wrongly, in [0, 1].
    pub error: f64,
}

/// The least and the largest label of a set, where the labels are: a GPU is waited for when all batches are through, not at each.
#[derive(Default)]
struct SeenLabels {
    ends: Option<[Tensor; 2]>,
    classes: i64,
}

impl SeenLabels {
    /// The labels of a batch, each that has no class in the place of one that has: libtorch would abort on a GPU where it meets one, and
    /// pass over −100.
    fn see(&mut self, labels: &Tensor, logits: &Tensor, set: usize) -> Result<Tensor, ConnectivityError> {
        let [images, classes] = logits.size()[..] else {
            panic!("a network gives logits [n, classes], not {:?}", logits.size());
        };
        if labels.kind() != Kind::Int64 || labels.size() != [images] {
            return Err(ConnectivityError::Labels {
                set,
                kind: labels.kind(),
                shape: labels.size(),
                images,
            });
        }
        if images > 0 {
            let (least, largest) = labels.aminmax(None, false);
            self.ends = Some(match self.ends.take() {
                None => [least, largest],
                Some([low, high]) => [low.minimum(&least), high.maximum(&largest)],
            });
            self.classes = classes;
        }
        Ok(labels.clamp(0, classes - 1))
    }

    /// Whether all had a class.
    fn check(self, set: usize) -> Result<(), ConnectivityError> {
        let classes = self.classes;
        for label in self.ends.iter().flatten().map(|label| label.int64_value(&[])) {
            if !(0..classes).contains(&label) {
                return Err(ConnectivityError::Label { set, label, classes });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "connectivity_tests.rs"]
mod tests;
