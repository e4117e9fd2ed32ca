//! Training by our own convolutions, in which only kept weights are multiplied, or all, against libtorch's in f64.
#![expect(clippy::unwrap_used, reason = "tests: a panic is a failure, helpers included")]

use sculpt_masks::{Allocation, Density, Rule, random};
use sculpt_models::{InitRule, ModelSpec, Precision, Shortcut};
use sculpt_network::Mode;
use sculpt_random::{Purpose, Seed, Stream};
use sculpt_sparse::has_many_registers;
use tch::{Device, Kind, Reduction, Tensor, no_grad};

/// A network at a random place, and images and labels.
struct Case {
    model: ModelSpec,
    theta: Tensor,
    kept: Tensor,
    buffers: Tensor,
    images: Tensor,
    labels: Tensor,
}

impl Case {
    fn new(name: &str, width: u32, shortcut: Option<Shortcut>, size: [i64; 3], density: f64) -> Self {
        let model = ModelSpec::named(name, 7, Some(width), shortcut).unwrap();
        let layout = model.layout();
        let density = Density::new(density).unwrap();
        let mask = random(&layout, density, Allocation::Balanced, Rule::Exact, Seed(3)).unwrap();
        let (mut theta, buffers) = model.initialise(InitRule::KaimingNormalFanIn, Seed(4));
        let mut stream = Stream::new(Seed(5), Purpose::TEST, 0);
        // Every γ, β and bias has a value of its own.
        for value in &mut theta {
            *value += 0.1 * stream.normal() as f32;
        }
        mask.apply(&layout, &mut theta);
        let [n, height, width] = size;
        let images: Vec<f32> = (0..n * 3 * height * width)
            .map(|_| stream.normal() as f32)
            .collect();
        let labels: Vec<i64> = (0..n).map(|_| stream.below(7) as i64).collect();
        Self {
            theta: Tensor::from_slice(&theta),
            kept: Tensor::from_slice(&mask.expand(&layout)),
            buffers: Tensor::from_slice(&buffers),
            images: Tensor::from_slice(&images).view([n, 3, height, width]),
            labels: Tensor::from_slice(&labels),
            model,
        }
    }

    fn loss(&self, logits: &Tensor) -> Tensor {
        logits.cross_entropy_loss(&self.labels, None::<Tensor>, Reduction::Mean, -100, 0.0)
    }

    /// Logits, gradient at kept parameters, running statistics: by libtorch's tape, in this kind of numbers.
    fn by_tape(&self, precision: Precision, kind: Kind) -> [Tensor; 3] {
        let network = self.model.network(precision).unwrap();
        let theta = self.theta.to_kind(kind).detach().set_requires_grad(true);
        let buffers = self.buffers.to_kind(kind).copy();
        let logits = network.forward(&theta, &buffers, &self.images.to_kind(kind), Mode::Train);
        let gradient = Tensor::run_backward(&[self.loss(&logits)], &[&theta], false, false).swap_remove(0);
        let all = [logits.detach(), gradient * &self.kept, buffers];
        all.map(|x| x.to_kind(Kind::Double))
    }

    /// Whether the convolutions are our own, and not libtorch's.
    fn is_ours(&self, precision: Precision) -> bool {
        let kept: Vec<f32> = Vec::try_from(&self.kept).unwrap();
        let size = self.images.size();
        let sides = [3, size[2] as u32, size[3] as u32];
        let work = self.model.convolution_work(&kept, sides, precision).unwrap();
        work.is_ours(size[0] as usize)
    }

    /// The same by the network's own means.
    fn by_itself(&self, precision: Precision) -> Option<[Tensor; 3]> {
        let network = self.model.network(precision).unwrap();
        let buffers = self.buffers.copy();
        let mut here = network.differentiate(&self.theta, &self.kept, &buffers, &self.images)?;
        let logits = here.logits().detach().set_requires_grad(true);
        let u = Tensor::run_backward(&[self.loss(&logits)], &[&logits], false, false).swap_remove(0);
        let gradient = here.pull_back(&u);
        // Whoever multiplies by kept weights of convolutions alone finds nothing at the others, unlike who multiplies by all; again is the same.
        let pruned: Tensor = 1.0 - &self.kept;
        let layout = self.model.layout();
        let classifier = layout.params().iter().rev().nth(1).unwrap().range().start;
        let at_pruned = (&gradient * pruned).narrow(0, 0, classifier as i64);
        let at_pruned = at_pruned.count_nonzero(None::<i64>).int64_value(&[]);
        if gradient.isfinite().all().int64_value(&[]) != 0 {
            let is_masked = self.kept.min().double_value(&[]) == 0.0;
            assert_eq!(at_pruned != 0, is_masked && !self.is_ours(precision));
            assert_eq!(here.pull_back(&u), gradient);
        }
        let gradient = gradient * &self.kept;
        Some([logits.detach(), gradient, buffers].map(|x| x.to_kind(Kind::Double)))
    }

