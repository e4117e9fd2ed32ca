//! The quantities of table 1: what the paper's Table 1 and appendix say of each, and where a preset holds it.

use crate::figures::FIGURE_5;
use sculpt_datasets::Augmentation;
use sculpt_experiments::{ExperimentError, PanelName, Setup};
use sculpt_models::InitRule;
use sculpt_schedules::{Kind, Schedule, WarmUp};
use std::fmt;

/// Columns of the paper's table.
pub(crate) const PANELS: [(PanelName, &str); 3] = [
    (PanelName::A, "CIFAR-10"),
    (PanelName::B, "CIFAR-100"),
    (PanelName::C, "ImageNet"),
];

/// A line of the table.
pub(crate) struct Quantity {
    pub(crate) name: &'static str,
    pub(crate) source: &'static str,
    /// Panel by panel.
    pub(crate) paper: [Paper; 3],
    pub(crate) preset: fn(&Held) -> Result<Value, ExperimentError>,
}

/// What the paper says.
#[derive(Clone, Copy)]
pub(crate) enum Paper {
    /// Numbers that the preset `paper` must hold.
    Numbers(&'static [f64]),
    /// A word that it must hold.
    Word(&'static str),
    /// Something that leaves room, or two things that contradict each other.
    Loose(&'static str),
    /// Nothing that concerns this panel: no row.
    Unused,
}

/// What the preset holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Numbers(Vec<f64>),
    Word(String),
}

/// A panel of the preset.
pub(crate) struct Held {
    pub(crate) panel: PanelName,
    pub(crate) setup: Setup,
}

const NOT_GIVEN: [Paper; 3] = [Paper::Loose("not given"); 3];

const fn numbers(of_a: &'static [f64], of_b: &'static [f64], of_c: &'static [f64]) -> [Paper; 3] {
    [Paper::Numbers(of_a), Paper::Numbers(of_b), Paper::Numbers(of_c)]
}

const fn number(value: &'static [f64]) -> [Paper; 3] {
    numbers(value, value, value)
}

pub(crate) const QUANTITIES: &[Quantity] = &[
    Quantity {
        name: "data set",
        source: "Table 1",
        paper: [
            Paper::Word("CIFAR-10"),
            Paper::Word("CIFAR-100"),
            Paper::Word("ImageNet"),
        ],
        preset: |held| word(&held.setup.data_title),
    },
    Quantity {
        name: "network",
        source: "Table 1",
        paper: [
            Paper::Word("ResNet-20"),
            Paper::Loose("ResNet-18, stem not given"),
            Paper::Word("ResNet-18"),
        ],
        preset: |held| word(held.setup.model.to_string()),
    },
    Quantity {
        name: "epochs of a cycle",
        source: "Table 1, A.2",
        paper: numbers(&[150.0], &[150.0], &[90.0]),
        preset: |held| count(held.setup.cycle_epochs),
    },
    Quantity {
        name: "learning rate",
        source: "Table 1",
        paper: number(&[0.1]),
        preset: |held| Ok(Value::Numbers(vec![held.setup.lr])),
    },
    Quantity {
        name: "schedule",
        source: "Table 1",
        paper: [
            Paper::Word("step-warmup"),
            Paper::Word("step-warmup"),
            Paper::Loose("step-warmup, its warm-up constant (A.2)"),
        ],
        preset: |held| word(held.setup.schedule.name()),
    },
    Quantity {
        name: "warm-up",
        source: "A.2",
        paper: [
            Paper::Word("linear"),
            Paper::Word("linear"),
            Paper::Word("constant"),
        ],
        preset: |held| word(warm_up(held.setup.schedule)),
    },
    Quantity {
        name: "epochs of warm-up",
        source: "A.2",
        paper: [
            Paper::Loose("not given"),
            Paper::Loose("not given"),
            Paper::Numbers(&[10.0]),
        ],
        preset: |held| count(schedule(&held.setup)?.n_warmup_epochs()),
    },
    Quantity {
        name: "epochs of the drops",
        source: "A.2; ImageNet: every 30 after the warm-up",
        paper: numbers(&[70.0, 130.0], &[70.0, 130.0], &[40.0, 70.0]),
        preset: |held| {
            Ok(Value::Numbers(
                drops(&held.setup)?.into_iter().map(|(epoch, _)| epoch).collect(),
            ))
        },
    },
    Quantity {
        name: "factor of a drop",
        source: "A.2",
        paper: number(&[10.0]),
        preset: |held| distinct(drops(&held.setup)?.into_iter().map(|(_, factor)| factor)),
    },
    Quantity {
        name: "batch size",
        source: "Table 1, A.2",
        paper: number(&[512.0]),
        preset: |held| count(held.setup.batch),
    },
    Quantity {
        name: "optimiser",
        source: "Table 1, A.2",
        paper: [Paper::Word("SGD"); 3],
        preset: |_| word("SGD"),
    },
    Quantity {
        name: "momentum",
        source: "Table 1, A.2",
        paper: number(&[0.9]),
        preset: |held| Ok(Value::Numbers(vec![held.setup.momentum])),
    },
    Quantity {
        name: "weight decay",
        source: "Table 1; A.2 has 0.0001 for all",
        paper: numbers(&[1e-4], &[1e-3], &[1e-4]),
        preset: |held| Ok(Value::Numbers(vec![held.setup.weight_decay])),
    },
    Quantity {
        name: "initialisation",
        source: "Table 1",
        paper: [Paper::Loose("Kaiming normal"); 3],
        preset: |held| word(initialisation(held.setup.init)),
    },
    Quantity {
        name: "augmentation",
        source: "",
        paper: NOT_GIVEN,
        preset: |held| word(augmentation(held.setup.augmentation)),
    },
    Quantity {
        name: "seeds",
        source: "A.2",
        paper: numbers(&[3.0], &[3.0], &[1.0]),
        preset: |held| count(held.setup.seeds.len() as u32),
    },
    Quantity {
        name: "seeds of coupling",
        source: "A.2",
        paper: numbers(&[3.0], &[1.0], &[1.0]),
        preset: |held| count(coupling_seeds(held)),
    },
    Quantity {
        name: "cycles of cyclic training",
        source: "A.2",
        paper: numbers(&[8.0], &[8.0], &[4.0]),
        preset: |held| count(held.setup.cycles),
    },
    Quantity {
        name: "epochs of cyclic training",
        source: "A.2",
        paper: [
            Paper::Loose("1500; but 8 cycles of 150 are 1200"),
            Paper::Loose("1500; but 8 cycles of 150 are 1200"),
            Paper::Numbers(&[360.0]),
        ],
        preset: |held| count(held.setup.cycles * held.setup.cycle_epochs),
    },
    Quantity {
        name: "pruned a level, of what is left",
        source: "A.3, \"typically\"",
        paper: number(&[0.2]),
        preset: |held| {
            let pairs = held.setup.levels.windows(2);
            distinct(pairs.map(|pair| 1.0 - pair[1].get() / pair[0].get()))
        },
    },
    Quantity {
        name: "levels",
        source: "",
        paper: NOT_GIVEN,
        preset: |held| count(held.setup.levels.len() as u32),
    },
    Quantity {
        name: "noisy labels, fraction",
        source: "A.2",
        paper: [Paper::Numbers(&[0.15]), Paper::Unused, Paper::Unused],
        preset: |held| Ok(Value::Numbers(vec![held.setup.label_noise_rate.get()])),
    },
];

fn word(word: impl Into<String>) -> Result<Value, ExperimentError> {
    Ok(Value::Word(word.into()))
}

fn count(count: u32) -> Result<Value, ExperimentError> {
    Ok(Value::Numbers(vec![f64::from(count)]))
}

/// Quotients, to four places; those that follow an equal one are left out.
fn distinct(quotients: impl Iterator<Item = f64>) -> Result<Value, ExperimentError> {
    let mut all: Vec<f64> = quotients.map(|q| (1e4 * q).round() / 1e4).collect();
    all.dedup();
    Ok(Value::Numbers(all))
}

/// The cycle's schedule, epoch by epoch.
fn schedule(setup: &Setup) -> Result<Schedule, ExperimentError> {
    Ok(Schedule::new(setup.schedule, setup.lr, setup.cycle_epochs, 1)?)
}

/// Epochs at which the rate falls to less than half, and by which factor.
fn drops(setup: &Setup) -> Result<Vec<(f64, f64)>, ExperimentError> {
    let schedule = schedule(setup)?;
    let factor = |epoch: u64| schedule.lr(epoch - 1) / schedule.lr(epoch);
    let epochs = (1..schedule.n_steps()).filter(|&epoch| factor(epoch) > 2.0);
    Ok(epochs.map(|epoch| (epoch as f64, factor(epoch))).collect())
}

fn warm_up(kind: Kind) -> &'static str {
    match kind.warm_up() {
        WarmUp::Linear => "linear",
        WarmUp::Constant => "constant",
        WarmUp::None => "none",
    }
}

/// An initialisation in words.
pub(crate) fn initialisation(rule: InitRule) -> &'static str {
    match rule {
        InitRule::KaimingNormalFanIn => "Kaiming normal, fan-in",
        InitRule::KaimingNormalFanOut => "Kaiming normal, fan-out",
        InitRule::TorchDefault => "PyTorch's default, uniform",
    }
}

