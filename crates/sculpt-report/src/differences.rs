//! Where the paper, the authors' public harness and a suite differ, field by field.

use crate::artefact::Content;
use crate::fields::{FIELDS, Here};
use crate::{ReportError, Session};
use sculpt_experiments::{PanelName, Preset};
use sculpt_measures::Needs;
use sculpt_rows::{DifferenceRow, Name};

/// The page of differences.
pub(crate) struct Differences {
    pub(crate) name: Name,
    pub(crate) title: &'static str,
}

pub(crate) static DIFFERENCES: Differences = Differences {
    name: Name::Differences,
    title: "Where paper, the authors' harness and this suite differ",
};

fn rows_of(preset: &Preset) -> Result<Vec<DifferenceRow>, ReportError> {
    let here = Here {
        a: preset.panel(PanelName::A)?,
        b: preset.panel(PanelName::B)?,
        c: preset.panel(PanelName::C)?,
        preset: preset.clone(),
    };
    let mut rows = Vec::new();
    for field in FIELDS {
        rows.push(DifferenceRow {
            field: field.name.to_owned(),
            paper: field.paper.to_owned(),
            harness: field.harness.to_owned(),
            here: (field.here)(&here)?,
            touches: field.touches.to_owned(),
            source: field.source.to_owned(),
        });
    }
    Ok(rows)
}

impl Content for Differences {
    type Row = DifferenceRow;

    fn measure(&self, session: &Session, _: &Needs) -> Result<Vec<DifferenceRow>, ReportError> {
        rows_of(&session.suite().preset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_experiments::{DataFolder, Overrides, PresetName};
    use std::collections::BTreeSet;

    fn of(name: PresetName) -> Vec<DifferenceRow> {
        rows_of(&Preset::new(name, Overrides::default(), &DataFolder::default()).unwrap()).unwrap()
    }

    #[track_caller]
    fn check(rows: &[DifferenceRow], field: &str, here: &str) {
        let row = rows.iter().find(|row| row.field == field);
        assert_eq!(row.unwrap().here, here);
    }

    /// 0.8^10 = 0.1074; eleven cycles of 150 epochs; nine of SCULPT, five on ImageNet.
    #[test]
    fn here_is_the_paper_presets() {
        let rows = of(PresetName::Paper);
        check(
            &rows,
            "90 % sparsity",
            "89.3 % sparsity; LRR trains 11 cycles to it, the dense network's among them, 1650 epochs",
        );
        check(&rows, "epochs of SCULPT", "(a) 1350; (b) 1350; (c) 450");
        check(
            &rows,
            "one-cycle epochs",
            "1200, as many as the cyclic run; 2000 in figure 10 and table 3, beside 13 whole cycles; 2000 in figure 17",
        );
        check(&rows, "weight decay", "(a) 0.0001; (b) 0.001; (c) 0.0001");
        check(&rows, "seeds", "(a) 3; (b) 3; (c) 1; coupling on (b): 1");
        check(&rows, "data of figure 18", "CIFAR-100");
        check(
            &rows,
            "rewind point",
            "after epoch 10 of the dense cycle; LRR has none",
        );
        check(&rows, "shares of layers in a random mask", "balanced");
        check(&rows, "counts of a random mask", "exact");
    }

    /// The demo has four cycles of 8 epochs everywhere, and four intervals of 8 in figure 17.
    #[test]
    fn here_is_the_demos() {
        let rows = of(PresetName::Demo);
        check(&rows, "cycles of cyclic training", "4 of 8, 32 epochs");
        check(
            &rows,
            "one-cycle epochs",
            "32, as many as the cyclic run; 32 in figure 17",
        );
        check(
            &rows,
            "levels of iterative pruning",
            "1, 0.8, 0.5, 0.3, 0.1, 0.05, 0.02",
        );
        check(&rows, "precision", "float32");
    }

    #[test]
    fn fields_are_named_once_and_say_everything() {
        let names: BTreeSet<_> = FIELDS.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), FIELDS.len());
        for row in of(PresetName::Demo) {
            let all = [&row.paper, &row.harness, &row.here, &row.touches, &row.source];
            assert!(all.iter().all(|text| !text.is_empty()), "{row:?}");
        }
    }
}
