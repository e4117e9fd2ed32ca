//! Small networks on pictures made in memory.

use super::paper::paper;
use super::{PanelName, Setup, density};
use crate::DataRef;
use sculpt_datasets::Augmentation;
use sculpt_models::{ModelSpec, Precision};

/// Design §2, `demo`. (a): ResNet-8 of width 8 on 1,280 gratings of 16 × 16, batch 64, cycles of 8 epochs; "67 %" is
/// 70 %, "93 %" is 95 % there. (b): ResNet-18 of width 4 on 20 classes; (c): ResNet-18 with ImageNet's stem and width 6
/// (8 in the design, at which the published suite is larger than 40 MiB) on 20 others of 32 × 32; figure 8: ResNet-50 of width 4,
/// single runs. No augmentation: with it, noisy labels cost the demo nothing (sculpt-datasets' README).
pub(super) fn demo(panel: PanelName, data: DataRef) -> Setup {
    let named = |name, classes, width| {
        ModelSpec::named(name, classes, Some(width), None).expect("the demo's models are known")
    };
    let small = |setup: Setup, model| Setup {
        model,
        augmentation: Augmentation::None,
        drop_last: false,
        cycle_epochs: 8,
        cycles: 4,
        total_epochs: None,
        batch: 64,
        precision: Precision::F32,
        long_interval: 8,
        long_intervals: 4,
        scoring_images: 256,
        threads: 1,
        ..setup
    };
    let few_levels = |setup: Setup| Setup {
        levels: [1.0, 0.8, 0.5, 0.1, 0.02].map(density).to_vec(),
        sparse_67: density(0.5),
        sparse_90: density(0.1),
        sparse_93: density(0.02),
        sculpt_starts: if setup.sculpt_starts.len() == 1 {
            setup.sculpt_starts
        } else {
            [0.8, 0.5].map(density).to_vec()
        },
        landscape_densities: [0.5, 0.1].map(density).to_vec(),
        ..setup
    };
    let setup = paper(panel, data);
    match panel {
        PanelName::A => Setup {
            levels: [1.0, 0.8, 0.5, 0.3, 0.1, 0.05, 0.02].map(density).to_vec(),
            sparse_67: density(0.3),
            sparse_90: density(0.1),
            sparse_93: density(0.05),
            landscape_densities: [0.5, 0.3, 0.1, 0.05].map(density).to_vec(),
            ..small(setup, named("resnet8", 10, 8))
        },
        PanelName::B => few_levels(small(setup, named("resnet18-cifar", 20, 4))),
        PanelName::C => few_levels(small(setup, named("resnet18", 20, 6))),
        PanelName::LargeB => Setup {
            seeds: vec![1],
            ..few_levels(small(setup, named("resnet50-cifar", 20, 4)))
        },
        PanelName::LargeC => few_levels(small(setup, named("resnet50", 20, 4))),
    }
}
