use crate::{Artefact, ReportError};
use sculpt_experiments::{DataFolder, PanelName, Source, StateRef, Suite};
use sculpt_measures::Needs;
use sculpt_rows::{Frame, Name};
use sculpt_store::cache::Cache;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use tch::Device;

/// A suite opened for its artefacts.
pub struct Session {
    suite: Suite,
    measures: sculpt_measures::Session,
    frames: Mutex<HashMap<Name, Frame>>,
    /// Where measures are, and not counted among them.
    pictures: Cache,
}

impl Session {
    /// Opens a suite. `data` may have no folder: then recorded scores stand for measured ones, except on the
    /// demo data, which are always at hand. Measures, and pictures, are cached under `cache`.
    ///
    /// # Errors
    /// Data of panel (a) that are not the suite's, or a preset out of range.
    pub fn open(
        suite: Suite,
        source: Source,
        data: &DataFolder,
        device: Device,
        cache: &Path,
    ) -> Result<Self, ReportError> {
        let recipe = crate::programme(&suite.preset)?;
        let measures = sculpt_measures::Session::new(source, recipe, data, device, cache);
        // Data that are not the suite's are told before anything is measured.
        measures.has_data(&suite.preset.panel(PanelName::A)?.data)?;
        Ok(Self {
            suite,
            measures,
            frames: Mutex::default(),
            pictures: Cache::new(cache),
        })
    }

    /// An artefact's frame, measured once.
    ///
    /// # Errors
    /// As [`Artefact::measure`].
    pub fn frame(&self, artefact: &Artefact) -> Result<Frame, ReportError> {
        let frames = || self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(frame) = frames().get(&artefact.name) {
            return Ok(frame.clone());
        }
        let frame = artefact.measure(self)?;
        frames().insert(artefact.name, frame.clone());
        Ok(frame)
    }

    /// The suite.
    pub fn suite(&self) -> &Suite {
        &self.suite
    }

    /// The panels of an artefact whose states are here and whose data are not, so that nothing of them can be measured anew.
    ///
    /// # Errors
    /// A state that is not there; a suite without any panel of the artefact.
    pub fn panels_without_data(&self, artefact: &Artefact) -> Result<Vec<PanelName>, ReportError> {
        let mut without = Vec::new();
        for panel in self.need(artefact)?.panels {
            if !self.measures.has_data(&panel.data)? {
                without.push(panel.panel);
            }
        }
        Ok(without)
    }

    /// What keeps pictures.
    pub(crate) fn pictures(&self) -> &Cache {
        &self.pictures
    }

    /// What measures its states.
    pub fn measures(&self) -> &sculpt_measures::Session {
        &self.measures
    }

    /// What an artefact shows of this suite: the panels of which states are there, all of whose states must be.
    ///
    /// # Errors
    /// A state that is not there; a suite without any panel of the artefact.
    pub(crate) fn need(&self, artefact: &Artefact) -> Result<Needs, ReportError> {
        need(artefact, &self.suite, self.measures.source())
    }
}

/// Whether a suite can show an artefact: all states of at least one of its panels are there.
pub fn is_shown_by(artefact: &Artefact, suite: &Suite, source: &Source) -> bool {
    need(artefact, suite, source).is_ok_and(|needs| artefact.panels().is_empty() || !needs.panels.is_empty())
}

fn need(artefact: &Artefact, suite: &Suite, source: &Source) -> Result<Needs, ReportError> {
    let all = artefact.needs(&suite.preset)?;
    let needs = all.clone().in_source(source);
    let wanted = if needs.panels.is_empty() { &all } else { &needs };
    let there = |state: &StateRef| source.has(state);
    let states = wanted.states();
    let missing: Vec<_> = states.iter().filter(|state| !there(state)).collect();
    match missing.first() {
        None => Ok(needs),
        Some(first) => Err(ReportError::StatesMissing {
            artefact: artefact.name.to_string(),
            suite: suite.name.clone(),
            missing: missing.len(),
            needed: states.len(),
            id: first.id.clone(),
            epoch: first.epoch,
        }),
    }
}
