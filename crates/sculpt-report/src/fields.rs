//! The fields in which paper, harness and suite may differ.

use crate::ReportError;
use crate::figures::{FIGURE_5, FIGURE_18};
use crate::quantities::{augmentation, initialisation};
use sculpt_experiments::{PanelName, Preset, Setup};
use sculpt_figures::STATISTIC;
use sculpt_measures::{POINTS, RULES};
use sculpt_models::Precision;
use sculpt_rows::sparsity;

/// A named choice.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) paper: &'static str,
    /// TurboPrune, the authors' public code.
    pub(crate) harness: &'static str,
    pub(crate) here: fn(&Here) -> Result<String, ReportError>,
    pub(crate) touches: &'static str,
    /// Where paper and harness say so; "reference" is this project's own reading of both.
    pub(crate) source: &'static str,
}

/// The suite's set-ups of panels (a), (b), (c).
pub(crate) struct Here {
    pub(crate) preset: Preset,
    pub(crate) a: Setup,
    pub(crate) b: Setup,
    pub(crate) c: Setup,
}

const ALL_RUNS: &str = "everything trained";
const RANDOM_MASKS: &str = "figures 2 to 5, 7 to 9, 13 to 15, 17; tables 4, 5";
const CYCLIC: &str = "figures 1 to 11, 13 to 15, 18; tables 1 to 5";

