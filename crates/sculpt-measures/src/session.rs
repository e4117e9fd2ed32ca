use crate::sharpness::PROBE;
use crate::{Cache, Counts, Key, MeasureError};
use sculpt_datasets::{DataPart, Dataset, EvaluationSet, Origin};
use sculpt_experiments::{
    DataFolder, DataRef, Environment, ExperimentError, Recipe, Source, StateRef, evaluation_batch,
    evaluation_set,
};
use sculpt_models::ModelSpec;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread;
use tch::Device;

/// States opened for measuring.
pub struct Session {
    source: Source,
    /// The nodes of all states.
    recipe: Recipe,
    data: DataFolder,
    device: Device,
    cache: Cache,
    /// Data sets by what was made of them; none where they are not at hand. Those that are made in memory are made when they are
    /// looked at: mostly everything about them is known.
    datasets: Mutex<HashMap<String, Option<Later>>>,
    hashes: Mutex<HashMap<StateRef, String>>,
}

/// A data set, once it was looked at.
type Later = Arc<OnceLock<Arc<Dataset>>>;

/// A data set, and how much of it losses are measured on.
#[derive(Clone)]
pub(crate) struct Images {
    dataset: Later,
    folder: DataFolder,
    data: DataRef,
    loaded_as: String,
    /// Rows and columns of an image.
    size: (usize, usize),
    /// Training images that were trained on.
    n_trained: usize,
    /// Training images that losses are measured on.
    pub(crate) n_training: usize,
}

/// What one thread measures with.
pub(crate) struct Worker {
    pub(crate) device: Device,
    /// The test set.
    pub(crate) test: EvaluationSet,
    /// Of the training images the first, or of pictures some spread over all, un-augmented.
    pub(crate) training: EvaluationSet,
    /// Of those some, likewise: the images of a Hessian's loss.
    pub(crate) probe: EvaluationSet,
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
    /// Opens `source`; `recipe` holds the nodes of all its states. `data` may have no folder: then recorded scores
    /// stand for measured ones, except on the demo data, which are always at hand. Measures are cached under `cache`.
    pub fn new(source: Source, recipe: Recipe, data: &DataFolder, device: Device, cache: &Path) -> Self {
        Self {
            source,
            recipe,
            data: data.clone(),
            device,
            cache: Cache::new(cache),
            datasets: Mutex::default(),
            hashes: Mutex::default(),
        }
    }

    /// Where states come from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The nodes of all states.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Where measures compute.
    pub fn device(&self) -> Device {
        self.device
    }

    /// How far measuring is, for as long as the session lives.
    pub fn counts(&self) -> Weak<Counts> {
        self.cache.counts()
    }

    /// Whether these data are at hand, so that scores are measured and not the recorded ones.
    ///
    /// # Errors
    /// Files that are there and are not these data, or cannot be read.
    pub fn has_data(&self, data: &DataRef) -> Result<bool, MeasureError> {
        Ok(self.images(data)?.is_some())
    }

    /// Images of these data; none where they are not at hand.
    pub(crate) fn images(&self, data: &DataRef) -> Result<Option<Images>, MeasureError> {
        let mut datasets = self.datasets.lock().unwrap_or_else(PoisonError::into_inner);
        let spec = data.spec()?;
        let dataset = match datasets.get(&data.loaded_as()) {
            Some(known) => known.clone(),
            None => {
                let loaded = match spec.origin {
                    Origin::Memory(_) => Some(OnceLock::new()),
                    Origin::Records(_) | Origin::Pictures { .. } => match self.data.load(data) {
                        Ok(dataset) => Some(OnceLock::from(Arc::new(dataset))),
                        Err(ExperimentError::DataMissing { .. }) => None,
                        Err(error) => return Err(error.into()),
                    },
                };
                let loaded = loaded.map(Arc::new);
                datasets.insert(data.loaded_as(), loaded.clone());
                loaded
            }
        };
        let Some(dataset) = dataset else { return Ok(None) };
        let (n, size) = match dataset.get() {
            Some(dataset) => (dataset.train.len(), dataset.test.size()),
            None => {
                let side = data.shape()?.1 as usize;
                (spec.n_train as usize, (side, side))
            }
        };
        let n_trained = data.train_images.map_or(n, |n| n as usize).min(n);
        Ok(Some(Images {
            loaded_as: data.loaded_as(),
            n_trained,
            n_training: n_training_images(n_trained),
            size,
            dataset,
            folder: self.data.clone(),
            data: data.clone(),
        }))
    }

