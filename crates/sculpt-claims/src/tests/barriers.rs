//! Barriers, and what else lies between checkpoints.

use super::{check, rows};
use crate::evidence::{Evidence, Id, Stage};
use crate::methods;
use sculpt_rows::{BatchNorm, Eigenvalue, ImageSet, LineRow, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// Two pairs of checkpoints with losses 1, 1 + rise, 1 − fall: by the chord the rise and half the fall are a barrier, by the
/// mean of the ends too, but at the start, where the loss is half the fall above that mean.
fn lines(method: Id, fall: f64, rises: [&[f64]; 2]) -> Evidence {
    let mut rows = Vec::new();
    for (batch_norm, rises) in BatchNorm::ALL.into_iter().zip(rises) {
        for (seed, rise) in (1_u32..).zip(rises) {
            for from in [1_u32, 2] {
                for set in ImageSet::ALL {
                    for point in [(0.0, 1.0), (0.5, 1.0 + rise), (1.0, 1.0 - fall)] {
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
        panel: "a".to_owned(),
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

const ABSENT: &str = "one-cycle connected: absent (absent figure 3, figure 17)";

#[test]
fn barriers_are_judged_under_both_batch_norm_rules() {
    let high: &[f64] = &[0.4, 0.5, 0.6];
    let parts = |verdict: Verdict, notes: &str| format!("cyclic separated: {verdict} ({notes}); {ABSENT}");
    // Half of the sentence has no runs.
    check(
        8,
        &lines(methods::RANDOM_CYCLIC, 0.0, [high, high]),
        Verdict::Partly,
        0.5,
        &parts(Verdict::Supported, "supported on figure 3"),
    );
    // 0.01, 0.02, 0.03 are none, whatever the other rule says.
    check(
        8,
        &lines(methods::RANDOM_CYCLIC, 0.0, [high, &[0.01, 0.02, 0.03]]),
        Verdict::Undecided,
        0.02,
        &parts(
            Verdict::Undecided,
            "supported on figure 3 (train loss, BatchNorm interpolate); contradicted on figure 3 (train loss, BatchNorm recalibrate)",
        ),
    );
}

/// A straight fall of 0.4 nats: by the mean of the ends a barrier of 0.2, by the chord none, and the chord decides.
#[test]
fn a_straight_fall_is_no_barrier() {
    let falling: &[f64] = &[-0.2, -0.2, -0.2];
    let found = rows(&lines(methods::RANDOM_CYCLIC, 0.4, [falling, falling]));
    let row = found.iter().find(|row| row.claim == 8).unwrap();
    assert_eq!(row.verdict, Verdict::Contradicted);
    assert!(row.effect.unwrap().abs() < 1e-12 && (row.mean_of_ends.unwrap() - 0.2).abs() < 1e-12);
    assert_eq!(row.pairs.as_deref(), Some("1-2 2-3"));
    // Below half of it, the chord lies too.
    assert_eq!(row.verdict_half_margin, Some(Verdict::Contradicted));
}

/// The sentence speaks of cyclic and of one-cycle training; figure 17's cosine is neither.
#[test]
fn a_claim_rests_on_what_its_sentence_names() {
    let of = |number| {
        let all = rows(&Evidence::default());
        let own = all.into_iter().filter(move |row| row.claim == number);
        own.map(|row| row.method).collect::<BTreeSet<_>>()
    };
    assert_eq!(
        of(8),
        BTreeSet::from(["random-cyclic".to_owned(), "random-one-cycle".to_owned()])
    );
    assert_eq!(of(18), BTreeSet::from(["imp", "lrr", "wr"].map(str::to_owned)));
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
            .unwrap()
            .chord[&1]
    };
    // (9 + 0.2 + 0.4) / 3, and (0.2 + 0.4) / 2.
    assert!((barriers(Stage::All) - 3.2).abs() < 1e-12);
    assert!((barriers(Stage::Late) - 0.3).abs() < 1e-12);
    assert!((evidence.log_curvature(method)[&1] - 3.0).abs() < 1e-12);
    assert_eq!(
        evidence.note_of_searches(&[method]),
        None,
        "only the last cycle's decides"
    );
    evidence.eigenvalues[2].converged = false;
    assert_eq!(
        evidence.note_of_searches(&[method]).as_deref(),
        Some("1 search did not converge")
    );
}
