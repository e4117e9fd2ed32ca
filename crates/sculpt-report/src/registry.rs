use crate::artefact::{Artefact, Content, Name};
use crate::figures;

const fn artefact(name: Name, title: &'static str, content: &'static dyn Content) -> Artefact {
    Artefact { name, title, content }
}

macro_rules! artefacts {
    ($($content:path),* $(,)?) => {
        &[$(artefact($content.name, $content.title, &$content)),*]
    };
}

/// All artefacts there are, by kind and number.
pub static ALL: &[Artefact] = artefacts![
    figures::FIGURE_2,
    figures::FIGURE_3,
    figures::FIGURE_4,
    figures::FIGURE_5,
    figures::FIGURE_6,
    figures::FIGURE_7,
    figures::FIGURE_8,
    figures::FIGURE_9,
    figures::FIGURE_10,
    figures::FIGURE_13,
    figures::FIGURE_14,
    figures::FIGURE_15,
    figures::FIGURE_16,
    figures::FIGURE_17,
    figures::FIGURE_18,
];