    /// SHA-256 of a state's file, computed once.
    pub(crate) fn sha256(&self, state: &StateRef) -> Result<String, MeasureError> {
        let hashes = || self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = hashes().get(state) {
            return Ok(known.clone());
        }
        let missing = || MeasureError::NoState {
            id: state.id.clone(),
            epoch: state.epoch,
        };
        let sha256 = self.source.sha256(state)?.ok_or_else(missing)?;
        hashes().insert(state.clone(), sha256.clone());
        Ok(sha256)
    }

    /// Network and libtorch threads of a state's node.
    pub(crate) fn entry(&self, state: &StateRef) -> Result<(&ModelSpec, u32), MeasureError> {
        let entry = self.recipe.get(&state.id).ok_or_else(|| MeasureError::NoState {
            id: state.id.clone(),
            epoch: state.epoch,
        })?;
        Ok((&entry.model, entry.threads))
    }

    /// What `work` finds for each item, in the items' order: from the cache under the item's key, else now, and then kept.
    /// `state` is the state whose node says with how many threads to compute.
    pub(crate) fn measured<T: Sync, V>(
        &self,
        data: &Images,
        items: &[T],
        state: impl Fn(&T) -> &StateRef,
        key: impl Fn(&T, &Environment) -> Result<Key, MeasureError>,
        work: impl Fn(&Worker, &T) -> Result<V, MeasureError> + Sync,
    ) -> Result<Vec<V>, MeasureError>
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
        self.cache.want(unknown.len() as u64);
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

    /// What is kept under a key.
    pub(crate) fn kept<V: DeserializeOwned>(&self, key: &Key) -> Option<V> {
        self.cache.get(key)
    }

    /// Whether something is kept under a key.
    pub(crate) fn has_kept<V: DeserializeOwned>(&self, key: &Key) -> bool {
        self.cache.has::<V>(key)
    }

    /// Keeps a value under a key, beside what was asked for.
    pub(crate) fn keep<V: Serialize>(&self, key: &Key, value: &V) -> Result<(), MeasureError> {
        self.cache.want(1);
        Ok(self.cache.put(key, value)?)
    }

    /// Images of these data, which must be at hand.
    pub(crate) fn needed_images(&self, data: &DataRef) -> Result<Images, MeasureError> {
        let missing = || MeasureError::DataMissing {
            data: data.name.clone(),
        };
        self.images(data)?.ok_or_else(missing)
    }

    /// Does `work` on each of the items, on as many threads as the machine has for nodes of `threads` each, and gives
    /// the answers in the items' order. Numbers do not depend on how many there are.
    fn in_parallel<T: Sync, V: Send>(
        &self,
        data: &Images,
        threads: u32,
        items: &[T],
        work: impl Fn(&Worker, &T) -> Result<V, MeasureError> + Sync,
    ) -> Result<Vec<V>, MeasureError> {
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
        // Once, and not by each of them.
        data.dataset()?;
        let next = AtomicUsize::new(0);
        let run = || -> Result<Vec<(usize, V)>, MeasureError> {
            // OpenMP counts its threads for each thread that calls it.
            tch::set_num_threads(threads as i32);
            let worker = Worker::new(data, self.device)?;
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
    pub(crate) fn trained_in(&self, state: &StateRef) -> Result<Option<Environment>, MeasureError> {
        Ok(self.source.machine(state)?)
    }
}

impl Images {
    fn dataset(&self) -> Result<Arc<Dataset>, MeasureError> {
        if let Some(known) = self.dataset.get() {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(self.folder.load(&self.data)?);
        Ok(Arc::clone(self.dataset.get_or_init(|| made)))
    }

    /// What measures on these images are kept under.
    pub(crate) fn loaded_as(&self) -> &str {
        &self.loaded_as
    }

    /// Of the test images, in their order.
    pub(crate) fn test_labels(&self) -> Result<Vec<u16>, MeasureError> {
        Ok(self.dataset()?.test.labels())
    }

    /// How many are looked at together.
    pub(crate) fn batch(&self) -> usize {
        evaluation_batch(self.size)
    }
}

impl Worker {
    fn new(data: &Images, device: Device) -> Result<Self, MeasureError> {
        let dataset = &*data.dataset()?;
        let some = match &dataset.train {
            DataPart::Memory(examples) => examples.first(data.n_training)?.into(),
            pictures @ DataPart::Pictures(_) => pictures.cut(data.n_trained)?.cut(data.n_training)?,
        };
        Ok(Self {
            device,
            test: evaluation_set(dataset, &dataset.test, device)?,
            training: evaluation_set(dataset, &some, device)?,
            probe: evaluation_set(dataset, &some.cut(data.n_training.min(PROBE))?, device)?,
        })
    }
}
