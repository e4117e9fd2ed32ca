//! Derivatives by our own convolutions, whichever would be faster, against libtorch's tape in f64, differentiated twice.

use super::*;
use crate::families::Architecture;
use crate::{InitRule, Shortcut, initialise};
use sculpt_masks::{Allocation, Density, Rule, random};
use sculpt_network::{Mode, Network};
use sculpt_random::{Purpose, Seed, Stream};
use tch::{Device, Reduction};

const CLASSES: i64 = 7;

/// A folded network at a random place, and images and labels.
struct Case {
    name: String,
    network: PlannedNetwork,
    theta: Tensor,
    kept: Tensor,
    buffers: Tensor,
    images: Tensor,
    labels: Tensor,
}

impl Case {
    fn new(name: &str, width: usize, shortcut: Option<Shortcut>, size: [i64; 3], density: f64) -> Self {
        let mut architecture = Architecture::named(name).unwrap();
        if let Some(shortcut) = shortcut {
            architecture = architecture.family().with_shortcut(shortcut).unwrap();
        }
        let (layout, plan) = architecture.family().plan(width, CLASSES as usize);
        let density = Density::new(density).unwrap();
        let mask = random(&layout, density, Allocation::Balanced, Rule::Exact, Seed(3)).unwrap();
        let (mut theta, mut buffers) = initialise(&layout, InitRule::KaimingNormalFanIn, Seed(4));
        let mut stream = Stream::new(Seed(5), Purpose::TEST, 0);
        // Every γ, β, bias and running statistic has a value of its own.
        for value in theta.iter_mut().chain(&mut buffers) {
            *value += 0.1 * stream.normal().abs() as f32;
        }
        mask.apply(&layout, &mut theta);
        let [n, height, columns] = size;
        let images: Vec<f32> = (0..n * 3 * height * columns)
            .map(|_| stream.normal() as f32)
            .collect();
        let labels: Vec<i64> = (0..n).map(|_| stream.below(CLASSES as u64) as i64).collect();
        Self {
            name: format!("{name} of width {width} on {size:?}"),
            kept: Tensor::from_slice(&mask.expand(&layout)),
            network: PlannedNetwork::new(layout, plan, Precision::F32, true),
            theta: Tensor::from_slice(&theta),
            buffers: Tensor::from_slice(&buffers),
            images: Tensor::from_slice(&images).view([n, 3, height, columns]),
            labels: Tensor::from_slice(&labels),
        }
    }

    /// In which a product with the Hessian is taken: at kept parameters, all different.
    fn direction(&self) -> Tensor {
        let n = self.theta.numel() as i64;
        Tensor::arange(n, (Kind::Float, Device::Cpu)).sin() * &self.kept
    }

    /// Logits, and at kept parameters the gradient of the loss and its Hessian along [`Case::direction`]: by libtorch's tape.
    fn by_tape(&self, kind: Kind) -> [Tensor; 3] {
        let theta = self.theta.to_kind(kind).detach().set_requires_grad(true);
        let [buffers, images] = [&self.buffers, &self.images].map(|x| x.to_kind(kind));
        let logits = self.network.forward(&theta, &buffers, &images, Mode::Eval);
        let loss = logits.cross_entropy_loss(&self.labels, None::<Tensor>, Reduction::Mean, -100, 0.0);
        let gradient = Tensor::run_backward(&[loss], &[&theta], true, true).swap_remove(0);
        let slope = gradient.dot(&self.direction().to_kind(kind));
        let product = Tensor::run_backward(&[slope], &[&theta], false, false).swap_remove(0);
        [
            logits.detach(),
            gradient.detach() * &self.kept,
            product * &self.kept,
        ]
    }

    fn blocks(&self, kept: &Tensor) -> LinearisedNetwork<'_, Blocks<'_>> {
        let Self {
            network,
            theta,
            buffers,
            images,
            ..
        } = self;
        let blocks = Blocks::new(network, theta, kept, buffers, images).unwrap();
        LinearisedNetwork::new(network, blocks, theta, buffers, images)
    }

    /// The same as it is written out, by our own convolutions.
    fn by_blocks(&self) -> [Tensor; 3] {
        let mut here = self.blocks(&self.kept);
        let logits = here.logits().copy();
        let p = logits.softmax(-1, None::<Kind>);
        let n = self.labels.size()[0] as f64;
        let gradient = here.pull_back(&((&p - self.labels.one_hot(CLASSES)) / n));
        let product = here.change_along(&self.direction(), &|dz| {
            let mean = (&p * dz).sum_dim_intlist([1i64].as_slice(), true, None::<Kind>);
            &p * (dz - mean) / n
        });
        [logits, gradient * &self.kept, product * &self.kept]
    }
}

