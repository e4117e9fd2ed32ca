use crate::session::{Images, Worker};
use crate::{Key, MeasureError, Session};
use rayon::prelude::*;
use sculpt_datasets::Origin;
use sculpt_experiments::{
    DataRef, Environment, Evaluation, Node, Predictions, Source, StateRef, predict_examples,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tch::{Device, Tensor};

/// How a checkpoint does on the test set, and what training said that it does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// As measured now; as recorded where the data are not at hand.
    pub test: Evaluation,
    /// As training recorded it.
    pub recorded: Option<Evaluation>,
    /// Whether it was measured.
    pub measured: bool,
    /// Realised density of the checkpoint's mask.
    pub density: f64,
}

/// What a cached score rests on.
#[derive(Serialize)]
struct Inputs<'a> {
    measure: &'static str,
    v: u32,
    checkpoint: &'a str,
    data: &'a str,
    batch: usize,
    environment: &'a Environment,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cached {
    loss: f64,
    n_correct: u64,
    n: u64,
    density: f64,
}

const PREDICTIONS: &str = "predictions";

/// Classes of the images of a test set, as they are cached.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Classes {
    /// Four hexadecimal digits each.
    classes: String,
}

impl Classes {
    fn of(classes: &[u16]) -> Self {
        let classes = classes.iter().map(|class| format!("{class:04x}"));
        Self {
            classes: classes.collect(),
        }
    }

    /// None where somebody changed them.
    fn read(&self) -> Option<Vec<u16>> {
        let (digits, rest) = self.classes.as_bytes().as_chunks::<4>();
        let class = |digits: &[u8; 4]| u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok();
        rest.is_empty().then(|| digits.iter().map(class).collect())?
    }
}

impl Session {
    /// The test scores of states that are there, trained on these data, in their order.
    ///
    /// # Errors
    /// A broken checkpoint; a count that is not what training recorded; neither data nor record.
    pub fn scores(&self, of: &DataRef, states: &[StateRef]) -> Result<Vec<Score>, MeasureError> {
        let Some(data) = self.images(of)? else {
            let one = |state| self.recorded_score(state);
            return match self.source() {
                Source::Published(_) => {
                    let all: Vec<_> = states.par_iter().map(one).collect();
                    all.into_iter().collect()
                }
                // A store may fetch what it lacks: one after the other, up to the first that it does not get.
                Source::Runs(_) => states.iter().map(one).collect(),
            };
        };
        let key = |state: &StateRef, environment: &Environment| {
            self.score_key("test-score", state, &data, environment)
        };
        let keeps = self.asks_for_predictions(of)?;
        let measured = self.measured(
            &data,
            states,
            |state| state,
            key,
            |worker, state| {
                let (score, classes, density) = self.tested(worker, state)?;
                if keeps {
                    let environment = Environment::here(self.device(), self.entry(state)?.1);
                    let key = self.score_key(PREDICTIONS, state, &data, &environment)?;
                    self.keep(&key, &Classes::of(&classes))?;
                }
                Ok(Cached {
                    loss: score.loss,
                    n_correct: score.n_correct,
                    n: score.n,
                    density,
                })
            },
        )?;
        let checked = states.iter().zip(measured);
        checked
            .map(|(state, cached)| self.checked(state, cached))
            .collect()
    }

    /// Which class the states give each image of their test sets, as far as it is known: of a published suite what stands in it, of
    /// others, and of data that are always at hand, what their networks say. States that are not there or not trained, and test sets of which
    /// pictures were left out, have none.
    ///
    /// # Errors
    /// A broken checkpoint; predictions that are not those of the suite's list.
    pub fn predictions(&self, states: &[StateRef]) -> Result<Predictions, MeasureError> {
        let mut found = match self.source() {
            Source::Published(suite) => suite.predictions()?.clone(),
            Source::Runs(_) => Predictions::default(),
        };
        let asked: BTreeSet<&StateRef> = states.iter().collect();
        found.classes.retain(|state, _| asked.contains(state));
        let mut unknown: BTreeMap<String, (&DataRef, BTreeSet<&StateRef>)> = BTreeMap::new();
        let is_open = |state: &&StateRef| !found.classes.contains_key(*state) && self.source().has(state);
        for state in asked.into_iter().filter(is_open) {
            if let Some(Node::Train(train)) = self.recipe().get(&state.id).map(|entry| &entry.node)
                && self.asks_for_predictions(&train.data)?
            {
                let of_data = unknown.entry(train.data.loaded_as());
                of_data.or_insert((&train.data, BTreeSet::new())).1.insert(state);
            }
        }
        for (loaded_as, (data, states)) in unknown {
            let Some(data) = self.images(data)? else { continue };
            let states: Vec<StateRef> = states.into_iter().cloned().collect();
            let measured = self.measured(
                &data,
                &states,
                |state| state,
                |state, environment| self.score_key(PREDICTIONS, state, &data, environment),
                |worker, state| Ok(Classes::of(&self.tested(worker, state)?.1)),
            )?;
            let labels = self.labels(&data)?;
            for (state, classes) in states.into_iter().zip(measured) {
                let classes = classes.read().filter(|classes| classes.len() == labels.len());
                found.classes.extend(classes.map(|classes| (state, classes)));
            }
            found.labels.insert(loaded_as, labels);
        }
        Ok(found)
    }

