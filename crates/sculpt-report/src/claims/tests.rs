//! Claims on frames made by hand.

use super::*;
use crate::artefact::Artefact;
use sculpt_experiments::{DataFolder, Overrides, Preset, PresetName};
use sculpt_experiments::{Method, methods};
use std::collections::BTreeMap;

/// (panel, method, cycle, density, accuracies of seeds 1, 2, … in percent)
type Curve<'a> = (&'a str, &'static Method, u32, f64, &'a [f64]);

fn preset() -> Preset {
    Preset::new(PresetName::Demo, Overrides::default(), &DataFolder::default()).unwrap()
}

fn accuracies(curves: &[Curve<'_>]) -> Frame {
    let mut frame = Frame::new(&[
        "panel",
        "method",
        "seed",
        "level",
        "cycle",
        "epochs",
        "density_target",
        "density",
        "accuracy",
    ]);
    for (panel, method, cycle, density, values) in curves {
        for (seed, value) in (1_u32..).zip(*values) {
            frame.push(vec![
                (*panel).into(),
                method.id.into(),
                seed.into(),
                0.into(),
                (*cycle).into(),
                (8 * cycle).into(),
                (*density).into(),
                (*density).into(),
                (0.01 * value).into(),
            ]);
        }
    }
    frame
}

/// Verdict, effect to four places, n and contrast of a claim.
fn judged(number: u32, frames: Vec<(Name, Frame)>) -> (String, Option<f64>, f64, String) {
    let preset = preset();
    let evidence = Evidence::new(&preset, frames.into_iter().collect());
    let frame = frame(&evidence).unwrap();
    let row = number as usize - 1;
    let effect = frame.number(Name::Claims, row, "effect").ok();
    (
        frame.text(Name::Claims, row, "verdict").unwrap().to_owned(),
        effect.map(|effect| (1e4 * effect).round() / 1e4),
        frame.number(Name::Claims, row, "n").unwrap(),
        frame.text(Name::Claims, row, "contrast").unwrap().to_owned(),
    )
}

#[track_caller]
fn check(number: u32, frames: Vec<(Name, Frame)>, verdict: &str, effect: f64, contrast: &str) {
    let (found, mean, _, words) = judged(number, frames);
    assert_eq!(
        (found.as_str(), mean, words.as_str()),
        (verdict, Some(effect), contrast)
    );
}

#[test]
fn the_list_is_complete_and_reads_what_there_is() {
    let numbers: Vec<_> = LIST.iter().map(|claim| claim.number).collect();
    assert_eq!(numbers, (1..=27).collect::<Vec<_>>());
    for claim in &LIST {
        assert!(!claim.artefacts.is_empty());
        for name in claim.artefacts {
            assert!(Artefact::find(*name).is_ok(), "{name}");
        }
    }
}

/// Of an empty suite every claim has its row, and none of them is an error.
#[test]
fn nothing_is_not_enough() {
    let preset = preset();
    let frame = frame(&Evidence::new(&preset, BTreeMap::new())).unwrap();
    assert_eq!((frame.len(), frame.columns()), (27, COLUMNS));
    for row in 0..27 {
        assert_eq!(*frame.cell(row, "verdict"), Cell::from("not enough runs"));
        assert_eq!(
            (frame.cell(row, "n"), frame.cell(row, "effect")),
            (&Cell::Count(0), &Cell::Missing)
        );
    }
    assert_eq!(
        *frame.cell(0, "contrast"),
        Cell::from("nothing of it is in the suite; left out: 2a (absent), 2b (absent)")
    );
    assert_eq!(*frame.cell(22, "paper"), Cell::from("450 against 900 epochs"));
}

/// LRR at 0.5 and 0.3: means of the other seeds choose 0.5 for seeds 1 and 2 ((92 + 93) / 2 over (93 + 90) / 2, (91 + 93) / 2 over
/// 90.25) and, since 91.5 = (91 + 92) / 2 is below (90.5 + 93) / 2 = 91.75, 0.3 for seed 3. So 91, 92, 90 less 90, 90, 89.
#[test]
fn the_best_level_is_chosen_by_the_other_seeds() {
    let frame = |dense: &[f64]| {
        accuracies(&[
            ("a", &methods::DENSE_CYCLIC, 1, 1.0, dense),
            ("a", &methods::LRR, 1, 1.0, &[99.0, 99.0, 99.0]),
            ("a", &methods::LRR, 1, 0.5, &[91.0, 92.0, 93.0]),
            ("a", &methods::LRR, 1, 0.3, &[90.5, 93.0, 90.0]),
        ])
    };
    let contrast = "lrr best level − dense one cycle, 2a; left out: 2b (absent)";
    let frames = |dense| vec![(Name::Figure(2), frame(dense))];
    // Gains 1, 2, 1: t = (4 / 3) / (1 / 3) = 4, p = 0.029.
    check(1, frames(&[90.0, 90.0, 89.0]), "supported", 1.3333, contrast);
    check(1, frames(&[92.0, 94.0, 92.0]), "not supported", -1.6667, contrast);
    let one = judged(1, frames(&[90.0]));
    assert_eq!((one.0.as_str(), one.2), ("not enough runs", 1.0));
}

/// At 0.8 the gains are 1, 1.1, 1.2, at 0.1 they are 4, 5, 6: averages 2.5, 3.05, 3.6; growth 3, 3.9, 4.8.
#[test]
fn gains_by_sparsity() {
    let mut curves: Vec<Curve<'_>> = Vec::new();
    for mask in [
        &methods::RANDOM_CYCLIC,
        &methods::SNIP_CYCLIC,
        &methods::SYNFLOW_CYCLIC,
    ] {
        curves.extend([
            ("a", mask, 1, 0.8, &[80.0, 80.0, 80.0][..]),
            ("a", mask, 4, 0.8, &[81.0, 81.1, 81.2]),
            ("a", mask, 1, 0.1, &[50.0, 50.0, 50.0]),
            ("a", mask, 4, 0.1, &[54.0, 55.0, 56.0]),
        ]);
    }
    let frames = || vec![(Name::Figure(4), accuracies(&curves))];
    let left_out = "left out: 4b (absent), 4c (absent)";
    // Three masks on average and at their worst; the average has the larger p: t = 3.05 / (0.55 / √3) = 9.6.
    let (verdict, effect, n, contrast) = judged(4, frames());
    assert_eq!((verdict.as_str(), effect, n), ("supported", Some(3.05), 3.0));
    assert_eq!(
        contrast,
        format!("random-cyclic − random-cyclic first cycle, all sparsities, 4a; weakest of 6; {left_out}")
    );
    let (verdict, effect, ..) = judged(5, frames());
    assert_eq!((verdict.as_str(), effect), ("supported", Some(3.9)));
    // The masks are equal, to the last image.
    let (verdict, effect, ..) = judged(10, frames());
    assert_eq!((verdict.as_str(), effect), ("supported", Some(0.0)));
}

/// LRR's mask from random weights differs from a random mask by 0.1, −0.1, 0.2: no better. From the warm-up it is 2 points
/// short of LRR: no match.
#[test]
fn coupling_is_judged_by_margins() {
    let at = [
        ("a", &methods::RANDOM_CYCLIC, 4, 0.1, &[80.0, 80.0, 80.0][..]),
        ("a", &methods::LRR_MASK_RANDOM_INIT, 4, 0.1, &[80.1, 79.9, 80.2]),
        ("a", &methods::LRR, 1, 0.1, &[90.0, 90.0, 90.0]),
        ("a", &methods::LRR_MASK_WARMUP_INIT, 4, 0.1, &[88.1, 87.9, 88.0]),
        ("a", &methods::LRR_MASK_LRR_INIT, 4, 0.1, &[90.1, 89.9, 90.2]),
        // At low sparsity everything is far above LRR.
        ("a", &methods::LRR, 1, 0.5, &[90.0, 90.0, 90.0]),
        ("a", &methods::LRR_MASK_LRR_INIT, 4, 0.5, &[95.0, 95.0, 95.0]),
        // A single run (A.2) is left out.
        ("b", &methods::LRR, 1, 0.1, &[50.0]),
        ("b", &methods::LRR_MASK_LRR_INIT, 4, 0.1, &[40.0]),
    ];
    let frames = || vec![(Name::Figure(5), accuracies(&at))];
    check(
        13,
        frames(),
        "supported",
        0.0667,
        "lrr-mask-random-init − random-cyclic, all sparsities, 5a; left out: 5b (absent), 5c (absent)",
    );
    check(
        14,
        frames(),
        "not supported",
        -2.0,
        "lrr-mask-warmup-init − lrr, high sparsities, 5a; left out: 5b (absent), 5c (absent)",
    );
    check(
        16,
        frames(),
        "supported",
        0.0667,
        "lrr-mask-lrr-init − lrr, high sparsities, 5a; left out: 5b (1 seed), 5c (absent)",
    );
}

/// Two pairs of checkpoints with losses 1, 1 + rise, 1.02: a barrier of the rise less 0.01 each.
fn lines(method: &'static Method, rises: [&[f64]; 2]) -> Frame {
    let columns = ["method", "seed", "from", "set", "batch_norm", "alpha", "loss"];
    let mut frame = Frame::new(&columns);
    for (batch_norm, rises) in ["interpolate", "recalibrate"].into_iter().zip(rises) {
        for (seed, rise) in (1_u32..).zip(rises) {
            for from in [1_u32, 2] {
                for set in ["test", "train"] {
                    for (alpha, loss) in [(0.0, 1.0), (0.5, 1.0 + rise), (1.0, 1.02)] {
                        frame.push(vec![
                            method.id.into(),
                            seed.into(),
                            from.into(),
                            set.into(),
                            batch_norm.into(),
                            alpha.into(),
                            loss.into(),
                        ]);
                    }
                }
            }
        }
    }
    frame
}

#[test]
fn barriers_are_judged_under_both_batch_norm_rules() {
    let high: &[f64] = &[0.41, 0.51, 0.61];
    let jumps = |rises| vec![(Name::Figure(3), lines(&methods::RANDOM_CYCLIC, rises))];
    // 0.4, 0.5, 0.6.
    check(
        8,
        jumps([high, high]),
        "supported",
        0.5,
        "barriers of random-cyclic, train loss, interpolate BatchNorm, figure 3; weakest of 2; left out: figure 17 (absent), figure 3 (absent)",
    );
    // 0.01, 0.02, 0.03 are none, whatever the other rule says.
    check(
        8,
        jumps([high, &[0.02, 0.03, 0.04]]),
        "not supported",
        0.02,
        "barriers of random-cyclic, train loss, recalibrate BatchNorm, figure 3; weakest of 2; left out: figure 17 (absent), figure 3 (absent)",
    );
}

/// Losses on the line of the later half of three pairs; eigenvalues of the last cycle.
#[test]
fn late_pairs_and_last_curvatures() {
    let mut frame = Frame::new(&[
        "method",
        "seed",
        "from",
        "to",
        "set",
        "batch_norm",
        "alpha",
        "loss",
        "eigenvalue",
    ]);
    let method = &methods::DENSE_CYCLIC;
    for (from, rise) in [(1_u32, 9.0), (2, 0.2), (3, 0.4)] {
        for (alpha, loss) in [(1.0, 2.0), (0.0, 2.0), (0.5, 2.0 + rise)] {
            frame.push(vec![
                method.id.into(),
                1.into(),
                from.into(),
                (from + 1).into(),
                "train".into(),
                "interpolate".into(),
                alpha.into(),
                loss.into(),
                Cell::Missing,
            ]);
        }
        let mut row = vec![
            method.id.into(),
            1.into(),
            from.into(),
            from.into(),
            "train".into(),
        ];
        row.extend([
            Cell::Missing,
            Cell::Missing,
            Cell::Missing,
            f64::from(from).exp().into(),
        ]);
        frame.push(row);
    }
    let preset = preset();
    let evidence = Evidence::new(&preset, BTreeMap::from([(Name::Figure(3), frame)]));
    let barriers = |stage| {
        evidence
            .barriers(3, method, ("train", "interpolate"), stage)
            .unwrap()[&1]
    };
    // (9 + 0.2 + 0.4) / 3, and (0.2 + 0.4) / 2.
    assert!((barriers(evidence::Stage::All) - 3.2).abs() < 1e-12);
    assert!((barriers(evidence::Stage::Late) - 0.3).abs() < 1e-12);
    assert!((evidence.log_curvature(3, method).unwrap()[&1] - 3.0).abs() < 1e-12);
}

/// SCULPT's 100 epochs are half of LRR's 200, whose accuracy it reaches within half a point; twice as many are not.
#[test]
fn epochs_and_accuracy_together() {
    let at = [
        ("c", &methods::LRR, 1, 0.1, &[70.0, 70.0, 70.0][..]),
        ("c", &methods::SCULPT_50, 5, 0.1, &[70.0, 70.1, 69.9]),
    ];
    let frames = |sculpt: u32| {
        let mut table = Frame::new(&["panel", "method", "density", "epochs"]);
        for (method, density, epochs) in [("lrr", 0.1, 200), ("lrr", 0.02, 300), ("sculpt-50", 0.1, sculpt)] {
            table.push(vec![
                "ImageNet, ResNet-50".into(),
                method.into(),
                density.into(),
                epochs.into(),
            ]);
        }
        vec![(Name::Figure(8), accuracies(&at)), (Name::Table(2), table)]
    };
    check(
        23,
        frames(100),
        "supported",
        0.0,
        "sculpt-50 − lrr, 90 % sparsity, 8c; weakest of 2",
    );
    check(
        23,
        frames(200),
        "not supported",
        -200.0,
        "epochs of lrr − twice those of sculpt-50, table 2; weakest of 2",
    );
}

/// Table 4: 30 and 50 of 100 bytes; LRR's, which starts dense, do not count.
#[test]
fn memory_is_that_of_what_starts_sparse() {
    let columns = [
        "method",
        "density_target",
        "seed",
        "sparse_ideal_bytes",
        "dense_bytes",
    ];
    let mut table = Frame::new(&columns);
    for seed in [1_u32, 2, 3] {
        for (method, bytes) in [("random-cyclic", 30.0), ("sculpt-50", 50.0), ("lrr", 100.0)] {
            table.push(vec![
                method.into(),
                0.1.into(),
                seed.into(),
                bytes.into(),
                100.0.into(),
            ]);
        }
    }
    let contrast = "bytes of a dense network − ideal sparse bytes, table 4";
    check(27, vec![(Name::Table(4), table)], "supported", 60.0, contrast);
}
