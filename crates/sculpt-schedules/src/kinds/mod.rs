//! One file a kind: its name, its formula, its tests.

pub(crate) mod constant;
pub(crate) mod cosine;
pub(crate) mod imagenet_step;
pub(crate) mod one_cycle;
pub(crate) mod step_warmup;
pub(crate) mod step_warmup_shifted;
pub(crate) mod trapezoidal;
pub(crate) mod triangular;
