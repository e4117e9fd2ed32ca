//! No memory is corrupted: gradients, those of training too, and Hessian products of narrow networks on images of many sizes, each case in a
//! process of its own, with glibc's checks of the heap on.
//!
//! libtorch 2.11's oneDNN writes outside its memory in the backward pass of a strided 1 × 1 convolution with few channels;
//! `conv2d` of this crate goes round it. The default grid is a coarse one; `RUN_SLOW_TESTS=1` goes through every width from
//! 1 to 24.
#![expect(clippy::unwrap_used, reason = "tests: a panic is a failure, helpers included")]

use sculpt_models::{InitRule, ModelSpec, Precision, initialise};
use sculpt_network::{Mode, Network};
use sculpt_random::Seed;
use std::collections::VecDeque;
use std::process::{Child, Command, Stdio};
use std::{env, path::Path};
use tch::{Device, Kind, Reduction, Tensor};

/// Names the case to a child.
const CASE: &str = "SCULPT_HEAP_CASE";

/// Children at once.
const AT_ONCE: usize = 2;

/// Finds writes beside a block, where the preloaded library of glibc is there.
const MALLOC_DEBUG: [&str; 3] = [
    "/lib/x86_64-linux-gnu/libc_malloc_debug.so.0",
    "/lib64/libc_malloc_debug.so.0",
    "/usr/lib/libc_malloc_debug.so.0",
];

/// As many as keep a case short; one is enough to corrupt the heap.
const IMAGES: i64 = 2;

/// Width times size up to which gradients are differentiated again: libtorch's own second derivative of a convolution
/// takes kernels as large as the images, and minutes beyond. The products written out go up to all sizes.
const TWICE_UP_TO: i64 = 1024;

#[derive(Clone, Debug)]
struct Case {
    model: String,
    width: u32,
    size: i64,
    precision: Precision,
}

impl Case {
    fn to_words(&self) -> String {
        let precision = match self.precision {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
        };
        format!("{} {} {} {precision}", self.model, self.width, self.size)
    }

    fn from_words(words: &str) -> Self {
        let [model, width, size, precision] = words.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{CASE}: {words:?} is no case");
        };
        Self {
            model: model.to_owned(),
            width: width.parse().unwrap(),
            size: size.parse().unwrap(),
            precision: match precision {
                "f32" => Precision::F32,
                "bf16" => Precision::Bf16,
                other => panic!("{CASE}: {other:?} is no precision"),
            },
        }
    }
}

/// The coarse grid, or the whole.
fn cases(slow: bool) -> Vec<Case> {
    let resnet8 = if slow {
        let sizes = [
            8, 16, 24, 32, 40, 48, 56, 57, 64, 80, 96, 97, 112, 128, 160, 192, 224, 256,
        ];
        grid("resnet8", (1..=24).collect(), &sizes)
    } else {
        grid("resnet8", vec![1, 4, 8, 15, 24], &[8, 57, 96])
    };
    // ImageNet's stem shrinks images fourfold; a bottleneck's shortcut has four times the channels.
    let others = if slow {
        [
            grid(
                "resnet18",
                vec![1, 2, 3, 4, 6, 8, 12, 15],
                &[32, 64, 128, 224, 256],
            ),
            grid("resnet18-cifar", vec![1, 2, 3, 4, 6, 8, 12, 15], &[32, 64, 128]),
            grid("resnet50-cifar", vec![1, 2, 3, 4], &[32, 64, 128]),
        ]
        .concat()
    } else {
        [
            grid("resnet8", vec![4], &[256]),
            grid("resnet18", vec![8], &[224]),
            grid("resnet50-cifar", vec![2], &[64]),
        ]
        .concat()
    };
    [resnet8, others].concat()
}

fn grid(model: &str, widths: Vec<u32>, sizes: &[i64]) -> Vec<Case> {
    let mut cases = Vec::new();
    for width in widths {
        for &size in sizes {
            for precision in [Precision::F32, Precision::Bf16] {
                let model = model.to_owned();
                cases.push(Case {
                    model,
                    width,
                    size,
                    precision,
                });
            }
        }
    }
    cases
}