    /// Labels of the test images. They are kept, since to make the images for them takes longer than all else.
    fn labels(&self, data: &Images) -> Result<Vec<u16>, MeasureError> {
        let key = Key::of(&("test-labels", 1, data.loaded_as()));
        let known = self.kept::<Classes>(&key).and_then(|kept| kept.read());
        if let Some(labels) = known {
            return Ok(labels);
        }
        let labels = data.test_labels()?;
        self.keep(&key, &Classes::of(&labels))?;
        Ok(labels)
    }

    /// Whether networks are asked: a published suite says what it says without its data, and with them no more.
    fn asks_for_predictions(&self, data: &DataRef) -> Result<bool, MeasureError> {
        Ok(match self.source() {
            Source::Runs(_) => true,
            Source::Published(_) => matches!(data.spec()?.origin, Origin::Memory(_)),
        })
    }

    /// A state on the test set: score, class of each image, density of its mask.
    fn tested(&self, worker: &Worker, state: &StateRef) -> Result<(Evaluation, Vec<u16>, f64), MeasureError> {
        let (model, _) = self.entry(state)?;
        let read = self.source().state(state, &model.layout())?;
        let place = |values: &[f32]| Tensor::from_slice(values).to_device(worker.device);
        let (theta, buffers) = (place(&read.theta), place(&read.buffers));
        let (score, classes) = predict_examples(model, &theta, &buffers, &worker.test)?;
        Ok((score, classes, read.mask.density()))
    }

    fn score_key(
        &self,
        measure: &'static str,
        state: &StateRef,
        data: &Images,
        environment: &Environment,
    ) -> Result<Key, MeasureError> {
        Ok(Key::of(&Inputs {
            measure,
            v: 3,
            checkpoint: &self.sha256(state)?,
            data: data.loaded_as(),
            batch: data.batch(),
            environment,
        }))
    }

    /// What training recorded, without the data.
    fn recorded_score(&self, state: &StateRef) -> Result<Score, MeasureError> {
        let recorded = self.source().recorded(state)?;
        let (model, _) = self.entry(state)?;
        let test = recorded.ok_or_else(|| MeasureError::NoScore {
            id: state.id.clone(),
            epoch: state.epoch,
        })?;
        let read = self.source().state(state, &model.layout())?;
        Ok(Score {
            test,
            recorded,
            measured: false,
            density: read.mask.density(),
        })
    }

    /// Design §5: equal to what training recorded where it was trained, elsewhere within max(1, 0.1 %) images.
    fn checked(&self, state: &StateRef, cached: Cached) -> Result<Score, MeasureError> {
        let test = Evaluation {
            loss: cached.loss,
            n_correct: cached.n_correct,
            n: cached.n,
        };
        let recorded = self.source().recorded(state)?;
        if let Some(recorded) = recorded {
            let here = Environment::here(self.device(), self.entry(state)?.1);
            let same = self.trained_in(state)?.is_some_and(|trained| trained == here);
            // On a GPU no bits are promised (§2).
            let allowed = if same && self.device() == Device::Cpu {
                0
            } else {
                (test.n / 1000).max(1)
            };
            if recorded.n != test.n || recorded.n_correct.abs_diff(test.n_correct) > allowed {
                return Err(MeasureError::RecordDiffers {
                    id: state.id.clone(),
                    epoch: state.epoch,
                    measured: test.n_correct,
                    recorded: recorded.n_correct,
                    n: test.n,
                });
            }
        }
        Ok(Score {
            test,
            recorded,
            measured: true,
            density: cached.density,
        })
    }
}
