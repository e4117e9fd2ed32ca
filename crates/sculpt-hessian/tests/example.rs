//! The README's example.

use sculpt_hessian::{Eigen, Graphs, Hessian, MeanLoss, Network, Product, Seed, Which};
use sculpt_models::{InitRule, ModelSpec, Precision, initialise};
use tch::{Device, Kind, Tensor};

#[test]
fn example() -> Result<(), Box<dyn std::error::Error>> {
    let spec = ModelSpec::named("resnet8", 10, Some(4), None)?;
    let network = spec.folded_network(Precision::F32)?;
    let (theta, buffers) = initialise(network.layout(), InitRule::KaimingNormalFanIn, Seed(1));
    let images = Tensor::linspace(-1.0, 1.0, 20 * 3 * 8 * 8, (Kind::Float, Device::Cpu));

    let loss = MeanLoss {
        network: &network,
        theta: &Tensor::from_slice(&theta),
        buffers: &Tensor::from_slice(&buffers),
        mask: None,
        images: &images.view([20, 3, 8, 8]),
        labels: &Tensor::arange(20, (Kind::Int64, Device::Cpu)).remainder(10),
    };
    let hessian = Hessian::new(loss, Product::DoubleBackward, 128, Graphs::Keep)?;
    let largest = Eigen::new(1, Which::LargestAlgebraic, 1e-3, 200, 40, Seed(1))?;
    let pairs = hessian.eigenpairs(&largest)?;
    assert!(pairs.converged && pairs.residuals[0] <= 1e-3 * pairs.values[0]);
    Ok(())
}

/// What the README shows is what ran above.
#[test]
fn readme_shows_this_example() {
    let source = include_str!("example.rs");
    let (_, body) = source
        .split_once("std::error::Error>> {\n")
        .expect("the example's head");
    let (body, _) = body.split_once("    Ok(())\n").expect("the example's end");
    assert!(include_str!("../README.md").contains(body));
}