/// Gradients in training and evaluation, and Hessian products both ways: differentiated twice and written out.
fn derive(case: &Case) {
    tch::set_num_threads(1);
    let spec = ModelSpec::named(&case.model, 10, Some(case.width), None).unwrap();
    let plain = spec.network(case.precision).unwrap();
    let folded = spec.folded_network(case.precision).unwrap();
    let (theta, buffers) = initialise(plain.layout(), InitRule::KaimingNormalFanIn, Seed(1));
    let (theta, buffers) = (Tensor::from_slice(&theta), Tensor::from_slice(&buffers));
    let on_cpu = (Kind::Float, Device::Cpu);
    let images = Tensor::linspace(-1.0, 1.0, IMAGES * 3 * case.size * case.size, on_cpu);
    let images = images.view([IMAGES, 3, case.size, case.size]);
    let labels = Tensor::arange(IMAGES, (Kind::Int64, Device::Cpu));
    let theta = theta.set_requires_grad(true);
    let gradient = |network: &dyn Network<Tensor>, mode| {
        let logits = network.forward(&theta, &buffers.copy(), &images, mode);
        let loss = logits.cross_entropy_loss(&labels, None::<Tensor>, Reduction::Mean, -100, 0.0);
        Tensor::run_backward(&[&loss], &[&theta], true, true).swap_remove(0)
    };
    // What is freed and taken again shows what was written beside it.
    for _ in 0..2 {
        let _ = gradient(&plain, Mode::Train);
        let _ = gradient(&folded, Mode::Eval);
        let slope = gradient(&plain, Mode::Eval).dot(&theta.detach());
        if i64::from(case.width) * case.size <= TWICE_UP_TO {
            let product = Tensor::run_backward(&[&slope], &[&theta], false, false).swap_remove(0);
            assert_eq!(product.size(), theta.size());
        }
    }
    let kept = theta.ones_like();
    if let Some(mut trained) = plain.differentiate(&theta.detach(), &kept, &buffers.copy(), &images) {
        for _ in 0..2 {
            let pulled = trained.pull_back(&trained.logits().copy());
            assert_eq!(pulled.size(), theta.size());
        }
    }
    if let Some(mut linearised) = folded.linearise(&theta, &buffers, &images) {
        for _ in 0..2 {
            let pulled = linearised.pull_back(&linearised.logits().copy());
            let change = linearised.change_along(&theta, &|dz| dz.copy());
            assert_eq!(pulled.size(), change.size());
        }
    }
}

fn start(case: &Case) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "no_memory_is_corrupted", "--nocapture"])
        .env(CASE, case.to_words())
        .env("MALLOC_CHECK_", "3")
        .env("MALLOC_PERTURB_", "165")
        .env("GLIBC_TUNABLES", "glibc.malloc.check=3:glibc.malloc.perturb=165")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if let Some(library) = MALLOC_DEBUG.iter().find(|path| Path::new(path).is_file()) {
        command.env("LD_PRELOAD", library);
    }
    command.spawn().unwrap()
}

#[test]
fn no_memory_is_corrupted() {
    if let Ok(words) = env::var(CASE) {
        return derive(&Case::from_words(&words));
    }
    let slow = env::var_os("RUN_SLOW_TESTS").is_some();
    if !slow {
        eprintln!("a coarse grid: RUN_SLOW_TESTS=1 goes through every width from 1 to 24");
    }
    let cases = cases(slow);
    let mut running = VecDeque::new();
    let mut dead = Vec::new();
    let mut end = |(case, child): (Case, Child)| {
        let output = child.wait_with_output().unwrap();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            dead.push(format!("{case:?}: {}: {}", output.status, said.trim()));
        }
    };
    for case in &cases {
        if running.len() == AT_ONCE {
            end(running.pop_front().unwrap());
        }
        running.push_back((case.clone(), start(case)));
    }
    running.into_iter().for_each(&mut end);
    assert!(
        dead.is_empty(),
        "{} of {} died:\n{}",
        dead.len(),
        cases.len(),
        dead.join("\n")
    );
}
