//! Losses, gradients, products and eigenvalues against PyTorch's in float64 (`goldens/make_spectra.py`).
#![expect(clippy::unwrap_used, reason = "tests: a panic is a failure, helpers included")]

use sculpt_hessian::{
    Density, Eigen, FromFn, Graphs, Hessian, Layout, Mask, MeanLoss, Network, ParamKind, Product, Seed,
    Space, Which,
};
use sculpt_models::{ModelSpec, Precision};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

fn cases(text: &str) -> Vec<Value> {
    let goldens: Value = serde_json::from_str(text).unwrap();
    goldens["cases"].as_array().unwrap().clone()
}

fn numbers(case: &Value, key: &str) -> Vec<f64> {
    let list = case[key].as_array().unwrap();
    list.iter().map(|x| x.as_f64().unwrap()).collect()
}

fn number(case: &Value, key: &str) -> f64 {
    case[key].as_f64().unwrap()
}

/// The formula of the script: n numbers in [-1, 1), a hash of the index.
fn value(n: usize, salt: u64) -> Vec<f64> {
    let hash = |i: u64| {
        let mut h = (i * 2_654_435_761 + salt * 40_503) & 0xffff_ffff;
        h = ((h ^ (h >> 15)) * 2_246_822_519) & 0xffff_ffff;
        h ^= h >> 13;
        h as f64 / 2_147_483_648.0 - 1.0
    };
    (0..n as u64).map(hash).collect()
}

/// A probe and a point by the script's formula.
struct Setting<'a> {
    network: &'a dyn Network<Tensor>,
    theta: Tensor,
    buffers: Tensor,
    mask: Option<Mask>,
    images: Tensor,
    labels: Tensor,
}

impl<'a> Setting<'a> {
    fn new(network: &'a dyn Network<Tensor>, masked: bool, kind: Kind, [n, size, classes]: [i64; 3]) -> Self {
        let layout = network.layout();
        // Rounded to f32, as in the script.
        let tensor = |values: Vec<f64>| Tensor::from_slice(&values).to_kind(Kind::Float).to_kind(kind);
        let mut theta = Vec::new();
        for (place, param) in layout.params().iter().enumerate() {
            let (shift, scale) = match param.kind() {
                ParamKind::Conv | ParamKind::Linear => (0.0, (3.0 / param.fan_in() as f64).sqrt()),
                ParamKind::NormScale => (1.0, 0.25),
                ParamKind::Bias | ParamKind::NormShift | ParamKind::Other => (0.0, 0.25),
            };
            let values = value(param.len(), place as u64 + 1);
            theta.extend(values.into_iter().map(|v| shift + v * scale));
        }
        let mut buffers = Vec::new();
        for (place, buffer) in layout.buffers().iter().enumerate() {
            let (shift, scale) = if buffer.name().ends_with("var") {
                (1.0, 0.5)
            } else {
                (0.0, 0.25)
            };
            let values = value(buffer.range().len(), 1000 + place as u64);
            buffers.extend(values.into_iter().map(|v| shift + v * scale));
        }
        let kept = || {
            value(layout.n_prunable(), 777)
                .into_iter()
                .map(|v| v >= 0.0)
                .collect()
        };
        let labels = Tensor::arange(n, (Kind::Int64, Device::Cpu)) * 3;
        Self {
            network,
            theta: tensor(theta),
            buffers: tensor(buffers),
            mask: masked.then(kept),
            images: tensor(value((n * 3 * size * size) as usize, 9999)).view([n, 3, size, size]),
            labels: labels.remainder(classes),
        }
    }

    fn loss(&self) -> MeanLoss<'_> {
        MeanLoss {
            network: self.network,
            theta: &self.theta,
            buffers: &self.buffers,
            mask: self.mask.as_ref(),
            images: &self.images,
            labels: &self.labels,
        }
    }
}

