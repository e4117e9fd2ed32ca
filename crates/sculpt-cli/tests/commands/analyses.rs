use crate::*;
use sculpt_checkpoints::{TensorData, read_tensors, write_mask, write_state_dict, write_tensors};
use sculpt_masks::Mask;
use serde_json::Value;

fn keys(report: &Value) -> Vec<&str> {
    report.as_object().unwrap().keys().map(String::as_str).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect()
}

/// The tiny network, whole, with θ changed by `change` at each place.
fn write_changed(folder: &Folder, name: &str, change: impl Fn(usize, f32) -> f32) {
    let (state, _) = write_tiny(&folder.join("unchanged"));
    let theta: Vec<f32> = state
        .theta
        .iter()
        .enumerate()
        .map(|(i, &x)| change(i, x))
        .collect();
    write_state_dict(&folder.join(name), &tiny().layout(), &theta, &state.buffers).unwrap();
}

/// Every third of all weights has another sign in b; of a's survivors, those of them that are.
#[test]
fn signs_are_counted_over_a_mask() {
    let folder = Folder::new();
    let (state, _) = write_tiny(&folder.join("a"));
    write_changed(&folder, "b", |i, x| if i % 3 == 0 { -x } else { x });
    let layout = tiny().layout();
    let by_hand = |mask: &Mask| {
        let (mut n, mut equal) = (0, 0);
        for param in layout.prunable() {
            let kept = mask.slice(param.prunable_range().unwrap());
            for (i, _) in param.range().zip(kept).filter(|(_, kept)| **kept) {
                n += 1;
                equal += usize::from(i % 3 != 0 || state.theta[i] == 0.0);
            }
        }
        (n, equal as f64 / n as f64)
    };
    let report = json(&folder, &format!("signs {TINY} --a a --b a"));
    assert_eq!(keys(&report), ["layers", "n", "overlap"]);
    assert_eq!(
        (&report["n"], &report["overlap"]),
        (&state.mask.n_kept().into(), &1.0.into())
    );
    assert_eq!(
        report["layers"].as_array().unwrap().len(),
        layout.prunable().count()
    );
    // b carries no mask: all weights, the zeros of a and b among them.
    let report = json(&folder, &format!("signs {TINY} --a a --b b"));
    let (n, overlap) = by_hand(&Mask::full(layout.n_prunable()));
    assert_eq!(
        (report["n"].as_u64().unwrap(), report["overlap"].as_f64().unwrap()),
        (n, overlap)
    );
    let said = |line: &str| text(&sculpt(&folder, &format!("signs {TINY} --a a --b b {line}")).stderr);
    let pruned = layout.n_prunable() - state.mask.n_kept();
    let note = format!(
        "of the {} weights that are compared some are pruned, {pruned} in a, and count as 0 there: --mask a",
        layout.n_prunable()
    );
    assert!(said("").contains(&note), "{}", said(""));
    write_mask(&folder.join("m"), &layout, &state.mask).unwrap();
    assert!(!said("--mask m").contains("pruned"), "{}", said("--mask m"));
    let report = json(&folder, &format!("signs {TINY} --a a --b b --mask m"));
    let (n, overlap) = by_hand(&state.mask);
    assert_eq!(
        (report["n"].as_u64().unwrap(), report["overlap"].as_f64().unwrap()),
        (n, overlap)
    );
    refused(
        &folder,
        &format!("signs {TINY} --a a --b a --mask b"),
        1,
        &["b: there is no mask for tensor conv1.weight"],
    );
    refused(
        &folder,
        "signs --model resnet8 --width 2 --a a --b b",
        1,
        &["--classes 3"],
    );
}

