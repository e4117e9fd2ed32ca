//! Lines worked out by hand, and what is promised of memory, ends and refusals.

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
        // What is known of the ends need not be computed again.
        let [at_a, at_b] = [&a, &b].map(|end| connectivity().at_end(end, &sets).unwrap());
        n_walks.set(0);
        let curves = connectivity()
            .with_memory(47)
            .curve_between(&a, &b, [&at_a, &at_b], &sets);
        assert_eq!(curves, Ok(expected));
        let walks_each = if rule == BatchNormRule::Recalibrate { 2 } else { 1 };
        assert_eq!(n_walks.get(), 2 * walks_each, "three points, two at once");
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
    // The labels of all batches count, whichever batch has a wrong one, and whatever stands beside it.
    for (place, label) in [(0, 2i64), (1, -100), (2, 7)] {
        let batches: Vec<(Tensor, Tensor)> = (0..3)
            .map(|batch| {
                let second = if batch == place { label } else { 1 };
                (
                    Tensor::zeros([2, 1], (Kind::Float, Device::Cpu)),
                    Tensor::from_slice(&[0, second]),
                )
            })
            .collect();
        check(
            ExampleSet::new(|| {
                batches
                    .iter()
                    .map(|(x, y)| (x.shallow_clone(), y.shallow_clone()))
            }),
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
