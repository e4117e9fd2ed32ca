use sculpt_datasets::{Augmentation, Examples, Loader, Loading, Seed};
use sculpt_layout::{Layout, ParamKind};
use sculpt_masks::{Allocation, Density, Mask, Rule, random};
use sculpt_models::{InitRule, ModelSpec, Precision};
use sculpt_network::{FromFn, Mode, Network};
use sculpt_schedules::{Kind, Schedule};
use sculpt_trainers::{
    BatchError, Batches, Division, EpochMetrics, Flow, Observer, Outcome, Position, RecordError, Recorded,
    Recorder, Resident, Sgd, State, Step,
};
use sculpt_trainers::{TrainError, Training};
use std::cell::RefCell;
use tch::{Device, Kind as Dtype, Tensor};

/// Four points of a plane in two classes, always the same batch.
struct Points;

impl Batches for Points {
    fn steps_per_epoch(&self) -> usize {
        2
    }

    fn batch(&self, _epoch: u64, _step: usize) -> Result<(Tensor, Tensor), BatchError> {
        let images = Tensor::from_slice(&[1f32, 2.0, -1.0, 0.5, 0.0, -1.0, 2.0, 1.0]).view([4, 2]);
        Ok((images, Tensor::from_slice(&[0i64, 1, 1, 0])))
    }
}

/// A linear layer, two inputs, two classes.
fn linear() -> impl Network<Tensor> {
    let layout = Layout::builder()
        .prunable("fc.weight", &[2, 2], ParamKind::Linear)
        .param("fc.bias", &[2], ParamKind::Bias)
        .build()
        .unwrap();
    FromFn::new(layout, |theta: &Tensor, _: &Tensor, x: &Tensor, _: Mode| {
        x.linear(&theta.narrow(0, 0, 4).view([2, 2]), Some(&theta.narrow(0, 4, 2)))
    })
}

/// Has work done anew each time: what a GPU repeats must be all that a step depends on.
struct Again(RefCell<u32>);

impl Recorder for Again {
    fn start<'a>(&self, work: Box<dyn FnMut() + 'a>) -> Result<Box<dyn Recorded + 'a>, RecordError> {
        *self.0.borrow_mut() += 1;
        Ok(Box::new(Done { work, left: 400 }))
    }
}

struct Done<'a> {
    work: Box<dyn FnMut() + 'a>,
    left: u32,
}

impl Recorded for Done<'_> {
    fn run(&mut self) -> Result<(), RecordError> {
        self.left = self.left.checked_sub(1).ok_or("the device is gone")?;
        (self.work)();
        Ok(())
    }
}

/// Stops after so many steps, and counts what it is told.
#[derive(Default)]
struct Watch {
    stop_after: Option<u64>,
    epochs: Vec<EpochMetrics>,
}

impl Observer<TrainError> for Watch {
    fn on_step<'s>(&mut self, step: &dyn Fn() -> Step<'s>) -> Result<Flow, TrainError> {
        Ok(if self.stop_after.is_some_and(|n| step().steps_done >= n) {
            Flow::Stop
        } else {
            Flow::GoOn
        })
    }

    fn on_epoch(&mut self, metrics: &EpochMetrics, _: &Step<'_>) -> Result<Flow, TrainError> {
        self.epochs.push(*metrics);
        Ok(Flow::GoOn)
    }
}

fn train(state: &mut State, from: Position, watch: &mut Watch) -> Outcome {
    train_at(0.5, state, from, watch).unwrap()
}

/// Three epochs at a constant rate.
fn train_at(rate: f64, state: &mut State, from: Position, watch: &mut Watch) -> Result<Outcome, TrainError> {
    let network = linear();
    let schedule = Schedule::new(Kind::Constant, rate, 3, 2).unwrap();
    let training = Training {
        network: &network,
        batches: &Points,
        schedule: &schedule,
        epochs: 3,
        sgd: Sgd::new(0.9, 0.01).unwrap(),
        epochs_before: 0,
        division: Division::WHOLE,
        recorder: None,
    };
    training.run(state, from, &mut [watch])
}

