//! From a criterion and a state to a mask.

use crate::run::EVALUATION_BATCH;
use crate::{Criterion, ExperimentError, NodeId, Prune, Scoring};
use sculpt_checkpoints::State;
use sculpt_datasets::{Dataset, DeviceExamples};
use sculpt_masks::{Mask, magnitude, random, random_subset};
use sculpt_models::{ModelSpec, Precision};
use sculpt_network::Mode;
use sculpt_random::{Purpose, Seed, Stream};
use sculpt_scores::{
    DensitySchedule, PAPER_TEMPERATURE, Point, Probe, SynFlow, WoodFisher, fisher, grasp, snip, synflow,
    wood_fisher,
};
use tch::{Device, Tensor};

/// The mask that a Prune node asks for. `load` reads the data that a criterion looks at.
pub(crate) fn mask(
    id: &NodeId,
    prune: &Prune,
    state: &State,
    model: &ModelSpec,
    device: Device,
    load: impl FnOnce(&Scoring) -> Result<Dataset, ExperimentError>,
) -> Result<Mask, ExperimentError> {
    let (layout, density) = (model.layout(), prune.density);
    let within = Some(&state.mask);
    // Folding pays where derivatives of many images are taken; SynFlow has one image.
    let network = if matches!(prune.criterion, Criterion::Synflow { .. }) {
        model.network(Precision::F32)
    } else {
        model.folded_network(Precision::F32)
    };
    let place = |values: &[f32]| Tensor::from_slice(values).to_device(device);
    let (theta, buffers) = (place(&state.theta), place(&state.buffers));
    let point = || Point::new(&network, &theta, &buffers, within);
    let probe = |scoring: &Scoring| probe(scoring, model, &load(scoring)?, device);
    let scores = match &prune.criterion {
        Criterion::Magnitude => return Ok(magnitude(&layout, &state.theta, density, within)?),
        Criterion::RandomSubset { seed } => return Ok(random_subset(&state.mask, density, Seed(*seed))?),
        Criterion::Random {
            allocation,
            rule,
            seed,
        } => {
            if state.mask.n_kept() < state.mask.len() {
                return Err(ExperimentError::AlreadyMasked { id: id.clone() });
            }
            return Ok(random(&layout, density, *allocation, *rule, Seed(*seed))?);
        }
        Criterion::Synflow { iterations, side } => {
            let variant = SynFlow::Iterative {
                iterations: *iterations,
                schedule: DensitySchedule::Exponential,
            };
            model.check_image(*side, *side)?;
            let side = i64::from(*side);
            return Ok(synflow(&point()?, [3, side, side], density, variant)?);
        }
        Criterion::Snip(scoring) => snip(&point()?, &probe(scoring)?, Mode::Eval)?,
        Criterion::Grasp(scoring) => grasp(&point()?, &probe(scoring)?, PAPER_TEMPERATURE)?,
        Criterion::Fisher(scoring) => fisher(&point()?, &probe(scoring)?)?,
        Criterion::WoodFisher(scoring) => wood_fisher(&point()?, &probe(scoring)?, WoodFisher::STANDARD)?,
    };
    Ok(scores.keep(density)?)
}

/// The images of a score: of those that are trained on, so many drawn without replacement.
fn probe(
    scoring: &Scoring,
    model: &ModelSpec,
    dataset: &Dataset,
    device: Device,
) -> Result<Probe, ExperimentError> {
    let train = &dataset.train;
    model.check_image(train.height() as u32, train.width() as u32)?;
    let examples = match scoring.data.train_images {
        None => dataset.train.clone(),
        Some(n) => dataset.train.first(n as usize)?,
    };
    let (training, _validation) = scoring.split.indices(examples.len(), Seed(scoring.seed))?;
    let n = scoring.images as usize;
    if !(1..=training.len()).contains(&n) {
        return Err(ExperimentError::ScoringImages {
            asked: n,
            available: training.len(),
        });
    }
    let chosen = Stream::new(Seed(scoring.seed), Purpose::Scoring, 0).choose(n, training.len());
    let chosen: Vec<u32> = chosen.into_iter().map(|place| training[place as usize]).collect();
    let examples = DeviceExamples::new(&examples.select(&chosen), dataset.mean, dataset.std, device)?;
    Ok(Probe::new(examples.batches(EVALUATION_BATCH))?)
}