/// The script's `Tiny`: two convolutions with BatchNorm and ReLU, the mean over pixels, a linear layer.
fn tiny() -> impl Network<Tensor> {
    let layout = Layout::builder()
        .conv("conv1", [4, 3, 3, 3])
        .batch_norm("bn1", 4)
        .conv("conv2", [6, 4, 3, 3])
        .batch_norm("bn2", 6)
        .linear("fc", 3, 6)
        .build()
        .unwrap();
    let sizes: Vec<i64> = layout.params().iter().map(|p| p.len() as i64).collect();
    FromFn::new(layout, move |theta: &Tensor, buffers: &Tensor, x: &Tensor, _| {
        let p = theta.split_with_sizes(&sizes[..], 0);
        let running = buffers.split_with_sizes([4, 4, 6, 6].as_slice(), 0);
        let norm = |x: Tensor, p: &[Tensor], running: &[Tensor]| {
            x.batch_norm(
                Some(&p[0]),
                Some(&p[1]),
                Some(&running[0]),
                Some(&running[1]),
                false,
                0.0,
                1e-5,
                true,
            )
            .relu()
        };
        let x = x.conv2d(&p[0].view([4, 3, 3, 3]), None::<Tensor>, 1, 1, 1, 1);
        let x = norm(x, &p[1..3], &running[..2]);
        let x = x.conv2d(&p[3].view([6, 4, 3, 3]), None::<Tensor>, 2, 1, 1, 1);
        let x = norm(x, &p[4..6], &running[2..]).mean_dim([2i64, 3].as_slice(), false, None::<Kind>);
        x.linear(&p[6].view([3, 6]), Some(&p[7]))
    })
}

fn floats(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double)).unwrap()
}

/// `‖ours − theirs‖ ≤ tolerance · ‖theirs‖`.
#[track_caller]
fn check_close(ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len());
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut ours.iter().zip(theirs).map(|(a, b)| a - b));
    let relative = difference / norm(&mut theirs.iter().copied());
    assert!(relative <= tolerance, "{relative:e}");
}

/// Within 2e-3 of the golden values, and within the residuals.
#[track_caller]
fn check_eigenvalues(hessian: &Hessian<'_>, case: &Value, tolerance: f64) {
    let params = Eigen::new(3, Which::LargestAlgebraic, tolerance, 300, 60, Seed(1)).unwrap();
    let pairs = hessian.eigenpairs(&params).unwrap();
    assert!(pairs.converged, "{:?} {:?}", pairs.values, pairs.residuals);
    let theirs = &numbers(case, "eigenvalues")[..3];
    check_close(&pairs.values, theirs, 2e-3);
    for ((ours, residual), theirs) in pairs.values.iter().zip(&pairs.residuals).zip(theirs) {
        assert!(
            (ours - theirs).abs() <= *residual,
            "{ours} ± {residual}, {theirs}"
        );
    }
}

const TINY: &str = include_str!("../goldens/tiny.json");

#[test]
fn tiny_in_f64() {
    tch::set_num_threads(1);
    let network = tiny();
    for case in cases(TINY) {
        let setting = Setting::new(&network, case["masked"] == true, Kind::Double, [11, 8, 3]);
        let v = Tensor::from_slice(&value(365, 555));
        let product = numbers(&case, "product");
        // Whole, and in micro-batches of which the last is smaller.
        for (micro_batch, graphs) in [(11, Graphs::Keep), (4, Graphs::Keep), (4, Graphs::Rebuild)] {
            let hessian = Hessian::new(setting.loss(), Product::DoubleBackward, micro_batch, graphs).unwrap();
            assert_eq!(
                hessian.space().dimension() as u64,
                case["n_free"].as_u64().unwrap()
            );
            check_close(&[hessian.loss()], &[number(&case, "loss")], 1e-13);
            check_close(&floats(&hessian.gradient()), &numbers(&case, "gradient"), 1e-12);
            check_close(&floats(&hessian.product(&v)), &product, 1e-12);
            let again = Hessian::new(setting.loss(), Product::GaussNewton, micro_batch, graphs).unwrap();
            check_close(
                &floats(&again.product(&v)),
                &numbers(&case, "gauss_newton_product"),
                1e-12,
            );
        }
        // Small enough that no ReLU switches; the error is of the order of its square.
        let difference = Product::FiniteDifference { step: 6e-6 };
        let hessian = Hessian::new(setting.loss(), difference, 4, Graphs::Rebuild).unwrap();
        check_close(&floats(&hessian.product(&v)), &product, 1e-8);
    }
}

#[test]
fn tiny_spectrum() {
    tch::set_num_threads(1);
    let network = tiny();
    for case in cases(TINY) {
        for (kind, tolerance) in [(Kind::Double, 1e-8), (Kind::Float, 1e-3)] {
            let setting = Setting::new(&network, case["masked"] == true, kind, [11, 8, 3]);
            let hessian = Hessian::new(setting.loss(), Product::DoubleBackward, 6, Graphs::Keep).unwrap();
            check_eigenvalues(&hessian, &case, tolerance);
        }
    }
}

