//! Table 1: the set-up as the preset holds it, beside what the paper's Table 1 and appendix say.

use crate::artefact::Content;
use crate::quantities::{Held, PANELS, Paper, QUANTITIES, Quantity, Value};
use crate::{ReportError, Session};
use sculpt_experiments::Preset;
use sculpt_measures::Needs;
use sculpt_rows::{Name, SetupRow};

/// The table of the set-up.
pub(crate) struct SetupTable {
    pub(crate) name: Name,
    pub(crate) title: &'static str,
}

pub(crate) static TABLE_1: SetupTable = SetupTable {
    name: Name::Table(1),
    title: "Experimental set-up",
};

/// Quantity, panel, what the paper says of it and what the preset holds, in the table's order.
fn held(preset: &Preset) -> Result<Vec<(&'static Quantity, &'static str, Paper, Value)>, ReportError> {
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

fn rows_of(preset: &Preset) -> Result<Vec<SetupRow>, ReportError> {
    let row = |(quantity, panel, paper, value): (&Quantity, &str, Paper, Value)| SetupRow {
        quantity: quantity.name.to_owned(),
        panel: panel.to_owned(),
        paper: paper.to_string(),
        source: quantity.source.to_owned(),
        preset: value.to_string(),
    };
    Ok(held(preset)?.into_iter().map(row).collect())
}

impl Content for SetupTable {
    type Row = SetupRow;

    fn measure(&self, session: &Session, _: &Needs) -> Result<Vec<SetupRow>, ReportError> {
        rows_of(&session.suite().preset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_experiments::{DataFolder, Overrides, PanelName, PresetName};
    use sculpt_models::InitRule;
    use sculpt_schedules::Kind;

    fn preset(name: PresetName, overrides: Overrides) -> Preset {
        Preset::new(name, overrides, &DataFolder::default()).unwrap()
    }

    /// (quantity, panel) where the preset does not hold what the paper says, and how many were compared.
    fn parted(preset: &Preset) -> (Vec<(&'static str, &'static str)>, usize) {
        let (mut parted, mut compared) = (Vec::new(), 0);
        for (quantity, panel, paper, value) in held(preset).unwrap() {
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
        let rows = rows_of(&preset(PresetName::Paper, Overrides::default())).unwrap();
        let row = |quantity: &str, panel: &str| {
            let mut rows = rows.iter();
            let own = rows.find(|row| row.quantity == quantity && row.panel == panel);
            own.map(|row| (row.paper.clone(), row.preset.clone())).unwrap()
        };
        let both = |text: &str| (text.to_owned(), text.to_owned());
        assert_eq!(row("weight decay", "CIFAR-100"), both("0.001"));
        assert_eq!(row("epochs of the drops", "CIFAR-10"), both("70, 130"));
        assert_eq!(row("pruned a level, of what is left", "ImageNet"), both("0.2"));
    }
}