const START: [f32; 6] = [0.5, -0.25, 0.0, 0.75, 0.1, -0.1];

fn start() -> State {
    // The third weight is pruned.
    let mask = Mask::from_bools(vec![true, true, false, true]);
    State::new(linear().layout(), &START, &[], &mask, Device::Cpu).unwrap()
}

/// Six steps of the masked linear layer, as `torch.optim.SGD(lr=0.5, momentum=0.9, weight_decay=0.01)` takes
/// them with the gradient of the pruned weight set to zero; from `goldens/sgd.py`.
const PYTORCH: [f32; 6] = [
    2.602_243_4,
    2.176_208_3,
    0.0,
    -1.720_041_9,
    -0.528_082_3,
    0.528_082_3,
];

#[test]
fn sgd_is_pytorchs_and_the_pruned_weight_stays_zero() {
    let (mut state, mut watch) = (start(), Watch::default());
    assert_eq!(
        train(&mut state, Position::default(), &mut watch),
        Outcome::Finished
    );
    let (theta, _, momentum) = state.to_vecs();
    for (ours, theirs) in theta.iter().zip(PYTORCH) {
        assert!((ours - theirs).abs() < 1e-5, "{theta:?}");
    }
    assert_eq!((theta[2].to_bits(), momentum[2].to_bits()), (0, 0));
    assert_eq!(watch.epochs.len(), 3);
    assert!(watch.epochs[2].train_loss < watch.epochs[0].train_loss);
}

#[test]
fn stopped_anywhere_and_resumed_it_is_the_same_training() {
    let (mut whole, mut watch) = (start(), Watch::default());
    train(&mut whole, Position::default(), &mut watch);
    for stop_after in [1, 3, 5] {
        let (mut state, mut first) = (
            start(),
            Watch {
                stop_after: Some(stop_after),
                ..Watch::default()
            },
        );
        let Outcome::Stopped(position) = train(&mut state, Position::default(), &mut first) else {
            panic!("it was to stop after {stop_after} steps")
        };
        let (theta, buffers, momentum) = state.to_vecs();
        let network = linear();
        let mut state = State::resumed(
            network.layout(),
            &theta,
            &buffers,
            &momentum,
            state.mask(),
            Device::Cpu,
        )
        .unwrap();
        let mut second = Watch::default();
        assert_eq!(train(&mut state, position, &mut second), Outcome::Finished);
        assert_eq!(state.to_vecs(), whole.to_vecs());
        first.epochs.extend(second.epochs);
        assert_eq!(first.epochs, watch.epochs);
    }
}

#[test]
fn a_pruned_weight_that_is_not_zero_is_refused() {
    let mask = Mask::from_bools(vec![false, true, true, true]);
    let error = State::new(linear().layout(), &START, &[], &mask, Device::Cpu).unwrap_err();
    assert_eq!(
        error.to_string(),
        "parameter 0 (fc.weight) is pruned but holds 5e-1, not +0.0"
    );
}

#[test]
fn divergence_is_an_error_that_names_the_epoch() {
    let error = train_at(1e38, &mut start(), Position::default(), &mut Watch::default()).unwrap_err();
    let said = error.to_string();
    assert!(
        said.starts_with("a weight of fc.weight is no number after epoch 1"),
        "{said}"
    );
}

/// As many steps are not the same steps: rates change at other ones.
#[test]
fn a_schedule_of_other_epochs_is_refused() {
    let network = linear();
    let schedule = Schedule::new(Kind::Constant, 0.1, 2, 3).unwrap();
    let training = Training {
        network: &network,
        batches: &Points,
        schedule: &schedule,
        epochs: 3,
        sgd: Sgd::new(0.9, 0.0).unwrap(),
        epochs_before: 0,
        division: Division::WHOLE,
        recorder: None,
    };
    let (mut state, mut watch) = (start(), Watch::default());
    let observers: &mut [&mut dyn Observer<TrainError>] = &mut [&mut watch];
    let refused = training.run(&mut state, Position::default(), observers);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the schedule is made for 2 epochs of 3 steps, training is of 3 epochs of 2 steps"
    );
}

