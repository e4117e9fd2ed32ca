//! Running a Train node.

use crate::live::Live;
use crate::post_mortem::{PostMortem, is_divergence};
use crate::progress::{Found, Saved, SavedHeader};
use crate::read::Loaded;
use crate::recorder::Recorder;
use crate::run::Work;
use crate::together::{Follower, lost};
use crate::{Ended, ExperimentError, LabelNoise, Runner, Train, memory};
use sculpt_datasets::{DeviceExamples, Examples, Loader, Loading};
use sculpt_label_noise::corrupt;
use sculpt_models::{ModelSpec, Precision};
use sculpt_network::Network;
use sculpt_random::Seed;
use sculpt_schedules::Schedule;
use sculpt_trainers::{Division, Evaluation, Outcome, Ranks, Sgd, Training, evaluate};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Instant;
use tch::Tensor;

/// Images in a batch of every evaluation (design §5): part of what an accuracy means, to the last image.
pub const EVALUATION_BATCH: usize = 500;

/// What `timing.json` holds: wall time, apart from the deterministic metrics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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

impl Runner<'_> {
    pub(crate) fn train(&mut self, work: &mut Work, train: &Train) -> Result<Ended, ExperimentError> {
        self.announce()?;
        let Loaded {
            state: start,
            meta,
            model,
            ..
        } = self.read_parent(work, &train.from)?;
        if !self.loaded.contains_key(&train.data.loaded_as()) {
            let dataset = self.data.load(&train.data)?;
            self.loaded.insert(train.data.loaded_as(), dataset);
        }
        let dataset = &self.loaded[&train.data.loaded_as()];
        let examples = match train.data.train_images {
            None => dataset.train.clone(),
            Some(n) => dataset.train.first(n as usize)?,
        };
        let image = [3, examples.height() as u32, examples.width() as u32];
        model.check_image(image)?;
        let (training, _validation) = train.split.indices(examples.len(), Seed(train.seed))?;
        let mut examples = examples.select(&training);
        if let Some(noise) = &train.label_noise {
            examples = noisy(&examples, noise, dataset.spec.n_classes)?;
        }
        let processes = self.processes();
        let division = Division {
            batch_norm: train.batch_norm,
            ranks: processes.as_ref().map(|processes| processes as &dyn Ranks),
        };
        division.check()?;
        let images = (train.batch as usize).min(examples.len());
        let images = images.div_ceil(division.n_parts()) as u32;
        memory::check_memory(&model, image, images, train.precision, self.device)?;
        let loading = Loading {
            mean: dataset.mean,
            std: dataset.std,
            augmentation: train.augmentation,
            batch: train.batch as usize,
            drop_last: train.drop_last,
            seed: Seed(train.seed),
        };
        let loader = Loader::new(&examples, loading, self.device)?;
        let test = DeviceExamples::new(&dataset.test, dataset.mean, dataset.std, self.device)?;
        let model = self.store.with_network(model)?;
        let network = match (&processes, train.batch_norm) {
            (Some(processes), None) => model.joint_network(train.precision, Arc::new(processes.clone()))?,
            (None, _) | (Some(_), Some(_)) => model.network(train.precision)?,
        };
        let layout = network.layout();
        let schedule = Schedule::new(
            train.schedule,
            train.lr,
            train.epochs,
            loader.steps_per_epoch() as u32,
        )?;
        let found = match self.follows() {
            true => Found::Nothing,
            false => Saved::read(&work.folder, &start.mask, &work.parents, &work.keep)?,
        };
        let saved = match found {
            Found::Nothing => None,
            Found::Saved(saved) => Some(*saved),
            Found::Damaged(warning) => {
                self.warnings.push(warning);
                None
            }
        };
        memory::forget_peak();
        let device = self.device;
        let (header, mut state) = match saved {
            None => {
                let state =
                    sculpt_trainers::State::new(layout, &start.theta, &start.buffers, &start.mask, device)?;
                (SavedHeader::default(), state)
            }
            Some(saved) => {
                let state = sculpt_trainers::State::resumed(
                    layout,
                    &saved.theta,
                    &saved.buffers,
                    &saved.momentum,
                    &start.mask,
                    device,
                )?;
                (saved.header, state)
            }
        };
        let position = self.begin_together(work.id, header.position, &mut state)?;
        let training = Training {
            network: &network,
            batches: &loader,
            schedule: &schedule,
            epochs: train.epochs,
            sgd: Sgd::new(train.momentum, train.weight_decay)?,
            epochs_before: u64::from(meta.epochs_trained),
            division,
        };
        if self.follows() {
            let outcome = training.run(&mut state, position, &mut [&mut Follower { stop: self.stop }]);
            return match outcome.map_err(|error| lost(work.id, error))? {
                Outcome::Stopped(_) => Ok(Ended::Stopped),
                Outcome::Finished => Ok(Ended::Done),
            };
        }
        let mut recorder = Recorder {
            on_host: device == tch::Device::Cpu,
            runner: self.report,
            stop: self.stop,
            work,
            train,
            model: &model,
            test: &test,
            density_target: meta.density_target,
            epochs_before: meta.epochs_trained,
            live: Live::begin(&work.folder, &header.rows),
            rows: header.rows,
            kept: header.kept,
            timing: Timing {
                starts: header.timing.starts + 1,
                ..header.timing
            },
            steps_per_epoch: loader.steps_per_epoch() as u64,
            images_per_epoch: images_per_epoch(&loader, train),
            clock: Instant::now(),
            last_save: Instant::now(),
            last_steps: None,
        };
        let outcome = training.run(&mut state, position, &mut [&mut recorder]);
        let outcome = outcome.map_err(|error| lost(work.id, error));
        if let Err(error) = &outcome
            && is_divergence(error)
            && work.folder == self.store.node_folder(work.id)
        {
            PostMortem::write(&work.folder, work.id, error, &recorder.rows, layout, &state)?;
        }
        match outcome? {
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
}

/// Loss and accuracy as every record and every figure has them: f32, batches of [`EVALUATION_BATCH`].
///
/// # Errors
/// An exported network without its file.
pub fn evaluate_examples(
    model: &ModelSpec,
    theta: &Tensor,
    buffers: &Tensor,
    examples: &DeviceExamples,
) -> Result<Evaluation, ExperimentError> {
    let network = model.network(Precision::F32)?;
    Ok(evaluate(
        &network,
        theta,
        buffers,
        examples.batches(EVALUATION_BATCH),
    ))
}

/// The same images, some of whose labels are wrong.
fn noisy(examples: &Examples, noise: &LabelNoise, n_classes: u16) -> Result<Examples, ExperimentError> {
    let labels: Vec<i64> = examples.labels().iter().map(|&label| i64::from(label)).collect();
    let noisy = corrupt(
        &labels,
        noise.rate,
        noise.rule,
        Some(u32::from(n_classes)),
        Seed(noise.seed),
    )?;
    let labels = noisy
        .labels
        .into_iter()
        .map(|label| u16::try_from(label).expect("a class of the data"));
    Ok(examples.with_labels(labels.collect())?)
}

fn images_per_epoch(loader: &Loader, train: &Train) -> u64 {
    if train.drop_last {
        loader.steps_per_epoch() as u64 * u64::from(train.batch)
    } else {
        loader.n_examples() as u64
    }
}