/// 200 labels of 4 classes, of which round(0.15 · 200) = 30 are chosen.
#[test]
fn noise_is_exact() {
    let folder = Folder::new();
    let labels: Vec<i64> = (0..200).map(|i| i * 7 % 4).collect();
    write_tensors(
        &folder.join("l"),
        &[("labels", TensorData::I64(vec![200], labels.clone()))],
        None,
    )
    .unwrap();
    for rule in ["permute", "derange", "uniform"] {
        let report = json(
            &folder,
            &format!("noise --labels l --rate 0.15 --rule {rule} --out n"),
        );
        assert_eq!(
            keys(&report),
            ["n_changed", "n_chosen", "rate_realised", "rate_requested"]
        );
        let (_, noisy) = read_tensors(&folder.join("n"))
            .unwrap()
            .take_i64("labels")
            .unwrap();
        let changed = labels.iter().zip(&noisy).filter(|(a, b)| a != b).count();
        assert_eq!(
            (&report["n_chosen"], &report["n_changed"]),
            (&30.into(), &changed.into())
        );
        assert_eq!(report["rate_realised"].as_f64().unwrap(), changed as f64 / 200.0);
        let sizes = |labels: &[i64]| [0, 1, 2, 3].map(|c| labels.iter().filter(|&&l| l == c).count());
        if rule != "uniform" {
            assert_eq!(sizes(&noisy), sizes(&labels), "{rule} keeps the classes' sizes");
        }
        assert_eq!(changed == 30, rule == "derange", "{rule}: {changed}");
    }
    refused(
        &folder,
        "noise --labels l --rate 15 --out o",
        2,
        &["rate 15 is not in [0, 1]"],
    );
    refused(
        &folder,
        "noise --labels l --rate 0.1 --rule shuffle --out o",
        2,
        &["permute, derange, uniform"],
    );
    refused(
        &folder,
        "noise --labels l --rate 0.1 --classes 3 --out o",
        1,
        &["l", "3"],
    );
    write_tiny(&folder.join("w"));
    refused(
        &folder,
        "noise --labels w --rate 0.1 --out o",
        1,
        &["tensor labels is missing"],
    );
    assert!(!folder.join("o").exists());
}

#[test]
fn lines_begin_and_end_at_the_files() {
    let folder = Folder::new();
    write_tiny(&folder.join("a"));
    write_changed(&folder, "b", |i, x| x + ((i % 7) as f32 - 3.0) / 20.0);
    write_probe(&folder.join("p"), 12);
    let loss = |file: &str| {
        let report = json(&folder, &format!("eval {TINY} --weights {file} --probe p"));
        (
            report["loss"].as_f64().unwrap(),
            1.0 - report["accuracy"].as_f64().unwrap(),
        )
    };
    for rule in ["interpolate", "recalibrate", "endpoint"] {
        let report = json(
            &folder,
            &format!("connect {TINY} --a a --b b --probe p --points 5 --bn {rule}"),
        );
        let expected = [
            "alpha",
            "barrier_error",
            "barrier_loss",
            "chord_error",
            "chord_loss",
            "error",
            "loss",
        ];
        assert_eq!(keys(&report), expected);
        assert_eq!(numbers(&report["alpha"]), [0.0, 0.25, 0.5, 0.75, 1.0]);
        let (losses, errors) = (numbers(&report["loss"]), numbers(&report["error"]));
        if rule != "recalibrate" {
            for (place, file) in [(0, "a"), (4, "b")] {
                let (loss, error) = loss(file);
                assert!(
                    (losses[place] - loss).abs() < 1e-6,
                    "{rule} {file}: {} {loss}",
                    losses[place]
                );
                assert!((errors[place] - error).abs() < 1e-12);
            }
        }
        let largest = losses.iter().copied().fold(f64::MIN, f64::max);
        let barrier = largest - (losses[0] + losses[4]) / 2.0;
        assert!((report["barrier_loss"].as_f64().unwrap() - barrier).abs() < 1e-12);
    }
    // Statistics are of all images at once, whatever their order.
    let order = |file: &str, turned: bool| {
        const N: usize = 501;
        let mut images: Vec<Vec<f32>> = (0..N)
            .map(|i| {
                (0..3 * 64)
                    .map(|j| ((i * 192 + j) as f32).sin() + i as f32 / 100.0)
                    .collect()
            })
            .collect();
        let mut labels: Vec<i64> = (0..N as i64).map(|i| i % 3).collect();
        if turned {
            images.reverse();
            labels.reverse();
        }
        let tensors = [
            ("images", TensorData::F32(vec![N, 3, 8, 8], images.concat())),
            ("labels", TensorData::I64(vec![N], labels)),
        ];
        write_tensors(&folder.join(file), &tensors, None).unwrap();
        let words = format!("connect {TINY} --a a --b b --probe {file} --points 2 --bn recalibrate");
        numbers(&json(&folder, &words)["loss"])
    };
    for (one, other) in order("q", false).into_iter().zip(order("r", true)) {
        assert!((one / other - 1.0).abs() < 1e-5, "{one} {other}");
    }
    let whole = json(&folder, &format!("connect {TINY} --a a --b a --probe p"));
    assert_eq!(numbers(&whole["loss"]).len(), 30);
    assert!(
        whole["chord_loss"].as_f64().unwrap().abs() < 1e-12,
        "a line of one network is flat"
    );
    let words = format!("connect {TINY} --a a --b b --probe p");
    refused(&folder, &format!("{words} --points 1"), 2, &["--points"]);
    refused(
        &folder,
        &format!("{words} --bn reset"),
        2,
        &["interpolate, recalibrate, endpoint"],
    );
    refused(
        &folder,
        &format!("connect {TINY} --a a --b p --probe p"),
        1,
        &["p: "],
    );
}

