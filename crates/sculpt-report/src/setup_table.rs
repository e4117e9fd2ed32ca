//! Table 1: the set-up as the preset holds it, beside what the paper's Table 1 and appendix say.

use crate::artefact::{Content, Needs};
use crate::figures::FIGURE_5;
use crate::{Frame, Name, ReportError, Session};
use sculpt_datasets::Augmentation;
use sculpt_experiments::{ExperimentError, PanelName, Preset, Setup};
use sculpt_models::InitRule;
use sculpt_schedules::{Kind, Schedule};
use std::fmt;

/// The table of the set-up.
pub(crate) struct SetupTable {
    pub(crate) name: Name,
    pub(crate) title: &'static str,
}

pub(crate) static TABLE_1: SetupTable = SetupTable {
    name: Name::Table(1),
    title: "Experimental set-up",
};

const COLUMNS: &[&str] = &["quantity", "panel", "paper", "source", "preset"];

/// Columns of the paper's table.
const PANELS: [(PanelName, &str); 3] = [
    (PanelName::A, "CIFAR-10"),
    (PanelName::B, "CIFAR-100"),
    (PanelName::C, "ImageNet"),
];

/// A line of the table.
struct Quantity {
    name: &'static str,
    source: &'static str,
    /// Panel by panel.
    paper: [Paper; 3],
    preset: fn(&Held) -> Result<Value, ExperimentError>,
}

/// What the paper says.
#[derive(Clone, Copy)]
enum Paper {
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
enum Value {
    Numbers(Vec<f64>),
    Word(String),
}

/// A panel of the preset.
struct Held {
    panel: PanelName,
    setup: Setup,
}

const NOT_GIVEN: [Paper; 3] = [Paper::Loose("not given"); 3];

const fn numbers(of_a: &'static [f64], of_b: &'static [f64], of_c: &'static [f64]) -> [Paper; 3] {
    [Paper::Numbers(of_a), Paper::Numbers(of_b), Paper::Numbers(of_c)]
}

const fn number(value: &'static [f64]) -> [Paper; 3] {
    numbers(value, value, value)
}

const QUANTITIES: &[Quantity] = &[
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
    match kind {
        Kind::StepWarmup
        | Kind::StepWarmupShifted
        | Kind::OneCycle
        | Kind::Cosine
        | Kind::Triangular
        | Kind::Trapezoidal => "linear",
        Kind::ImagenetStep => "constant",
        Kind::Constant => "none",
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

/// Quantity, panel, what the paper says of it and what the preset holds, in the table's order.
fn rows(preset: &Preset) -> Result<Vec<(&'static Quantity, &'static str, Paper, Value)>, ReportError> {
    let mut rows = Vec::new();
    for quantity in QUANTITIES {
        for ((panel, data), paper) in PANELS.into_iter().zip(quantity.paper) {
            if matches!(paper, Paper::Unused) {
                continue;
            }
            let setup = preset.panel(panel)?;
            rows.push((quantity, data, paper, (quantity.preset)(&Held { panel, setup })?));
        }
    }
    Ok(rows)
}

fn frame(preset: &Preset) -> Result<Frame, ReportError> {
    let mut frame = Frame::new(COLUMNS);
    for (quantity, panel, paper, value) in rows(preset)? {
        frame.push(vec![
            quantity.name.into(),
            panel.into(),
            paper.to_string().as_str().into(),
            quantity.source.into(),
            value.to_string().as_str().into(),
        ]);
    }
    Ok(frame)
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

impl Content for SetupTable {
    fn columns(&self) -> &'static [&'static str] {
        COLUMNS
    }

    fn measure(&self, session: &Session, _: &Needs) -> Result<Frame, ReportError> {
        frame(&session.suite().preset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cell;
    use sculpt_experiments::{DataFolder, Overrides, PresetName};

    fn preset(name: PresetName, overrides: Overrides) -> Preset {
        Preset::new(name, overrides, &DataFolder::default()).unwrap()
    }

    /// (quantity, panel) where the preset does not hold what the paper says, and how many were compared.
    fn parted(preset: &Preset) -> (Vec<(&'static str, &'static str)>, usize) {
        let (mut parted, mut compared) = (Vec::new(), 0);
        for (quantity, panel, paper, value) in rows(preset).unwrap() {
            let agrees = match (paper, &value) {
                (Paper::Numbers(said), Value::Numbers(held)) => said == held,
                (Paper::Word(said), Value::Word(held)) => said == held,
                (Paper::Loose(_) | Paper::Unused, _) => continue,
                (Paper::Numbers(_), Value::Word(_)) | (Paper::Word(_), Value::Numbers(_)) => false,
            };
            compared += 1;
            if !agrees {
                parted.push((quantity.name, panel));
            }
        }
        (parted, compared)
    }

    /// The preset `paper` holds every number and word that Table 1 and A.2 give without contradiction: 22
    /// quantities of three panels, less augmentation, levels and initialisation (9), the network and the
    /// schedule of one panel each (2), the epochs of warm-up and of cyclic training of two each (4), and the
    /// noise of two (2): 66 − 17.
    #[test]
    fn the_paper_preset_is_table_1() {
        assert_eq!(
            parted(&preset(PresetName::Paper, Overrides::default())),
            (vec![], 49)
        );
    }

    /// Cycles of 15 epochs have their drops at 7 and 13, and ImageNet's warm-up of a tenth at 9 epochs is 1.
    #[test]
    fn a_preset_that_parts_is_found() {
        let (parted, _) = parted(&preset(PresetName::Short, Overrides::default()));
        let quantities: Vec<_> = parted.iter().filter(|(_, panel)| *panel == "ImageNet").collect();
        let names = [
            "epochs of a cycle",
            "epochs of warm-up",
            "epochs of the drops",
            "epochs of cyclic training",
        ];
        assert_eq!(
            quantities,
            names.map(|name| (name, "ImageNet")).iter().collect::<Vec<_>>()
        );
    }

    /// Loose words of the paper hold too: Kaiming normal of one kind, 18 layers, and steps after a warm-up.
    #[test]
    fn loose_words_hold() {
        let paper = preset(PresetName::Paper, Overrides::default());
        for (panel, _) in PANELS {
            let init = paper.panel(panel).unwrap().init;
            assert!(matches!(
                init,
                InitRule::KaimingNormalFanIn | InitRule::KaimingNormalFanOut
            ));
        }
        let network = paper.panel(PanelName::B).unwrap().model;
        assert_eq!(network.to_string(), "ResNet-18 (CIFAR stem)");
        assert_eq!(paper.panel(PanelName::C).unwrap().schedule, Kind::ImagenetStep);
    }

    #[test]
    fn numbers_read_as_written() {
        let frame = frame(&preset(PresetName::Paper, Overrides::default())).unwrap();
        let row = |quantity: &str, panel: &str| {
            let own = |row: &usize| {
                *frame.cell(*row, "quantity") == Cell::from(quantity)
                    && *frame.cell(*row, "panel") == Cell::from(panel)
            };
            let row = (0..frame.len()).find(own).unwrap();
            (
                frame.cell(row, "paper").to_string(),
                frame.cell(row, "preset").to_string(),
            )
        };
        let both = |text: &str| (text.to_owned(), text.to_owned());
        assert_eq!(row("weight decay", "CIFAR-100"), both("0.001"));
        assert_eq!(row("epochs of the drops", "CIFAR-10"), both("70, 130"));
        assert_eq!(row("pruned a level, of what is left", "ImageNet"), both("0.2"));
    }
}
