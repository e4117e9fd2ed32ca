use crate::artefact::{Artefact, Needs};
use crate::cache::{Cache, Key};
use crate::{Frame, ReportError};
use sculpt_datasets::{Dataset, DeviceExamples};
use sculpt_experiments::{
    DataFolder, Environment, ExperimentError, LIBTORCH_VERSION, PanelName, Recipe, Source, StateRef, Suite,
    device_name,
};
use sculpt_models::ModelSpec;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tch::Device;

/// A suite opened for measuring.
pub struct Session {
    suite: Suite,
    source: Source,
    /// The nodes of every artefact of the suite.
    recipe: Recipe,
    data: DataFolder,
    device: Device,
    cache: Cache,
    /// Data sets by digest; none where they are not at hand.
    datasets: Mutex<HashMap<String, Option<Arc<Dataset>>>>,
    hashes: Mutex<HashMap<StateRef, String>>,
    frames: Mutex<HashMap<crate::Name, Frame>>,
}

/// Where an artefact's numbers come from: the `.json` beside its frame.
#[derive(Clone, Debug, Serialize)]
pub struct Provenance {
    /// The artefact, such as `figure 5`.
    pub artefact: String,
    /// Its title.
    pub title: String,
    /// What wrote the files.
    pub generated_by: String,
    /// The command as typed.
    pub command: String,
    /// Revision of the checkout, where there is one.
    pub git_revision: Option<String>,
    /// The suite.
    pub suite: Suite,
    /// libtorch that measured.
    pub libtorch: &'static str,
    /// Device that measured.
    pub device: String,
    /// `measured`, or `recorded` where the data were not at hand; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracies: Option<&'static str>,
    /// What points and intervals are.
    pub statistic: &'static str,
    /// Runs behind each point: the fewest and the most; zeros where nothing is repeated.
    pub n: (usize, usize),
    /// Observations in the frame.
    pub rows: usize,
    /// Ids of the nodes whose states were read, sorted.
    pub nodes: Vec<String>,
}

/// Points are means over seeds; A.2 does not say which 95 % interval it shows (reference §1.9).
pub(crate) const STATISTIC: &str = "mean and 95 % Student-t interval over seeds";

/// A panel's data.
#[derive(Clone)]
pub(crate) struct PanelData {
    dataset: Arc<Dataset>,
    /// Training images that losses are measured on.
    pub(crate) n_training: usize,
}

/// What one thread measures with.
pub(crate) struct Worker {
    pub(crate) device: Device,
    /// The test set.
    pub(crate) test: DeviceExamples,
    /// The first training images, un-augmented.
    pub(crate) training: DeviceExamples,
}

/// Training images that losses are measured on, of those trained on: design §5's first 10,000; the demo's first 500.
fn n_training_images(n_train: usize) -> usize {
    if n_train < 2_000 {
        n_train.min(500)
    } else {
        n_train.min(10_000)
    }
}

