//! The paper's claims, each judged by the rows of other artefacts.

use crate::artefact::Content;
use crate::{ALL, Artefact, ReportError, Session};
use sculpt_claims::{Evidence, Margins, artefacts, claims, contrasts};
use sculpt_experiments::{Node, Preset, StateRef};
use sculpt_measures::{MeasureError, Needs};
use sculpt_rows::{AccuracyRow, ClaimRow, ContrastRow, Frame, JumpRow, LineRow, Name, Row};
use std::collections::{BTreeMap, BTreeSet};

/// What the claims come down to, one row a contrast.
pub(crate) struct Contrasts {
    pub(crate) name: Name,
    pub(crate) title: &'static str,
}

pub(crate) static CONTRASTS: Contrasts = Contrasts {
    name: Name::Contrasts,
    title: "What the claims come down to, contrast by contrast",
};

/// The verdicts, one a claim.
pub(crate) struct Claims {
    pub(crate) name: Name,
    pub(crate) title: &'static str,
}

pub(crate) static CLAIMS: Claims = Claims {
    name: Name::Claims,
    title: "The paper's claims, tested",
};

impl Content for Contrasts {
    type Row = ContrastRow;

    fn measure(&self, session: &Session, _: &Needs) -> Result<Vec<ContrastRow>, ReportError> {
        let mut evidence = levels_of_90(&session.suite().preset)?;
        for name in artefacts() {
            match session.frame(Artefact::find(name)?) {
                Ok(frame) => gather(&mut evidence, name, &frame)?,
                // A state is there, and what training recorded of it is not: its claims have runs.
                Err(error @ ReportError::Measure(MeasureError::NoScore { .. })) => return Err(error),
                Err(error) if error.is_absence() => {}
                Err(error) => return Err(error),
            }
        }
        evidence.correct = correct(session, &evidence)?;
        Ok(contrasts(&evidence, &Margins::PUBLISHED)?)
    }
}

/// Which test images the states get right that accuracies are of.
fn correct(
    session: &Session,
    evidence: &Evidence,
) -> Result<BTreeMap<(String, u32), Vec<bool>>, ReportError> {
    let of_figures = evidence
        .accuracies
        .values()
        .flatten()
        .map(|row| (&row.node, row.epoch));
    let of_signs = evidence.signs.iter().map(|row| (&row.node, row.epoch));
    let state = |(node, epoch): (&String, u32)| {
        let id = node.parse().ok()?;
        Some(StateRef { id, epoch })
    };
    let states: BTreeSet<StateRef> = of_figures.chain(of_signs).filter_map(state).collect();
    let states: Vec<StateRef> = states.into_iter().collect();
    let measures = session.measures();
    let predictions = measures.predictions(&states)?;
    let of = |state: StateRef| {
        let Some(Node::Train(train)) = measures.recipe().get(&state.id).map(|entry| &entry.node) else {
            return None;
        };
        let correct = predictions.correct(&state, &train.data.loaded_as())?;
        Some(((state.id.as_str().to_owned(), state.epoch), correct))
    };
    Ok(states.into_iter().filter_map(of).collect())
}

impl Content for Claims {
    type Row = ClaimRow;

    fn measure(&self, session: &Session, _: &Needs) -> Result<Vec<ClaimRow>, ReportError> {
        let frame = session.frame(Artefact::find(Name::Contrasts)?)?;
        Ok(claims(&frame.rows()?))
    }
}

/// No rows yet, but the density of about 90 % sparsity of every panel.
fn levels_of_90(preset: &Preset) -> Result<Evidence, ReportError> {
    let mut evidence = Evidence::default();
    for artefact in ALL {
        let Name::Figure(number) = artefact.name else {
            continue;
        };
        for source in artefact.content.panel_sources() {
            let density = preset.panel(source.panel)?.sparse_90.get();
            let place = (number, source.letter.to_owned());
            evidence.sparse_90.insert(place, density);
        }
    }
    Ok(evidence)
}

/// Adds an artefact's rows, whichever of the kinds that claims read they are.
fn gather(evidence: &mut Evidence, name: Name, frame: &Frame) -> Result<(), ReportError> {
    match name {
        Name::Figure(number) if frame.columns() == AccuracyRow::names() => {
            evidence.accuracies.insert(number, frame.rows()?);
        }
        Name::Figure(number) if frame.columns() == JumpRow::names() => {
            let rows: Vec<JumpRow> = frame.rows()?;
            evidence
                .eigenvalues
                .extend(rows.iter().filter_map(JumpRow::eigenvalue));
            let lines = rows.iter().filter_map(JumpRow::line);
            evidence.lines.insert(number, lines.collect());
        }
        Name::Figure(number) => {
            evidence.lines.insert(number, frame.rows::<LineRow>()?);
        }
        Name::Table(2) => evidence.epochs = frame.rows()?,
        Name::Table(3) => evidence.signs = frame.rows()?,
        Name::Table(4) => evidence.costs = frame.rows()?,
        Name::Table(_) | Name::Contrasts | Name::Claims | Name::Differences => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sculpt_claims::METHODS;
    use sculpt_experiments::{DataFolder, Method, Overrides, PresetName};

    /// Claims know ids alone: each must name a method, and each artefact be one.
    #[test]
    fn claims_speak_of_what_there_is() {
        for id in METHODS {
            assert!(Method::named(id).is_ok(), "{id}");
        }
        for name in artefacts() {
            let columns = Artefact::find(name).unwrap().content.columns();
            let mut evidence = Evidence::default();
            gather(&mut evidence, name, &Frame::from_cells(columns, Vec::new())).unwrap();
        }
    }

    /// The demo's level next to 90 % sparsity is 0.1, the paper's 0.8^10.
    #[test]
    fn every_panel_has_its_level() {
        for (name, density) in [(PresetName::Demo, 0.1), (PresetName::Paper, 0.107_374_182_4)] {
            let preset = Preset::new(name, Overrides::default(), &DataFolder::default()).unwrap();
            let levels = levels_of_90(&preset).unwrap().sparse_90;
            for place in [(2, "d"), (8, "a"), (8, "c")] {
                let level = levels[&(place.0, place.1.to_owned())];
                assert!((level - density).abs() < 1e-12, "{place:?}: {level}");
            }
        }
    }
}
