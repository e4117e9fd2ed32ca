use crate::{ReportError, Session};
use sculpt_checkpoints::canonical::{sha256_hex, to_canonical_json};
use sculpt_checkpoints::{atomic, paths};
use sculpt_experiments::{EVALUATION_BATCH, Environment, Parent, TestScore, evaluate_examples};
use sculpt_models::{Precision, ResNet};
use serde::{Deserialize, Serialize};
use std::fs;
use tch::{Device, Tensor};

/// How a checkpoint does on the test set, and what training said that it does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// As measured now; as recorded where the data are not at hand.
    pub test: TestScore,
    /// As training recorded it.
    pub recorded: Option<TestScore>,
    /// Whether it was measured.
    pub measured: bool,
    /// Realised density of the checkpoint's mask.
    pub density: f64,
}

/// What a cached score rests on; its canonical JSON's SHA-256 is the file's name.
#[derive(Serialize)]
struct Key<'a> {
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
    /// The test score of a state that is there.
    ///
    /// # Errors
    /// A broken checkpoint; a count that is not what training recorded; neither data nor record.
    pub fn score(&self, state: &Parent) -> Result<Score, ReportError> {
        let recorded = self.source().recorded(state)?;
        let missing = || ReportError::NoScore {
            data: self.data_name(),
            id: state.id.clone(),
            epoch: state.epoch,
        };
        let sha256 = self.source().sha256(self.recipe(), state)?.ok_or_else(missing)?;
        let entry = self.recipe().get(&state.id).ok_or_else(missing)?;
        let layout = entry.model.layout();
        let Some(test) = self.test_examples() else {
            let test = recorded.ok_or_else(missing)?;
            let density = self.source().state(self.recipe(), state, &layout)?.mask.density();
            return Ok(Score {
                test,
                recorded,
                measured: false,
                density,
            });
        };
        let environment = Environment::here(self.device(), entry.threads);
        let key = to_canonical_json(&Key {
            measure: "test-score",
            v: 1,
            checkpoint: &sha256,
            data: self.data_digest(),
            batch: EVALUATION_BATCH,
            environment: &environment,
        });
        let key = sha256_hex(key.expect("a key is plain JSON").as_bytes());
        let path = paths::measure(self.cache(), &key);
        let cached = fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Cached>(&bytes).ok());
        let cached = match cached {
            Some(cached) => cached,
            None => {
                tch::set_num_threads(entry.threads as i32);
                let read = self.source().state(self.recipe(), state, &layout)?;
                let network = ResNet::new(&entry.model, Precision::F32);
                let place = |values: &[f32]| Tensor::from_slice(values).to_device(self.device());
                let score = evaluate_examples(&network, &place(&read.theta), &place(&read.buffers), test);
                let (loss, n_correct, n) = (score.loss, score.n_correct, score.n);
                let cached = Cached {
                    loss,
                    n_correct,
                    n,
                    density: read.mask.density(),
                };
                let text = serde_json::to_vec(&cached).expect("a score is plain JSON");
                atomic::write(&path, &text)?;
                cached
            }
        };
        let test = TestScore {
            loss: cached.loss,
            n_correct: cached.n_correct,
            n: cached.n,
        };
        if let Some(recorded) = recorded {
            let same = self
                .trained_in(state)?
                .is_some_and(|trained| trained == environment);
            // Design §5: equal where it was trained (on a GPU no bits are promised, §2), elsewhere within max(1, 0.1 %) images.
            let allowed = if same && self.device() == Device::Cpu {
                0
            } else {
                (test.n / 1000).max(1)
            };
            if recorded.n != test.n || recorded.n_correct.abs_diff(test.n_correct) > allowed {
                return Err(ReportError::RecordDiffers {
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
