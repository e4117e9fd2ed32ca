//! Running nodes: from what they read to what they leave behind.

use crate::done::{Done, ReadState};
use crate::post_mortem::{Failure, PostMortem};
use crate::read::{Loaded, MADE_AGAIN};
use crate::together::Together;
use crate::{
    Combine, DataFolder, DataRef, Environment, ExperimentError, Init, Node, NodeId, Perturb, Prune, Scoring,
    StateRef, Store, prune,
};
use sculpt_checkpoints::{Meta, State, write_checkpoint};
use sculpt_datasets::Dataset;
use sculpt_masks::Mask;
use sculpt_models::ModelSpec;
use sculpt_random::Seed;
use sculpt_signs::{flip, signs_only};
use sculpt_store::{Lease, atomic, paths};
use sculpt_trainers::EpochMetrics;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    rc::Rc,
    sync::atomic::{AtomicBool, Ordering},
};
use tch::Device;

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
    /// The data read last, and what they are known as.
    pub(crate) loaded: Option<(String, Rc<Dataset>)>,
    pub(crate) warnings: Vec<String>,
    pub(crate) together: Option<Together>,
    pub(crate) step_recorder: Option<&'a dyn sculpt_trainers::Recorder>,
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

/// A node at work.
pub(crate) struct Work<'w> {
    pub(crate) id: &'w NodeId,
    /// Where its results go: the node's folder, or one in it where a finished node is made again.
    pub(crate) folder: PathBuf,
    /// Epochs whose state is kept.
    pub(crate) keep: BTreeSet<u32>,
    /// The node's lock, of whoever writes.
    pub(crate) lease: Option<&'w Lease>,
    /// States that were read so far.
    pub(crate) parents: BTreeSet<ReadState>,
    /// Pictures that nobody can read, and that they and the node did without.
    pub(crate) left_out: BTreeSet<String>,
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
            loaded: None,
            warnings: Vec::new(),
            together: None,
            step_recorder: None,
        }
    }

    /// The same, launching training steps by a recorder of the device's operations, where they can be.
    pub fn recorded_by(self, step_recorder: Option<&'a dyn sculpt_trainers::Recorder>) -> Self {
        Self {
            step_recorder,
            ..self
        }
    }

    /// What the runs so far found that their user should know, each sentence once.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Data, which stay until others are asked for: a process that goes from panel to panel holds those of one.
    pub(crate) fn dataset(&mut self, data: &DataRef) -> Result<Rc<Dataset>, ExperimentError> {
        let name = data.loaded_as();
        if let Some((known, dataset)) = &self.loaded
            && *known == name
        {
            return Ok(Rc::clone(dataset));
        }
        self.loaded = None;
        let (_, dataset) = self.loaded.insert((name, Rc::new(self.data.load(data)?)));
        Ok(Rc::clone(dataset))
    }

    /// Runs the node that the store describes, from where it stands. A finished node of which an epoch more is asked is
    /// made again beside itself, and the new state taken over only if all old ones came out the same.
    ///
    /// # Errors
    /// A parent that has not been run or is not the one that was read before, data that are not at hand, a lock held
    /// elsewhere, diverged training, other bits than those of the finished node or than its finished children read, or
    /// what the file system refuses.
    /// Nothing is half-written.
    pub fn run(&mut self, id: &NodeId) -> Result<Ended, ExperimentError> {
        match self.together {
            None => self.run_alone(id),
            Some(_) => self.run_together(id),
        }
    }

    /// As [`Runner::run`], by the process that locks, writes and reports.
    pub(crate) fn run_alone(&mut self, id: &NodeId) -> Result<Ended, ExperimentError> {
        let stop = self.stop;
        let lease = self.store.lock_over(id, &|| !stop.load(Ordering::Relaxed))?;
        let mut file = self.store.node_file(id)?;
        if self.store.is_done_elsewhere(id, &file.environment.keep)? {
            return Ok(Ended::WasDone);
        }
        if file.environment.keep.is_subset(&self.store.epochs_here(id)) {
            self.store.push(id)?;
            return Ok(Ended::WasDone);
        }
        if self.store.remote.is_some() {
            // What another machine found of it may have been brought.
            file = self.store.node_file(id)?;
        }
        let own = self.store.node_folder(id);
        atomic::tidy(&own)?;
        check_places(&own)?;
        let again = self.store.has_end(id);
        let folder = if again { paths::again_folder(&own) } else { own };
        let mut work = Work {
            id,
            folder,
            keep: file.environment.keep.clone(),
            lease: Some(&lease),
            parents: BTreeSet::new(),
            left_out: BTreeSet::new(),
        };
        if again {
            work.keep.extend(self.store.epochs_here(id));
            if Done::read(&work.folder).is_ok_and(|made| made.is_some()) {
                // It was made, and stopped while it was taken over.
                self.store.take_over(id)?;
                self.store.push(id)?;
                return Ok(Ended::Done);
            }
        }
        tch::set_num_threads(file.environment.threads as i32);
        if !again {
            PostMortem::remove(&work.folder)?;
            Failure::remove(&work.folder)?;
            let here = Environment::here(self.device, file.environment.threads).on_ranks(self.n_ranks());
            let resumes = paths::progress_state(&work.folder).is_file();
            file.environment.run_by(here, resumes);
            file.write(&work.folder)?;
        }
        let ended = match &file.node {
            Node::Init(init) => self.initialise(&work, init),
            Node::Prune(prune) => self.prune(&mut work, prune),
            Node::Combine(combine) => self.combine(&mut work, combine),
            Node::Train(train) => self.train(&mut work, train),
            Node::LoadWeights(_) | Node::LoadMask(_) => Err(ExperimentError::NotLoaded { id: id.clone() }),
        };
        if let (Err(error), false) = (&ended, lease.is_lost()) {
            Failure::note(&self.store.node_folder(id), id, error);
        }
        let ended = ended?;
        // Stopped or done: to go on from there would be to keep what was made of other pictures.
        if let Some(data) = file.node.data()
            && let Err(changed) = self.data.check_unchanged(data)
        {
            if !lease.is_lost() {
                crate::progress::remove(&work.folder)?;
            }
            return Err(changed);
        }
        if ended == Ended::Done {
            if lease.is_lost() {
                return Err(ExperimentError::TakenOver { id: id.clone() });
            }
            if !again {
                self.store.check_readers(id, &work.folder)?;
            }
            crate::live::remove(&work.folder)?;
            Done::write(
                &work.folder,
                id,
                work.parents.into_iter().collect(),
                work.left_out,
            )?;
            crate::progress::remove(&work.folder)?;
            if again {
                self.store.take_over(id)?;
            }
            self.store.push(id)?;
        }
        Ok(ended)
    }

    /// Reads a state that the node is made from, and remembers that it did. A finished node reads what it read before.
    pub(crate) fn read_parent(&self, work: &mut Work, parent: &StateRef) -> Result<Loaded, ExperimentError> {
        let place = self
            .store
            .place(parent)
            .ok_or_else(|| ExperimentError::ParentMissing {
                id: work.id.clone(),
                parent: parent.id.clone(),
                epoch: parent.epoch,
                store: self.store.runs().to_owned(),
            })?;
        let loaded = place.load()?;
        let read = ReadState {
            id: parent.id.clone(),
            epoch: parent.epoch,
            sha256: loaded.sha256(),
        };
        // A damaged marker records nothing, and its node is made again.
        let before = Done::read(&self.store.node_folder(work.id)).ok().flatten();
        let before = before.iter().flat_map(|done| &done.parents);
        if let Some(before) = before
            .filter(|before| before.address() == *parent)
            .find(|before| before.sha256 != read.sha256)
        {
            return Err(ExperimentError::ParentChanged {
                id: work.id.clone(),
                parent: parent.id.clone(),
                epoch: parent.epoch,
                read: before.sha256.clone(),
                found: read.sha256,
            });
        }
        work.parents.insert(read);
        work.left_out.extend(self.store.left_out(&parent.id)?);
        Ok(loaded)
    }

    fn initialise(&self, work: &Work, init: &Init) -> Result<Ended, ExperimentError> {
        let layout = init.model.layout();
        // Draws of one seed differ in the seed's upper half, which no run of ours uses otherwise.
        let seed = Seed(init.seed ^ (u64::from(init.draw) << 32));
        let (theta, buffers) = init.model.initialise(init.rule, seed);
        let mask = Mask::full(layout.n_prunable());
        write_end(work, &init.model, &State { theta, buffers, mask }, None, 0)
    }

    fn prune(&mut self, work: &mut Work, prune: &Prune) -> Result<Ended, ExperimentError> {
        let Loaded {
            state, meta, model, ..
        } = self.read_parent(work, &prune.from)?;
        let layout = model.layout();
        let model = self.store.with_network(model)?;
        let device = self.device;
        let load = |scoring: &Scoring| self.dataset(&scoring.data);
        let mask = prune::mask(work, prune, &state, &model, device, load)?;
        let mut theta = state.theta;
        mask.apply(&layout, &mut theta);
        let pruned = State {
            theta,
            buffers: state.buffers,
            mask,
        };
        write_end(
            work,
            &model,
            &pruned,
            Some(prune.density.get()),
            meta.epochs_trained,
        )
    }

    fn combine(&self, work: &mut Work, combine: &Combine) -> Result<Ended, ExperimentError> {
        let Loaded {
            state: masked,
            meta: masked_meta,
            model,
            ..
        } = self.read_parent(work, &combine.mask_from)?;
        let mut read = |parent: &StateRef| -> Result<(State, Meta), ExperimentError> {
            let loaded = self.read_parent(work, parent)?;
            let network = &loaded.model;
            if *network == model {
                return Ok((loaded.state, loaded.meta));
            }
            Err(ExperimentError::CombineDiffers {
                id: work.id.clone(),
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
        write_end(
            work,
            &model,
            &State { theta, buffers, mask },
            masked_meta.density_target,
            meta.epochs_trained,
        )
    }
}

/// Nothing stands in the way of what a node writes: a pipe would be waited for, a folder cannot be replaced.
fn check_places(folder: &Path) -> Result<(), ExperimentError> {
    let folders = [
        paths::progress_folder(folder),
        paths::damaged_progress(folder),
        paths::again_folder(folder),
    ];
    for path in crate::store::entries(folder)? {
        // A link that leads nowhere is none of both.
        let is_right = fs::metadata(&path).is_ok_and(|found| {
            if folders.contains(&path) {
                found.is_dir()
            } else {
                found.is_file()
            }
        });
        if !is_right {
            return Err(ExperimentError::BadFile {
                path,
                detail: format!("is no file or folder as a node has there; {MADE_AGAIN}"),
            });
        }
    }
    Ok(())
}

/// Writes the state of a node that does not train.
fn write_end(
    work: &Work,
    model: &ModelSpec,
    state: &State,
    density_target: Option<f64>,
    epochs_trained: u32,
) -> Result<Ended, ExperimentError> {
    let path = paths::checkpoint_at(&work.folder, 0);
    write_state(&path, work.id, model, state, density_target, epochs_trained)?;
    Ok(Ended::Done)
}

pub(crate) fn write_state(
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
