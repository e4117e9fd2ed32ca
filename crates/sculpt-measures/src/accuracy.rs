use crate::{Key, MeasureError, Session};
use sculpt_experiments::{DataRef, Environment, Evaluation, StateRef, evaluate_examples};
use serde::{Deserialize, Serialize};
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

impl Session {
    /// The test scores of states that are there, trained on these data, in their order.
    ///
    /// # Errors
    /// A broken checkpoint; a count that is not what training recorded; neither data nor record.
    pub fn scores(&self, data: &DataRef, states: &[StateRef]) -> Result<Vec<Score>, MeasureError> {
        let Some(data) = self.images(data)? else {
            return states.iter().map(|state| self.recorded_score(state)).collect();
        };
        let key = |state: &StateRef, environment: &Environment| {
            Ok(Key::of(&Inputs {
                measure: "test-score",
                v: 1,
                checkpoint: &self.sha256(state)?,
                data: data.loaded_as(),
                batch: data.batch(),
                environment,
            }))
        };
        let measured = self.measured(
            &data,
            states,
            |state| state,
            key,
            |worker, state| {
                let (model, _) = self.entry(state)?;
                let read = self.source().state(state, &model.layout())?;
                let place = |values: &[f32]| Tensor::from_slice(values).to_device(worker.device);
                let (theta, buffers) = (place(&read.theta), place(&read.buffers));
                let score = evaluate_examples(model, &theta, &buffers, &worker.test)?;
                Ok(Cached {
                    loss: score.loss,
                    n_correct: score.n_correct,
                    n: score.n,
                    density: read.mask.density(),
                })
            },
        )?;
        let checked = states.iter().zip(measured);
        checked
            .map(|(state, cached)| self.checked(state, cached))
            .collect()
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