/// Three epochs of two steps.
#[test]
fn a_position_that_training_has_not_is_refused() {
    let at = |epoch, step, n_seen, n_correct| Position {
        epoch,
        step,
        n_seen,
        n_correct,
        ..Position::default()
    };
    let go_on = |from| train_at(0.5, &mut start(), from, &mut Watch::default());
    for from in [
        at(4, 0, 0, 0),
        at(3, 1, 2, 0),
        at(0, 2, 4, 0),
        at(0, 1, 2, 3),
        at(1, 0, 2, 0),
    ] {
        let refused = go_on(from);
        assert!(matches!(refused, Err(TrainError::Position { .. })), "{refused:?}");
    }
    assert_eq!(go_on(at(3, 0, 0, 0)).unwrap(), Outcome::Finished);
}

/// A source that reads from a disk may fail in mid-epoch: training ends there and says where.
#[test]
fn a_batch_that_cannot_be_had_ends_training() {
    struct Torn;
    impl Batches for Torn {
        fn steps_per_epoch(&self) -> usize {
            2
        }
        fn batch(&self, epoch: u64, step: usize) -> Result<(Tensor, Tensor), BatchError> {
            if step == 1 {
                return Err("the disk is gone".into());
            }
            Points.batch(epoch, step)
        }
    }
    let schedule = Schedule::new(Kind::Constant, 0.1, 1, 2).unwrap();
    let network = linear();
    let training = Training {
        network: &network,
        batches: &Torn,
        schedule: &schedule,
        epochs: 1,
        sgd: Sgd::new(0.9, 0.0).unwrap(),
        epochs_before: 7,
        division: Division::WHOLE,
        recorder: None,
    };
    let (mut state, mut watch) = (start(), Watch::default());
    let observers: &mut [&mut dyn Observer<TrainError>] = &mut [&mut watch];
    let error = training
        .run(&mut state, Position::default(), observers)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "no batch for step 1 of epoch 7 since initialisation: the disk is gone"
    );
}

#[test]
fn gradients_of_the_network_follow_the_flat_vector() {
    let network = linear();
    let theta = Tensor::from_slice(&START).set_requires_grad(true);
    let (images, _) = Points.batch(0, 0).unwrap();
    let sum = network.forward(
        &theta,
        &Tensor::zeros([0], (Dtype::Float, Device::Cpu)),
        &images,
        Mode::Eval,
    );
    let gradient = Tensor::run_backward(&[sum.sum(Dtype::Float)], &[&theta], false, false).swap_remove(0);
    // Sums of the two columns of the points, for each class; then four examples for each bias.
    assert_eq!(
        Vec::<f32>::try_from(gradient).unwrap(),
        [2.0, 2.5, 2.0, 2.5, 4.0, 4.0]
    );
}

