use crate::end::{check_finite, named_buffers};
use crate::{BatchNormRule, ConnectivityError, Curve, End, ExampleSet};
use sculpt_network::{Mode, Network};
use std::iter;
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
        let values = self.values(a, b, 0, sets)?;
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
        let mut left: Option<(End, Vec<Vec<Value>>)> = None;
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
            values.extend(self.values(&a, &b, values.len(), sets)?);
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

    /// What each point from index `first` on is worth on each set.
    fn values(
        &self,
        a: &End,
        b: &End,
        first: usize,
        sets: &[ExampleSet<'_>],
    ) -> Result<Vec<Vec<Value>>, ConnectivityError> {
        self.check_ends(a, b)?;
        no_grad(|| {
            let bytes = a.theta.numel() * a.theta.kind().elt_size_in_bytes()
                + a.buffers.numel() * a.buffers.kind().elt_size_in_bytes();
            let n_at_once = (self.memory / bytes.max(1)).max(1);
            let mut values = Vec::new();
            let indices: Vec<usize> = (first..self.alpha.len()).collect();
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
    ) -> Result<Vec<Value>, ConnectivityError> {
        // Loss and number wrong, in f64, summed where they are computed: a GPU need not wait for the answers.
        let zero = |point: &Point| Tensor::zeros([], (Kind::Double, point.theta.device()));
        let mut sums: Vec<(Tensor, Tensor)> = points.iter().map(|p| (zero(p), zero(p))).collect();
        let mut n = 0i64;
        set.walk(|images, labels| {
            for (i, (point, (loss, n_wrong))) in points.iter().zip(&mut sums).enumerate() {
                let (theta, buffers) = (&point.theta, &point.buffers);
                let logits = self.network.forward(theta, buffers, images, Mode::Eval);
                if i == 0 {
                    check_labels(labels, &logits, set_idx)?;
                }
                *loss += logits.cross_entropy_loss(labels, None::<Tensor>, Reduction::Sum, -100, 0.0);
                *n_wrong += logits.argmax(1, false).not_equal_tensor(labels).sum(Kind::Int64);
            }
            n += labels.size()[0];
            Ok(())
        })?;
        if n == 0 {
            return Err(ConnectivityError::EmptySet { set: set_idx });
        }
        let value = |(point, (loss, n_wrong)): (&Point, (Tensor, Tensor))| {
            let loss = loss.double_value(&[]) / n as f64;
            if !loss.is_finite() {
                let (set, alpha) = (set_idx, point.alpha);
                return Err(ConnectivityError::Loss { set, alpha, loss });
            }
            let error = n_wrong.double_value(&[]) / n as f64;
            Ok(Value { loss, error })
        };
        points.iter().zip(sums).map(value).collect()
    }

    /// The curve on each set through what its points are worth.
    fn curves(&self, values: &[Vec<Value>], n_sets: usize) -> Vec<Curve> {
        let along = |set: usize, of: fn(&Value) -> f64| values.iter().map(|v| of(&v[set])).collect();
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

/// What a point is worth on a set.
#[derive(Clone, Copy)]
struct Value {
    loss: f64,
    error: f64,
}

/// libtorch would abort on a GPU where a label has no class, and pass over the label −100.
fn check_labels(labels: &Tensor, logits: &Tensor, set: usize) -> Result<(), ConnectivityError> {
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
    if images == 0 {
        return Ok(());
    }
    for label in [labels.min(), labels.max()].map(|label| label.int64_value(&[])) {
        if !(0..classes).contains(&label) {
            return Err(ConnectivityError::Label { set, label, classes });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_layout::Layout;
    use sculpt_network::FromFn;
    use std::cell::{Cell, RefCell};
    use tch::Device;

    /// Two weights and one statistic (and a variance that nothing reads).
    fn layout() -> Layout {
        let builder = Layout::builder().batch_norm("bn1", 1);
        builder.build().unwrap()
    }

    /// Logits `[θ₀θ₁x − s, 0]` of images `[n, 1]`; calibration sets both statistics to `θ₀` + the mean of x.
    fn product() -> impl Network<Tensor> {
        FromFn::new(layout(), |theta: &Tensor, buffers: &Tensor, x: &Tensor, mode| {
            if mode == Mode::Calibrate {
                let statistic = x.mean(None::<Kind>) + theta.get(0);
                buffers.shallow_clone().copy_(&statistic.expand([2], false));
            }
            let logit = x * theta.prod(None::<Kind>) - buffers.get(0);
            Tensor::cat(&[&logit, &logit.zeros_like()], 1)
        })
    }

    fn end(theta: [f32; 2], statistics: [f32; 2]) -> End {
        let [theta, statistics] = [theta, statistics].map(|values| Tensor::from_slice(&values));
        End::new(&layout(), theta, statistics).unwrap()
    }

    /// One batch for each pixel value and number of images, all of one label.
    fn set<'a>(batches: &'a [(f32, i64)], label: i64) -> ExampleSet<'a> {
        ExampleSet::new(move || {
            batches.iter().map(move |&(pixel, n)| {
                let images = Tensor::full([n, 1], f64::from(pixel), (Kind::Float, Device::Cpu));
                (images, Tensor::full([n], label, (Kind::Int64, Device::Cpu)))
            })
        })
    }

    #[track_caller]
    fn check_close(ours: &[f64], by_hand: &[f64]) {
        assert_eq!(ours.len(), by_hand.len());
        for (ours, by_hand) in ours.iter().zip(by_hand) {
            assert!((ours - by_hand).abs() < 1e-6, "{ours} is not {by_hand}");
        }
    }

    /// θ from (2, 2) to (−2, −2), s = ½: at x = 1 the logits are 3.5, 0.5, −0.5, 0.5, 3.5, with loss
    /// ln(1 + e^−logit) on label 0 and ln(1 + e^logit) on label 1. At x = 2: 7.5, 1.5, −0.5, 1.5, 7.5.
    #[test]
    fn a_barrier_by_hand() {
        let network = product();
        let (a, b) = (end([2.0; 2], [0.5, 1.0]), end([-2.0; 2], [0.5, 1.0]));
        let sets = [set(&[(1.0, 3), (2.0, 1)], 0), set(&[(1.0, 2)], 1)];
        let connectivity = Connectivity::new(&network, 5, BatchNormRule::Interpolate, None).unwrap();
        let curves = connectivity.curve(&a, &b, &sets).unwrap();
        assert_eq!(curves.len(), 2);
        let loss = |logit: f64| (-logit).exp().ln_1p();
        let mixed = |one: f64, two: f64| (3.0 * loss(one) + loss(two)) / 4.0;
        let (outer, inner) = (mixed(3.5, 7.5), mixed(0.5, 1.5));
        assert_eq!(curves[0].alpha, [0.0, 0.25, 0.5, 0.75, 1.0]);
        check_close(&curves[0].loss, &[outer, inner, loss(-0.5), inner, outer]);
        assert_eq!(curves[0].error, [0.0, 0.0, 1.0, 0.0, 0.0]);
        check_close(
            &[curves[0].barrier_loss, curves[0].chord_loss],
            &[loss(-0.5) - outer; 2],
        );
        assert_eq!((curves[0].barrier_error, curves[0].chord_error), (1.0, 1.0));
        let by_hand = [-3.5, -0.5, 0.5, -0.5, -3.5].map(loss);
        check_close(&curves[1].loss, &by_hand);
        assert_eq!(curves[1].error, [1.0, 1.0, 0.0, 1.0, 1.0]);
        assert_eq!((curves[1].barrier_error, curves[1].chord_loss), (0.0, 0.0));
    }

    /// θ and statistics of every evaluation, as bits.
    type Seen = RefCell<Vec<[[u32; 2]; 2]>>;

    fn recording(seen: &Seen) -> impl Network<Tensor> + '_ {
        let inner = product();
        FromFn::new(
            layout(),
            move |theta: &Tensor, buffers: &Tensor, x: &Tensor, mode| {
                if mode == Mode::Eval {
                    let bits = |t: &Tensor| {
                        let values = <[f32; 2]>::try_from(Vec::<f32>::try_from(t).unwrap()).unwrap();
                        values.map(f32::to_bits)
                    };
                    seen.borrow_mut().push([bits(theta), bits(buffers)]);
                }
                inner.forward(theta, buffers, x, mode)
            },
        )
    }

    /// θ (column 0) or statistics (column 1) that `rule` evaluates at `points` points from `a` to `b`.
    fn walked(points: usize, rule: BatchNormRule, a: &End, b: &End, column: usize) -> Vec<[f32; 2]> {
        let seen = Seen::default();
        let network = recording(&seen);
        let calibration = set(&[(1.0, 5), (2.0, 1), (6.0, 2)], 0);
        let connectivity = Connectivity::new(&network, points, rule, Some(&calibration)).unwrap();
        connectivity.curve(a, b, &[set(&[(1.0, 1)], 0)]).unwrap();
        seen.take()
            .iter()
            .map(|both| both[column].map(f32::from_bits))
            .collect()
    }

    /// 0.1, 1/3 and −0.0 are not what (1 − α)a + αb makes of them at every rounding.
    #[test]
    fn ends_are_exact() {
        let a = end([0.1, -0.0], [1.0 / 3.0, 1e-40]);
        let b = end([1e30, 0.7], [0.1, 3.0]);
        let bits = |pair: [f32; 2]| pair.map(f32::to_bits);
        for points in [2, 11, 30] {
            for column in [0, 1] {
                let walked = walked(points, BatchNormRule::Interpolate, &a, &b, column);
                assert_eq!(walked.len(), points);
                let exact = [[[0.1, -0.0], [1e30, 0.7]], [[1.0 / 3.0, 1e-40], [0.1, 3.0]]][column];
                assert_eq!(bits(walked[0]), bits(exact[0]));
                assert_eq!(bits(walked[points - 1]), bits(exact[1]));
            }
        }
    }

    /// Inside, a coordinate is +0.0 where both masks prune it and no number of one end is: the union. What is
    /// equal at both ends stays equal.
    #[test]
    fn the_support_is_the_union() {
        let rule = BatchNormRule::Interpolate;
        let ends = (end([0.0, 0.0], [0.1, 1.0]), end([0.0, 0.3], [0.1, 1.0]));
        for (a, b) in [(&ends.0, &ends.1), (&ends.1, &ends.0)] {
            let inside = &walked(30, rule, a, b, 0)[1..29];
            assert!(
                inside
                    .iter()
                    .all(|theta| theta[0].to_bits() == 0 && theta[1] > 0.0)
            );
            assert!(walked(30, rule, a, b, 1).iter().all(|s| s[0] == 0.1));
        }
    }

    #[test]
    fn each_rule_has_its_statistics() {
        let (a, b) = (end([0.0, 1.0], [1.0, 4.0]), end([4.0, 1.0], [5.0, 0.0]));
        let first = |points, rule| -> Vec<f32> {
            let walked = walked(points, rule, &a, &b, 1);
            walked.iter().map(|statistics| statistics[0]).collect()
        };
        use BatchNormRule::{Endpoint, Interpolate, Recalibrate};
        assert_eq!(first(5, Interpolate), [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(first(5, Endpoint), [1.0, 1.0, 1.0, 5.0, 5.0]);
        assert_eq!(first(4, Endpoint), [1.0, 1.0, 5.0, 5.0]);
        // (1 + 2 + 6)/3 whatever the sizes of the batches, and θ₀ = 4α: the ends too.
        assert_eq!(first(5, Recalibrate), [3.0, 4.0, 5.0, 6.0, 7.0]);
        // The ends' own are as before.
        assert_eq!(Vec::<f32>::try_from(&a.buffers).unwrap(), [1.0, 4.0]);
    }

    /// A point takes 4 numbers of 4 bytes: all five fit into 80 bytes, two into 47, one into none.
    #[test]
    fn memory_changes_walks_and_not_numbers() {
        let network = product();
        let (a, b) = (end([0.3, -1.0], [0.2, 1.0]), end([-2.0, 1.1], [0.7, 1.0]));
        let n_walks = Cell::new(0);
        let counted = || {
            n_walks.set(n_walks.get() + 1);
            [
                (
                    Tensor::from_slice(&[0.7f32]).view([1, 1]),
                    Tensor::from_slice(&[0i64]),
                ),
                (
                    Tensor::from_slice(&[-0.4f32]).view([1, 1]),
                    Tensor::from_slice(&[1i64]),
                ),
            ]
        };
        let calibration = ExampleSet::new(counted);
        for rule in BatchNormRule::ALL {
            let connectivity = || Connectivity::new(&network, 5, rule, Some(&calibration)).unwrap();
            let sets = [ExampleSet::new(counted)];
            let expected = connectivity().curve(&a, &b, &sets).unwrap();
            for (bytes, n_groups) in [(80, 1), (47, 3), (0, 5)] {
                n_walks.set(0);
                let curves = connectivity().with_memory(bytes).curve(&a, &b, &sets);
                assert_eq!(curves, Ok(expected.clone()));
                let walks_each = if rule == BatchNormRule::Recalibrate { 2 } else { 1 };
                assert_eq!(n_walks.get(), n_groups * walks_each, "{rule} in {bytes} bytes");
            }
        }
    }

    /// Four ends of a run: 3 pairs of 5 points, of which 2 are shared.
    #[test]
    fn a_run_takes_each_end_once() {
        let run = || (0..4).map(|i| end([i as f32 - 1.5, 2.0], [0.1 * i as f32, 1.0]));
        let sets = [set(&[(1.0, 2)], 0), set(&[(-1.0, 1), (3.0, 1)], 0)];
        let calibration = set(&[(1.0, 2), (2.0, 2)], 0);
        for rule in BatchNormRule::ALL {
            let seen = Seen::default();
            let network = recording(&seen);
            let connectivity = Connectivity::new(&network, 5, rule, Some(&calibration)).unwrap();
            let n_taken = Cell::new(0);
            let ends = run().map(|end| {
                n_taken.set(n_taken.get() + 1);
                Ok::<_, ConnectivityError>(end)
            });
            let mut pairs = connectivity.consecutive(ends, &sets);
            let mut curves = vec![pairs.next().unwrap().unwrap()];
            assert_eq!(n_taken.get(), 2, "an end is taken when its turn comes");
            curves.extend(pairs.by_ref().map(Result::unwrap));
            assert!(pairs.next().is_none());
            drop(pairs);
            // 5 + 4 + 4 points on three batches.
            assert_eq!((n_taken.get(), seen.take().len()), (4, 13 * 3));
            let one_by_one = run().zip(run().skip(1));
            let expected: Vec<Vec<Curve>> = one_by_one
                .map(|(a, b)| connectivity.curve(&a, &b, &sets).unwrap())
                .collect();
            assert_eq!(curves, expected);
        }
    }

    #[test]
    fn a_run_stops_at_the_first_error() {
        #[derive(Debug, PartialEq)]
        enum RunError {
            Unreadable(usize),
            Connectivity(ConnectivityError),
        }
        impl From<ConnectivityError> for RunError {
            fn from(error: ConnectivityError) -> Self {
                Self::Connectivity(error)
            }
        }
        let network = product();
        let connectivity = Connectivity::new(&network, 2, BatchNormRule::Interpolate, None).unwrap();
        let sets = [set(&[(1.0, 1)], 0)];
        let outcomes = |ends: Vec<Result<End, RunError>>| -> Vec<Result<usize, RunError>> {
            let pairs = connectivity.consecutive(ends, &sets);
            pairs.map(|pair| pair.map(|curves| curves.len())).collect()
        };
        let good = || Ok(end([1.0; 2], [0.0, 1.0]));
        assert_eq!(outcomes(vec![]), []);
        assert_eq!(outcomes(vec![good()]), []);
        assert_eq!(outcomes(vec![good(), good()]), [Ok(1)]);
        assert_eq!(
            outcomes(vec![good(), good(), Err(RunError::Unreadable(2)), good(), good()]),
            [Ok(1), Err(RunError::Unreadable(2))]
        );
    }

    #[track_caller]
    fn check_refused(rule: BatchNormRule, [a, b]: [&End; 2], set: &ExampleSet<'_>, message: &str) {
        let network = product();
        let connectivity = Connectivity::new(&network, 3, rule, Some(set)).unwrap();
        let error = connectivity.curve(a, b, std::slice::from_ref(set)).unwrap_err();
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn impossible_lines_are_refused() {
        use BatchNormRule::{Interpolate, Recalibrate};
        let network = product();
        let refused = |points, rule| Connectivity::new(&network, points, rule, None).err().unwrap();
        for points in [0, 1] {
            assert_eq!(
                refused(points, Interpolate).to_string(),
                format!("a line takes at least 2 points, its ends, not {points}")
            );
        }
        assert_eq!(
            refused(2, Recalibrate).to_string(),
            "the BatchNorm rule recalibrate needs a calibration set"
        );
        let (good, one) = (end([1.0; 2], [0.0, 1.0]), [(1.0, 2)]);
        let double = |tensor: &Tensor| tensor.to_kind(Kind::Double);
        let b = End::new(&layout(), double(&good.theta), double(&good.buffers)).unwrap();
        check_refused(
            Interpolate,
            [&good, &b],
            &set(&one, 0),
            "end b is Double, end a Float",
        );
        // θ₀θ₁ is 1 at the ends and 10⁴⁰/4 in the middle, more than f32 holds.
        let (steep, flat) = (end([1e20, 1e-20], [0.0, 1.0]), end([1e-20, 1e20], [0.0, 1.0]));
        check_refused(
            Interpolate,
            [&steep, &flat],
            &set(&one, 0),
            "the loss on evaluation set 0 at alpha 0.5 is NaN: the network overflows there",
        );
        check_refused(
            Recalibrate,
            [&good, &good],
            &set(&[(f32::INFINITY, 1)], 0),
            "recalibrated at alpha 0, bn1.running_mean is inf: the activations overflow, or a batch has one value \
             a channel",
        );
    }

    #[test]
    fn unfit_sets_are_refused() {
        let good = end([1.0; 2], [0.0, 1.0]);
        let check = |set: ExampleSet<'_>, message: &str| {
            check_refused(BatchNormRule::Interpolate, [&good, &good], &set, message);
        };
        for batches in [&[][..], &[(1.0, 0)]] {
            check(set(batches, 0), "evaluation set 0 has no images");
        }
        check_refused(
            BatchNormRule::Recalibrate,
            [&good, &good],
            &set(&[], 0),
            "the calibration set has no batches",
        );
        for label in [2, -100] {
            check(
                set(&[(1.0, 2)], label),
                &format!("evaluation set 0 has label {label}, the network's classes are 0 to 1"),
            );
        }
        let images = Tensor::zeros([2, 1], (Kind::Float, Device::Cpu));
        let labelled = |labels: Tensor| {
            let images = &images;
            ExampleSet::new(move || [(images.shallow_clone(), labels.shallow_clone())])
        };
        check(
            labelled(Tensor::from_slice(&[0.0f32, 1.0])),
            "evaluation set 0 has labels Float [2] for 2 images, not Int64 [2]",
        );
        check(
            labelled(Tensor::from_slice(&[0i64, 1, 1])),
            "evaluation set 0 has labels Int64 [3] for 2 images, not Int64 [2]",
        );
    }
}
