//! How long products with the Hessian of a ResNet-20 take: BatchNorm folded against not, differentiated twice against
//! written out by the network, and the alternatives.

#![expect(clippy::unwrap_used, reason = "a benchmark has no caller to hand an error to")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sculpt_hessian::{FromFn, Graphs, Hessian, MeanLoss, Network, Product, Space};
use sculpt_models::{InitRule, ModelSpec, Precision, initialise};
use sculpt_random::{Purpose, Seed, Stream};
use std::time::Duration;
use tch::{Device, Kind, Tensor};

const IMAGES: i64 = 64;

fn products(c: &mut Criterion) {
    let mut group = c.benchmark_group("products");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2));
    let spec = ModelSpec::named("resnet20", 10, None, None).unwrap();
    let plain = spec.network(Precision::F32).unwrap();
    let folded = spec.folded_network(Precision::F32).unwrap();
    let (theta, buffers) = initialise(plain.layout(), InitRule::KaimingNormalFanIn, Seed(1));
    let (theta, buffers) = (Tensor::from_slice(&theta), Tensor::from_slice(&buffers));
    let mut stream = Stream::new(Seed(1), Purpose::TEST, 0);
    let mut normals = |n: usize| -> Vec<f64> { (0..n).map(|_| stream.normal()).collect() };
    let pixels = Tensor::from_slice(&normals(IMAGES as usize * 3 * 32 * 32));
    let images = pixels.to_kind(Kind::Float).view([IMAGES, 3, 32, 32]);
    let labels = Tensor::arange(IMAGES, (Kind::Int64, Device::Cpu)).remainder(10);
    let coordinates = normals(theta.numel());

    // A function and nothing more: its derivatives are libtorch's.
    let opaque = FromFn::new(
        plain.layout().clone(),
        |theta: &Tensor, buffers: &Tensor, images: &Tensor, mode| {
            folded.forward(theta, buffers, images, mode)
        },
    );
    let exact = Product::DoubleBackward;
    let difference = Product::FiniteDifference { step: 5e-3 };
    let cases: [(&str, &dyn Network<Tensor>, Product, Graphs); 7] = [
        ("batch_norm, double backward", &plain, exact, Graphs::Keep),
        ("folded, double backward", &opaque, exact, Graphs::Keep),
        ("folded, written out", &folded, exact, Graphs::Keep),
        ("folded, written out", &folded, exact, Graphs::Rebuild),
        ("folded, finite difference", &folded, difference, Graphs::Rebuild),
        (
            "folded, Gauss-Newton by double backward",
            &opaque,
            Product::GaussNewton,
            Graphs::Keep,
        ),
        (
            "folded, Gauss-Newton written out",
            &folded,
            Product::GaussNewton,
            Graphs::Keep,
        ),
    ];
    for (name, network, product, graphs) in cases {
        let loss = MeanLoss {
            network,
            theta: &theta,
            buffers: &buffers,
            mask: None,
            images: &images,
            labels: &labels,
        };
        let hessian = Hessian::new(loss, product, IMAGES as usize, graphs).unwrap();
        let v = hessian.space().vector(&coordinates);
        let id = BenchmarkId::new(
            name,
            format!(
                "{graphs:?}, {IMAGES} images, cpu, {} threads",
                tch::get_num_threads()
            ),
        );
        group.bench_function(id, |b| b.iter(|| hessian.product(&v)));
    }
    group.finish();
}

criterion_group!(benches, products);
criterion_main!(benches);
