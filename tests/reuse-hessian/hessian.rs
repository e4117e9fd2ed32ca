//! The Hessian of a network defined by a closure: softmax regression, whose Hessian is known in closed form.
#![expect(clippy::unwrap_used, reason = "tests: a panic is a failure, helpers included")]

use sculpt_hessian::{
    Eigen, FromFn, Graphs, Hessian, Layout, Mask, MeanLoss, Network, Product, Seed, Space, Which,
};
use tch::{Device, Kind, Tensor};

const CLASSES: usize = 3;
const FEATURES: usize = 4;
const IMAGES: usize = 7;
/// Weights `[classes, features]`, then biases.
const PARAMS: usize = CLASSES * FEATURES + CLASSES;

fn softmax_regression() -> impl Network<Tensor> {
    let layout = Layout::builder().linear("fc", CLASSES, FEATURES).build().unwrap();
    FromFn::new(layout, |theta: &Tensor, _: &Tensor, x: &Tensor, _| {
        let parts = theta.split_with_sizes([12, 3].as_slice(), 0);
        x.linear(&parts[0].view([3, 4]), Some(&parts[1]))
    })
}

fn theta() -> Vec<f64> {
    (0..PARAMS).map(|i| (i as f64).sin()).collect()
}

/// Row `i`; its fifth feature is the 1 that the bias belongs to.
fn row(i: usize) -> [f64; FEATURES + 1] {
    let x = |j: usize| ((5 * i + j) as f64).cos();
    [x(0), x(1), x(2), x(3), 1.0]
}

/// (class, feature) of a coordinate of θ.
fn place(coordinate: usize) -> (usize, usize) {
    match coordinate.checked_sub(CLASSES * FEATURES) {
        None => (coordinate / FEATURES, coordinate % FEATURES),
        Some(class) => (class, FEATURES),
    }
}

/// `(1/n) Σ_i (diag(p_i) − p_i p_iᵀ)_{kl} x_{ij} x_{im}` at (class k, feature j), (class l, feature m).
fn closed_form(theta: &[f64]) -> Vec<Vec<f64>> {
    let mut hessian = vec![vec![0.0; PARAMS]; PARAMS];
    for i in 0..IMAGES {
        let x = row(i);
        let mut p = [0.0; CLASSES];
        for (c, t) in theta.iter().enumerate() {
            let (class, feature) = place(c);
            p[class] += t * x[feature];
        }
        let sum: f64 = p.iter().map(|z| z.exp()).sum();
        let p = p.map(|z| z.exp() / sum);
        for (a, line) in hessian.iter_mut().enumerate() {
            for (b, h) in line.iter_mut().enumerate() {
                let ((k, j), (l, m)) = (place(a), place(b));
                let same = if k == l { p[k] } else { 0.0 };
                *h += (same - p[k] * p[l]) * x[j] * x[m] / IMAGES as f64;
            }
        }
    }
    hessian
}

#[test]
fn softmax_regression_has_its_closed_form() {
    let network = softmax_regression();
    let mask: Mask = (0..CLASSES * FEATURES).map(|i| i % 3 != 0).collect();
    let pixels: Vec<f64> = (0..IMAGES).flat_map(|i| row(i)[..FEATURES].to_vec()).collect();
    for mask in [None, Some(mask)] {
        let free: Vec<usize> = (0..PARAMS)
            .filter(|&c| mask.as_ref().is_none_or(|m| c >= m.len() || m.get(c)))
            .collect();
        let mut at = theta();
        let loss = MeanLoss {
            network: &network,
            theta: &Tensor::from_slice(&at),
            buffers: &Tensor::zeros([0], (Kind::Double, Device::Cpu)),
            mask: mask.as_ref(),
            images: &Tensor::from_slice(&pixels).view([IMAGES as i64, FEATURES as i64]),
            labels: &Tensor::from_slice(&[0i64, 1, 2, 0, 1, 2, 0]),
        };
        // A pruned weight counts as 0.
        (0..PARAMS)
            .filter(|c| !free.contains(c))
            .for_each(|c| at[c] = 0.0);
        let expected = closed_form(&at);

        // The logits are linear in θ, so the Gauss-Newton matrix is the Hessian.
        for product in [Product::DoubleBackward, Product::GaussNewton] {
            let hessian = Hessian::new(loss, product, 3, Graphs::Keep).unwrap();
            let space = hessian.space();
            assert_eq!(space.dimension(), free.len());
            for (i, &column) in free.iter().enumerate() {
                let mut unit = vec![0.0; free.len()];
                unit[i] = 1.0;
                let ours = Vec::<f64>::try_from(hessian.product(&space.vector(&unit))).unwrap();
                for (row, ours) in ours.into_iter().enumerate() {
                    let theirs = if free.contains(&row) {
                        expected[row][column]
                    } else {
                        0.0
                    };
                    assert!((ours - theirs).abs() < 1e-14, "{row} {column}: {ours} {theirs}");
                }
            }
            let params = Eigen::new(1, Which::LargestAlgebraic, 1e-10, 100, 20, Seed(1)).unwrap();
            let pairs = hessian.eigenpairs(&params).unwrap();
            // The pair solves the closed form's equation.
            let v = Vec::<f64>::try_from(&pairs.vectors[0]).unwrap();
            for &row in &free {
                let hv: f64 = (0..PARAMS).map(|column| expected[row][column] * v[column]).sum();
                assert!((hv - pairs.values[0] * v[row]).abs() < 1e-9);
            }
        }
    }
}
