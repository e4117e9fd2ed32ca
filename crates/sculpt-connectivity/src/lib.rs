#![doc = include_str!("../README.md")]

mod connectivity;
mod curve;
mod end;
mod error;
mod example_set;
mod rule;

pub use connectivity::{Connectivity, Worth};
pub use curve::{Curve, barrier, chord};
pub use end::End;
pub use error::ConnectivityError;
pub use example_set::ExampleSet;
pub use rule::BatchNormRule;

// What a network of one's own takes, so that this crate is the only one to name.
pub use sculpt_layout::{BufferKind, Layout, LayoutBuilder, LayoutError, ParamKind};
pub use sculpt_network::{FromFn, Mode, Network};
