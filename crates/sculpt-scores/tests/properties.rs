//! What holds for any weights: masks only shrink, order and cuts do not matter, nothing handed in changes.
#![expect(clippy::unwrap_used, reason = "tests: a panic is a failure, helpers included")]

use proptest::prelude::*;
use sculpt_models::{InitRule, ModelSpec, Precision, initialise};
use sculpt_scores::{
    Density, FromFn, Grasp, Layout, Mask, Mode, Network, Point, Probe, Scores, Seed, SynFlow, WoodFisher,
    fisher, grasp, snip, synflow, wood_fisher,
};
use tch::{Device, Kind, Tensor};

const N_PRUNABLE: usize = 6 * 4 + 3 * 6;

/// 4 numbers, 6 hidden tanh units, 3 classes. The tensors may stand in the other order in θ.
fn perceptron(reversed: bool) -> impl Network<Tensor> {
    let builder = Layout::builder();
    let layout = if reversed {
        builder.linear("out", 3, 6).linear("hidden", 6, 4)
    } else {
        builder.linear("hidden", 6, 4).linear("out", 3, 6)
    };
    let layout = layout.build().unwrap();
    let places = layout.clone();
    FromFn::new(layout, move |theta: &Tensor, _: &Tensor, x: &Tensor, _: Mode| {
        let tensor = |name: &str| {
            let param = places.param(name).unwrap();
            let shape: Vec<i64> = param.shape().iter().map(|&n| n as i64).collect();
            theta
                .narrow(0, param.range().start as i64, param.len() as i64)
                .view(&shape[..])
        };
        let x = x.flatten(1, -1);
        let hidden = x
            .linear(&tensor("hidden.weight"), Some(tensor("hidden.bias")))
            .tanh();
        hidden.linear(&tensor("out.weight"), Some(tensor("out.bias")))
    })
}

/// The same numbers under the same names.
fn rearranged(theta: &[f64], from: &Layout, to: &Layout) -> Vec<f64> {
    let mut out = vec![0.0; theta.len()];
    for param in to.params() {
        let place = from.param(param.name()).unwrap().range();
        out[param.range()].copy_from_slice(&theta[place]);
    }
    out
}

fn rearranged_mask(mask: &Mask, from: &Layout, to: &Layout) -> Mask {
    to.prunable()
        .flat_map(|param| {
            let place = from.param(param.name()).unwrap().prunable_range().unwrap();
            mask.slice(place).to_vec()
        })
        .collect()
}

/// Seven images in pieces of `piece`.
fn probe(piece: i64) -> Probe {
    let pixels = Tensor::arange(7 * 4, (Kind::Double, Device::Cpu)) * 0.9;
    let images = pixels.sin().view([7, 1, 2, 2]);
    let labels = Tensor::from_slice(&[0i64, 1, 2, 0, 2, 1, 0]);
    Probe::new(images.split(piece, 0).into_iter().zip(labels.split(piece, 0))).unwrap()
}

fn all_scores(point: &Point<'_>, probe: &Probe) -> Vec<Scores> {
    vec![
        snip(point, probe, Mode::Eval).unwrap(),
        grasp(point, probe, Grasp::default()).unwrap(),
        fisher(point, probe).unwrap(),
        wood_fisher(
            point,
            probe,
            WoodFisher {
                block_size: 5,
                ..WoodFisher::default()
            },
        )
        .unwrap(),
    ]
}

fn all_masks(point: &Point<'_>, density: Density) -> Vec<Mask> {
    let scores = all_scores(point, &probe(7));
    let mut masks: Vec<Mask> = scores.iter().map(|s| s.keep(density).unwrap()).collect();
    masks.push(synflow(point, [1, 2, 2], density, SynFlow::default()).unwrap());
    masks.push(synflow(point, [1, 2, 2], density, SynFlow::TURBO_PRUNE).unwrap());
    masks
}

fn any_theta() -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec(-2.0..2.0, N_PRUNABLE + 9)
}

fn any_mask() -> impl Strategy<Value = Mask> {
    proptest::collection::vec(any::<bool>(), N_PRUNABLE).prop_map(Mask::from_bools)
}

