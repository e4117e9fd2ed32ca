//! One training on several processes is the training of one: here they are threads, each with a group, a network and a state of its own.

mod small;

use sculpt_collective::{Group, Rendezvous};
use sculpt_datasets::{Augmentation, DemoSpec, Loader, Loading, gratings};
use sculpt_experiments::Processes;
use sculpt_masks::Mask;
use sculpt_models::{InitRule, ModelSpec, Precision};
use sculpt_random::Seed;
use sculpt_schedules::{Kind, Schedule};
use sculpt_trainers::{
    BatchNorm, Division, EpochMetrics, Flow, Observer, Outcome, Position, Ranks, Sgd, State, Statistics,
    Step, TrainError, Training,
};
use small::{BUFFERS, small, small_layout, start, theta, training};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tch::Device;

/// What each rank makes of its processes, by rank.
fn on_ranks<T: Send>(world: usize, work: impl Fn(Processes) -> T + Sync) -> Vec<T> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let listener = Mutex::new(Some(listener));
    let one = |rank| {
        let place = Rendezvous {
            rank,
            world,
            local_rank: rank,
            host: "127.0.0.1".to_owned(),
            port,
            launcher_listens: false,
            attempt: 0,
        };
        let time = Duration::from_secs(60);
        let listener = if rank == 0 {
            listener.lock().unwrap().take()
        } else {
            None
        };
        let group = match listener {
            Some(listener) => Group::join_at(listener, &place, time, time),
            None => Group::join(&place, time, time),
        };
        work(Processes::new(Arc::new(group.unwrap())))
    };
    let one = &one;
    thread::scope(|scope| {
        let ranks: Vec<_> = (0..world).map(|rank| scope.spawn(move || one(rank))).collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

/// Losses of the steps, each the mean over the images of the whole batch.
#[derive(Default)]
struct Losses {
    sum: f64,
    n: u64,
    losses: Vec<f64>,
    epochs: Vec<EpochMetrics>,
    stop_after: Option<u64>,
}

impl Losses {
    fn note(&mut self, position: Position) {
        let n = (position.n_seen - self.n) as f64;
        self.losses.push((position.loss_sum - self.sum) / n);
        (self.sum, self.n) = (position.loss_sum, position.n_seen);
    }
}

impl Observer<TrainError> for Losses {
    fn on_step<'s>(&mut self, step: &dyn Fn() -> Step<'s>) -> Result<Flow, TrainError> {
        let step = step();
        self.note(step.position);
        Ok(match self.stop_after {
            Some(n) if step.steps_done >= n => Flow::Stop,
            Some(_) | None => Flow::GoOn,
        })
    }

    fn on_epoch(&mut self, metrics: &EpochMetrics, _: &Step<'_>) -> Result<Flow, TrainError> {
        self.epochs.push(*metrics);
        (self.sum, self.n) = (0.0, 0);
        Ok(Flow::GoOn)
    }
}

/// What is left of a training.
struct Trained {
    theta: Vec<f32>,
    buffers: Vec<f32>,
    momentum: Vec<f32>,
    watched: Losses,
}

impl Trained {
    fn bits(&self) -> Vec<u32> {
        let all = self.theta.iter().chain(&self.buffers).chain(&self.momentum);
        all.map(|value| value.to_bits()).collect()
    }
}

#[track_caller]
fn near(ours: &[f32], others: &[f32], allowed: f32) {
    assert_eq!(ours.len(), others.len());
    for (i, (ours, other)) in ours.iter().zip(others).enumerate() {
        assert!(
            (ours - other).abs() <= allowed * other.abs().max(1.0),
            "{i}: {ours} and {other}"
        );
    }
}

/// A ResNet-8 on gratings, so many images of them in batches of so many, f32, learning rate 0.01.
fn resnet(
    n_images: usize,
    batch: usize,
    epochs: u32,
    processes: Option<&Processes>,
    batch_norm: Option<BatchNorm>,
) -> Result<Trained, TrainError> {
    let spec = DemoSpec {
        n_train: n_images,
        n_test: 1,
        ..DemoSpec::panel_a()
    };
    let (examples, _) = gratings(spec);
    let loading = Loading {
        mean: [0.5; 3],
        std: [0.25; 3],
        augmentation: Augmentation::CropFlip,
        batch,
        drop_last: false,
        seed: Seed(3),
    };
    let loader = Loader::new(&examples, loading, Device::Cpu).unwrap();
    let model = ModelSpec::named("resnet8", 10, Some(4), None).unwrap();
    let network = match (processes, batch_norm) {
        (Some(processes), None) => model
            .joint_network(Precision::F32, Arc::new(processes.clone()))
            .unwrap(),
        _ => model.network(Precision::F32).unwrap(),
    };
    let (mut theta, buffers) = model.initialise(InitRule::KaimingNormalFanIn, Seed(1));
    // Every other weight is pruned.
    let mask = Mask::from_bools((0..model.layout().n_prunable()).map(|i| i % 2 == 0).collect());
    mask.apply(&model.layout(), &mut theta);
    let mut state = State::new(network.layout(), &theta, &buffers, &mask, Device::Cpu)?;
    let schedule = Schedule::new(Kind::Constant, 0.01, epochs, loader.steps_per_epoch() as u32).unwrap();
    let mut watched = Losses::default();
    let ended = Training {
        network: &network,
        batches: &loader,
        schedule: &schedule,
        epochs,
        sgd: Sgd::new(0.9, 1e-4).unwrap(),
        epochs_before: 0,
        division: Division {
            batch_norm,
            ranks: processes.map(|processes| processes as &dyn Ranks),
        },
        recorder: None,
    }
    .run(&mut state, Position::default(), &mut [&mut watched])?;
    assert_eq!(ended, Outcome::Finished);
    let (theta, buffers, momentum) = state.to_vecs();
    Ok(Trained {
        theta,
        buffers,
        momentum,
        watched,
    })
}

#[test]
fn the_first_losses_on_two_ranks_are_those_of_one() {
    let one = resnet(168, 8, 1, None, None).unwrap();
    let two = on_ranks(2, |processes| resnet(168, 8, 1, Some(&processes), None).unwrap());
    assert!(one.watched.losses.len() >= 20);
    let furthest = |other: &Trained| {
        let pairs = one.watched.losses.iter().zip(&other.watched.losses);
        pairs
            .map(|(ours, other)| (ours - other).abs())
            .fold(0.0, f64::max)
    };
    assert!(furthest(&two[0]) < 1e-4, "{}", furthest(&two[0]));
    // Statistics of each half of a batch are something else.
    let halves = resnet(
        168,
        8,
        1,
        None,
        Some(BatchNorm::new(2, Statistics::Rank0).unwrap()),
    )
    .unwrap();
    assert!(furthest(&halves) > 1e-2, "{}", furthest(&halves));
    near(&two[0].theta, &one.theta, 1e-4);
    near(&two[0].buffers, &one.buffers, 1e-4);
    assert!(two[0].bits() == two[1].bits());
    assert_eq!(two[0].watched.epochs, two[1].watched.epochs);
    let (ours, other) = (two[0].watched.epochs[0], one.watched.epochs[0]);
    assert!((ours.train_loss - other.train_loss).abs() < 1e-4);
    assert_eq!(ours.train_accuracy, other.train_accuracy);
}

/// Batches of 7 on three ranks are 2, 2 and 3 images; the last one, of 1, leaves two ranks without any. Weights are compared after an
/// epoch, losses over two: one process alone differs in its weights by 1e-3 after that, with one thread or two, since an activation
/// that is all but 0 falls on either side of it.
#[test]
fn uneven_shares_and_empty_ones_are_the_same_batch() {
    for epochs in [1, 2] {
        let one = resnet(22, 7, epochs, None, None).unwrap();
        let three = on_ranks(3, |processes| {
            resnet(22, 7, epochs, Some(&processes), None).unwrap()
        });
        for of_rank in &three {
            let pairs = of_rank.watched.losses.iter().zip(&one.watched.losses);
            assert!(of_rank.watched.losses.len() == one.watched.losses.len());
            for (step, (ours, other)) in pairs.enumerate() {
                assert!((ours - other).abs() < 1e-4 * other, "{step}: {ours} and {other}");
            }
            if epochs == 1 {
                near(&of_rank.theta, &one.theta, 2e-4);
                near(&of_rank.buffers, &one.buffers, 2e-4);
            }
            assert!(of_rank.bits() == three[0].bits());
        }
    }
}

/// A node's groups mean the same wherever it runs: where each rank has one of two, to the bit, since a sum of two numbers has no order;
/// otherwise to rounding.
#[test]
fn groups_are_the_same_on_one_process_and_on_several() {
    let of = |groups| Some(BatchNorm::new(groups, Statistics::Rank0).unwrap());
    let train = |groups, processes: Option<&Processes>| resnet(20, 8, 2, processes, of(groups)).unwrap();
    let one = train(2, None);
    let two = on_ranks(2, |processes| train(2, Some(&processes)));
    assert!(two[0].bits() == two[1].bits());
    assert!(one.bits() == two[0].bits());
    let (one_of_4, whole) = (train(4, None), resnet(20, 8, 2, None, None).unwrap());
    let two_of_4 = on_ranks(2, |processes| train(4, Some(&processes)));
    let three_of_4 = on_ranks(3, |processes| train(4, Some(&processes)));
    for several in [&two_of_4, &three_of_4] {
        near(&several[0].theta, &one_of_4.theta, 1e-4);
        near(&several[0].buffers, &one_of_4.buffers, 1e-4);
    }
    // And it means something else than the whole.
    let furthest = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(furthest(&one_of_4.theta, &whole.theta) > 1e-3);
    assert!(furthest(&one.buffers, &one_of_4.buffers) > 1e-3);
}

#[test]
fn what_processes_cannot_share_is_refused() {
    let errors = on_ranks(3, |processes| {
        let train = |groups, statistics| {
            let norm = BatchNorm::new(groups, statistics).unwrap();
            let trained = resnet(16, 8, 1, Some(&processes), Some(norm));
            trained.err().map(|error| error.to_string()).unwrap_or_default()
        };
        [train(4, Statistics::Sequential), train(2, Statistics::Rank0)]
    });
    assert!(
        errors[2][0].contains("3 processes cannot share them"),
        "{}",
        errors[2][0]
    );
    assert!(
        errors[2][1].contains("2 groups by batch_norm, which 3 processes"),
        "{}",
        errors[2][1]
    );
    // A network that normalises by itself cannot do so over others' images.
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../crates/sculpt-models/goldens/networks/vit.pt"
    );
    let exported = ModelSpec::exported(path.as_ref()).unwrap();
    on_ranks(1, |processes| {
        let exported = exported.joint_network(Precision::F32, Arc::new(processes));
        let error = exported.err().unwrap().to_string();
        assert!(
            error.contains("cannot over the images of several processes"),
            "{error}"
        );
    });
}

