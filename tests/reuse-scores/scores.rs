//! Pruning scores of a network defined by a closure: `sculpt-scores` alone.
#![expect(clippy::unwrap_used, reason = "tests: a panic is a failure, helpers included")]

use sculpt_scores::{
    Density, FromFn, Grasp, Layout, Mask, Mode, Network, Point, Probe, SynFlow, WoodFisher, fisher, grasp,
    magnitude, snip, synflow, wood_fisher,
};
use tch::{Device, Kind, Tensor};

/// Two inputs, two hidden units without bias or activation, two classes: logits `B A x + c`.
fn network() -> impl Network<Tensor> {
    let layout = Layout::builder()
        .conv("a", [2, 2, 1, 1])
        .linear("b", 2, 2)
        .build()
        .unwrap();
    FromFn::new(layout, |theta: &Tensor, _: &Tensor, x: &Tensor, _: Mode| {
        let parts = theta.split_with_sizes([4, 4, 2], 0);
        let hidden = x.flatten(1, -1).matmul(&parts[0].view([2, 2]).tr());
        hidden.linear(&parts[1].view([2, 2]), Some(&parts[2]))
    })
}

/// A = (1, 2; 0, −1), B = (1, 1; −1, 1), and c such that the classes of x = (1, 1) have 3/4 and 1/4:
/// A x = (3, −1), B A x = (2, −4), c = (0, 6 − ln 3).
fn theta() -> [f64; 10] {
    [1.0, 2.0, 0.0, -1.0, 1.0, 1.0, -1.0, 1.0, 0.0, 6.0 - 3f64.ln()]
}

fn mask(bits: [u8; 8]) -> Mask {
    bits.iter().map(|&bit| bit == 1).collect()
}

/// At label 0, δ = (−1/4, 1/4) at the logits: ∂L/∂B = δ (A x)ᵀ = (−3/4, 1/4; 3/4, −1/4), Bᵀ δ = (−1/2, 0) and
/// ∂L/∂A = (−1/2, −1/2; 0, 0).
#[test]
fn snip_by_hand() {
    let (network, theta) = (network(), Tensor::from_slice(&theta()));
    let buffers = Tensor::zeros([0], (Kind::Double, Device::Cpu));
    let point = Point::new(&network, &theta, &buffers, None).unwrap();
    let image = Tensor::ones([1, 2, 1, 1], (Kind::Double, Device::Cpu));
    let probe = Probe::new([(image, Tensor::from_slice(&[0i64]))]).unwrap();
    let scores = snip(&point, &probe, Mode::Eval).unwrap();
    for (ours, expected) in scores
        .values()
        .iter()
        .zip([0.5, 1.0, 0.0, 0.0, 0.75, 0.25, 0.75, 0.25])
    {
        assert!((ours - expected).abs() < 1e-12, "{:?}", scores.values());
    }
    let half = Density::new(0.5).unwrap();
    assert_eq!(scores.keep(half).unwrap(), mask([1, 1, 0, 0, 1, 0, 1, 0]));

    // The others take the same point and probe.
    for scores in [
        grasp(&point, &probe, Grasp::default()).unwrap(),
        fisher(&point, &probe).unwrap(),
        wood_fisher(&point, &probe, WoodFisher::default()).unwrap(),
    ] {
        let layers = scores.keep(half).unwrap().layers(network.layout());
        assert_eq!(layers.iter().map(|layer| layer.kept).sum::<usize>(), 4);
    }
}

/// |A| = (1, 2; 0, 1), |B| = (1, 1; 1, 1): a weight of A carries |A_ij| · 2, that is (2, 4, 0, 2), a weight of B
/// the sum of a row of |A|, (3, 1, 3, 1). Of the equal 2s the first survives; a second pass would find the same.
#[test]
fn synflow_by_hand() {
    let (network, theta) = (network(), theta().map(|weight| weight as f32));
    let buffers = Tensor::from_slice(&[0f32; 0]);
    let on_device = Tensor::from_slice(&theta);
    let point = Point::new(&network, &on_device, &buffers, None).unwrap();
    let half = Density::new(0.5).unwrap();
    for variant in [SynFlow::default(), SynFlow::TURBO_PRUNE] {
        let kept = synflow(&point, [2, 1, 1], half, variant).unwrap();
        assert_eq!(kept, mask([1, 1, 0, 0, 1, 0, 1, 0]));
    }
    // |θ| = 1, 2, 0, 1, 1, 1, 1, 1: the 2, and of the equal 1s the first three.
    let largest = magnitude(network.layout(), &theta, half, None).unwrap();
    assert_eq!(largest, mask([1, 1, 0, 1, 1, 0, 0, 0]));
}
