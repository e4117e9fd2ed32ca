use crate::metrics::{MetricsRow, TestScore, write_metrics};
use crate::store::NodeEnvironment;
use crate::{
    Combine, DataFolder, Environment, ExperimentError, Init, LabelNoise, Node, NodeId, Perturb, Prune,
    Scoring, StateRef, Store, Train, memory, prune,
};
use sculpt_checkpoints::{Meta, State, TensorData, read_tensors, write_checkpoint, write_tensors};
use sculpt_datasets::{Dataset, DeviceExamples, Examples, Loader};
use sculpt_label_noise::corrupt;
use sculpt_masks::Mask;
use sculpt_models::{ModelSpec, Precision, initialise};
use sculpt_network::Network;
use sculpt_random::Seed;
use sculpt_schedules::Schedule;
use sculpt_signs::{flip, signs_only};
use sculpt_store::{atomic, canonical::to_canonical_json, paths};
use sculpt_trainers::{
    EpochMetrics, Evaluation, Flow, Observer, Outcome, Position, Sgd, Step, TrainError, Training, evaluate,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};
use tch::{Device, Tensor};

/// Images in a batch of every evaluation (design §5): part of what an accuracy means, to the last image.
pub const EVALUATION_BATCH: usize = 500;

/// Seconds between two saves of an unfinished node (design §2).
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// What running a node needs beside the store.
pub struct Runner<'a> {
    /// Where results are.
    pub store: &'a Store,
    /// Where data are.
    pub data: &'a DataFolder,
    /// Where to compute.
    pub device: Device,
    /// Set from outside to stop at the next step boundary, state saved.
    pub stop: &'a AtomicBool,
    /// Told of every step.
    pub report: &'a mut dyn FnMut(Progress),
    /// Data sets already read, by digest.
    loaded: HashMap<String, Dataset>,
}

/// How far a Train node is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps done.
    pub steps_done: u64,
    /// Steps of the cycle.
    pub n_steps: u64,
    /// Metrics of the last finished epoch.
    pub epoch: Option<EpochMetrics>,
}

/// How running a node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The result was there already.
    WasDone,
    /// The result is there now.
    Done,
    /// Stopped from outside; the state is saved and the next run goes on from it.
    Stopped,
}

/// What `timing.json` holds: wall time, apart from the deterministic metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// Seconds of training and evaluation, all starts together.
    pub seconds: f64,
    /// Training images passed forward and back.
    pub images: u64,
    /// Starts that it took.
    pub starts: u32,
    /// The most memory that the process held while it trained, where the system tells; absent in older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
}

impl<'a> Runner<'a> {
    /// A runner that has read no data yet.
    pub fn new(
        store: &'a Store,
        data: &'a DataFolder,
        device: Device,
        stop: &'a AtomicBool,
        report: &'a mut dyn FnMut(Progress),
    ) -> Self {
        Self {
            store,
            data,
            device,
            stop,
            report,
            loaded: HashMap::new(),
        }
    }

    /// Runs the node that the store describes, from where it stands.
    ///
    /// # Errors
    /// A parent that has not been run, data that are not at hand, a lock held elsewhere, diverged training, or
    /// what the file system refuses. Nothing is half-written.
    pub fn run(&mut self, id: &NodeId) -> Result<Ended, ExperimentError> {
        let _lock = self.store.lock(id)?;
        let mut file = self.store.node_file(id)?;
        let last = file.node.last_epoch();
        let path = |epoch| {
            self.store.checkpoint_path(
                &StateRef {
                    id: id.clone(),
                    epoch,
                },
                last,
            )
        };
        if file.environment.keep.iter().all(|&epoch| path(epoch).is_file()) {
            return Ok(Ended::WasDone);
        }
        tch::set_num_threads(file.environment.threads as i32);
        let folder = self.store.node_folder(id);
        let here = Environment::here(self.device, file.environment.threads);
        let resumes = paths::progress_state(&folder).is_file();
        file.environment.machine = match file.environment.machine.take() {
            // Begun on one machine and ended on another: no environment made these bits.
            before if resumes && before.as_ref() != Some(&here) => None,
            Some(_) | None => Some(here),
        };
        self.store.write_node_file(&file)?;
        // Done once, and now asked for an epoch that was not kept: it is not done while that is made again.
        remove_file(&paths::checkpoint(&folder))?;
        match &file.node {
            Node::Init(init) => self.initialise(id, init)?,
            Node::Prune(prune) => self.prune(id, prune)?,
            Node::Combine(combine) => self.combine(id, combine)?,
            Node::Train(train) => return self.train(id, train, &file.environment),
        }
        Ok(Ended::Done)
    }

