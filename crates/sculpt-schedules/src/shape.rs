use crate::Schedule;

/// How a rate rises at the beginning of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarmUp {
    /// Along a line.
    Linear,
    /// It is small, then large.
    Constant,
    /// It does not.
    None,
}

/// All that tells one kind of schedule from another.
pub(crate) struct Shape {
    /// The name on the command line and in descriptions.
    pub(crate) name: &'static str,
    /// Whether the rate stays the same through an epoch.
    pub(crate) by_epoch: bool,
    pub(crate) warm_up: WarmUp,
    /// 0 for the kinds that do not warm up by epoch.
    pub(crate) n_warmup_epochs: fn(&Schedule) -> u32,
    /// The rate of a step of the cycle.
    pub(crate) lr: fn(&Schedule, u64) -> f64,
}
