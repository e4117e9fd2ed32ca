use crate::StateRef;
use sculpt_masks::Density;

/// A training method as the paper's figures tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Curve {
    /// Learning-rate rewinding: prune, keep the weights, train again (A.5).
    Lrr,
    /// Weight rewinding to the end of the first warm-up (A.4).
    Wr,
    /// Iterative magnitude pruning: rewinding to initialisation (A.3).
    Imp,
    /// LRR's mask from a new initialisation, cyclic (§5).
    LrrMaskRandomInit,
    /// LRR's mask from the end of the first warm-up, cyclic (§5).
    LrrMaskWarmupInit,
    /// LRR's mask from the weights that LRR itself starts the level with, cyclic (§5).
    LrrMaskLrrInit,
    /// WR's mask from the end of the first warm-up, cyclic (§5).
    WrMaskWarmupInit,
    /// LRR's mask, signs of the end of the first warm-up, magnitudes of a new initialisation, cyclic (figure 8 a).
    LrrMaskWarmupSigns,
    /// The same, one cycle over all epochs (A.1).
    LrrMaskWarmupSignsOneCycle,
    /// [`Curve::LrrMaskWarmupSigns`] with a fifth of the surviving signs flipped, cyclic (A.1).
    LrrMaskFlippedSigns,
    /// The same, one cycle over all epochs (A.1).
    LrrMaskFlippedSignsOneCycle,
    /// [`Curve::LrrMaskWarmupInit`] with a fifth of the surviving signs flipped, cyclic (A.1).
    LrrMaskFlippedWarmupInit,
    /// The same, one cycle over all epochs (A.1).
    LrrMaskFlippedWarmupInitOneCycle,
    /// A random mask from initialisation, cyclic (§4).
    RandomCyclic,
    /// A random mask whose layers get Erdős-Rényi-kernel densities, cyclic (A.7).
    ErkCyclic,
    /// A random mask, one cycle over all epochs (§4).
    RandomOneCycle,
    /// A random mask, cosine cycles (§4).
    RandomCosine,
    /// SNIP's mask, cyclic (§4).
    SnipCyclic,
    /// SynFlow's mask, cyclic (§4).
    SynflowCyclic,
    /// The dense network, cyclic (§3).
    DenseCyclic,
    /// The dense network, one cycle over all epochs (§4).
    DenseOneCycle,
    /// The dense network, cosine cycles (§4).
    DenseCosine,
    /// SCULPT by magnitude, from a place in the preset's list of starts (§6).
    Sculpt(usize),
    /// SCULPT whose pruning step is another than magnitude (figure 9 a).
    SculptBy(PruningStep),
}

/// What decides in SCULPT's pruning step when it is not magnitude.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PruningStep {
    /// Chance.
    Random,
    /// SNIP.
    Snip,
    /// SynFlow.
    Synflow,
    /// GraSP.
    Grasp,
    /// Fisher information.
    Fisher,
    /// WoodFisher.
    WoodFisher,
}

impl PruningStep {
    /// All of them, in the order of a legend.
    pub const ALL: [Self; 6] = [
        Self::Random,
        Self::Snip,
        Self::Synflow,
        Self::Grasp,
        Self::Fisher,
        Self::WoodFisher,
    ];
}

/// A state that an artefact reads, and where it stands there.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The curve.
    pub curve: Curve,
    /// The density asked for.
    pub density: Density,
    /// Place in the list of densities, 0 for dense; for densities outside it, the number of those above.
    pub level: u32,
    /// Cycles trained with this mask, or epochs trained with it in units of a cycle; from 1.
    pub cycle: u32,
    /// Seed of the run.
    pub seed: u64,
    /// The state.
    pub state: StateRef,
}