    fn initialise(&self, id: &NodeId, init: &Init) -> Result<(), ExperimentError> {
        let layout = init.model.layout();
        // Draws of one seed differ in the seed's upper half, which no run of ours uses otherwise.
        let seed = Seed(init.seed ^ (u64::from(init.draw) << 32));
        let (theta, buffers) = initialise(&layout, init.rule, seed);
        let mask = Mask::full(layout.n_prunable());
        self.write_end(id, 0, &init.model, &State { theta, buffers, mask }, None, 0)
    }

    fn prune(&mut self, id: &NodeId, prune: &Prune) -> Result<(), ExperimentError> {
        let (state, meta, model) = self.store.read_parent(id, &prune.from)?;
        let layout = model.layout();
        let load = |scoring: &Scoring| self.data.load(&scoring.data);
        let mask = prune::mask(id, prune, &state, &model, self.device, load)?;
        let mut theta = state.theta;
        mask.apply(&layout, &mut theta);
        let pruned = State {
            theta,
            buffers: state.buffers,
            mask,
        };
        self.write_end(
            id,
            0,
            &model,
            &pruned,
            Some(prune.density.get()),
            meta.epochs_trained,
        )
    }

    fn combine(&self, id: &NodeId, combine: &Combine) -> Result<(), ExperimentError> {
        let (masked, masked_meta, model) = self.store.read_parent(id, &combine.mask_from)?;
        let read = |parent: &StateRef| -> Result<(State, Meta), ExperimentError> {
            let (state, meta, network) = self.store.read_parent(id, parent)?;
            if network == model {
                return Ok((state, meta));
            }
            Err(ExperimentError::CombineDiffers {
                id: id.clone(),
                mask: model.to_string(),
                network: network.to_string(),
            })
        };
        let layout = model.layout();
        let (
            State {
                mut theta,
                mut buffers,
                ..
            },
            meta,
        ) = read(&combine.weights_from)?;
        if let Some(norm_from) = &combine.norm_from {
            let (norm, _) = read(norm_from)?;
            for param in layout.params().iter().filter(|param| !param.is_prunable()) {
                theta[param.range()].copy_from_slice(&norm.theta[param.range()]);
            }
            buffers = norm.buffers;
        }
        let mask = masked.mask;
        if let Some(signs_from) = &combine.signs_from {
            let (signs, _) = read(signs_from)?;
            theta = signs_only(&layout, &mask, &theta, &signs.theta)?.theta;
        }
        mask.apply(&layout, &mut theta);
        if let Some(Perturb { fraction, seed }) = combine.perturb {
            flip(&layout, &mask, &mut theta, fraction, Seed(seed))?;
        }
        self.write_end(
            id,
            0,
            &model,
            &State { theta, buffers, mask },
            masked_meta.density_target,
            meta.epochs_trained,
        )
    }

