//! Claims on frames made by hand.

use crate::evidence::{Evidence, Id, Stage};
use crate::list::CLAIMS as LIST;
use crate::{METHODS, artefacts, methods, verdicts};
use sculpt_rows::{AccuracyRow, BatchNorm, CostRow, Eigenvalue, EpochRow, ImageSet, LineRow, Name, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// (panel, method, cycle, density, accuracies of seeds 1, 2, … in percent)
type Curve<'a> = (&'a str, Id, u32, f64, &'a [f64]);

fn accuracies(figure: u32, curves: &[Curve<'_>]) -> Evidence {
    let mut rows = Vec::new();
    for &(panel, method, cycle, density, values) in curves {
        for (seed, value) in (1_u32..).zip(values) {
            rows.push(AccuracyRow {
                panel: panel.to_owned(),
                method: method.to_owned(),
                seed,
                level: 0,
                cycle,
                epochs: 8 * cycle,
                density_target: density,
                density,
                node: String::new(),
                epoch: 8,
                accuracy: 0.01 * value,
                n_correct: 0,
                n_images: 1000,
                test_loss: 0.0,
                recorded_n_correct: None,
                measured: true,
            });
        }
    }
    // 90 % sparsity is a level in every panel.
    let sparse_90 = rows
        .iter()
        .map(|row: &AccuracyRow| ((figure, row.panel.clone()), 0.1));
    Evidence {
        sparse_90: sparse_90.collect(),
        accuracies: BTreeMap::from([(figure, rows)]),
        ..Evidence::default()
    }
}

/// Verdict, effect to four places, n and contrast of a claim.
fn judged(number: u32, evidence: &Evidence) -> (Verdict, Option<f64>, u32, String) {
    let row = verdicts(evidence).unwrap().swap_remove(number as usize - 1);
    let effect = row.effect.map(|effect| (1e4 * effect).round() / 1e4);
    (row.verdict, effect, row.n, row.contrast)
}

#[track_caller]
fn check(number: u32, evidence: &Evidence, verdict: Verdict, effect: f64, contrast: &str) {
    let (found, mean, _, words) = judged(number, evidence);
    assert_eq!((found, mean, words.as_str()), (verdict, Some(effect), contrast));
}

#[test]
fn the_list_is_complete_and_reads_what_there_is() {
    let numbers: Vec<_> = LIST.iter().map(|claim| claim.number).collect();
    assert_eq!(numbers, (1..=27).collect::<Vec<_>>());
    assert!(LIST.iter().all(|claim| !claim.artefacts.is_empty()));
    let figures = [2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 16, 17, 18].map(Name::Figure);
    let read: Vec<_> = artefacts().into_iter().collect();
    assert_eq!(read[..13], figures);
    assert_eq!(read[13..], [2, 3, 4].map(Name::Table));
    assert_eq!(METHODS.iter().collect::<BTreeSet<_>>().len(), METHODS.len());
}

/// Of an empty suite every claim has its row, and none of them is an error.
#[test]
fn nothing_is_not_enough() {
    let rows = verdicts(&Evidence::default()).unwrap();
    assert_eq!(rows.len(), 27);
    for row in &rows {
        assert_eq!(
            (row.verdict, row.n, row.effect),
            (Verdict::NotEnoughRuns, 0, None)
        );
    }
    assert_eq!(
        rows[0].contrast,
        "nothing of it is in the suite; left out: 2a (absent), 2b (absent)"
    );
    assert_eq!(rows[22].paper.as_deref(), Some("450 against 900 epochs"));
}

/// LRR at 0.5 and 0.3: means of the other seeds choose 0.5 for seeds 1 and 2 ((92 + 93) / 2 over (93 + 90) / 2, (91 + 93) / 2 over
/// 90.25) and, since 91.5 = (91 + 92) / 2 is below (90.5 + 93) / 2 = 91.75, 0.3 for seed 3. So 91, 92, 90 less 90, 90, 89.
#[test]
fn the_best_level_is_chosen_by_the_other_seeds() {
    let evidence = |dense: &[f64]| {
        accuracies(
            2,
            &[
                ("a", methods::DENSE_CYCLIC, 1, 1.0, dense),
                ("a", methods::LRR, 1, 1.0, &[99.0, 99.0, 99.0]),
                ("a", methods::LRR, 1, 0.5, &[91.0, 92.0, 93.0]),
                ("a", methods::LRR, 1, 0.3, &[90.5, 93.0, 90.0]),
            ],
        )
    };
    let contrast = "lrr best level − dense one cycle, 2a; left out: 2b (absent)";
    // Gains 1, 2, 1: t = (4 / 3) / (1 / 3) = 4, p = 0.029.
    check(
        1,
        &evidence(&[90.0, 90.0, 89.0]),
        Verdict::Supported,
        1.3333,
        contrast,
    );
    check(
        1,
        &evidence(&[92.0, 94.0, 92.0]),
        Verdict::NotSupported,
        -1.6667,
        contrast,
    );
    let one = judged(1, &evidence(&[90.0]));
    assert_eq!((one.0, one.2), (Verdict::NotEnoughRuns, 1));
}

/// At 0.8 the gains are 1, 1.1, 1.2, at 0.1 they are 4, 5, 6: averages 2.5, 3.05, 3.6; growth 3, 3.9, 4.8.
#[test]
fn gains_by_sparsity() {
    let mut curves: Vec<Curve<'_>> = Vec::new();
    for mask in [
        methods::RANDOM_CYCLIC,
        methods::SNIP_CYCLIC,
        methods::SYNFLOW_CYCLIC,
    ] {
        curves.extend([
            ("a", mask, 1, 0.8, &[80.0, 80.0, 80.0][..]),
            ("a", mask, 4, 0.8, &[81.0, 81.1, 81.2]),
            ("a", mask, 1, 0.1, &[50.0, 50.0, 50.0]),
            ("a", mask, 4, 0.1, &[54.0, 55.0, 56.0]),
        ]);
    }
    let evidence = accuracies(4, &curves);
    let left_out = "left out: 4b (absent), 4c (absent)";
    // Three masks on average and at their worst; the average has the larger p: t = 3.05 / (0.55 / √3) = 9.6.
    let (verdict, effect, n, contrast) = judged(4, &evidence);
    assert_eq!((verdict, effect, n), (Verdict::Supported, Some(3.05), 3));
    assert_eq!(
        contrast,
        format!("random-cyclic − random-cyclic first cycle, all sparsities, 4a; weakest of 6; {left_out}")
    );
    let (verdict, effect, ..) = judged(5, &evidence);
    assert_eq!((verdict, effect), (Verdict::Supported, Some(3.9)));
    // The masks are equal, to the last image.
    let (verdict, effect, ..) = judged(10, &evidence);
    assert_eq!((verdict, effect), (Verdict::Supported, Some(0.0)));
}

/// LRR's mask from random weights differs from a random mask by 0.1, −0.1, 0.2: no better. From the warm-up it is 2 points
/// short of LRR: no match.
#[test]
fn coupling_is_judged_by_margins() {
    let at = [
        ("a", methods::RANDOM_CYCLIC, 4, 0.1, &[80.0, 80.0, 80.0][..]),
        ("a", methods::LRR_MASK_RANDOM_INIT, 4, 0.1, &[80.1, 79.9, 80.2]),
        ("a", methods::LRR, 1, 0.1, &[90.0, 90.0, 90.0]),
        ("a", methods::LRR_MASK_WARMUP_INIT, 4, 0.1, &[88.1, 87.9, 88.0]),
        ("a", methods::LRR_MASK_LRR_INIT, 4, 0.1, &[90.1, 89.9, 90.2]),
        // At low sparsity everything is far above LRR.
        ("a", methods::LRR, 1, 0.5, &[90.0, 90.0, 90.0]),
        ("a", methods::LRR_MASK_LRR_INIT, 4, 0.5, &[95.0, 95.0, 95.0]),
        // A single run (A.2) is left out.
        ("b", methods::LRR, 1, 0.1, &[50.0]),
        ("b", methods::LRR_MASK_LRR_INIT, 4, 0.1, &[40.0]),
    ];
    let evidence = accuracies(5, &at);
    check(
        13,
        &evidence,
        Verdict::Supported,
        0.0667,
        "lrr-mask-random-init − random-cyclic, all sparsities, 5a; left out: 5b (absent), 5c (absent)",
    );
    check(
        14,
        &evidence,
        Verdict::NotSupported,
        -2.0,
        "lrr-mask-warmup-init − lrr, high sparsities, 5a; left out: 5b (absent), 5c (absent)",
    );
    check(
        16,
        &evidence,
        Verdict::Supported,
        0.0667,
        "lrr-mask-lrr-init − lrr, high sparsities, 5a; left out: 5b (1 seed), 5c (absent)",
    );
}

/// Two pairs of checkpoints with losses 1, 1 + rise, 1.02: a barrier of the rise less 0.01 each.
fn lines(method: Id, rises: [&[f64]; 2]) -> Evidence {
    let mut rows = Vec::new();
    for (batch_norm, rises) in BatchNorm::ALL.into_iter().zip(rises) {
        for (seed, rise) in (1_u32..).zip(rises) {
            for from in [1_u32, 2] {
                for set in ImageSet::ALL {
                    for point in [(0.0, 1.0), (0.5, 1.0 + rise), (1.0, 1.02)] {
                        rows.push(line(method, seed, from, (set, batch_norm), point));
                    }
                }
            }
        }
    }
    Evidence {
        lines: BTreeMap::from([(3, rows)]),
        ..Evidence::default()
    }
}

fn line(
    method: Id,
    seed: u32,
    from: u32,
    (set, batch_norm): (ImageSet, BatchNorm),
    (alpha, loss): (f64, f64),
) -> LineRow {
    LineRow {
        method: method.to_owned(),
        seed,
        density_target: 0.1,
        from,
        to: from + 1,
        set,
        batch_norm,
        alpha,
        loss,
        error: 0.0,
        node_from: String::new(),
        epoch_from: 8,
        node: String::new(),
        epoch: 8,
    }
}

#[test]
fn barriers_are_judged_under_both_batch_norm_rules() {
    let high: &[f64] = &[0.41, 0.51, 0.61];
    let jumps = |rises| lines(methods::RANDOM_CYCLIC, rises);
    // 0.4, 0.5, 0.6.
    check(
        8,
        &jumps([high, high]),
        Verdict::Supported,
        0.5,
        "barriers of random-cyclic, train loss, interpolate BatchNorm, figure 3; weakest of 2; left out: figure 17 (absent), figure 3 (absent)",
    );
    // 0.01, 0.02, 0.03 are none, whatever the other rule says.
    check(
        8,
        &jumps([high, &[0.02, 0.03, 0.04]]),
        Verdict::NotSupported,
        0.02,
        "barriers of random-cyclic, train loss, recalibrate BatchNorm, figure 3; weakest of 2; left out: figure 17 (absent), figure 3 (absent)",
    );
}

/// Losses on the line of the later half of three pairs; eigenvalues of the last cycle.
#[test]
fn late_pairs_and_last_curvatures() {
    let method = methods::DENSE_CYCLIC;
    let mut evidence = Evidence::default();
    for (from, rise) in [(1_u32, 9.0), (2, 0.2), (3, 0.4)] {
        for point in [(1.0, 2.0), (0.0, 2.0), (0.5, 2.0 + rise)] {
            let row = line(method, 1, from, (ImageSet::Train, BatchNorm::Interpolate), point);
            evidence.lines.entry(3).or_default().push(row);
        }
        evidence.eigenvalues.push(Eigenvalue {
            method: method.to_owned(),
            seed: 1,
            cycle: from,
            value: f64::from(from).exp(),
            converged: from != 2,
        });
    }
    let barriers = |stage| {
        evidence
            .barriers(3, method, (ImageSet::Train, BatchNorm::Interpolate), stage)
            .unwrap()[&1]
    };
    // (9 + 0.2 + 0.4) / 3, and (0.2 + 0.4) / 2.
    assert!((barriers(Stage::All) - 3.2).abs() < 1e-12);
    assert!((barriers(Stage::Late) - 0.3).abs() < 1e-12);
    assert!((evidence.log_curvature(method)[&1] - 3.0).abs() < 1e-12);
    assert_eq!(
        evidence.note_of_searches(&[method]),
        "",
        "only the last cycle's decides"
    );
    evidence.eigenvalues[2].converged = false;
    assert_eq!(
        evidence.note_of_searches(&[method]),
        " (1 search did not converge)"
    );
}

/// SCULPT's 100 epochs are half of LRR's 200, whose accuracy it reaches within half a point; twice as many are not.
#[test]
fn epochs_and_accuracy_together() {
    let at = [
        ("c", methods::LRR, 1, 0.1, &[70.0, 70.0, 70.0][..]),
        ("c", methods::SCULPT_50, 5, 0.1, &[70.0, 70.1, 69.9]),
    ];
    let evidence = |sculpt: u32| {
        let rows = [("lrr", 0.1, 200), ("lrr", 0.02, 300), ("sculpt-50", 0.1, sculpt)];
        let row = |(method, density, epochs): (&str, f64, u32)| EpochRow {
            panel: "ImageNet, ResNet-50".to_owned(),
            data: String::new(),
            model: String::new(),
            sparsity: 1.0 - density,
            density,
            method: method.to_owned(),
            epochs,
            epochs_paper: 0,
            node: String::new(),
        };
        Evidence {
            epochs: rows.map(row).to_vec(),
            ..accuracies(8, &at)
        }
    };
    check(
        23,
        &evidence(100),
        Verdict::Supported,
        0.0,
        "sculpt-50 − lrr, 90 % sparsity, 8c; weakest of 2",
    );
    check(
        23,
        &evidence(200),
        Verdict::NotSupported,
        -200.0,
        "epochs of lrr − twice those of sculpt-50, table 2; weakest of 2",
    );
}

/// Table 4: 30 and 50 of 100 bytes; LRR's, which starts dense, do not count.
#[test]
fn memory_is_that_of_what_starts_sparse() {
    let mut costs = Vec::new();
    for seed in [1_u32, 2, 3] {
        for (method, bytes) in [("random-cyclic", 30.0), ("sculpt-50", 50.0), ("lrr", 100.0)] {
            costs.push(CostRow {
                panel: "a".to_owned(),
                method: method.to_owned(),
                density_target: 0.1,
                seed,
                epochs: 8,
                flops_dense: 0.0,
                flops_sparse_ideal: 0.0,
                seconds: None,
                peak_memory_bytes: None,
                sparse_ideal_bytes: bytes,
                dense_bytes: 100.0,
                node: String::new(),
            });
        }
    }
    let evidence = Evidence {
        costs,
        ..Evidence::default()
    };
    let contrast = "bytes of a dense network − ideal sparse bytes, table 4";
    check(27, &evidence, Verdict::Supported, 60.0, contrast);
}