fn norm(x: &Tensor) -> f64 {
    x.norm().double_value(&[])
}

/// Blocks that are full, one that is not; odd sides; every kind of layer and of shortcut; every way of multiplying.
#[test]
fn second_derivatives_are_those_of_libtorch() {
    let projected = Some(Shortcut::Projection);
    let cases = [
        Case::new("resnet20", 8, projected, [32, 16, 16], 0.1),
        Case::new("resnet20", 8, projected, [37, 12, 20], 0.8),
        Case::new("resnet20", 4, Some(Shortcut::Identity), [33, 9, 13], 0.1),
        Case::new("resnet18-cifar", 8, None, [34, 8, 8], 0.05),
        Case::new("resnet50", 8, None, [40, 61, 77], 0.05),
        Case::new("vgg16", 8, None, [36, 32, 32], 0.05),
        Case::new("resnet20", 16, projected, [17, 12, 20], 0.9),
        Case::new("resnet18-cifar", 16, None, [5, 8, 8], 1.0),
    ];
    for case in &cases {
        let [truth, theirs] = [Kind::Double, Kind::Float].map(|kind| case.by_tape(kind));
        let ours = case.by_blocks();
        let all = ours.iter().zip(&theirs).zip(&truth);
        for (what, ((ours, theirs), truth)) in ["logits", "gradient", "product"].iter().zip(all) {
            let far = |x: &Tensor| norm(&(x - truth)) / norm(truth);
            let (ours, theirs) = (far(ours), far(theirs));
            assert!(
                ours <= 4.0 * theirs + 1e-6,
                "{}: {what} off by {ours:e}, libtorch's by {theirs:e}",
                case.name
            );
        }
    }
}

/// Of all weights there are derivatives along pruned ones too; and weights that were made for one are not taken for the other.
#[test]
fn derivatives_along_pruned_weights_are_there_for_whoever_asks() {
    let case = Case::new("resnet8", 8, None, [40, 8, 8], 0.3);
    let pruned = 1.0 - &case.kept;
    let (mut all, mut kept) = (case.blocks(&case.kept.ones_like()), case.blocks(&case.kept));
    let gradients = [&mut all, &mut kept].map(|network| {
        let u = network.logits().tanh();
        network.pull_back(&u)
    });
    assert!(norm(&(&gradients[0] * &pruned)) > 0.1 * norm(&gradients[0]));
    assert_eq!(
        norm(
            &(&gradients[1]
                * pruned
                    .narrow(0, 0, 216)
                    .constant_pad_nd([0, pruned.numel() as i64 - 216]))
        ),
        0.0
    );
    assert!(norm(&((&gradients[0] - &gradients[1]) * &case.kept)) < 1e-5 * norm(&gradients[0]));
    // The two take turns.
    let along = case.direction();
    for _ in 0..2 {
        let [of_all, of_kept] =
            [&all, &kept].map(|network| network.change_along(&along, &Tensor::copy) * &case.kept);
        assert!(norm(&(&of_all - &of_kept)) < 1e-5 * norm(&of_all));
        assert!(norm(&kept.change_along(&(&along * 0.5), &Tensor::copy)) < 0.6 * norm(&of_all));
    }
    // Both by libtorch, which keeps images apart.
    let us = [all.logits().tanh()];
    let theirs = linearise(&case.network, &case.theta, &case.buffers, &case.images).unwrap();
    let expected = theirs.squares(&us).unwrap();
    assert!(norm(&expected) > 0.0);
    for squares in [all.squares(&us), kept.squares(&us)] {
        assert_eq!(squares.unwrap(), expected);
    }
}

