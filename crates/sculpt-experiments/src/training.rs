//! Running a Train node.

use crate::evaluation::evaluation_set;
use crate::live::Live;
use crate::post_mortem::{PostMortem, is_divergence};
use crate::progress::{Found, Saved, SavedHeader};
use crate::read::Loaded;
use crate::recorder::Recorder;
use crate::run::Work;
use crate::together::{Follower, lost};
use crate::{Ended, ExperimentError, LabelNoise, Runner, Train, memory};
use sculpt_datasets::{DataPart, Dataset, Loading};
use sculpt_label_noise::corrupt;
use sculpt_network::Network;
use sculpt_random::Seed;
use sculpt_schedules::Schedule;
use sculpt_trainers::{Batches, Division, Outcome, Ranks, Sgd, Training};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Instant;

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
        let dataset = &*self.dataset(&train.data)?;
        let (height, width) = dataset.train.size();
        let image = [3, height as u32, width as u32];
        model.check_image(image)?;
        let examples = train.examples(dataset)?;
        let processes = self.processes();
        let division = Division {
            batch_norm: train.batch_norm,
            ranks: processes.as_ref().map(|processes| processes as &dyn Ranks),
        };
        division.check()?;
        let images = (train.batch as usize).min(examples.len());
        let images = images.div_ceil(division.n_parts()) as u32;
        memory::check_memory(&model, image, images, self.device)?;
        let loading = Loading {
            mean: dataset.mean,
            std: dataset.std,
            augmentation: train.augmentation,
            batch: train.batch as usize,
            drop_last: train.drop_last,
            seed: Seed(train.seed),
        };
        let batches = examples.training(loading, self.device)?;
        let test = evaluation_set(dataset, &dataset.test, self.device)?;
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
            batches.steps_per_epoch() as u32,
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
            batches: &batches,
            schedule: &schedule,
            epochs: train.epochs,
            sgd: Sgd::new(train.momentum, train.weight_decay)?,
            epochs_before: u64::from(meta.epochs_trained),
            division,
            recorder: self.step_recorder,
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
            batches: &batches,
            test: &test,
            left_out_before: header.left_out,
            density_target: meta.density_target,
            epochs_before: meta.epochs_trained,
            live: Live::begin(&work.folder, &header.rows),
            rows: header.rows,
            kept: header.kept,
            timing: Timing {
                starts: header.timing.starts + 1,
                ..header.timing
            },
            steps_per_epoch: batches.steps_per_epoch() as u64,
            images_per_epoch: images_per_epoch(batches.steps_per_epoch(), examples.len(), train),
            clock: Instant::now(),
            last_save: Instant::now(),
            last_steps: None,
        };
        let outcome = training.run(&mut state, position, &mut [&mut recorder]);
        let outcome = outcome.map_err(|error| lost(work.id, error));
        let left_out = recorder.left_out();
        self.warnings
            .extend(left_out.iter().map(|name| format!("left out: {name}")));
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
                work.left_out.extend(left_out);
                Ok(Ended::Done)
            }
        }
    }
}

impl Train {
    /// What of its data it is trained on, un-augmented: the images that it takes of them, without those held out, with the labels that
    /// label noise leaves.
    ///
    /// # Errors
    /// Fewer images than it takes, or than it holds out; label noise that these labels cannot have.
    pub fn examples(&self, dataset: &Dataset) -> Result<DataPart, ExperimentError> {
        let examples = match self.data.train_images {
            None => dataset.train.clone(),
            Some(n) => dataset.train.cut(n as usize)?,
        };
        let (training, _validation) = self.split.indices(examples.len(), Seed(self.seed))?;
        let examples = examples.select(&training);
        match &self.label_noise {
            None => Ok(examples),
            Some(noise) => noisy(&examples, noise, dataset.n_classes),
        }
    }
}

/// The same images, some of whose labels are wrong.
fn noisy(examples: &DataPart, noise: &LabelNoise, n_classes: u16) -> Result<DataPart, ExperimentError> {
    let labels: Vec<i64> = examples.labels().into_iter().map(i64::from).collect();
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

fn images_per_epoch(steps: usize, n_examples: usize, train: &Train) -> u64 {
    if train.drop_last {
        steps as u64 * u64::from(train.batch)
    } else {
        n_examples as u64
    }
}
