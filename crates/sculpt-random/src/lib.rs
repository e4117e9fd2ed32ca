#![doc = include_str!("../README.md")]

mod stream;

pub use stream::Stream;

/// The seed of a run; every random number of the run follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seed(pub u64);

/// What random numbers are for. Streams of different purposes are independent under one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Initial parameters; index: place of the tensor in the layout.
    Init,
    /// Positions of a random mask; index: place among the prunable tensors.
    RandomMask,
    /// Order of the training examples; index: epochs trained since `Init` along the chain.
    DataOrder,
    /// Crops and flips; index: as [`Purpose::DataOrder`].
    Augmentation,
    /// Held-out validation split.
    Split,
    /// Which labels are corrupted, and to what.
    LabelNoise,
    /// Which surviving signs are flipped.
    SignFlips,
    /// Pixels of the demo data; index: the image.
    DemoImages,
    /// Starting vectors of Lanczos runs and trace estimates; index: the start.
    StartVector,
    /// Training images that a pruning score is computed on.
    Scoring,
    /// Resampling with replacement; index: the resample.
    Bootstrap,
    /// Inputs of tests and benchmarks.
    Test,
}

impl Purpose {
    /// Eight bytes of the key. Never changed: every id rests on them.
    pub(crate) fn tag(self) -> &'static [u8; 8] {
        match self {
            Purpose::Init => b"init----",
            Purpose::RandomMask => b"mask----",
            Purpose::DataOrder => b"order---",
            Purpose::Augmentation => b"augment-",
            Purpose::Split => b"split---",
            Purpose::LabelNoise => b"labels--",
            Purpose::SignFlips => b"signs---",
            Purpose::DemoImages => b"demo----",
            Purpose::StartVector => b"start---",
            Purpose::Scoring => b"scoring-",
            Purpose::Bootstrap => b"resample",
            Purpose::Test => b"test----",
        }
    }
}