pub(crate) const FIELDS: &[Field] = &[
    Field {
        name: "data",
        paper: "CIFAR-10, CIFAR-100, ImageNet",
        harness: "CIFAR-10, CIFAR-100, ImageNet",
        here: |here| Ok(by_panel(here, |setup| setup.data_title.clone())),
        touches: ALL_RUNS,
        source: "Table 1",
    },
    Field {
        name: "network",
        paper: "ResNet-20 on CIFAR-10, ResNet-18 on the others; shortcuts and stems not given",
        harness: "no ResNet-20 in any commit; torchvision's ResNet-18 and ResNet-50",
        here: |here| Ok(by_panel(here, |setup| setup.model.to_string())),
        touches: ALL_RUNS,
        source: "Table 1; reference 1.1, 2.9",
    },
    Field {
        name: "prunable weights",
        paper: "not given",
        harness: "convolutions and linear layers; at the paper's time not those of shortcuts",
        here: |here| {
            let count = |setup: &Setup| setup.model.layout().n_prunable().to_string();
            Ok(format!(
                "all convolutions and linear layers, shortcuts too: {}",
                by_panel(here, count)
            ))
        },
        touches: "every density",
        source: "reference 1.2, 2.9",
    },
    Field {
        name: "initialisation",
        paper: "Kaiming normal, fan not given",
        harness: "masked layers have PyTorch's default, uniform; the others Kaiming normal, fan-out",
        here: |here| Ok(by_panel(here, |setup| initialisation(setup.init).to_owned())),
        touches: ALL_RUNS,
        source: "Table 1; reference 1.6",
    },
    Field {
        name: "augmentation",
        paper: "not given",
        harness: "CIFAR: shift by up to 2 pixels, flip every second epoch; at first random crop and flip",
        here: |here| {
            Ok(by_panel(here, |setup| {
                augmentation(setup.augmentation).to_owned()
            }))
        },
        touches: ALL_RUNS,
        source: "reference 1.7",
    },
    Field {
        name: "last batch of an epoch",
        paper: "not given",
        harness: "left out: 97 steps an epoch, 336 images of CIFAR unused",
        here: |here| {
            let word = |setup: &Setup| if setup.drop_last { "left out" } else { "kept" }.to_owned();
            Ok(by_panel(here, word))
        },
        touches: ALL_RUNS,
        source: "reference 1.7",
    },
    Field {
        name: "precision",
        paper: "not given",
        harness: "bfloat16, by autocast",
        here: |here| Ok(by_panel(here, |setup| precision(setup.precision).to_owned())),
        touches: ALL_RUNS,
        source: "reference 2.1",
    },
    Field {
        name: "weight decay",
        paper: "1e-3 on CIFAR-100 (Table 1); 1e-4 in all experiments (A.2)",
        harness: "not recorded",
        here: |here| Ok(by_panel(here, |setup| setup.weight_decay.to_string())),
        touches: "CIFAR-100: figures 4 (b), 5 (b), 7 (b), 8 (b), 18",
        source: "Table 1, A.2; reference 1.8",
    },
    Field {
        name: "schedule of a cycle",
        paper: "linear warm-up, drops at epochs 70 and 130; ImageNet constant warm-up, drops every 30",
        harness: "one epoch late: epoch 0 of each cycle at the full rate, drops at 71 and 131",
        here: |here| Ok(by_panel(here, |setup| setup.schedule.name().to_owned())),
        touches: ALL_RUNS,
        source: "A.2; reference 1.3, 1.8",
    },
    Field {
        name: "cycles of cyclic training",
        paper: "8 cycles, i.e. 1500 epochs, though 8 of 150 are 1200; ImageNet 4, 360 epochs",
        harness: "not recorded",
        here: |here| {
            let epochs = |setup: &Setup| {
                let (cycles, epochs) = (setup.cycles, setup.cycle_epochs);
                format!("{cycles} of {epochs}, {} epochs", cycles * epochs)
            };
            Ok(by_panel(here, epochs))
        },
        touches: CYCLIC,
        source: "A.2; reference 1.8",
    },
    Field {
        name: "number of cycles reported",
        paper: "to peak performance (section 6); up to 8 cycles (A.2)",
        harness: "the highest test accuracy",
        here: |_| Ok("the last epoch of the last cycle".to_owned()),
        touches: "every accuracy",
        source: "section 6, A.2; reference 4",
    },
    Field {
        name: "epochs of SCULPT",
        paper: "2000 on CIFAR, 540 on ImageNet (Table 2); 450 on ImageNet (section 6)",
        harness: "cycles, pruning, a cycle more",
        here: |here| {
            let epochs = |setup: &Setup| ((setup.cycles + 1) * setup.cycle_epochs).to_string();
            Ok(by_panel(here, epochs))
        },
        touches: "figures 1, 7, 8, 9; tables 2, 4",
        source: "Table 2, section 6; reference 1.8, 2.6",
    },
    Field {
        name: "levels of iterative pruning",
        paper: "a fifth pruned each time, \"typically\"",
        harness: "densities 0.8^k until the target is passed",
        here: |here| {
            let levels = here.a.levels.iter().map(|level| short(level.get()));
            Ok(levels.collect::<Vec<_>>().join(", "))
        },
        touches: "figures 1, 2, 4 to 10, 12, 16, 18; tables 2 to 4",
        source: "A.3; reference 2.6",
    },
    Field {
        name: "90 % sparsity",
        paper: "10 iterations of LRR, 900 epochs on ImageNet; 0.8^10 is 89.3 %",
        harness: "the first level at or beyond it, 91.4 %",
        here: |here| {
            let level = here
                .a
                .levels
                .iter()
                .take_while(|level| level.get() > here.a.sparse_90.get());
            let cycles = level.count() as u32 + 1;
            Ok(format!(
                "{}; LRR trains {cycles} cycles to it, the dense network's among them, {} epochs",
                sparsity(here.a.sparse_90.get()),
                cycles * here.a.cycle_epochs
            ))
        },
        touches: "figures 1, 2, 3, 6, 17, 18; table 2",
        source: "section 6; reference 1.8, 2.6",
    },
    Field {
        name: "rewind point",
        paper: "usually after the warm-up; A.5 lists one for LRR, which does not use it",
        harness: "epoch 10, or 9",
        here: |here| {
            Ok(format!(
                "after epoch {} of the dense cycle; LRR has none",
                here.a.warm_up_epochs()?
            ))
        },
        touches: "figures 2, 5, 6, 8, 10, 16, 18; table 3",
        source: "A.4, A.5; reference 1.8, 2.6",
    },
    Field {
        name: "optimiser's state between cycles and levels",
        paper: "not given",
        harness: "WR restores it from the rewind point; LRR has a new one",
        here: |_| Ok("every cycle and level begins with zero momentum".to_owned()),
        touches: ALL_RUNS,
        source: "reference 2.6",
    },
    Field {
        name: "BatchNorm of an initialisation",
        paper: "not given",
        harness: "IMP restores weights and BatchNorm buffers",
        here: |_| {
            Ok("rewinding and warm-up init take scale, shift and statistics along; signs alone leave them fresh"
                .to_owned())
        },
        touches: "figures 5, 6, 8, 10, 16, 18; table 3",
        source: "reference 2.6",
    },
    Field {
        name: "shares of layers in a random mask",
        paper: "random masks; A.7 finds balanced better than ERK",
        harness: "both",
        here: |here| Ok(by_panel(here, |setup| setup.allocation.to_string())),
        touches: RANDOM_MASKS,
        source: "A.7; reference 1.2",
    },
    Field {
        name: "counts of a random mask",
        paper: "the density asked for",
        harness: "fewer, in independent bits: what exceeds a layer is lost or passed on forwards only; of 0.8 \
                  asked, balanced masks have 0.687 (ResNet-20) and 0.673 (ResNet-18, ImageNet)",
        here: |here| Ok(by_panel(here, |setup| setup.rule.to_string())),
        touches: RANDOM_MASKS,
        source: "reference 1.2, 2.5, 3.3",
    },
    Field {
        name: "SynFlow",
        paper: "iterations not given",
        harness: "one pass, BatchNorm in training mode; its authors 100 iterations",
        here: |here| {
            Ok(format!(
                "{} iterations, BatchNorm in evaluation mode",
                here.a.synflow_iterations
            ))
        },
        touches: "figures 4, 9 (a)",
        source: "section 4; reference 2.3",
    },
    Field {
        name: "images that scores see",
        paper: "not given",
        harness: "SNIP: the first batch of 512, augmented, BatchNorm in training mode; no GraSP",
        here: |here| {
            let images = by_panel(here, |setup| setup.scoring_images.to_string());
            Ok(format!("{images}, as they are, BatchNorm in evaluation mode"))
        },
        touches: "figures 4, 9 (a)",
        source: "reference 2.1, 2.2",
    },
    Field {
        name: "Fisher and WoodFisher",
        paper: "named in figure 9 (a)",
        harness: "neither",
        here: |_| Ok("one gradient an image; WoodFisher in blocks of 50 weights".to_owned()),
        touches: "figure 9 (a)",
        source: "section 6; reference 2.4b",
    },
    Field {
        name: "label noise",
        paper: "15 % of the labels, permuted among themselves",
        harness: "none",
        here: |here| {
            let (rule, rate) = (here.a.label_noise_rule, here.a.label_noise_rate.get());
            Ok(format!(
                "{rule}, a fraction of {rate} chosen; chance leaves some of them as they were"
            ))
        },
        touches: "figure 9 (b)",
        source: "A.2; reference 1.1, 2.10",
    },
    Field {
        name: "one-cycle epochs",
        paper: "3000 (figure 11), 2000 (A.1, A.8)",
        harness: "not recorded",
        here: |here| {
            let setup = &here.a;
            let (all, long) = (
                setup.cycles * setup.cycle_epochs,
                setup.long_interval * setup.long_intervals,
            );
            let total = setup.total_epochs.map_or_else(String::new, |total| {
                format!(
                    "; {total} in figure 10 and table 3, beside {} whole cycles",
                    setup.total_cycles()
                )
            });
            Ok(format!(
                "{all}, as many as the cyclic run{total}; {long} in figure 17"
            ))
        },
        touches: "figures 2 (d), 3, 10, 11, 17; table 3",
        source: "A.1, A.8, figure 11; reference 1.8",
    },
    Field {
        name: "one-cycle shape",
        paper: "shown in figure 11 only",
        harness: "linear up and down, in two definitions",
        here: |_| {
            Ok("linear from a tenth of the rate up over a tenth of the steps, then down to 0".to_owned())
        },
        touches: "figures 2 (d), 3, 10, 11, 17; table 3",
        source: "figure 11; reference 2.11",
    },
    Field {
        name: "cosine cycles",
        paper: "multiple cycles, period not given",
        harness: "down to a rate of 0.01, after a warm-up",
        here: |here| {
            let setup = &here.a;
            let (cycle, long) = (setup.cycle_epochs, setup.long_interval);
            Ok(format!(
                "{cycle} epochs each, {long} in figure 17; down to 0.01, after the warm-up"
            ))
        },
        touches: "figures 2 (d), 17",
        source: "section 4, A.8; reference 2.11",
    },
    Field {
        name: "BatchNorm between checkpoints",
        paper: "not given",
        harness: "statistics interpolated; as committed it evaluates the network that was not interpolated",
        here: |_| Ok(format!("{} is drawn, the frame has {} too", RULES[0], RULES[1])),
        touches: "figures 3, 6, 14 to 18",
        source: "reference 1.4, 2.8",
    },
    Field {
        name: "lines between checkpoints",
        paper: "points and images not given",
        harness: "10 points from 0 to 0.9; training loss with augmentation, BatchNorm in training mode",
        here: |_| {
            Ok(format!(
                "{POINTS} points from 0 to 1; the test set, and the first training images without augmentation"
            ))
        },
        touches: "figures 3, 6, 14 to 18",
        source: "reference 1.4, 2.8",
    },
    Field {
        name: "largest eigenvalue",
        paper: "PyHessian",
        harness: "one augmented batch; at one commit divided by 100",
        here: |_| {
            Ok(
                "the first training images without augmentation, not divided; the frame has the residual"
                    .to_owned(),
            )
        },
        touches: "figure 3 (c)",
        source: "A.2; reference 1.5, 2.7",
    },
    Field {
        name: "interval",
        paper: "95 % confidence, kind not given",
        harness: "no code for figures",
        here: |_| Ok(STATISTIC.to_owned()),
        touches: "every figure of several seeds",
        source: "A.2; reference 1.1, 1.9",
    },
    Field {
        name: "seeds",
        paper: "3; 1 on ImageNet and of coupling on CIFAR-100",
        harness: "not recorded",
        here: |here| {
            let once = FIGURE_5
                .sources
                .iter()
                .find(|source| source.panel == PanelName::B && source.once);
            let coupling = once.map_or(here.b.seeds.len(), |_| 1);
            let seeds = by_panel(here, |setup| setup.seeds.len().to_string());
            Ok(format!("{seeds}; coupling on (b): {coupling}"))
        },
        touches: "every figure",
        source: "A.2",
    },
    Field {
        name: "data of figure 18",
        paper: "CIFAR-100 in the text, CIFAR10 in the caption",
        harness: "no such code",
        here: |here| {
            let source = FIGURE_18.sources.first().expect("a figure has a panel");
            Ok(here.preset.panel(source.panel)?.data_title)
        },
        touches: "figure 18",
        source: "A.8; reference 1.8",
    },
];

/// `everywhere`, or `(a) …; (b) …; (c) …` where panels differ.
fn by_panel(here: &Here, of: impl Fn(&Setup) -> String) -> String {
    let [a, b, c] = [&here.a, &here.b, &here.c].map(of);
    if a == b && b == c {
        a
    } else {
        format!("(a) {a}; (b) {b}; (c) {c}")
    }
}

fn precision(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "float32",
        Precision::Bf16 => "bfloat16",
    }
}

/// Three decimals at most.
fn short(density: f64) -> String {
    ((1000.0 * density).round() / 1000.0).to_string()
}