/// What is asked of the network: the same by our own convolutions as by libtorch's, of whichever size and number images come, and whatever
/// was computed before.
#[test]
fn one_network_linearises_images_of_many_sizes() {
    let case = Case::new("resnet8", 8, None, [64, 12, 12], 0.2);
    let derivatives = |kept: bool, images: &Tensor| {
        let Case {
            network,
            theta,
            buffers,
            ..
        } = &case;
        let mut here = match kept {
            true => network.linearise_kept(theta, &case.kept, buffers, images),
            false => network.linearise(theta, buffers, images),
        }
        .unwrap();
        let pulled = here.pull_back(&here.logits().tanh()) * &case.kept;
        [
            pulled,
            here.change_along(&case.direction(), &Tensor::tanh) * &case.kept,
        ]
    };
    let nan = case.images.full_like(f64::NAN);
    assert!(norm(&derivatives(true, &nan)[0]).is_nan());
    for (n, side) in [(64, 12), (40, 8), (64, 8), (49, 12), (64, 12)] {
        let images = case.images.narrow(0, 0, n).narrow(2, 0, side).narrow(3, 0, side);
        let images = images.contiguous();
        let blocks = Blocks::if_worth_it(&case.network, &case.theta, &case.kept, &case.buffers, &images);
        assert!(blocks.is_some(), "{n} of {side} pixels");
        let (ours, theirs) = (derivatives(true, &images), derivatives(false, &images));
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_ne!(ours, theirs);
            assert!(
                norm(&(ours - theirs)) < 1e-5 * norm(theirs),
                "{n} of {side} pixels"
            );
        }
    }
    // Of others libtorch says what is wrong.
    let four_channels = case
        .images
        .narrow(1, 0, 1)
        .expand([64, 4, 12, 12], false)
        .contiguous();
    let blocks = Blocks::new(
        &case.network,
        &case.theta,
        &case.kept,
        &case.buffers,
        &four_channels,
    );
    assert!(blocks.is_none());
}

/// The linear layer's parameters are libtorch's, whose bits depend on threads.
#[test]
fn bits_do_not_depend_on_threads_nor_on_what_was_computed_before() {
    let case = Case::new("resnet20", 16, None, [70, 16, 16], 0.8);
    // As many pixels as several threads share.
    let fc = case.network.layout().param("fc.weight").unwrap().range().start as i64;
    let before = tch::get_num_threads();
    let mut all = Vec::new();
    for threads in [1, 2, 3, 2] {
        tch::set_num_threads(threads);
        let mut here = case.blocks(&case.kept);
        let u = here.logits().tanh();
        let pulled = here.pull_back(&u);
        let changes = [1.0, 2.0].map(|by| here.change_along(&(case.direction() * by), &Tensor::tanh));
        let [first, second] = changes.map(|x| x.narrow(0, 0, fc));
        all.push([u, pulled.narrow(0, 0, fc), first, second]);
    }
    tch::set_num_threads(before);
    for again in &all[1..] {
        assert_eq!(again, &all[0]);
    }
}

/// Few images, many weights, other numbers: by libtorch.
#[test]
fn what_libtorch_does_faster_is_left_to_it() {
    let is_ours = |case: &Case, n: i64, threads: i32| {
        let before = tch::get_num_threads();
        tch::set_num_threads(threads);
        let images = case.images.narrow(0, 0, n);
        let Case {
            network,
            theta,
            kept,
            buffers,
            ..
        } = case;
        let is_worth_it = Blocks::if_worth_it(network, theta, kept, buffers, &images).is_some();
        tch::set_num_threads(before);
        is_worth_it
    };
    let sparse = Case::new("resnet20", 16, None, [64, 8, 8], 0.1);
    assert!(is_ours(&sparse, 64, 2) && is_ours(&sparse, 49, 4));
    assert!(!is_ours(&sparse, 31, 1), "two blocks would not be full");
    let by = |n_threads| {
        let kept = Vec::<f32>::try_from(&sparse.kept).unwrap();
        sparse
            .network
            .derivatives_are_worth_it(&kept, &[48, 3, 8, 8], n_threads)
    };
    assert!(
        by(1) && by(3) && !by(32),
        "of 32 threads 29 have no block, where libtorch has work for all"
    );
    let dense = Case::new("resnet20", 16, None, [64, 32, 32], 1.0);
    assert!(is_ours(&dense, 64, 1), "all weights");
    let one_by_one = Case::new("resnet20", 16, None, [64, 6, 6], 1.0);
    assert!(!is_ours(&one_by_one, 64, 1), "all weights, of odd sides");
    let double = sparse.theta.to_kind(Kind::Double);
    let blocks = Blocks::new(
        &sparse.network,
        &double,
        &sparse.kept,
        &sparse.buffers,
        &sparse.images,
    );
    assert!(blocks.is_none(), "f64");
}