/// An augmentation in words.
pub(crate) fn augmentation(augmentation: Augmentation) -> &'static str {
    match augmentation {
        Augmentation::None => "none",
        Augmentation::CropFlip => "black padding of an eighth of the side, random crop, random flip",
        Augmentation::ShiftAlternatingFlip => "shift by up to 2 pixels, flip every second epoch",
        Augmentation::ResizedCropFlip => "random resized crop, random flip",
    }
}

/// Seeds that figure 5 has of a panel.
fn coupling_seeds(held: &Held) -> u32 {
    let sources = FIGURE_5.sources.iter();
    let once = sources
        .filter(|source| source.panel == held.panel)
        .any(|source| source.once);
    if once { 1 } else { held.setup.seeds.len() as u32 }
}

/// `70, 130`.
fn write_numbers(f: &mut fmt::Formatter<'_>, numbers: &[f64]) -> fmt::Result {
    let texts: Vec<_> = numbers.iter().map(f64::to_string).collect();
    f.write_str(&texts.join(", "))
}

impl fmt::Display for Paper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Paper::Numbers(numbers) => write_numbers(f, numbers),
            Paper::Word(word) | Paper::Loose(word) => f.write_str(word),
            Paper::Unused => Ok(()),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Numbers(numbers) if numbers.is_empty() => f.write_str("none"),
            Value::Numbers(numbers) => write_numbers(f, numbers),
            Value::Word(word) => f.write_str(word),
        }
    }
}
