//! The example of the README.

use sculpt_models::{InitRule, ModelSpec, Precision, initialise};
use sculpt_scores::{Density, Mode, Network, Point, Probe, Seed, SynFlow, snip, synflow};
use tch::{Device, Kind, Tensor};

#[test]
fn example() -> Result<(), Box<dyn std::error::Error>> {
    let network = ModelSpec::named("resnet8", 10, Some(4), None)?.folded_network(Precision::F32)?;
    let (theta, buffers) = initialise(network.layout(), InitRule::KaimingNormalFanIn, Seed(1));
    let (theta, buffers) = (Tensor::from_slice(&theta), Tensor::from_slice(&buffers));
    let point = Point::new(&network, &theta, &buffers, None)?;

    // Eight grey images of classes 0 to 7, in two pieces.
    let levels = Tensor::arange(8, (Kind::Float, Device::Cpu)) / 8.0;
    let images = levels.view([8, 1, 1, 1]).expand([8, 3, 16, 16], false);
    let labels = Tensor::arange(8, (Kind::Int64, Device::Cpu));
    let probe = Probe::new(images.split(4, 0).into_iter().zip(labels.split(4, 0)))?;
    let half = snip(&point, &probe, Mode::Eval)?.keep(Density::new(0.5)?)?;
    assert_eq!(half.n_kept(), network.layout().n_prunable() / 2);

    // On from there: what is pruned is +0.0, and stays pruned.
    let mut pruned = Vec::<f32>::try_from(&theta)?;
    half.apply(network.layout(), &mut pruned);
    let pruned = Tensor::from_slice(&pruned);
    let point = Point::new(&network, &pruned, &buffers, Some(&half))?;
    let tenth = synflow(&point, [3, 16, 16], Density::new(0.1)?, SynFlow::default())?;
    assert!(tenth.is_subset_of(&half));
    Ok(())
}
