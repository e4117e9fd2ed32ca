//! The small network of `goldens/ddp.py`, and what PyTorch makes of it.

use super::{Losses, near, on_ranks};
use sculpt_experiments::Processes;
use sculpt_layout::Layout;
use sculpt_masks::Mask;
use sculpt_network::{FromFn, Mode, Network};
use sculpt_schedules::{Kind, Schedule};
use sculpt_trainers::{
    BatchError, BatchNorm, Batches, Division, Position, Ranks, Sgd, State, Statistics, TrainError, Training,
};
use tch::{Device, Kind as Dtype, Tensor};

pub(super) const BUFFERS: [f32; 8] = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0];

pub(super) fn small_layout() -> Layout {
    Layout::builder()
        .conv("conv", [4, 2, 3, 3])
        .batch_norm("bn", 4)
        .linear("fc", 3, 4)
        .build()
        .unwrap()
}

pub(super) fn theta() -> Vec<f32> {
    (0..small_layout().n_params())
        .map(|i| ((i as f64).sin() * 0.5) as f32)
        .collect()
}

pub(super) fn start() -> State {
    let mask = Mask::full(small_layout().n_prunable());
    State::new(&small_layout(), &theta(), &BUFFERS, &mask, Device::Cpu).unwrap()
}

/// The network of `goldens/ddp.py`.
pub(super) fn small(processes: Option<&Processes>) -> impl Network<Tensor> {
    let processes = processes.cloned();
    FromFn::new(
        small_layout(),
        move |theta: &Tensor, buffers: &Tensor, x: &Tensor, mode: Mode| {
            let part = |start, length| theta.narrow(0, start, length);
            let weight = part(0, 72).view([4, 2, 3, 3]);
            let x = x.conv2d(&weight, None::<Tensor>, [1, 1], [1, 1], [1, 1], 1);
            let (scale, shift) = (part(72, 4), part(76, 4));
            let (mean, variance) = (buffers.narrow(0, 0, 4), buffers.narrow(0, 4, 4));
            let x = match &processes {
                Some(processes) => {
                    use sculpt_models::JointNorm;
                    processes.batch_norm(&x, &scale, &shift, &mean, &variance, 0.1, 1e-5)
                }
                None => x.batch_norm(
                    Some(&scale),
                    Some(&shift),
                    Some(&mean),
                    Some(&variance),
                    mode == Mode::Train,
                    0.1,
                    1e-5,
                    true,
                ),
            };
            let pooled = x.relu().mean_dim(&[2i64, 3][..], false, Dtype::Float);
            pooled.linear(&part(80, 12).view([3, 4]), Some(&part(92, 3)))
        },
    )
}

/// Its batches.
struct Waves;

impl Batches for Waves {
    fn steps_per_epoch(&self) -> usize {
        4
    }

    fn batch(&self, _: u64, step: usize) -> Result<(Tensor, Tensor), BatchError> {
        let image = |i: usize| ((i as f64 * 0.37 + step as f64).sin() * (1 + i / 50) as f64) as f32;
        let images: Vec<f32> = (0..8 * 2 * 5 * 5).map(image).collect();
        let labels: Vec<i64> = (0..8).map(|i| (i * 7 + step as i64) % 3).collect();
        Ok((
            Tensor::from_slice(&images).view([8, 2, 5, 5]),
            Tensor::from_slice(&labels),
        ))
    }
}

pub(super) fn training<'a>(
    network: &'a dyn Network<Tensor>,
    schedule: &'a Schedule,
    processes: Option<&'a Processes>,
    batch_norm: Option<BatchNorm>,
) -> Training<'a> {
    Training {
        network,
        batches: &Waves,
        schedule,
        epochs: 1,
        sgd: Sgd::new(0.9, 1e-2).unwrap(),
        epochs_before: 0,
        division: Division {
            batch_norm,
            ranks: processes.map(|processes| processes as &dyn Ranks),
        },
        recorder: None,
    }
}

/// θ and buffers after the four steps of `goldens/ddp.py`.
fn four_steps(processes: Option<&Processes>, batch_norm: Option<BatchNorm>) -> [Vec<f32>; 2] {
    let joint = processes.filter(|_| batch_norm.is_none());
    let (network, mut state) = (small(joint), start());
    let schedule = Schedule::new(Kind::Constant, 0.1, 1, 4).unwrap();
    let training = training(&network, &schedule, processes, batch_norm);
    training
        .run::<TrainError>(&mut state, Position::default(), &mut [])
        .unwrap();
    let (theta, buffers, _) = state.to_vecs();
    [theta, buffers]
}

/// What PyTorch made of the same, by `goldens/ddp.py`.
fn golden(which: &str) -> [Vec<f32>; 2] {
    let golden: serde_json::Value = serde_json::from_str(include_str!("../goldens/ddp.json")).unwrap();
    ["theta", "buffers"].map(|vector| serde_json::from_value(golden[which][vector].clone()).unwrap())
}

#[test]
fn statistics_of_rank_0_are_those_of_pytorchs_data_parallel() {
    let (ddp, norm) = (golden("ddp"), Some(BatchNorm::new(2, Statistics::Rank0).unwrap()));
    let mut all = on_ranks(2, |processes| four_steps(Some(&processes), norm));
    all.push(four_steps(None, norm));
    for ours in all {
        near(&ours[0], &ddp[0], 1e-5);
        near(&ours[1], &ddp[1], 1e-5);
    }
    // Which the whole batch is not.
    let whole = golden("whole");
    assert!(whole[0].iter().zip(&ddp[0]).any(|(a, b)| (a - b).abs() > 1e-3));
    let mut all = on_ranks(2, |processes| four_steps(Some(&processes), None));
    all.push(four_steps(None, None));
    for ours in all {
        near(&ours[0], &whole[0], 1e-5);
        near(&ours[1], &whole[1], 1e-5);
    }
}

/// θ does not depend on which statistics are kept; those of micro-batches are each group's in turn, at the same weights.
#[test]
fn sequential_statistics_are_each_groups_in_turn() {
    let norm = |statistics| Some(BatchNorm::new(3, statistics).unwrap());
    let [theta_in_turn, buffers] = four_steps(None, norm(Statistics::Sequential));
    let [theta_of_0, of_0] = four_steps(None, norm(Statistics::Rank0));
    assert!(theta_in_turn == theta_of_0 && buffers != of_0);
    // One step, by hand: 8 images are groups of 2, 3 and 3.
    let (network, by_hand) = (small(None), Tensor::from_slice(&BUFFERS));
    let at_start = Tensor::from_slice(&theta());
    let (images, _) = Waves.batch(0, 0).unwrap();
    for (start, length) in [(0, 2), (2, 3), (5, 3)] {
        let _ = network.forward(&at_start, &by_hand, &images.narrow(0, start, length), Mode::Train);
    }
    let mut state = start();
    let schedule = Schedule::new(Kind::Constant, 0.1, 1, 4).unwrap();
    let mut watched = Losses {
        stop_after: Some(1),
        ..Losses::default()
    };
    training(&network, &schedule, None, norm(Statistics::Sequential))
        .run(&mut state, Position::default(), &mut [&mut watched])
        .unwrap();
    assert_eq!(
        Vec::<f32>::try_from(state.buffers()).unwrap(),
        Vec::<f32>::try_from(&by_hand).unwrap()
    );
}
