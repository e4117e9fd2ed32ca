use crate::artefact::{AnyContent, Artefact};
use crate::{
    claims, cost_table, differences, epochs_table, figures, peak_table, schedules, schematic, setup_table,
    sign_table, tradeoffs,
};
use sculpt_rows::Name;

const fn artefact(name: Name, title: &'static str, content: &'static dyn AnyContent) -> Artefact {
    Artefact { name, title, content }
}

macro_rules! artefacts {
    ($($content:path),* $(,)?) => {
        &[$(artefact($content.name, $content.title, &$content)),*]
    };
}

/// All artefacts there are, by kind and number.
pub static ALL: &[Artefact] = artefacts![
    schematic::FIGURE_1,
    figures::FIGURE_2,
    figures::FIGURE_3,
    figures::FIGURE_4,
    figures::FIGURE_5,
    figures::FIGURE_6,
    figures::FIGURE_7,
    figures::FIGURE_8,
    figures::FIGURE_9,
    figures::FIGURE_10,
    schedules::FIGURE_11,
    schedules::FIGURE_12,
    figures::FIGURE_13,
    figures::FIGURE_14,
    figures::FIGURE_15,
    figures::FIGURE_16,
    figures::FIGURE_17,
    figures::FIGURE_18,
    tradeoffs::FIGURE_19,
    setup_table::TABLE_1,
    epochs_table::TABLE_2,
    sign_table::TABLE_3,
    cost_table::TABLE_4,
    peak_table::TABLE_5,
    claims::CLAIMS,
    claims::CONTRASTS,
    differences::DIFFERENCES,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The paper has figures 1 to 18 and tables 1 and 2; figure 19, tables 3 to 5, claims, contrasts and differences are ours.
    #[test]
    fn every_artefact_stands_at_its_number_once() {
        let names: Vec<_> = ALL.iter().map(|artefact| artefact.name).collect();
        let mut wanted: Vec<_> = (1..=19).map(Name::Figure).collect();
        wanted.extend((1..=5).map(Name::Table));
        wanted.extend([Name::Claims, Name::Contrasts, Name::Differences]);
        assert_eq!(names, wanted);
        assert!(ALL.iter().all(|artefact| !artefact.title.is_empty()));
    }

    /// A frame's columns are told apart by name.
    #[test]
    fn columns_are_distinct() {
        for artefact in ALL {
            let columns = artefact.content.columns();
            let distinct: BTreeSet<_> = columns.iter().collect();
            assert_eq!(distinct.len(), columns.len(), "{}", artefact.name);
            let meanings = artefact.content.meanings();
            let unsaid = |meaning: &&sculpt_rows::Meaning| !meaning.meaning.ends_with('.');
            assert_eq!(meanings.iter().find(unsaid), None, "{}", artefact.name);
        }
    }
}