    /// No further from the truth than libtorch in such numbers, but for a factor and a rounding.
    #[track_caller]
    fn check(&self, precision: Precision) {
        self.check_of(precision, &["logits", "gradient", "buffers"]);
    }

    #[track_caller]
    fn check_of(&self, precision: Precision, which: &[&str]) {
        let truth = self.by_tape(Precision::F32, Kind::Double);
        let theirs = self.by_tape(precision, Kind::Float);
        assert!(self.is_ours(precision), "a mask that leaves few multiplications");
        let ours = self.by_itself(precision).unwrap();
        for (what, ((ours, theirs), truth)) in ["logits", "gradient", "buffers"]
            .iter()
            .zip(ours.iter().zip(&theirs).zip(&truth))
            .filter(|(what, _)| which.contains(what))
        {
            let far = |x: &Tensor| {
                no_grad(|| (x - truth).norm().double_value(&[]) / truth.norm().double_value(&[]))
            };
            let (ours, theirs) = (far(ours), far(theirs));
            assert!(
                ours <= 4.0 * theirs + 1e-6,
                "{} {precision:?} {:?}: {what} off by {ours:e}, libtorch's by {theirs:e}",
                self.model,
                self.images.size()
            );
        }
    }
}

/// Blocks that are full, one that is not; odd sides; every kind of layer.
#[test]
fn gradients_are_those_of_libtorch() {
    let projected = Some(Shortcut::Projection);
    // In bfloat16 processors with AMX multiply all weights where more than 15 % are kept.
    for (precision, share) in [(Precision::F32, 1.0), (Precision::Bf16, 0.4)] {
        let cases = [
            Case::new("resnet20", 8, projected, [32, 16, 16], 0.1 * share),
            Case::new("resnet20", 8, projected, [37, 12, 20], 0.05 * share),
            Case::new("resnet20", 4, Some(Shortcut::Identity), [33, 9, 13], 0.1 * share),
            Case::new("resnet18-cifar", 8, None, [34, 8, 8], 0.05 * share),
            Case::new("resnet50", 8, None, [40, 61, 77], 0.05 * share),
            Case::new("vgg16", 8, None, [36, 32, 32], 0.05 * share),
        ];
        for case in &cases {
            case.check(precision);
        }
    }
    // Layers of which most weights are kept: some, all; some of the layers have sides, strides or channels that Winograd's algorithm does not know.
    let mut cases = vec![
        ("resnet20", 16, [37, 16, 24], 0.5),
        ("resnet20", 16, [32, 16, 16], 1.0),
        ("resnet18-cifar", 16, [34, 16, 16], 0.7),
    ];
    // Where these are many, libtorch is faster elsewhere.
    if has_many_registers() {
        cases.extend([
            ("resnet20", 16, [37, 12, 20], 0.5),
            ("resnet18-cifar", 16, [34, 8, 8], 0.7),
        ]);
    }
    for (name, width, size, density) in cases {
        let projected = (name == "resnet20").then_some(Shortcut::Projection);
        Case::new(name, width, projected, size, density).check(Precision::F32);
    }
    // Which pixel of a pooling is the largest may be rounding's choice, ours or libtorch's: the VGG's gradient then jumps.
    let vgg = Case::new("vgg16", 16, None, [36, 32, 32], 1.0);
    vgg.check_of(Precision::F32, &["logits", "buffers"]);
    // Where convolutions in bfloat16 are our own, Winograd's sums are of the same rounded numbers.
    let rounded = Case::new("resnet20", 16, projected, [40, 16, 16], 0.9);
    if rounded.is_ours(Precision::Bf16) {
        rounded.check(Precision::Bf16);
    }
}

/// What analyses look at, whose zeros are its mask: under its own statistics, and those of the batch, which replace or move them.
#[test]
fn evaluations_are_those_of_libtorch() {
    let cases = [
        Case::new("resnet20", 8, Some(Shortcut::Projection), [37, 12, 20], 0.1),
        Case::new("resnet20", 4, Some(Shortcut::Identity), [33, 9, 13], 0.3),
        Case::new("resnet50", 8, None, [40, 61, 77], 0.05),
        Case::new("vgg16", 8, None, [36, 32, 32], 0.05),
        Case::new("resnet20", 16, Some(Shortcut::Projection), [37, 16, 16], 0.9),
    ];
    for case in &cases {
        let folded = case.model.folded_network(Precision::F32).unwrap();
        for mode in [Mode::Eval, Mode::Calibrate, Mode::Train] {
            let at = |kind: Kind, theta: Tensor| {
                let buffers = case.buffers.to_kind(kind).copy();
                let logits = folded.forward(&theta, &buffers, &case.images.to_kind(kind), mode);
                [logits.detach(), buffers].map(|x| x.to_kind(Kind::Double))
            };
            let truth = at(Kind::Double, case.theta.to_kind(Kind::Double));
            // Whoever differentiates gets libtorch's.
            let theirs = at(Kind::Float, case.theta.detach().copy().set_requires_grad(true));
            let ours = at(Kind::Float, case.theta.detach());
            assert_ne!(ours[0], theirs[0], "{} {mode:?}: computed in one way", case.model);
            for (ours, theirs, truth) in [0, 1].map(|i| (&ours[i], &theirs[i], &truth[i])) {
                let far = |x: &Tensor| (x - truth).norm().double_value(&[]) / truth.norm().double_value(&[]);
                let (ours, theirs) = (far(ours), far(theirs));
                assert!(
                    ours <= 4.0 * theirs + 1e-6,
                    "{} {mode:?}: off by {ours:e}, libtorch's by {theirs:e}",
                    case.model
                );
            }
            if mode == Mode::Eval {
                assert_eq!(ours[1], case.buffers.to_kind(Kind::Double));
            }
        }
    }
}