/// θ, buffers and momentum, and the epochs' metrics, of two cycles of a small network on 23 images in batches of 5, of which one was
/// stopped after its seventh step.
fn cycles(recorder: Option<&dyn Recorder>) -> ([Vec<Vec<f32>>; 2], Vec<EpochMetrics>) {
    let examples = Examples::new(
        8,
        8,
        (0..=255).cycle().take(23 * 192).collect(),
        (0..23).map(|i| i % 10).collect(),
    )
    .unwrap();
    let loading = Loading {
        mean: [0.5; 3],
        std: [0.25; 3],
        augmentation: Augmentation::CropFlip,
        batch: 5,
        drop_last: false,
        seed: Seed(3),
    };
    let loader = Loader::new(&examples, loading, Device::Cpu).unwrap();
    let model = ModelSpec::named("resnet8", 10, Some(4), None).unwrap();
    let network = model.network(Precision::F32).unwrap();
    let schedule = Schedule::new(Kind::Cosine, 0.1, 2, 5).unwrap();
    let (mut theta, buffers) = model.initialise(InitRule::KaimingNormalFanIn, Seed(1));
    let density = Density::new(0.5).unwrap();
    let mask = random(
        network.layout(),
        density,
        Allocation::Balanced,
        Rule::Exact,
        Seed(2),
    )
    .unwrap();
    mask.apply(network.layout(), &mut theta);
    let mut state = State::new(network.layout(), &theta, &buffers, &mask, Device::Cpu).unwrap();
    let mut watch = Watch::default();
    let mut states = Vec::new();
    for cycle in 0..2 {
        let training = Training {
            network: &network,
            batches: &loader,
            schedule: &schedule,
            epochs: 2,
            sgd: Sgd::new(0.9, 1e-2).unwrap(),
            epochs_before: 2 * cycle,
            division: Division::WHOLE,
            recorder,
        };
        watch.stop_after = (cycle == 0).then_some(7);
        let mut from = Position::default();
        while let Outcome::Stopped(position) = training
            .run::<TrainError>(&mut state, from, &mut [&mut watch])
            .unwrap()
        {
            watch.stop_after = None;
            from = position;
        }
        let (theta, buffers, momentum) = state.to_vecs();
        states.push(vec![theta, buffers, momentum]);
    }
    (states.try_into().unwrap(), watch.epochs)
}

/// A recorded step reads its images, its learning rate and the sums where they change, and the last batch, which is smaller, is recorded by
/// itself: the same bits.
#[test]
fn recorded_steps_are_the_same_steps() {
    let again = Again(RefCell::new(0));
    assert_eq!(cycles(Some(&again)), cycles(None));
    assert_eq!(*again.0.borrow(), 2 * 3, "once a start, for both sizes");
}

#[test]
fn a_device_that_no_longer_repeats_ends_training() {
    struct Never;
    impl Recorder for Never {
        fn start<'a>(&self, work: Box<dyn FnMut() + 'a>) -> Result<Box<dyn Recorded + 'a>, RecordError> {
            Ok(Box::new(Done { work, left: 0 }))
        }
    }
    let network = linear();
    let schedule = Schedule::new(Kind::Constant, 0.1, 1, 2).unwrap();
    let training = Training {
        network: &network,
        batches: &ResidentPoints,
        schedule: &schedule,
        epochs: 1,
        sgd: Sgd::new(0.9, 0.0).unwrap(),
        epochs_before: 0,
        division: Division::WHOLE,
        recorder: Some(&Never),
    };
    let mut state = start();
    let before = state.to_vecs();
    let error = training
        .run::<TrainError>(&mut state, Position::default(), &mut [])
        .unwrap_err();
    let said = "the operations of a training step cannot be recorded or repeated: the device is gone";
    assert_eq!(error.to_string(), said);
    assert_eq!(state.to_vecs(), before);
}

struct ResidentPoints;

impl Batches for ResidentPoints {
    fn steps_per_epoch(&self) -> usize {
        2
    }

    fn batch(&self, epoch: u64, step: usize) -> Result<(Tensor, Tensor), BatchError> {
        Points.batch(epoch, step)
    }

    fn resident(&self) -> Option<&dyn Resident> {
        Some(self)
    }
}

impl Resident for ResidentPoints {
    fn rows(&self, _epoch: u64) -> Tensor {
        Tensor::zeros([8, 1], (Dtype::Int64, Device::Cpu))
    }

    fn rows_per_step(&self) -> usize {
        4
    }

    fn at(&self, _rows: &Tensor) -> (Tensor, Tensor) {
        Points.batch(0, 0).unwrap()
    }
}
