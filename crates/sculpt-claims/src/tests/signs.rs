//! Claim 20 on rows of table 3.

use super::rows;
use crate::evidence::{Evidence, Id};
use crate::methods;
use sculpt_rows::SignRow;

/// Two seeds of both trainings, four test images: the first gets three and four of them right, the second two and three. What shorter trainings get
/// right is in the table too, before those and behind them, and does not count.
#[test]
fn accuracies_of_the_table_rest_on_test_images_and_overlaps_do_not() {
    const CYCLIC: Id = methods::LRR_MASK_FLIPPED_WARMUP_INIT;
    const ONE_CYCLE: Id = methods::LRR_MASK_FLIPPED_WARMUP_INIT_ONE_CYCLE;
    let row = |method: Id, seed: u32, cycle: u32, n_correct: u32| SignRow {
        panel: "a".to_owned(),
        method: method.to_owned(),
        seed,
        cycle,
        epochs: 8 * cycle,
        density_target: 0.07,
        overlap: 0.9,
        overlap_paper: None,
        n_signs: 100,
        n_flips: 10,
        accuracy: f64::from(n_correct) / 4.0,
        accuracy_paper: None,
        n_correct,
        n_images: 4,
        node: format!("{method} {seed} {cycle}"),
        epoch: 8,
    };
    let signs = vec![
        row(CYCLIC, 1, 2, 0),
        row(CYCLIC, 1, 3, 3),
        row(CYCLIC, 2, 3, 4),
        row(CYCLIC, 2, 2, 0),
        row(ONE_CYCLE, 1, 3, 2),
        row(ONE_CYCLE, 1, 2, 4),
        row(ONE_CYCLE, 2, 2, 4),
        row(ONE_CYCLE, 2, 3, 3),
    ];
    let right = |row: &SignRow| (0..4).map(|image| image < row.n_correct).collect();
    let evidence = Evidence {
        correct: signs
            .iter()
            .map(|row| ((row.node.clone(), 8), right(row)))
            .collect(),
        signs,
        ..Evidence::default()
    };
    let all = rows(&evidence);
    let of = |part: &str| {
        all.iter()
            .find(|row| row.part == part && row.artefact == "table 3")
            .unwrap()
    };
    let accuracy = of("accuracy at 93 %");
    // Images add 0, 0, 50 and 50 points: the third is right by the first alone in one seed, the fourth in the other.
    assert_eq!((accuracy.effect, accuracy.n_images), (Some(25.0), Some(4)));
    let expected = (2500.0_f64 / 3.0).sqrt() / 2.0;
    assert!(
        (accuracy.image_se.unwrap() - expected).abs() < 1e-9,
        "{:?}",
        accuracy.image_se
    );
    assert_eq!(of("overlap at 93 %").image_se, None);
}