/// Bits do not depend on how many threads there are (but for the linear layer's, which libtorch computes), nor on what was computed
/// in the same memory before.
#[test]
fn bits_are_always_the_same() {
    bits_are_the_same_of(&Case::new(
        "resnet20",
        8,
        Some(Shortcut::Projection),
        [70, 8, 8],
        0.1,
    ));
    bits_are_the_same_of(&Case::new(
        "resnet20",
        16,
        Some(Shortcut::Projection),
        [70, 8, 8],
        1.0,
    ));
}

fn bits_are_the_same_of(case: &Case) {
    let network = case.model.network(Precision::F32).unwrap();
    let before = tch::get_num_threads();
    let mut all = Vec::new();
    for threads in [1, 2, 3, 2] {
        tch::set_num_threads(threads);
        for n in [70, 33] {
            let buffers = case.buffers.copy();
            let images = case.images.narrow(0, 0, n);
            let mut here = network
                .differentiate(&case.theta, &case.kept, &buffers, &images)
                .unwrap();
            let logits = here.logits().copy();
            let fc = case.model.layout().param("fc.weight").unwrap().range().start as i64;
            let gradient = here.pull_back(&logits.tanh()).narrow(0, 0, fc);
            all.push([logits, gradient, buffers]);
        }
    }
    tch::set_num_threads(before);
    for again in all[2..].chunks(2) {
        for (again, first) in again.iter().zip(&all) {
            for (what, (again, first)) in ["logits", "gradient", "buffers"]
                .iter()
                .zip(again.iter().zip(first))
            {
                assert_eq!(again, first, "{what}");
            }
        }
    }
}

/// Where libtorch is as fast its convolutions are computed, and where nobody has written it `forward` is differentiated.
#[test]
fn other_networks_are_left_to_libtorch() {
    let mut case = Case::new("resnet50", 8, None, [40, 33, 33], 0.9);
    assert!(!case.is_ours(Precision::F32), "kernels of one pixel");
    case = Case::new("resnet20", 16, Some(Shortcut::Projection), [40, 16, 16], 1.0);
    assert!(case.is_ours(Precision::F32), "dense, in sixteens of channels");
    case = Case::new("resnet20", 8, Some(Shortcut::Projection), [40, 8, 8], 0.1);
    assert!(case.is_ours(Precision::F32));
    case.images = case.images.narrow(0, 0, 31);
    case.labels = case.labels.narrow(0, 0, 31);
    assert!(!case.is_ours(Precision::F32), "two blocks would not be full");
    case = Case::new("resnet20", 8, Some(Shortcut::Projection), [40, 8, 8], 0.04);
    let differentiate = |precision, kind| {
        let network = case.model.network(precision).unwrap();
        let [theta, kept, buffers, images] =
            [&case.theta, &case.kept, &case.buffers, &case.images].map(|x| x.to_kind(kind));
        network.differentiate(&theta, &kept, &buffers, &images).is_some()
    };
    assert!(differentiate(Precision::F32, Kind::Float));
    assert!(!differentiate(Precision::F32, Kind::Double), "f64");
    assert!(differentiate(Precision::Bf16, Kind::Float));
    assert_eq!(case.theta.device(), Device::Cpu);
}

/// A network that diverged must be seen to: what is no number does not vanish in a ReLU.
#[test]
fn what_is_no_number_stays_none() {
    let case = Case::new("vgg16", 4, None, [32, 32, 32], 0.05);
    let kept: Vec<f32> = Vec::try_from(&case.kept).unwrap();
    let middle = (kept.len() / 2..).find(|&place| kept[place] != 0.0).unwrap();
    let _ = case.theta.get(middle as i64).fill_(f64::NAN);
    let [logits, gradient, _] = case.by_itself(Precision::F32).unwrap();
    assert!(logits.isnan().any().int64_value(&[]) != 0);
    assert!(gradient.isnan().any().int64_value(&[]) != 0);
}