/// One asks to stop, and all stop there.
#[test]
fn a_rank_that_stops_stops_all() {
    let positions = on_ranks(2, |processes| {
        let (network, mut state) = (small(None), start());
        let schedule = Schedule::new(Kind::Constant, 0.1, 1, 4).unwrap();
        let mut watched = Losses {
            stop_after: (processes.rank() == 1).then_some(2),
            ..Losses::default()
        };
        let ended = training(&network, &schedule, Some(&processes), None).run(
            &mut state,
            Position::default(),
            &mut [&mut watched],
        );
        ended.unwrap()
    });
    let Outcome::Stopped(position) = positions[0] else {
        panic!("{positions:?}");
    };
    assert_eq!((position.step, position.n_seen), (2, 16));
    assert_eq!(positions[0], positions[1]);
}

/// A rank whose weights are its own is found out at the first epoch's end.
#[test]
fn ranks_that_differ_are_told() {
    let errors = on_ranks(3, |processes| {
        let network = small(Some(&processes));
        let mut theta = theta();
        theta[0] += if processes.rank() == 2 { 1e-6 } else { 0.0 };
        let mask = Mask::full(small_layout().n_prunable());
        let mut state = State::new(&small_layout(), &theta, &BUFFERS, &mask, Device::Cpu).unwrap();
        let schedule = Schedule::new(Kind::Constant, 0.1, 1, 4).unwrap();
        let training = training(&network, &schedule, Some(&processes), None);
        let ended = training.run::<TrainError>(&mut state, Position::default(), &mut []);
        ended.unwrap_err().to_string()
    });
    for error in errors {
        assert_eq!(
            error,
            "rank 2 has other weights, momentum or statistics than rank 0 after epoch 1, bit for bit"
        );
    }
}
