//! What a Train node leaves behind, and what it needs to go on.

use crate::Evaluation;
use crate::done::write_timing;
use crate::evaluation::evaluate_examples;
use crate::live::Live;
use crate::metrics::{MetricsRow, write_metrics};
use crate::progress::{Saved, SavedHeader};
use crate::run::{Work, write_state};
use crate::training::Timing;
use crate::{ExperimentError, Progress, Train, memory};
use sculpt_checkpoints::State;
use sculpt_datasets::{EvaluationSet, TrainingBatches};
use sculpt_models::ModelSpec;
use sculpt_store::canonical::to_canonical_json;
use sculpt_store::digest::Digest;
use sculpt_store::{Lease, paths};
use sculpt_trainers::{EpochMetrics, Flow, Observer, Position, Step, TrainError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Seconds between two saves of an unfinished node (design §2).
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// Writes what a Train node leaves behind, and what it needs to go on.
pub(crate) struct Recorder<'a> {
    /// Whether tensors lie in the host's memory.
    pub(crate) on_host: bool,
    pub(crate) runner: &'a mut dyn FnMut(Progress),
    pub(crate) stop: &'a AtomicBool,
    pub(crate) work: &'a Work<'a>,
    pub(crate) train: &'a Train,
    pub(crate) model: &'a ModelSpec,
    pub(crate) batches: &'a TrainingBatches,
    pub(crate) test: &'a EvaluationSet,
    /// Pictures that earlier starts did without.
    pub(crate) left_out_before: BTreeSet<String>,
    pub(crate) density_target: Option<f64>,
    pub(crate) epochs_before: u32,
    pub(crate) rows: Vec<MetricsRow>,
    /// The same rows, for whoever watches.
    pub(crate) live: Live,
    /// The kept states written so far.
    pub(crate) kept: BTreeMap<u32, Digest>,
    pub(crate) timing: Timing,
    pub(crate) steps_per_epoch: u64,
    pub(crate) images_per_epoch: u64,
    pub(crate) clock: Instant,
    pub(crate) last_save: Instant,
    pub(crate) last_steps: Option<u64>,
}

impl Observer<ExperimentError> for Recorder<'_> {
    fn on_step<'s>(&mut self, step: &dyn Fn() -> Step<'s>) -> Result<Flow, ExperimentError> {
        if self.stop.load(Ordering::Relaxed) {
            return Ok(Flow::Stop);
        }
        if self.work.lease.is_some_and(Lease::seems_lost) {
            return Err(self.taken_over());
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
        self.check_lease()?;
        self.timing.images += self.images_per_epoch;
        self.last_steps = Some(step.steps_done);
        let (epoch, kept) = (metrics.epoch, self.work.keep.contains(&metrics.epoch));
        let test = (kept || epoch == self.train.epochs).then(|| {
            let (theta, buffers) = (step.state.theta(), step.state.buffers());
            evaluate_examples(self.model, theta, buffers, self.test)
        });
        let test = test.transpose()?;
        if let Some(Evaluation { loss, .. }) = test
            && !loss.is_finite()
        {
            return Err(ExperimentError::TestDiverged {
                id: self.work.id.clone(),
                epoch,
                loss,
                learning_rate: self.train.lr,
            });
        }
        self.rows.push(MetricsRow {
            training: *metrics,
            test,
        });
        self.live.add(&self.rows);
        if kept && epoch < self.train.epochs {
            self.write(step.state, epoch)?;
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
    /// A machine of which nothing was heard writes nothing more: another is at the node.
    fn check_lease(&self) -> Result<(), ExperimentError> {
        match self.work.lease {
            Some(lease) if lease.is_lost() => Err(self.taken_over()),
            Some(_) | None => Ok(()),
        }
    }

    fn taken_over(&self) -> ExperimentError {
        let id = self.work.id.clone();
        ExperimentError::TakenOver { id }
    }

    fn n_steps(&self) -> u64 {
        u64::from(self.train.epochs) * self.steps_per_epoch
    }

    fn write(&mut self, state: &sculpt_trainers::State, epoch: u32) -> Result<(), ExperimentError> {
        let path = paths::checkpoint_at(&self.work.folder, epoch);
        let (theta, buffers, _) = state.to_vecs();
        let state = State {
            theta,
            buffers,
            mask: state.mask().clone(),
        };
        let trained = self.epochs_before + epoch;
        write_state(
            &path,
            self.work.id,
            self.model,
            &state,
            self.density_target,
            trained,
        )?;
        self.kept.insert(epoch, Digest::of_file(&path)?);
        Ok(())
    }

    pub(crate) fn save(
        &mut self,
        state: &sculpt_trainers::State,
        position: Position,
    ) -> Result<(), ExperimentError> {
        if !position.loss_sum.is_finite() {
            // It may have come some steps before this save.
            return Err(TrainError::Diverged {
                epoch: position.epoch + 1,
                step: position.step,
                loss: position.loss_sum,
                learning_rate: self.train.lr,
            }
            .into());
        }
        self.check_lease()?;
        self.stop_clock();
        let header = SavedHeader {
            position,
            rows: self.rows.clone(),
            timing: self.timing.clone(),
            parents: self.work.parents.clone(),
            kept: self.kept.clone(),
            left_out: self.left_out(),
            tensors_sha256: None,
        };
        Saved::write(&self.work.folder, state, header)?;
        self.last_save = Instant::now();
        Ok(())
    }

    /// Pictures that nobody can read, and that the node did without since it began, each with the reason.
    pub(crate) fn left_out(&self) -> BTreeSet<String> {
        let now = self.batches.left_out().into_iter().chain(self.test.left_out());
        self.left_out_before.iter().cloned().chain(now).collect()
    }

    /// The last files but the marker.
    pub(crate) fn finish(&mut self, state: &sculpt_trainers::State) -> Result<(), ExperimentError> {
        self.check_lease()?;
        self.stop_clock();
        let rows: Vec<_> = self
            .rows
            .iter()
            .map(|row| (self.work.id.as_str().to_owned(), *row))
            .collect();
        self.write(state, self.train.epochs)?;
        write_metrics(&paths::metrics(&self.work.folder), &rows)?;
        let timing = to_canonical_json(&self.timing).expect("timings are finite numbers");
        write_timing(&self.work.folder, &timing)
    }

    fn stop_clock(&mut self) {
        // What the process holds is the host's memory: of a GPU's nothing is known.
        let is_host = self.on_host;
        let peak = is_host.then(memory::peak).flatten();
        self.timing.peak_memory_bytes = self.timing.peak_memory_bytes.filter(|_| is_host).max(peak);
        self.timing.seconds += self.clock.elapsed().as_secs_f64();
        self.clock = Instant::now();
    }
}