    fn train(
        &mut self,
        id: &NodeId,
        train: &Train,
        environment: &NodeEnvironment,
    ) -> Result<Ended, ExperimentError> {
        let (start, meta, model) = self.store.read_parent(id, &train.from)?;
        if !self.loaded.contains_key(&train.data.digest) {
            let dataset = self.data.load(&train.data)?;
            self.loaded.insert(train.data.digest.clone(), dataset);
        }
        let dataset = &self.loaded[&train.data.digest];
        let examples = match train.data.train_images {
            None => dataset.train.clone(),
            Some(n) => dataset.train.first(n as usize)?,
        };
        model.check_image(examples.height() as u32, examples.width() as u32)?;
        let (training, _validation) = train.split.indices(examples.len(), Seed(train.seed))?;
        let mut examples = examples.select(&training);
        if let Some(noise) = &train.label_noise {
            examples = noisy(&examples, noise, dataset.n_classes)?;
        }
        let loader = Loader::new(
            &examples,
            dataset.mean,
            dataset.std,
            train.augmentation,
            train.batch as usize,
            train.drop_last,
            Seed(train.seed),
            self.device,
        )?;
        let test = DeviceExamples::new(&dataset.test, dataset.mean, dataset.std, self.device)?;
        let network = model.network(train.precision);
        let layout = network.layout();
        let schedule = Schedule::new(
            train.schedule,
            train.lr,
            train.epochs,
            loader.steps_per_epoch() as u32,
        )?;

        let folder = self.store.node_folder(id);
        // A state saved behind an epoch that is wanted and was not kept is of no use.
        let missing = |epoch: &u32| !paths::checkpoint_at(&folder, *epoch).is_file();
        let saved = Saved::read(&paths::progress_state(&folder), &start.mask)?.filter(|saved| {
            let passed = environment.keep.range(..=saved.header.position.epoch);
            !passed.into_iter().any(missing)
        });
        let (position, rows, timing) = match &saved {
            Some(saved) => (
                saved.header.position,
                saved.header.rows.clone(),
                saved.header.timing.clone(),
            ),
            None => (
                Position::default(),
                Vec::new(),
                Timing {
                    seconds: 0.0,
                    images: 0,
                    starts: 0,
                    peak_memory_bytes: None,
                },
            ),
        };
        memory::forget_peak();
        let mut state = match saved {
            None => {
                sculpt_trainers::State::new(layout, &start.theta, &start.buffers, &start.mask, self.device)?
            }
            Some(Saved {
                theta,
                buffers,
                momentum,
                ..
            }) => sculpt_trainers::State::resumed(
                layout,
                &theta,
                &buffers,
                &momentum,
                &start.mask,
                self.device,
            )?,
        };
        let mut recorder = Recorder {
            runner: self.report,
            stop: self.stop,
            folder,
            id,
            train,
            keep: environment,
            model: &model,
            test: &test,
            density_target: meta.density_target,
            epochs_before: meta.epochs_trained,
            rows,
            timing: Timing {
                starts: timing.starts + 1,
                ..timing
            },
            steps_per_epoch: loader.steps_per_epoch() as u64,
            images_per_epoch: images_per_epoch(&loader, train),
            clock: Instant::now(),
            last_save: Instant::now(),
            last_steps: None,
        };
        let outcome = Training {
            network: &network,
            batches: &loader,
            schedule: &schedule,
            epochs: train.epochs,
            sgd: Sgd::new(train.momentum, train.weight_decay)?,
            epochs_before: u64::from(meta.epochs_trained),
        }
        .run(&mut state, position, &mut [&mut recorder])?;
        match outcome {
            Outcome::Stopped(position) => {
                recorder.save(&state, position)?;
                Ok(Ended::Stopped)
            }
            Outcome::Finished => {
                recorder.finish(&state)?;
                Ok(Ended::Done)
            }
        }
    }

    fn write_end(
        &self,
        id: &NodeId,
        epoch: u32,
        model: &ModelSpec,
        state: &State,
        density_target: Option<f64>,
        epochs_trained: u32,
    ) -> Result<(), ExperimentError> {
        let path = self.store.checkpoint_path(
            &StateRef {
                id: id.clone(),
                epoch,
            },
            epoch,
        );
        write_state(&path, id, model, state, density_target, epochs_trained)
    }
}

fn write_state(
    path: &Path,
    id: &NodeId,
    model: &ModelSpec,
    state: &State,
    density_target: Option<f64>,
    epochs_trained: u32,
) -> Result<(), ExperimentError> {
    let description = serde_json::to_value(model).expect("a model description is plain JSON");
    let id = Some(id.as_str().to_owned());
    let meta = Meta::new(id, description, density_target, epochs_trained, &state.mask);
    Ok(write_checkpoint(path, &model.layout(), state, &meta)?)
}

