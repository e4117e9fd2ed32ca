//! Logits, losses, gradients and running statistics against PyTorch's (`goldens/make_logits.py`).
#![expect(clippy::unwrap_used, reason = "tests: a panic is a failure, helpers included")]

use sculpt_layout::{BufferKind, Layout, ParamKind};
use sculpt_models::{ModelSpec, Precision};
use sculpt_network::{Linearised, Mode, Network};
use serde::Deserialize;
use tch::{Device, Kind, Reduction, Tensor, no_grad};

#[derive(Deserialize)]
struct Goldens {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    model: String,
    classes: u32,
    width: u32,
    shortcut: Option<String>,
    height: i64,
    image_width: i64,
    images: i64,
    n_params: usize,
    names: Vec<String>,
    multiply_accumulates: Vec<u64>,
    logits: Vec<f64>,
    logits_norm: f64,
    train_loss: f64,
    gradient_norm: f64,
    gradient_first: Vec<f64>,
    gradient_last: Vec<f64>,
    running_norm: f64,
}

/// The formula of the script: n numbers in [-1, 1), a hash of the index.
fn value(n: usize, salt: u64) -> impl Iterator<Item = f64> {
    (0..n as u64).map(move |i| {
        let mut h = (i * 2_654_435_761 + salt * 40_503) & 0xffff_ffff;
        h = ((h ^ (h >> 15)) * 2_246_822_519) & 0xffff_ffff;
        h ^= h >> 13;
        h as f64 / 2_147_483_648.0 - 1.0
    })
}

/// θ and buffers by the script's rule; `names` gives each tensor its salt.
fn fill(layout: &Layout, names: &[String]) -> (Tensor, Tensor) {
    let salt = |name: &str| names.iter().position(|n| n == name).expect("a known name") as u64 + 1;
    let mut theta = vec![0f32; layout.n_params()];
    for param in layout.params() {
        let values = value(param.len(), salt(param.name()));
        let (shift, scale) = match param.kind() {
            ParamKind::Conv | ParamKind::Linear => (0.0, (3.0 / param.fan_in() as f64).sqrt()),
            ParamKind::NormScale => (1.0, 0.25),
            ParamKind::Bias | ParamKind::NormShift | ParamKind::Other => (0.0, 0.25),
        };
        for (t, v) in theta[param.range()].iter_mut().zip(values) {
            *t = (shift + v * scale) as f32;
        }
    }
    let mut buffers = vec![0f32; layout.n_buffers()];
    for buffer in layout.buffers() {
        let values = value(buffer.range().len(), salt(buffer.name()));
        let (shift, scale) = match buffer.kind() {
            BufferKind::RunningMean => (0.0, 0.25),
            BufferKind::RunningVar => (1.0, 0.5),
        };
        for (b, v) in buffers[buffer.range()].iter_mut().zip(values) {
            *b = (shift + v * scale) as f32;
        }
    }
    (Tensor::from_slice(&theta), Tensor::from_slice(&buffers))
}

/// Names of the layout in the order of the `state_dict`: parameters, each BatchNorm's buffers behind its bias.
fn state_dict_names(layout: &Layout) -> Vec<String> {
    let mut names = Vec::new();
    for param in layout.params() {
        names.push(param.name().to_owned());
        if let (ParamKind::NormShift, Some(stem)) = (param.kind(), param.name().strip_suffix(".bias")) {
            let own = |b: &&sculpt_layout::Buffer| b.name().rsplit_once('.').map(|(s, _)| s) == Some(stem);
            names.extend(layout.buffers().iter().filter(own).map(|b| b.name().to_owned()));
        }
    }
    names
}

#[track_caller]
fn check_close(what: &str, case: &Case, ours: &[f64], theirs: &[f64], tolerance: f64) {
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let difference = norm(&mut ours.iter().zip(theirs).map(|(a, b)| a - b));
    let relative = difference / norm(&mut theirs.iter().copied());
    assert!(
        relative < tolerance,
        "{what} of {} (width {}): {relative:e}",
        case.model,
        case.width
    );
}

