//! The paper's panel (a) on real pictures of a quarter of the pixels: what two cores answer in a working day.

use super::short::short;
use super::{PanelName, Setup, density};
use crate::{AveragePool, DataRef, ExperimentError};
use sculpt_models::Precision;

/// Panel (a) as the paper has it in all but these numbers, which a pilot of one seed chose before anything else was trained;
/// other panels are `short`'s.
///
/// | Number | Value | Why |
/// | --- | --- | --- |
/// | picture | 16 × 16, means of 2 × 2 pixels | a quarter of the work of an image; the network stays of full width |
/// | training images | 25,000 | the pilot's dense network after one, two, three and four cycles of five epochs: 49, 57, 63, 66 % on 15,000, and 54, 64 % after one and two on 25,000; 70 % was asked for |
/// | batch | 64 | one cycle of six epochs: 54 % with 128; the paper's 512 takes too few steps to learn from |
/// | cycle | 5 epochs: two at the full rate (warm-up is the first of them), two at a tenth, one at a hundredth | the shortest that has all parts of the paper's schedule, and clearly short of four |
/// | cycles | 4 | half of the paper's |
/// | densities | 0.3, 0.1, 0.05 | "67 %" is 70 %, "93 %" is 95 %; each more costs a machine-hour and a half |
/// | SCULPT's starts | 0.5, 0.3 | those that the paper's sentences name |
/// | seeds | 3 for figures 2, 4, 5, 7 and tables 3 and 4, 1 for the rest | a test needs 3 |
/// | precision | f32 | machines of two cores seldom have bf16 units |
/// | threads | 1 | two nodes side by side beat one on two threads |
pub(super) fn quarter(panel: PanelName, data: DataRef) -> Result<Setup, ExperimentError> {
    let setup = short(panel, data.clone());
    if panel != PanelName::A {
        return Ok(setup);
    }
    // Of files with fewer images all of them.
    let n_train = data.shape()?.0.min(25_000);
    let averaged = DataRef {
        train_images: Some(n_train as u32),
        ..data.averaged(AveragePool::new(2)?)?
    };
    Ok(Setup {
        data: averaged,
        cycle_epochs: 5,
        cycles: 4,
        total_epochs: None,
        batch: 64,
        precision: Precision::F32,
        levels: [1.0, 0.3, 0.1, 0.05].map(density).to_vec(),
        sparse_67: density(0.3),
        sparse_90: density(0.1),
        sparse_93: density(0.05),
        sculpt_starts: [0.5, 0.3].map(density).to_vec(),
        criterion_targets: [0.1, 0.05].map(density).to_vec(),
        landscape_densities: [0.3, 0.1, 0.05].map(density).to_vec(),
        long_interval: 5,
        long_intervals: 4,
        n_seeds_beside: Some(1),
        threads: 1,
        ..setup
    })
}