/// θ with what the mask prunes set to 0.
fn masked(layout: &Layout, theta: &[f64], mask: &Mask) -> Vec<f64> {
    let keep = mask.expand(layout);
    let pairs = theta.iter().zip(keep);
    pairs
        .map(|(&t, kept)| if kept == 1.0 { t } else { 0.0 })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn nothing_comes_back(theta in any_theta(), mask in any_mask(), fraction in 0.1f64..=1.0) {
        prop_assume!(mask.n_kept() > 10);
        let network = perceptron(false);
        let theta = Tensor::from_slice(&masked(network.layout(), &theta, &mask));
        let buffers = Tensor::zeros([0], (Kind::Double, Device::Cpu));
        let point = Point::new(&network, &theta, &buffers, Some(&mask)).unwrap();
        let n_kept = (fraction * mask.n_kept() as f64).ceil();
        let density = Density::new(n_kept / N_PRUNABLE as f64).unwrap();
        for kept in all_masks(&point, density) {
            prop_assert_eq!(kept.n_kept(), n_kept as usize);
            prop_assert!(kept.is_subset_of(&mask));
        }
        for scores in all_scores(&point, &probe(7)) {
            for (score, kept) in scores.values().iter().zip(mask.iter()) {
                prop_assert!(kept || *score == 0.0);
            }
        }
    }

    #[test]
    fn fewer_are_among_more(theta in any_theta(), a in 0.05..=1.0, b in 0.05..=1.0) {
        let network = perceptron(false);
        let theta = Tensor::from_slice(&theta);
        let buffers = Tensor::zeros([0], (Kind::Double, Device::Cpu));
        let point = Point::new(&network, &theta, &buffers, None).unwrap();
        let (fewer, more) = (f64::min(a, b), f64::max(a, b));
        for scores in all_scores(&point, &probe(7)) {
            let keep = |density| scores.keep(Density::new(density).unwrap()).unwrap();
            prop_assert!(keep(fewer).is_subset_of(&keep(more)));
        }
    }

    #[test]
    fn the_order_of_layers_does_not_matter(theta in any_theta(), density in 0.1..0.9) {
        let density = Density::new(density).unwrap();
        let (here, there) = (perceptron(false), perceptron(true));
        let buffers = Tensor::zeros([0], (Kind::Double, Device::Cpu));
        let other = Tensor::from_slice(&rearranged(&theta, here.layout(), there.layout()));
        let theta = Tensor::from_slice(&theta);
        let point = Point::new(&here, &theta, &buffers, None).unwrap();
        let other = Point::new(&there, &other, &buffers, None).unwrap();
        for (ours, theirs) in all_masks(&point, density).iter().zip(all_masks(&other, density)) {
            prop_assert_eq!(ours, &rearranged_mask(&theirs, there.layout(), here.layout()));
        }
    }

    #[test]
    fn cuts_do_not_matter(theta in any_theta(), piece in 1i64..7) {
        let network = perceptron(false);
        let theta = Tensor::from_slice(&theta);
        let buffers = Tensor::zeros([0], (Kind::Double, Device::Cpu));
        let point = Point::new(&network, &theta, &buffers, None).unwrap();
        let whole = all_scores(&point, &probe(7));
        for (whole, cut) in whole.iter().zip(all_scores(&point, &probe(piece))) {
            let size = whole.values().iter().fold(0.0, |size: f64, score| size.max(score.abs()));
            for (a, b) in whole.values().iter().zip(cut.values()) {
                prop_assert!((a - b).abs() <= 1e-12 * size, "{} {}", a, b);
            }
        }
    }
}

/// Bit by bit, in every mode, on a network whose BatchNorm moves its buffers in training.
#[test]
fn nothing_handed_in_changes() {
    let spec = ModelSpec::named("resnet8", 10, Some(4), None).unwrap();
    let network = spec.network(Precision::F32).unwrap();
    let (theta, buffers) = initialise(network.layout(), InitRule::KaimingNormalFanIn, Seed(3));
    let (theta, buffers) = (Tensor::from_slice(&theta), Tensor::from_slice(&buffers));
    let bits = |tensor: &Tensor| -> Vec<u32> {
        let values = Vec::<f32>::try_from(tensor).unwrap();
        values.into_iter().map(f32::to_bits).collect()
    };
    let before = (bits(&theta), bits(&buffers));
    let images = Tensor::arange(4 * 3 * 8 * 8, (Kind::Float, Device::Cpu)).sin();
    let labels = Tensor::from_slice(&[1i64, 2, 3, 4]);
    let probe = Probe::new([(images.view([4, 3, 8, 8]), labels)]).unwrap();
    let point = Point::new(&network, &theta, &buffers, None).unwrap();
    let [eval, train, calibrate] =
        [Mode::Eval, Mode::Train, Mode::Calibrate].map(|mode| snip(&point, &probe, mode).unwrap());
    assert_ne!(eval, train);
    assert_eq!(train, calibrate);
    all_scores(&point, &probe);
    for variant in [SynFlow::default(), SynFlow::TURBO_PRUNE] {
        synflow(&point, [3, 8, 8], Density::new(0.1).unwrap(), variant).unwrap();
    }
    assert_eq!((bits(&theta), bits(&buffers)), before);
    assert!(!theta.requires_grad() && !buffers.requires_grad());
}
