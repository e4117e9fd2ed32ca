//! What is counted, not measured.

use super::{check, judged, rows};
use crate::evidence::Evidence;
use sculpt_rows::{CostRow, EpochRow, Verdict};
use std::collections::BTreeMap;

/// SCULPT's 100 epochs are half of LRR's 200; twice as many are not. Either way they are counted: no p, no interval, no n.
#[test]
fn epochs_are_counted() {
    let evidence = |sculpt: u32| {
        let rows = [("lrr", 0.1, 200), ("lrr", 0.02, 300), ("sculpt-50", 0.1, sculpt)];
        let row = |(method, density, epochs): (&str, f64, u32)| EpochRow {
            panel: "8c".to_owned(),
            data: String::new(),
            model: String::new(),
            sparsity: 1.0 - density,
            density,
            method: method.to_owned(),
            epochs,
            epochs_paper: 0,
            row_paper: String::new(),
            epochs_paper_printed: 0,
            node: String::new(),
        };
        Evidence {
            epochs: rows.map(row).to_vec(),
            sparse_90: BTreeMap::from([((8, "c".to_owned()), 0.1)]),
            ..Evidence::default()
        }
    };
    let parts = |arithmetic: &str| format!("half of the epochs: by construction ({arithmetic})");
    check(
        23,
        &evidence(100),
        Verdict::ByConstruction,
        0.0,
        &parts(
            "lrr 200, sculpt-50 100 epochs at 90 % sparsity: 200 − 2 · 100 = 0; 100 is 50 % of 200, at most half",
        ),
    );
    check(
        23,
        &evidence(200),
        Verdict::ByConstruction,
        -200.0,
        &parts(
            "lrr 200, sculpt-50 200 epochs at 90 % sparsity: 200 − 2 · 200 = −200; 200 is 100 % of 200, more than half",
        ),
    );
    let row = judged(23, &evidence(100));
    assert_eq!(
        (row.p, row.p_holm, row.low, row.high, row.n),
        (None, None, None, None, None)
    );
}

/// Table 4: 30 and 50 of 100 bytes; LRR's, which starts dense, do not count. Nothing is averaged over panels.
#[test]
fn memory_is_that_of_what_starts_sparse() {
    let mut costs = Vec::new();
    for panel in ["a", "b"] {
        for seed in [1_u32, 2, 3] {
            for (method, density, bytes) in [
                ("random-cyclic", 0.1, 30.0),
                ("random-cyclic", 0.5, 45.0),
                ("sculpt-50", 0.1, 50.0),
                ("lrr", 0.1, 100.0),
                ("dense-cyclic", 1.0, 100.0),
            ] {
                costs.push(CostRow {
                    panel: panel.to_owned(),
                    method: method.to_owned(),
                    density_target: density,
                    seed,
                    epochs: 8,
                    flops_dense: 0.0,
                    flops_sparse_ideal: 0.0,
                    seconds: None,
                    peak_memory_bytes: (panel == "a").then_some(2e6),
                    sparse_ideal_bytes: bytes,
                    dense_bytes: 100.0,
                    node: String::new(),
                });
            }
        }
    }
    let evidence = Evidence {
        costs,
        ..Evidence::default()
    };
    let row = judged(27, &evidence);
    assert_eq!(
        (row.verdict, row.effect, row.p, row.low, row.n),
        (Verdict::ByConstruction, Some(50.0), None, None, None)
    );
    assert_eq!(
        row.contrast,
        "bytes of the dense network − ideal sparse bytes of sculpt-50, table 4 panel a, sculpt-50; least of 4 contrasts on \
         table 4a, table 4b: less memory"
    );
    let own: Vec<_> = rows(&evidence)
        .into_iter()
        .filter(|row| row.claim == 27)
        .collect();
    assert_eq!(
        own[0].note.as_deref(),
        Some(
            "45 of 100 ideal bytes at its densest: 1 − 45 / 100 = 55.0 % less; measured peak of masked dense \
             tensors 2 MB, dense network 2 MB"
        )
    );
    assert_eq!(own[2].panel, "b");
    assert!((own[2].effect.unwrap() - 55.0).abs() < 1e-9);
}