/// Free are all of θ but what the mask prunes. Residuals are a thousandth at most, and a second seed finds the same.
#[test]
fn sharpness_comes_with_residuals() {
    let folder = Folder::new();
    let (state, _) = write_tiny(&folder.join("w"));
    let layout = tiny().layout();
    let is_weight = |i: usize| layout.prunable().any(|param| param.range().contains(&i));
    write_changed(&folder, "whole", |i, x| {
        if x == 0.0 && is_weight(i) {
            (i as f32).sin() / 5.0
        } else {
            x
        }
    });
    write_probe(&folder.join("p"), 12);
    write_mask(&folder.join("m"), &layout, &state.mask).unwrap();
    let n_pruned = layout.n_prunable() - state.mask.n_kept();
    let mut tops = Vec::new();
    for (words, n_free) in [
        ("--weights whole", layout.n_params()),
        ("--weights whole --mask m", layout.n_params() - n_pruned),
        ("--weights w", layout.n_params() - n_pruned),
    ] {
        let words = format!("hessian {TINY} {words} --probe p --top 3");
        let report = json(&folder, &words);
        let found = [
            "converged",
            "eigenvalues",
            "errors",
            "iterations",
            "loss",
            "matvecs",
            "n_free",
            "residuals",
            "seconds",
        ];
        assert_eq!(keys(&report), found);
        let (values, residuals) = (numbers(&report["eigenvalues"]), numbers(&report["residuals"]));
        assert_eq!((values.len(), residuals.len()), (3, 3));
        assert_eq!(
            (&report["n_free"], &report["converged"]),
            (&n_free.into(), &true.into())
        );
        assert!(values.is_sorted_by(|a, b| a >= b), "{values:?}");
        assert!(
            values.iter().zip(&residuals).all(|(v, r)| *r <= 1e-3 * v.abs()),
            "{report}"
        );
        tops.push(values[0]);
    }
    // The third file is the second with its mask, and another start leads to the same.
    let other = json(&folder, &format!("hessian {TINY} --weights w --probe p --seed 2"));
    for top in [tops[1], numbers(&other["eigenvalues"])[0]] {
        assert!((top - tops[2]).abs() < 2e-3 * tops[2], "{top} {tops:?}");
    }
    let words = format!("hessian {TINY} --weights w --probe p --steps 40 --density-out d --trace");
    let report = json(&folder, &words);
    assert!(report["trace"].is_f64());
    assert_eq!(report["trace_standard_error"], 0.0, "ours know their diagonals");
    // tr H² is at least the square of what is known best.
    let known = |report: &Value| report["density"]["n_known"].as_u64().unwrap();
    let n_free = report["n_free"].as_f64().unwrap();
    let second = report["density"]["second_moment"].as_f64().unwrap();
    assert!(
        known(&report) > 0 && second * n_free > tops[2] * tops[2],
        "{report}"
    );
    assert!(report["density"]["second_moment_standard_error"].is_f64());
    let words = format!("hessian {TINY} --weights w --probe p");
    let by_chance = json(
        &folder,
        &format!("{words} --steps 5 --density-out d2 --search 0 --starts 1"),
    );
    assert_eq!(
        (
            known(&by_chance),
            &by_chance["density"]["second_moment_standard_error"]
        ),
        (0, &Value::Null)
    );
    let value_alone = json(&folder, &format!("{words} --values-only"));
    let products = |report: &Value| report["matvecs"].as_u64().unwrap();
    let error = numbers(&value_alone["errors"])[0];
    assert!((numbers(&value_alone["eigenvalues"])[0] - tops[2]).abs() <= 2e-3 * tops[2]);
    assert!(
        error <= 1e-3 * tops[2] && products(&value_alone) <= products(&json(&folder, &words)),
        "{value_alone}"
    );
    // Rougher, and finer: fewer products, and the same value to what its residual says.
    let rough = json(&folder, &format!("{words} --tolerance 0.2"));
    let fine = json(&folder, &format!("{words} --tolerance 1e-5"));
    let of = |report: &Value, what: &str| numbers(&report[what])[0];
    assert!(products(&rough) < products(&fine), "{rough} {fine}");
    assert!(of(&fine, "residuals") <= 1e-5 * tops[2] && of(&rough, "residuals") <= 0.2 * tops[2]);
    assert!((of(&rough, "eigenvalues") - of(&fine, "eigenvalues")).abs() <= of(&rough, "residuals"));
    // Below what f32 tells: the search ends, and says so, with residuals that hold what it hides.
    let hidden = json(&folder, &format!("{words} --tolerance 1e-9"));
    assert_eq!(
        (&fine["converged"], &hidden["converged"]),
        (&Value::Bool(true), &Value::Bool(false))
    );
    assert!(
        (7e-6..1e-4).contains(&(of(&hidden, "residuals") / tops[2])),
        "{hidden}"
    );
    for refusal in ["0", "1", "NaN", "x"] {
        refused(
            &folder,
            &format!("{words} --tolerance {refusal}"),
            2,
            &["--tolerance", refusal],
        );
    }
    let csv = std::fs::read_to_string(folder.join("d")).unwrap();
    let rows: Vec<Vec<f64>> = csv
        .lines()
        .skip(1)
        .map(|row| row.split(',').map(|cell| cell.parse().unwrap()).collect())
        .collect();
    assert!(csv.starts_with("eigenvalue,density\n"));
    let step = rows[1][0] - rows[0][0];
    let mass: f64 = rows.iter().map(|row| row[1] * step).sum();
    assert!((mass - 1.0).abs() < 1e-3, "{mass}");
    let words = format!("hessian {TINY} --weights w");
    refused(&folder, &format!("{words} --probe p --top 0"), 2, &["--top"]);
    refused(
        &folder,
        &format!("{words} --probe p --search 5"),
        2,
        &["--density-out"],
    );
    let one = format!("{words} --probe p --density-out d3 --steps 1");
    refused(&folder, &one, 2, &["--steps 1", "at least 2"]);
    refused(&folder, &format!("{words} --probe nowhere"), 1, &["nowhere"]);
    refused(
        &folder,
        &format!("{words} --probe p --mask whole"),
        1,
        &["whole: there is no mask"],
    );
}
