//! `verify SUITE --evaluate`: whether its states get as many test images right as training recorded, and the same ones as its
//! predictions say.

use super::{Findings, PlaceKind};
use crate::words::{BadUsage, Global};
use crate::{device, printing};
use sculpt_datasets::EvaluationSet;
use sculpt_experiments::{
    DataFolder, DataRef, Environment, ExperimentError, Node, Place, Predictions, PublishedSuite, StateRef,
    evaluation_set, limits, predict_examples,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};
use tch::{Device, Tensor};

/// So often it is told how far it is.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Of so many images one may come out otherwise where other instructions round otherwise (design §5).
const IMAGES_PER_DIFFERENCE: u64 = 1000;

/// Trained states of a suite by the data that they are of.
type ByData<'s> = BTreeMap<String, (&'s DataRef, Vec<StateRef>)>;

/// Evaluates every trained state of a suite whose data are at hand, from its file, and nothing that was remembered. In the
/// environment that the suite names every image must come out as it says; elsewhere all but one in a thousand.
pub(super) fn evaluate(
    folder: &Path,
    data: &DataFolder,
    global: &Global,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let Ok(suite) = PublishedSuite::open(folder) else {
        return Err(BadUsage(format!(
            "--evaluate evaluates states of published suites, and {} is none that can be read",
            folder.display()
        ))
        .into());
    };
    let device = device::of(global)?;
    let threads = suite.environment().map(|environment| environment.threads);
    // A stranger's suite may say anything.
    let threads = threads.filter(|threads| limits::THREADS.contains(u64::from(*threads)));
    if let Some(threads) = threads {
        tch::set_num_threads(threads as i32);
    }
    let here = threads.map(|threads| Environment::here(device, threads));
    // Predictions that cannot be read stand among the violations already.
    let nothing = Predictions::default();
    let job = Job {
        folder,
        suite: &suite,
        known: suite.predictions().unwrap_or(&nothing),
        is_same_machine: here.is_some() && suite.environment() == here.as_ref(),
        device,
    };
    let mut by_data = ByData::new();
    for id in suite.ids().collect::<BTreeSet<_>>() {
        let Some(Node::Train(train)) = suite.node(id) else {
            continue;
        };
        let entry = by_data.entry(train.data.loaded_as());
        let states = &mut entry.or_insert((&train.data, Vec::new())).1;
        let state = |epoch| StateRef {
            id: id.clone(),
            epoch,
        };
        states.extend(suite.epochs(id).map(state));
    }
    let (mut n_right, mut absent) = (0, 0);
    let n: usize = by_data.values().map(|(_, states)| states.len()).sum();
    let begun = Instant::now();
    let (mut done, mut last) = (0, Instant::now());
    for (data_ref, states) in by_data.values() {
        if !data.is_at_hand(data_ref)? {
            absent += states.len();
            continue;
        }
        let dataset = data.load(data_ref)?;
        let test = evaluation_set(&dataset, &dataset.test, device)?;
        let labels = dataset.test.labels();
        for state in states {
            findings.checked += 1;
            let Some(place) = suite.place(state) else { continue };
            match job.faults(state, &place, &test, &labels) {
                Ok(faults) if faults.is_empty() => n_right += 1,
                Ok(faults) => {
                    let all = faults.join("; ");
                    findings.say(&place.path, PlaceKind::Evaluated, all);
                }
                // A damaged file stands there already.
                Err(error) => findings.say_error(&place.path, PlaceKind::Evaluated, &error),
            }
            done += 1;
            if last.elapsed() >= TELL_EVERY {
                last = Instant::now();
                let to_go = begun.elapsed().as_secs_f64() / done as f64 * (n - absent - done) as f64;
                printing::note(&format!("{done} of {n} states evaluated, {to_go:.0} s to go"));
            }
        }
    }
    if absent > 0 {
        findings.notes.push(format!(
            "{absent} states are not evaluated: their data are not at hand (--data)"
        ));
    }
    if n_right > 0 {
        let exactly = if job.is_same_machine {
            ", image by image"
        } else {
            ", within an image in a thousand"
        };
        findings.notes.push(format!(
            "{n_right} of {n} states evaluate to what the suite says of them{exactly}"
        ));
    }
    Ok(())
}

struct Job<'a> {
    folder: &'a Path,
    suite: &'a PublishedSuite,
    known: &'a Predictions,
    is_same_machine: bool,
    device: Device,
}

impl Job<'_> {
    /// In what a state differs from what its suite says of it.
    fn faults(
        &self,
        state: &StateRef,
        place: &Place,
        test: &EvaluationSet,
        labels: &[u16],
    ) -> Result<Vec<String>, ExperimentError> {
        let loaded = place.load()?;
        let on_device = |values: &[f32]| Tensor::from_slice(values).to_device(self.device);
        let (theta, buffers) = (on_device(&loaded.state.theta), on_device(&loaded.state.buffers));
        let (found, classes) = predict_examples(&loaded.model, &theta, &buffers, test)?;
        let allowed = |n: u64| match self.is_same_machine {
            true => 0,
            false => (n / IMAGES_PER_DIFFERENCE).max(1),
        };
        let mut faults = Vec::new();
        if let Some(recorded) = self.suite.recorded(state)
            && (recorded.n != found.n || recorded.n_correct.abs_diff(found.n_correct) > allowed(found.n))
        {
            faults.push(format!(
                "gets {} of {} test images right, and training recorded {} of {}",
                found.n_correct, found.n, recorded.n_correct, recorded.n
            ));
        }
        if let Some(before) = self.known.classes.get(state) {
            let other = before.iter().zip(&classes).filter(|(a, b)| a != b).count() as u64;
            if before.len() != classes.len() || other > allowed(found.n) {
                faults.push(format!(
                    "gives {other} of {} test images another class than predictions.safetensors of {} says",
                    classes.len(),
                    self.folder.display()
                ));
            }
            let known_labels = match self.suite.node(&state.id) {
                Some(Node::Train(train)) => self.known.labels.get(&train.data.loaded_as()),
                _ => None,
            };
            if known_labels.is_some_and(|known| known != labels) {
                faults.push("has predictions beside other labels than the data's".to_owned());
            }
        }
        Ok(faults)
    }
}