/// Loss and accuracy as every record and every figure has them: f32, batches of [`EVALUATION_BATCH`].
pub fn evaluate_examples(
    model: &ModelSpec,
    theta: &Tensor,
    buffers: &Tensor,
    examples: &DeviceExamples,
) -> Evaluation {
    evaluate(
        &model.network(Precision::F32),
        theta,
        buffers,
        examples.batches(EVALUATION_BATCH),
    )
}

/// The same images, some of whose labels are wrong.
fn noisy(examples: &Examples, noise: &LabelNoise, n_classes: usize) -> Result<Examples, ExperimentError> {
    let labels: Vec<i64> = examples.labels().iter().map(|&label| i64::from(label)).collect();
    let noisy = corrupt(
        &labels,
        noise.rate,
        noise.rule,
        Some(n_classes as u32),
        Seed(noise.seed),
    )?;
    let labels = noisy
        .labels
        .into_iter()
        .map(|label| u8::try_from(label).expect("a class of the data"));
    Ok(examples.with_labels(labels.collect())?)
}

fn images_per_epoch(loader: &Loader, train: &Train) -> u64 {
    if train.drop_last {
        loader.steps_per_epoch() as u64 * u64::from(train.batch)
    } else {
        loader.n_examples() as u64
    }
}

/// Removes a file that need not be there.
fn remove_file(path: &Path) -> Result<(), ExperimentError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(ExperimentError::Io {
            path: path.to_owned(),
            source: error,
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes what a Train node leaves behind, and what it needs to go on.
struct Recorder<'a> {
    runner: &'a mut dyn FnMut(Progress),
    stop: &'a AtomicBool,
    folder: PathBuf,
    id: &'a NodeId,
    train: &'a Train,
    keep: &'a NodeEnvironment,
    model: &'a ModelSpec,
    test: &'a DeviceExamples,
    density_target: Option<f64>,
    epochs_before: u32,
    rows: Vec<MetricsRow>,
    timing: Timing,
    steps_per_epoch: u64,
    images_per_epoch: u64,
    clock: Instant,
    last_save: Instant,
    last_steps: Option<u64>,
}

impl Observer<ExperimentError> for Recorder<'_> {
    fn on_step<'s>(&mut self, step: &dyn Fn() -> Step<'s>) -> Result<Flow, ExperimentError> {
        if self.stop.load(Ordering::Relaxed) {
            return Ok(Flow::Stop);
        }
        let done = self.last_steps.get_or_insert_with(|| step().steps_done - 1);
        *done += 1;
        let (steps_done, n_steps) = (*done, self.n_steps());
        (self.runner)(Progress {
            steps_done,
            n_steps,
            epoch: None,
        });
        if self.last_save.elapsed() >= SAVE_EVERY {
            let now = step();
            self.save(now.state, now.position)?;
        }
        Ok(Flow::GoOn)
    }

    fn on_epoch(&mut self, metrics: &EpochMetrics, step: &Step<'_>) -> Result<Flow, ExperimentError> {
        self.timing.images += self.images_per_epoch;
        self.last_steps = Some(step.steps_done);
        let (epoch, kept) = (metrics.epoch, self.keep.keep.contains(&metrics.epoch));
        let test = (kept || epoch == self.train.epochs).then(|| {
            let (theta, buffers) = (step.state.theta(), step.state.buffers());
            TestScore::from(evaluate_examples(self.model, theta, buffers, self.test))
        });
        self.rows.push(MetricsRow {
            training: *metrics,
            test,
        });
        if kept && epoch < self.train.epochs {
            self.write(&paths::checkpoint_at(&self.folder, epoch), step.state, epoch)?;
        }
        (self.runner)(Progress {
            steps_done: step.steps_done,
            n_steps: step.n_steps,
            epoch: Some(*metrics),
        });
        let stop = self.stop.load(Ordering::Relaxed);
        if !stop && epoch < self.train.epochs && self.last_save.elapsed() >= SAVE_EVERY {
            self.save(step.state, step.position)?;
        }
        Ok(if stop { Flow::Stop } else { Flow::GoOn })
    }
}