#[test]
fn tiny_trace_and_density() {
    tch::set_num_threads(1);
    let network = tiny();
    for case in cases(TINY) {
        let setting = Setting::new(&network, case["masked"] == true, Kind::Double, [11, 8, 3]);
        let hessian = Hessian::new(setting.loss(), Product::DoubleBackward, 11, Graphs::Keep).unwrap();
        let trace = number(&case, "trace");
        // Nobody knows what a closure is made of.
        assert!(hessian.exact_trace().is_none());
        for ours in [
            hessian.trace(60, Seed(1)),
            hessian.trace_by_hutch_plus_plus(60, Seed(1)),
        ] {
            let ours = ours.unwrap();
            let error = (ours.estimate - trace).abs();
            assert!(error <= 4.0 * ours.standard_error.unwrap(), "{ours:?} {trace}");
        }
        // The ends of the spectrum are the first that Lanczos finds.
        let density = hessian.density(&Density::new(40, 1, Seed(1)).unwrap()).unwrap();
        let spectrum = numbers(&case, "eigenvalues");
        let nodes = &density.nodes[0];
        let range = |x: &[f64]| {
            x.iter()
                .fold([0f64; 2], |[low, high], &l| [low.min(l), high.max(l)])
        };
        check_close(&range(nodes), &range(&spectrum), 1e-6);
        // tr H² by chance, and with the ends known.
        let exact = spectrum.iter().map(|l| l * l).sum::<f64>() / spectrum.len() as f64;
        for search in [0, 40] {
            let params = Density::new(20, 20, Seed(1)).unwrap().after_search(search);
            let density = hessian.density(&params).unwrap();
            assert_eq!(density.n_known > 0, search > 0);
            let (moment, error) = density.moment(2);
            let off = (moment - exact).abs();
            assert!(off <= 4.0 * error.unwrap(), "{moment} {error:?} {exact}");
        }
    }
}

/// In PyTorch a product a coordinate; here the same without any, of the whole Hessian, since the logits are piecewise affine in each
/// parameter. Whole, in parts, and where nothing is kept.
#[test]
fn diagonal_of_resnet8() {
    tch::set_num_threads(1);
    let spec = ModelSpec::named("resnet8", 5, Some(4), None).unwrap();
    let network = spec.folded_network(Precision::F32).unwrap();
    for case in cases(include_str!("../goldens/resnet8.json")) {
        for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::Float, 1e-4)] {
            let setting = Setting::new(&network, case["masked"] == true, kind, [7, 8, 5]);
            for (micro_batch, graphs) in [(7, Graphs::Keep), (3, Graphs::Keep), (3, Graphs::Rebuild)] {
                for product in [Product::DoubleBackward, Product::GaussNewton] {
                    let hessian = Hessian::new(setting.loss(), product, micro_batch, graphs).unwrap();
                    check_close(
                        &[hessian.exact_trace().unwrap()],
                        &[number(&case, "trace")],
                        tolerance,
                    );
                    let diagonal = floats(&hessian.diagonal().unwrap());
                    let every: Vec<_> = diagonal.iter().copied().step_by(97).collect();
                    check_close(&every, &numbers(&case, "every_97th"), tolerance);
                    let norm = diagonal.iter().map(|x| x * x).sum::<f64>().sqrt();
                    check_close(&[norm], &[number(&case, "diagonal_norm")], tolerance);
                }
            }
            let difference = Product::FiniteDifference { step: 1e-3 };
            let hessian = Hessian::new(setting.loss(), difference, 7, Graphs::Rebuild).unwrap();
            assert!(hessian.diagonal().is_none());
        }
    }
}

/// f32 and folded, as the `hessian` command computes.
#[test]
fn resnet20_in_f32() {
    let spec = ModelSpec::named("resnet20", 10, None, None).unwrap();
    let network = spec.folded_network(Precision::F32).unwrap();
    for case in cases(include_str!("../goldens/resnet20.json")) {
        let setting = Setting::new(&network, case["masked"] == true, Kind::Float, [16, 32, 10]);
        let hessian = Hessian::new(setting.loss(), Product::DoubleBackward, 16, Graphs::Keep).unwrap();
        check_close(&[hessian.loss()], &[number(&case, "loss")], 1e-5);
        let norm = |x: &Tensor| x.norm().double_value(&[]);
        check_close(
            &[norm(&hessian.gradient())],
            &[number(&case, "gradient_norm")],
            1e-4,
        );
        let start = Tensor::from_slice(&value(network.layout().n_params(), 555));
        check_close(
            &[norm(&hessian.product(&start))],
            &[number(&case, "product_norm")],
            1e-4,
        );
        check_eigenvalues(&hessian, &case, 1e-3);

        // In parts of two or three images, sorted by class, and for the value alone.
        let hessian = Hessian::new(setting.loss(), Product::DoubleBackward, 3, Graphs::Keep).unwrap();
        let largest = Eigen::new(1, Which::LargestAlgebraic, 1e-3, 100, 60, Seed(1)).unwrap();
        let found = hessian.eigenpairs(&largest.values_only()).unwrap();
        let theirs = &numbers(&case, "eigenvalues")[..1];
        assert!(found.converged, "{found:?}");
        check_close(&found.values, theirs, 1e-3);
        assert!(
            (found.values[0] - theirs[0]).abs() <= found.errors[0],
            "{found:?} {theirs:?}"
        );
    }
}

