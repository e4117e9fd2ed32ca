//! Training with libtorch's convolutions and our own passes between them, against libtorch's tape in f64.

use super::*;
use crate::families::Architecture;
use crate::plan::Plan;
use crate::{InitRule, Shortcut, initialise};
use sculpt_layout::Layout;
use sculpt_network::Network;
use sculpt_random::{Purpose, Seed, Stream};
use tch::Reduction;

/// A network at a random place, and images and labels.
struct Case {
    name: String,
    layout: Layout,
    plan: Plan,
    theta: Tensor,
    buffers: Tensor,
    images: Tensor,
    labels: Tensor,
}

impl Case {
    fn new(
        name: &str,
        width: usize,
        shortcut: Option<Shortcut>,
        [n, height, width_of_image]: [i64; 3],
    ) -> Self {
        let mut architecture = Architecture::named(name).unwrap();
        if let Some(shortcut) = shortcut {
            architecture = architecture.family().with_shortcut(shortcut).unwrap();
        }
        let (layout, plan) = architecture.family().plan(width, 7);
        let (mut theta, buffers) = initialise(&layout, InitRule::KaimingNormalFanIn, Seed(4));
        let mut stream = Stream::new(Seed(5), Purpose::TEST, 0);
        // Every γ, β and bias has a value of its own.
        for value in &mut theta {
            *value += 0.1 * stream.normal() as f32;
        }
        let size = [n, 3, height, width_of_image];
        let images: Vec<f32> = (0..size.iter().product())
            .map(|_| stream.normal() as f32)
            .collect();
        let labels: Vec<i64> = (0..n).map(|_| stream.below(7) as i64).collect();
        Self {
            name: name.to_owned(),
            layout,
            plan,
            theta: Tensor::from_slice(&theta),
            buffers: Tensor::from_slice(&buffers),
            images: Tensor::from_slice(&images).view(size),
            labels: Tensor::from_slice(&labels),
        }
    }

    fn network(&self, precision: Precision) -> PlannedNetwork {
        PlannedNetwork::new(self.layout.clone(), self.plan.clone(), precision, false)
    }

    fn has_pool(&self) -> bool {
        self.plan
            .steps
            .iter()
            .any(|step| matches!(step, Step::MaxPool(_)))
    }

    fn loss(&self, logits: &Tensor) -> Tensor {
        logits.cross_entropy_loss(&self.labels, None::<Tensor>, Reduction::Mean, -100, 0.0)
    }

    /// Logits, gradient and running statistics by libtorch's tape.
    fn by_tape(&self, precision: Precision, kind: Kind) -> [Tensor; 3] {
        let theta = self.theta.to_kind(kind).detach().set_requires_grad(true);
        let buffers = self.buffers.to_kind(kind).copy();
        let network = self.network(precision);
        let logits = network.forward(&theta, &buffers, &self.images.to_kind(kind), Mode::Train);
        let gradient = Tensor::run_backward(&[self.loss(&logits)], &[&theta], false, false).swap_remove(0);
        [logits.detach(), gradient, buffers].map(|x| x.to_kind(Kind::Double))
    }

    /// The same by rows.
    fn by_rows<T: OfLibtorch>(&self, precision: Precision) -> [Tensor; 3] {
        let (network, buffers) = (self.network(precision), self.buffers.copy());
        let mut here = no_grad(|| RowsNetwork::<T>::forward(&network, &self.theta, &buffers, &self.images));
        let logits = here.logits().detach().set_requires_grad(true);
        let u = Tensor::run_backward(&[self.loss(&logits)], &[&logits], false, false).swap_remove(0);
        let gradient = here.pull_back(&u);
        [logits.detach(), gradient, buffers].map(|x| x.to_kind(Kind::Double))
    }

    /// No further from the truth than libtorch in such numbers, but for a factor and a rounding.
    #[track_caller]
    fn check<T: OfLibtorch>(&self, precision: Precision) {
        let truth = self.by_tape(Precision::F32, Kind::Double);
        let theirs = self.by_tape(precision, Kind::Float);
        let ours = self.by_rows::<T>(precision);
        let all = ours.iter().zip(&theirs).zip(&truth);
        for (what, ((ours, theirs), truth)) in ["logits", "gradient", "buffers"].iter().zip(all) {
            let far = |x: &Tensor| (x - truth).norm().double_value(&[]) / truth.norm().double_value(&[]);
            let (ours, theirs) = (far(ours), far(theirs));
            // Which pixel of a pooling is the largest may be rounding's choice: the gradient then jumps.
            let jump = if self.has_pool() && *what == "gradient" {
                0.02
            } else {
                1e-6
            };
            assert!(
                ours <= 3.0 * theirs + jump,
                "{} {precision:?} {:?}: {what} off by {ours:e}, libtorch's by {theirs:e}",
                self.name,
                self.images.size()
            );
        }
    }
}

/// Every kind of layer; one image, odd sides, channels that are no sixteens.
#[test]
fn gradients_are_those_of_libtorch() {
    for case in [
        Case::new("resnet20", 16, Some(Shortcut::Projection), [19, 16, 16]),
        Case::new("resnet20", 4, Some(Shortcut::Identity), [1, 9, 13]),
        Case::new("resnet18-cifar", 8, None, [6, 8, 8]),
        Case::new("resnet50", 8, None, [4, 45, 61]),
        Case::new("vgg16", 8, None, [7, 32, 32]),
    ] {
        case.check::<f32>(Precision::F32);
        case.check::<Bf16>(Precision::Bf16);
    }
}

/// The last is what the first was.
#[test]
fn gradients_may_be_had_again() {
    let case = Case::new("resnet20", 8, Some(Shortcut::Projection), [9, 8, 8]);
    let (network, buffers) = (case.network(Precision::F32), case.buffers.copy());
    let mut here = differentiate(&network, &case.theta, &buffers, &case.images).unwrap();
    let u = here.logits().copy();
    let first = here.pull_back(&u);
    assert_ne!(here.pull_back(&u.tanh()), first);
    assert_eq!(here.pull_back(&u), first);
}

/// libtorch's words, as before.
#[test]
fn what_libtorch_refuses_is_left_to_it() {
    for size in [[1, 4, 4], [0, 8, 8]] {
        let case = Case::new("resnet20", 4, Some(Shortcut::Identity), size);
        let network = case.network(Precision::F32);
        let here = differentiate(&network, &case.theta, &case.buffers, &case.images);
        assert!(here.is_none(), "{size:?}");
    }
    let case = Case::new("resnet20", 4, Some(Shortcut::Identity), [2, 4, 4]);
    let network = case.network(Precision::F32);
    assert!(differentiate(&network, &case.theta, &case.buffers, &case.images).is_some());
}

/// A network that diverged must be seen to.
#[test]
fn what_is_no_number_stays_none() {
    let case = Case::new("resnet20", 4, Some(Shortcut::Identity), [5, 8, 8]);
    let _ = case.theta.get(3).fill_(f64::NAN);
    let [logits, gradient, _] = case.by_rows::<f32>(Precision::F32);
    assert!(logits.isnan().any().int64_value(&[]) != 0);
    assert!(gradient.isnan().any().int64_value(&[]) != 0);
}