impl Recorder<'_> {
    fn n_steps(&self) -> u64 {
        u64::from(self.train.epochs) * self.steps_per_epoch
    }

    fn write(&self, path: &Path, state: &sculpt_trainers::State, epoch: u32) -> Result<(), ExperimentError> {
        let (theta, buffers, _) = state.to_vecs();
        let state = State {
            theta,
            buffers,
            mask: state.mask().clone(),
        };
        let trained = self.epochs_before + epoch;
        write_state(path, self.id, self.model, &state, self.density_target, trained)
    }

    fn save(&mut self, state: &sculpt_trainers::State, position: Position) -> Result<(), ExperimentError> {
        if !position.loss_sum.is_finite() {
            let (epoch, loss) = (position.epoch + 1, position.loss_sum);
            return Err(TrainError::Diverged {
                epoch,
                loss,
                learning_rate: self.train.lr,
            }
            .into());
        }
        self.stop_clock();
        let header = SavedHeader {
            position,
            rows: self.rows.clone(),
            timing: self.timing.clone(),
        };
        Saved::write(&paths::progress_state(&self.folder), state, &header)?;
        self.last_save = Instant::now();
        Ok(())
    }

    fn finish(&mut self, state: &sculpt_trainers::State) -> Result<(), ExperimentError> {
        self.stop_clock();
        let rows: Vec<_> = self
            .rows
            .iter()
            .map(|row| (self.id.as_str().to_owned(), *row))
            .collect();
        write_metrics(&paths::metrics(&self.folder), &rows)?;
        let timing = to_canonical_json(&self.timing).expect("timings are finite numbers");
        atomic::write(&paths::timing(&self.folder), timing.as_bytes())?;
        // The last file: where it stands, the node is done.
        self.write(&paths::checkpoint(&self.folder), state, self.train.epochs)?;
        let progress = paths::progress_folder(&self.folder);
        match fs::remove_dir_all(&progress) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(ExperimentError::Io {
                path: progress,
                source: error,
            }),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn stop_clock(&mut self) {
        let peak = self.timing.peak_memory_bytes.max(memory::peak());
        self.timing.peak_memory_bytes = peak;
        self.timing.seconds += self.clock.elapsed().as_secs_f64();
        self.clock = Instant::now();
    }
}

/// The state of an unfinished node, in `progress/`.
struct Saved {
    theta: Vec<f32>,
    buffers: Vec<f32>,
    momentum: Vec<f32>,
    header: SavedHeader,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedHeader {
    position: Position,
    rows: Vec<MetricsRow>,
    timing: Timing,
}

impl Saved {
    fn write(
        path: &Path,
        state: &sculpt_trainers::State,
        header: &SavedHeader,
    ) -> Result<(), ExperimentError> {
        let (theta, buffers, momentum) = state.to_vecs();
        let vector = |values: Vec<f32>| TensorData::F32(vec![values.len()], values);
        let bits = state.mask().packed();
        let tensors = [
            ("theta", vector(theta)),
            ("buffers", vector(buffers)),
            ("momentum", vector(momentum)),
            ("mask_bits", TensorData::U8(vec![bits.len()], bits)),
        ];
        let text = serde_json::to_string(header).expect("a header is plain JSON");
        Ok(write_tensors(path, &tensors, Some(&text))?)
    }

    /// `None` where nothing was saved.
    fn read(path: &Path, mask: &Mask) -> Result<Option<Self>, ExperimentError> {
        if !path.is_file() {
            return Ok(None);
        }
        let bad = |detail: String| ExperimentError::BadFile {
            path: path.to_owned(),
            detail,
        };
        let mut tensors = read_tensors(path)?;
        let text = tensors
            .metadata_json()
            .ok_or_else(|| bad("holds no position".to_owned()))?;
        let header: SavedHeader = serde_json::from_str(text).map_err(|e| bad(e.to_string()))?;
        let (_, theta) = tensors.take_f32("theta")?;
        let (_, buffers) = tensors.take_f32("buffers")?;
        let (_, momentum) = tensors.take_f32("momentum")?;
        let (_, bits) = tensors.take_u8("mask_bits")?;
        if bits != mask.packed() {
            return Err(bad(
                "has another mask than the node starts from; delete the progress folder".to_owned(),
            ));
        }
        Ok(Some(Self {
            theta,
            buffers,
            momentum,
            header,
        }))
    }
}