/// Of so many images and such narrow layers the products are by our own convolutions, with and without a mask: the same as in f64 by libtorch, which
/// is held to PyTorch's above.
#[test]
fn many_images_in_f32() {
    let spec = ModelSpec::named("resnet8", 5, Some(8), None).unwrap();
    let network = spec.folded_network(Precision::F32).unwrap();
    for masked in [false, true] {
        let [single, double] =
            [Kind::Float, Kind::Double].map(|kind| Setting::new(&network, masked, kind, [75, 12, 5]));
        for product in [Product::DoubleBackward, Product::GaussNewton] {
            let truth = Hessian::new(double.loss(), product, 75, Graphs::Keep).unwrap();
            for (micro_batch, graphs) in [(75, Graphs::Keep), (40, Graphs::Keep), (40, Graphs::Rebuild)] {
                let hessian = Hessian::new(single.loss(), product, micro_batch, graphs).unwrap();
                check_close(&[hessian.loss()], &[truth.loss()], 1e-5);
                let start = Tensor::from_slice(&value(network.layout().n_params(), 555));
                let near = |ours: &Tensor, theirs: &Tensor| {
                    let norm = |x: &Tensor| x.norm().double_value(&[]);
                    assert!(norm(theirs) > 0.0 && norm(&(ours - theirs)) <= 1e-5 * norm(theirs));
                };
                near(&hessian.product(&start), &truth.product(&start));
                near(&hessian.gradient().to_kind(Kind::Double), &truth.gradient());
                near(&hessian.diagonal().unwrap(), &truth.diagonal().unwrap());
            }
        }
    }
}

/// The mean does not know the order of its images; nor do the first steps, which look at them class by class.
#[test]
fn order_of_images_does_not_matter() {
    let spec = ModelSpec::named("resnet8", 3, Some(4), None).unwrap();
    let network = spec.folded_network(Precision::F32).unwrap();
    let setting = Setting::new(&network, false, Kind::Double, [12, 8, 3]);
    let order = Tensor::from_slice(&[7i64, 2, 11, 0, 5, 9, 1, 4, 10, 3, 8, 6]);
    let (images, labels) = (
        setting.images.index_select(0, &order),
        setting.labels.index_select(0, &order),
    );
    let shuffled = MeanLoss {
        images: &images,
        labels: &labels,
        ..setting.loss()
    };
    let largest = Eigen::new(1, Which::LargestAlgebraic, 1e-9, 200, 60, Seed(1)).unwrap();
    let [first, second] = [setting.loss(), shuffled].map(|of| {
        let hessian = Hessian::new(of, Product::DoubleBackward, 4, Graphs::Keep).unwrap();
        (hessian.loss(), hessian.eigenpairs(&largest).unwrap().values)
    });
    check_close(&[first.0], &[second.0], 1e-13);
    check_close(&first.1, &second.1, 1e-9);
}

/// A folded network of ours writes its derivatives out; as a mere function it is differentiated twice.
#[test]
fn written_out_and_differentiated_twice_are_equal() {
    let spec = ModelSpec::named("resnet8", 10, Some(4), None).unwrap();
    let network = spec.folded_network(Precision::F32).unwrap();
    let layout = network.layout().clone();
    let opaque = FromFn::new(layout, |theta: &Tensor, buffers: &Tensor, x: &Tensor, mode| {
        network.forward(theta, buffers, x, mode)
    });
    let written = Setting::new(&network, true, Kind::Double, [11, 12, 10]);
    let twice = Setting::new(&opaque, true, Kind::Double, [11, 12, 10]);
    let v = Tensor::from_slice(&value(network.layout().n_params(), 555));
    for product in [Product::DoubleBackward, Product::GaussNewton] {
        let expected = Hessian::new(twice.loss(), product, 11, Graphs::Keep).unwrap();
        for (micro_batch, graphs) in [(11, Graphs::Keep), (4, Graphs::Keep), (4, Graphs::Rebuild)] {
            let ours = Hessian::new(written.loss(), product, micro_batch, graphs).unwrap();
            check_close(&[ours.loss()], &[expected.loss()], 1e-13);
            check_close(&floats(&ours.gradient()), &floats(&expected.gradient()), 1e-11);
            check_close(&floats(&ours.product(&v)), &floats(&expected.product(&v)), 1e-11);
        }
    }
}
