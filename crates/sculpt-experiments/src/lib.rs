#![doc = include_str!("../README.md")]

mod coupling;
mod data;
mod environment;
mod error;
mod metrics;
mod node;
mod plan;
mod preset;
mod recipe;
mod run;
mod store;
mod suite;
mod user_recipe;

pub use coupling::{CouplingCurve, CouplingPoint, coupling};
pub use data::{DEMO_A, DataFolder, data_ref, demo_a};
pub use environment::{Environment, LIBTORCH_VERSION, device_name};
pub use error::ExperimentError;
pub use metrics::{Metrics, MetricsRow, TestScore, read_metrics, write_metrics, write_parquet};
pub use node::{Combine, Criterion, DataRef, Init, Node, NodeId, Parent, Prune, Train, Version};
pub use plan::{Plan, Work, plan};
pub use preset::{Overrides, Preset, PresetName, Setup};
pub use recipe::{Entry, Recipe};
pub use run::{EVALUATION_BATCH, Ended, Progress, Runner, Timing, evaluate_examples};
pub use store::{NodeEnvironment, NodeFile, NodeLock, Store, model_of};
pub use suite::{ManifestEntry, Source, Suite, publish};
pub use user_recipe::{UserRecipe, read_user_recipe};
