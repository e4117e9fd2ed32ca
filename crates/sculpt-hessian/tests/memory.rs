//! Memory does not grow over products, and one graph at a time takes less than all. Alone in its process: what it
//! reads is the process's.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests: a panic is a failure, helpers included")]

use sculpt_hessian::{Graphs, Hessian, MeanLoss, Network, Product, Seed};
use sculpt_models::{InitRule, ModelSpec, Precision, initialise};
use tch::{Device, Kind, Tensor};

/// A line of `/proc/self/status`, in MiB: `VmRSS`, memory in use, or `VmHWM`, the most that was.
fn mebibytes(key: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

#[test]
fn products_leave_nothing_behind() {
    tch::set_num_threads(1);
    let spec = ModelSpec::named("resnet8", 10, Some(8), None).unwrap();
    let network = spec.folded_network(Precision::F32).unwrap();
    let (theta, buffers) = initialise(network.layout(), InitRule::KaimingNormalFanIn, Seed(1));
    let (theta, buffers) = (Tensor::from_slice(&theta), Tensor::from_slice(&buffers));
    let n = 512;
    let pixels = Tensor::arange(n * 3 * 16 * 16, (Kind::Float, Device::Cpu)).sin();
    let loss = MeanLoss {
        network: &network,
        theta: &theta,
        buffers: &buffers,
        mask: None,
        images: &pixels.view([n, 3, 16, 16]),
        labels: &Tensor::arange(n, (Kind::Int64, Device::Cpu)).remainder(10),
    };
    let hessian = |graphs| Hessian::new(loss, Product::DoubleBackward, 32, graphs).unwrap();
    // What libtorch sets up once.
    let _ = hessian(Graphs::Rebuild).product(&theta);
    let before = mebibytes("VmRSS");
    let peaks = [Graphs::Rebuild, Graphs::Keep].map(|graphs| {
        let hessian = hessian(graphs);
        let after_each: Vec<f64> = (0..12)
            .map(|_| {
                let _ = hessian.product(&theta);
                mebibytes("VmRSS")
            })
            .collect();
        // A graph left behind by every product would be some 30 MiB each.
        let growth = after_each[11] - after_each[1];
        assert!(growth < 20.0, "{graphs:?}: {after_each:?} MiB");
        mebibytes("VmHWM") - before
    });
    assert!(2.0 * peaks[0] < peaks[1], "{peaks:?} MiB");
}
