//! From a criterion and a state to a mask.

use crate::evaluation::evaluation_set;
use crate::run::Work;
use crate::{Criterion, ExperimentError, Prune, ScoredOn, Scoring};
use sculpt_checkpoints::State;
use sculpt_datasets::Dataset;
use sculpt_masks::{Density, Mask, magnitude, random, random_subset};
use sculpt_models::{ModelSpec, Precision};
use sculpt_random::{Purpose, Seed, Stream};
use sculpt_scores::{Criterion as Score, Images, Point, Probe};
use std::rc::Rc;
use tch::{Device, Tensor};

/// Training images that a score is computed on.
const SCORING: Purpose = Purpose::new(b"scoring-");

/// The mask that a Prune node asks for. `load` reads the data that a criterion looks at.
pub(crate) fn mask(
    work: &mut Work<'_>,
    prune: &Prune,
    state: &State,
    model: &ModelSpec,
    device: Device,
    load: impl FnOnce(&Scoring) -> Result<Rc<Dataset>, ExperimentError>,
) -> Result<Mask, ExperimentError> {
    let (layout, density) = (model.layout(), prune.density);
    match &prune.criterion {
        Criterion::Magnitude => Ok(magnitude(&layout, &state.theta, density, Some(&state.mask))?),
        Criterion::RandomSubset { seed } => Ok(random_subset(&state.mask, density, Seed(*seed))?),
        Criterion::Random {
            allocation,
            rule,
            seed,
        } => {
            if state.mask.n_kept() < state.mask.len() {
                return Err(ExperimentError::AlreadyMasked { id: work.id.clone() });
            }
            Ok(random(&layout, density, *allocation, *rule, Seed(*seed))?)
        }
        Criterion::Scored(scored) => {
            let probe;
            let shown = match scored.on() {
                ScoredOn::Images(scoring) => {
                    probe = images(work, scoring, model, &*load(scoring)?, device)?;
                    Images::Probe(&probe)
                }
                ScoredOn::Size { side } => {
                    model.check_image([3, *side, *side])?;
                    Images::Size([3, i64::from(*side), i64::from(*side)])
                }
            };
            by_score(scored.by(), state, model, shown, density, device)
        }
    }
}

fn by_score(
    score: &Score,
    state: &State,
    model: &ModelSpec,
    images: Images<'_>,
    density: Density,
    device: Device,
) -> Result<Mask, ExperimentError> {
    let network = if score.prefers_folded() {
        model.folded_network(Precision::F32)?
    } else {
        model.network(Precision::F32)?
    };
    let place = |values: &[f32]| Tensor::from_slice(values).to_device(device);
    let (theta, buffers) = (place(&state.theta), place(&state.buffers));
    let point = Point::new(&network, &theta, &buffers, Some(&state.mask))?;
    Ok(score.mask(&point, images, density)?)
}

/// The images of a score: of those that are trained on, so many drawn without replacement.
fn images(
    work: &mut Work<'_>,
    scoring: &Scoring,
    model: &ModelSpec,
    dataset: &Dataset,
    device: Device,
) -> Result<Probe, ExperimentError> {
    let train = &dataset.train;
    let (height, width) = train.size();
    model.check_image([3, height as u32, width as u32])?;
    let examples = match scoring.data.train_images {
        None => dataset.train.clone(),
        Some(n) => dataset.train.cut(n as usize)?,
    };
    let (training, _validation) = scoring.split.indices(examples.len(), Seed(scoring.seed))?;
    let n = scoring.images as usize;
    if !(1..=training.len()).contains(&n) {
        return Err(ExperimentError::ScoringImages {
            asked: n,
            available: training.len(),
        });
    }
    let chosen = Stream::new(Seed(scoring.seed), SCORING, 0).choose(n, training.len());
    let chosen: Vec<u32> = chosen.into_iter().map(|place| training[place as usize]).collect();
    let examples = evaluation_set(dataset, &examples.select(&chosen), device)?;
    // Scores look at them again and again: pictures are decoded once.
    let batches: Vec<_> = examples.batches().collect::<Result<_, _>>()?;
    work.left_out.extend(examples.left_out());
    Ok(Probe::new(batches)?)
}