fn floats(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(tensor.to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

/// Folding BatchNorm changes neither logits nor gradients nor Hessian-vector products: in f64 to rounding.
fn check_folded(case: &Case, spec: &ModelSpec, theta: &Tensor, buffers: &Tensor, images: &Tensor) {
    let plain = spec.network(Precision::F32).unwrap();
    let folded = spec.folded_network(Precision::F32).unwrap();
    let in_f32 = |network: &dyn Network<Tensor>| floats(&network.forward(theta, buffers, images, Mode::Eval));
    check_close("folded logits", case, &in_f32(&folded), &in_f32(&plain), 1e-5);

    let double = |x: &Tensor| x.to_kind(Kind::Double);
    let derivatives = |network: &dyn Network<Tensor>| {
        let theta = double(theta).set_requires_grad(true);
        let logits = network.forward(&theta, &double(buffers), &double(images), Mode::Eval);
        assert_eq!(logits.kind(), Kind::Double);
        let loss = logits.square().mean(None::<Kind>);
        let gradient = Tensor::run_backward(&[&loss], &[&theta], true, true).swap_remove(0);
        let slope = gradient.dot(&double(&theta.detach()));
        let product = Tensor::run_backward(&[&slope], &[&theta], false, false).swap_remove(0);
        [floats(&logits), floats(&gradient), floats(&product)]
    };
    for (ours, theirs) in derivatives(&folded).iter().zip(&derivatives(&plain)) {
        check_close("folded derivatives in f64", case, ours, theirs, 1e-10);
    }

    // What the folded network writes out: of the same loss, along θ. Its gradient in the logits is 2z/n.
    let theta = double(theta);
    let mut linearised = folded
        .linearise(&theta, &double(buffers), &double(images))
        .unwrap();
    let [logits, gradient, product] = derivatives(&plain);
    check_close(
        "linearised logits",
        case,
        &floats(linearised.logits()),
        &logits,
        1e-10,
    );
    let scale = 2.0 / logits.len() as f64;
    let gauss_newton = linearised.change_along(&theta, &|dz| dz * scale);
    let pulled = linearised.pull_back(&(linearised.logits() * scale));
    check_close("gradient written out", case, &floats(&pulled), &gradient, 1e-10);
    let change = linearised.change_along(&theta, &|dz| dz * scale);
    check_close("product written out", case, &floats(&change), &product, 1e-10);
    // H = Jᵀ(2/n)J + the second derivatives of z along 2z/n: without u only the first.
    let held = linearised.change_along(&theta, &|dz| dz.zeros_like());
    check_close(
        "Gauss-Newton product written out",
        case,
        &floats(&(change - held)),
        &floats(&gauss_newton),
        1e-10,
    );
    check_squares(case, linearised.as_mut());
    for other in [plain, spec.folded_network(Precision::Bf16).unwrap()] {
        assert!(
            other
                .linearise(&theta, &double(buffers), &double(images))
                .is_none()
        );
    }
}

/// The squares of each image's gradient, one image after the other: of the logits themselves, and of others.
fn check_squares(case: &Case, linearised: &mut dyn Linearised<Tensor>) {
    let us = [linearised.logits().shallow_clone(), linearised.logits().cos()];
    let mut expected: Option<Tensor> = None;
    for u in &us {
        for image in 0..u.size()[0] {
            let alone = u.zeros_like();
            alone.narrow(0, image, 1).copy_(&u.narrow(0, image, 1));
            let square = linearised.pull_back(&alone).square();
            expected = Some(expected.map_or_else(|| square.shallow_clone(), |sum| sum + &square));
        }
    }
    check_close(
        "squares of gradients",
        case,
        &floats(&linearised.squares(&us).unwrap()),
        &floats(&expected.unwrap()),
        1e-10,
    );
    assert!(linearised.is_affine_in_each());
}

#[test]
fn networks_equal_pytorchs() {
    let text = include_str!("../goldens/logits.json");
    let goldens: Goldens = serde_json::from_str(text).unwrap();
    assert_eq!(goldens.cases.len(), 14);
    for case in &goldens.cases {
        let shortcut = case
            .shortcut
            .as_deref()
            .filter(|s| *s == "identity")
            .map(|s| s.parse().unwrap());
        let spec = ModelSpec::named(&case.model, case.classes, Some(case.width), shortcut).unwrap();
        let network = spec.network(Precision::F32).unwrap();
        let layout = network.layout();
        assert_eq!(
            (layout.n_params(), state_dict_names(layout)),
            (case.n_params, case.names.clone())
        );
        let (height, width) = (case.height as u32, case.image_width as u32);
        assert_eq!(
            spec.multiply_accumulates([3, height, width]).unwrap(),
            case.multiply_accumulates
        );
        let (theta, buffers) = fill(layout, &case.names);
        let size = [case.images, 3, case.height, case.image_width];
        let pixels: Vec<f32> = value(size.iter().product::<i64>() as usize, 9999)
            .map(|v| v as f32)
            .collect();
        let images = Tensor::from_slice(&pixels).view(size);

        let before = floats(&buffers);
        let logits = network.forward(&theta, &buffers, &images, Mode::Eval);
        assert_eq!(floats(&buffers), before, "evaluation changes no buffer");
        let first = logits.narrow(1, 0, i64::from(case.classes.min(12)));
        check_close("logits", case, &floats(&first), &case.logits, 1e-5);
        check_close(
            "logit norm",
            case,
            &[logits.norm().double_value(&[])],
            &[case.logits_norm],
            1e-5,
        );

        // The bf16 path has 8 bits of mantissa: the same logits to some percent.
        let low = spec
            .network(Precision::Bf16)
            .unwrap()
            .forward(&theta, &buffers, &images, Mode::Eval);
        assert_eq!(low.kind(), Kind::Float);
        check_close("bf16 logits", case, &floats(&low), &floats(&logits), 0.05);

        check_folded(case, &spec, &theta, &buffers, &images);

        let theta = theta.set_requires_grad(true);
        let labels = Tensor::arange(case.images, (Kind::Int64, Device::Cpu)) * 3;
        let labels = labels.remainder(i64::from(case.classes));
        let logits = network.forward(&theta, &buffers, &images, Mode::Train);
        let loss = logits.cross_entropy_loss(&labels, None::<Tensor>, Reduction::Mean, -100, 0.0);
        check_close("loss", case, &[loss.double_value(&[])], &[case.train_loss], 1e-4);
        let gradient = Tensor::run_backward(&[&loss], &[&theta], false, false).swap_remove(0);
        let norm = gradient.to_kind(Kind::Double).norm().double_value(&[]);
        check_close("gradient norm", case, &[norm], &[case.gradient_norm], 2e-3);
        let gradient = floats(&gradient);
        // The stem's gradient comes through up to 52 BatchNorms, the last over as few as 16 values in this batch: f32 sums
        // in another order move it by a percent.
        check_close(
            "first gradients",
            case,
            &gradient[..8],
            &case.gradient_first,
            5e-2,
        );
        check_close(
            "last gradients",
            case,
            &gradient[gradient.len() - 8..],
            &case.gradient_last,
            1e-3,
        );
        // Train: 0.9 · old + 0.1 · batch. Calibrate: the batch's, whatever was there.
        let calibrated = Tensor::full_like(&buffers, 7.0);
        let _ = no_grad(|| network.forward(&theta, &calibrated, &images, Mode::Calibrate));
        let by_hand: Vec<f64> = before
            .iter()
            .zip(floats(&calibrated))
            .map(|(old, batch)| 0.9 * old + 0.1 * batch)
            .collect();
        check_close("calibrated statistics", case, &floats(&buffers), &by_hand, 1e-6);
        let running = buffers.to_kind(Kind::Double).norm().double_value(&[]);
        check_close("running statistics", case, &[running], &[case.running_norm], 1e-5);
    }
}
