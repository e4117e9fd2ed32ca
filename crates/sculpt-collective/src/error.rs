use thiserror::Error;

/// Why processes do not come together, or no longer work together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CollectiveError {
    /// A variable that a launcher sets is missing beside others that it set.
    #[error(
        "{name} is not set, but WORLD_SIZE is: a launcher such as torchrun sets RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT"
    )]
    Missing {
        /// Its name.
        name: &'static str,
    },
    /// A variable that does not hold what it should.
    #[error("{name} is {value:?}, not {allowed}")]
    Variable {
        /// Its name.
        name: &'static str,
        /// What it holds.
        value: String,
        /// What it may hold.
        allowed: &'static str,
    },
    /// The processes did not all come.
    #[error("rank {rank} of {world} did not meet the others at {address} within {seconds} s: {reason}")]
    NotMet {
        /// This process.
        rank: usize,
        /// How many there should be.
        world: usize,
        /// Where they were to meet.
        address: String,
        /// How long it waited.
        seconds: u64,
        /// What libtorch says.
        reason: String,
    },
    /// Another process ended, or did not answer in time.
    #[error(
        "rank {rank} of {world} lost another one, which ended or did not answer for {seconds} s: {reason}"
    )]
    Lost {
        /// This process.
        rank: usize,
        /// How many there were.
        world: usize,
        /// How long it waits for one that is silent.
        seconds: u64,
        /// What libtorch says.
        reason: String,
    },
    /// A tensor of a kind or at a place that cannot be added up.
    #[error("a tensor of {kind} cannot be added up over processes: it must be f32 or f64, and contiguous")]
    Kind {
        /// What it is of.
        kind: String,
    },
}
