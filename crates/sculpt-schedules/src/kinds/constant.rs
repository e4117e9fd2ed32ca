//! The peak rate throughout.

use crate::shape::{Shape, WarmUp};

pub(crate) const SHAPE: Shape = Shape {
    name: "constant",
    by_epoch: true,
    warm_up: WarmUp::None,
    n_warmup_epochs: |_| 0,
    lr: |schedule, _| schedule.peak_lr(),
};