impl Session {
    /// Opens a suite. `data` may have no folder: then recorded scores stand for measured ones, except on the
    /// demo data, which are always at hand. Measures are cached under `cache`.
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
        let session = Self {
            suite,
            source,
            recipe,
            data: data.clone(),
            device,
            cache: Cache::new(cache),
            datasets: Mutex::default(),
            hashes: Mutex::default(),
            frames: Mutex::default(),
        };
        session.panel_data(PanelName::A)?;
        Ok(session)
    }

    /// What an artefact shows of this suite: the panels of which states are there, all of whose states must be.
    ///
    /// # Errors
    /// A state that is not there; a suite without any panel of the artefact.
    pub(crate) fn need(&self, artefact: &Artefact) -> Result<Needs, ReportError> {
        let all = artefact.needs(&self.suite.preset)?;
        let needs = all.clone().in_source(&self.source);
        let wanted = if needs.panels.is_empty() { &all } else { &needs };
        let there = |state: &StateRef| self.source.has(state);
        let states = wanted.states();
        let missing: Vec<_> = states.iter().filter(|state| !there(state)).collect();
        match missing.first() {
            None => Ok(needs),
            Some(first) => Err(ReportError::StatesMissing {
                artefact: artefact.name.to_string(),
                suite: self.suite.name.clone(),
                missing: missing.len(),
                needed: states.len(),
                id: first.id.clone(),
                epoch: first.epoch,
            }),
        }
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

    /// Where states come from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The nodes of all artefacts of the suite.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Where measures compute.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Whether panel (a)'s data are at hand, so that scores are measured and not the recorded ones.
    pub fn has_data(&self) -> bool {
        self.panel_data(PanelName::A).is_ok_and(|data| data.is_some())
    }

    /// A panel's data; none where they are not at hand.
    pub(crate) fn panel_data(&self, panel: PanelName) -> Result<Option<PanelData>, ReportError> {
        let data = self.suite.preset.panel(panel)?.data;
        let mut datasets = self.datasets.lock().unwrap_or_else(PoisonError::into_inner);
        let dataset = match datasets.get(&data.digest) {
            Some(known) => known.clone(),
            None => {
                let loaded = match self.data.load(&data) {
                    Ok(dataset) => Some(Arc::new(dataset)),
                    Err(ExperimentError::DataMissing { .. }) => None,
                    Err(error) => return Err(error.into()),
                };
                datasets.insert(data.digest.clone(), loaded.clone());
                loaded
            }
        };
        Ok(dataset.map(|dataset| {
            let n_train = data.train_images.map_or(dataset.train.len(), |n| n as usize);
            PanelData {
                n_training: n_training_images(n_train.min(dataset.train.len())),
                dataset,
            }
        }))
    }

    /// SHA-256 of a state's file, computed once.
    pub(crate) fn sha256(&self, state: &StateRef) -> Result<String, ReportError> {
        let hashes = || self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = hashes().get(state) {
            return Ok(known.clone());
        }
        let missing = || ReportError::NoState {
            id: state.id.clone(),
            epoch: state.epoch,
        };
        let sha256 = self.source.sha256(state)?.ok_or_else(missing)?;
        hashes().insert(state.clone(), sha256.clone());
        Ok(sha256)
    }

    /// Network and libtorch threads of a state's node.
    pub(crate) fn entry(&self, state: &StateRef) -> Result<(&ModelSpec, u32), ReportError> {
        let entry = self.recipe.get(&state.id).ok_or_else(|| ReportError::NoState {
            id: state.id.clone(),
            epoch: state.epoch,
        })?;
        Ok((&entry.model, entry.threads))
    }

    /// What `work` finds for each item, in the items' order: from the cache under the item's key, else now, and then kept.
    /// `state` is the state whose node says with how many threads to compute.
    pub(crate) fn measured<T: Sync, V>(
        &self,
        data: &PanelData,
        items: &[T],
        state: impl Fn(&T) -> &StateRef,
        key: impl Fn(&T, &Environment) -> Result<Key, ReportError>,
        work: impl Fn(&Worker, &T) -> Result<V, ReportError> + Sync,
    ) -> Result<Vec<V>, ReportError>
    where
        V: Serialize + DeserializeOwned + Send,
    {
        let (mut found, mut unknown, mut threads) = (Vec::with_capacity(items.len()), Vec::new(), 1);
        for (i, item) in items.iter().enumerate() {
            threads = self.entry(state(item))?.1;
            let key = key(item, &Environment::here(self.device, threads))?;
            let cached: Option<V> = self.cache.get(&key);
            if cached.is_none() {
                unknown.push((i, item, key));
            }
            found.push(cached);
        }
        let new = self.in_parallel(data, threads, &unknown, |worker, (_, item, key)| {
            let value = work(worker, item)?;
            self.cache.put(key, &value)?;
            Ok(value)
        })?;
        for ((i, ..), value) in unknown.iter().zip(new) {
            found[*i] = Some(value);
        }
        let found = found.into_iter();
        Ok(found
            .map(|value| value.expect("what was not known was measured"))
            .collect())
    }

    /// A panel's data, which must be at hand.
    pub(crate) fn needed_data(&self, panel: PanelName) -> Result<PanelData, ReportError> {
        let missing = || ReportError::DataMissing {
            data: self.suite.preset.title_of(panel).to_owned(),
        };
        self.panel_data(panel)?.ok_or_else(missing)
    }

    /// Does `work` on each of the items, on as many threads as the machine has for nodes of `threads` each, and gives
    /// the answers in the items' order. Numbers do not depend on how many there are.
    fn in_parallel<T: Sync, V: Send>(
        &self,
        panel: &PanelData,
        threads: u32,
        items: &[T],
        work: impl Fn(&Worker, &T) -> Result<V, ReportError> + Sync,
    ) -> Result<Vec<V>, ReportError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let n_workers = match self.device {
            Device::Cpu => {
                let cores = thread::available_parallelism().map_or(1, usize::from);
                (cores / threads.max(1) as usize).clamp(1, items.len())
            }
            Device::Cuda(_) | Device::Mps | Device::Vulkan => 1,
        };
        let next = AtomicUsize::new(0);
        let run = || -> Result<Vec<(usize, V)>, ReportError> {
            // OpenMP counts its threads for each thread that calls it.
            tch::set_num_threads(threads as i32);
            let worker = Worker::new(panel, self.device)?;
            let mut answers = Vec::new();
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(i) else {
                    return Ok(answers);
                };
                match work(&worker, item) {
                    Ok(answer) => answers.push((i, answer)),
                    Err(error) => {
                        // The others need not go on.
                        next.store(items.len(), Ordering::Relaxed);
                        return Err(error);
                    }
                }
            }
        };
        let outcomes: Vec<_> = thread::scope(|scope| {
            let workers: Vec<_> = (0..n_workers).map(|_| scope.spawn(run)).collect();
            workers
                .into_iter()
                .map(|worker| worker.join().expect("a worker returns its errors"))
                .collect()
        });
        let mut answers = Vec::new();
        for outcome in outcomes {
            answers.extend(outcome?);
        }
        answers.sort_by_key(|(i, _)| *i);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }

    /// The environment that trained a state, where it is known.
    pub(crate) fn trained_in(&self, state: &StateRef) -> Result<Option<Environment>, ReportError> {
        Ok(self.source.machine(state)?)
    }

    /// What every provenance says alike.
    pub(crate) fn provenance(&self, artefact: &Artefact, command: &str, git: Option<String>) -> Provenance {
        Provenance {
            artefact: artefact.name.to_string(),
            title: artefact.title.to_owned(),
            generated_by: artefact.comment(),
            command: command.to_owned(),
            git_revision: git,
            suite: self.suite.clone(),
            libtorch: LIBTORCH_VERSION,
            device: device_name(self.device),
            accuracies: Some(if self.has_data() { "measured" } else { "recorded" }),
            statistic: STATISTIC,
            n: (0, 0),
            rows: 0,
            nodes: Vec::new(),
        }
    }
}

impl PanelData {
    /// SHA-256 of the decoded records and labels.
    pub(crate) fn digest(&self) -> &str {
        self.dataset.digest()
    }
}

impl Worker {
    fn new(data: &PanelData, device: Device) -> Result<Self, ReportError> {
        let dataset = &data.dataset;
        let (mean, std) = (dataset.mean, dataset.std);
        let first = dataset.train.first(data.n_training)?;
        Ok(Self {
            device,
            test: DeviceExamples::new(&dataset.test, mean, std, device)?,
            training: DeviceExamples::new(&first, mean, std, device)?,
        })
    }
}
