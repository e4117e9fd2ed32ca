#![doc = include_str!("../README.md")]

#[cfg(test)]
mod artefact_tests;
mod coupling;
mod curve;
mod cyclic;
mod data;
mod data_ref;
mod environment;
mod error;
mod grow;
mod landscape;
mod memory;
mod metrics;
mod node;
mod plan;
mod preset;
mod programme;
mod prune;
mod recipe;
mod recovery;
mod run;
mod sculpting;
mod store;
mod suite;
mod timings;
mod user_recipe;

pub use coupling::coupling;
pub use curve::{Curve, Point, PruningStep};
pub use cyclic::{
    allocations, cycle_by_cycle, iterative_against_dense, noisy_labels, pruned_at_initialisation,
    schedules_at_equal_epochs,
};
pub use data::{DataFolder, demo_a};
pub use data_ref::{DataRef, Normalisation, data_ref};
pub use environment::{Environment, LIBTORCH_VERSION, device_name};
pub use error::ExperimentError;
pub use landscape::{basins, jumps, levels, long_runs, random_masks};
pub use metrics::{Metrics, MetricsRow, TestScore, read_metrics, write_metrics, write_parquet};
pub use node::{
    Combine, Criterion, Init, LabelNoise, Node, NodeId, Perturb, Prune, Scoring, StateRef, Train, Version,
};
pub use plan::{Cost, Plan, Work, plan};
pub use preset::{Overrides, PanelName, Preset, PresetName, Setup};
pub use programme::programme;
pub use recipe::{Entry, Recipe};
pub use recovery::{sign_overlap, sign_recovery, signs_suffice};
pub use run::{EVALUATION_BATCH, Ended, Progress, Runner, Timing, evaluate_examples};
pub use sculpting::{pruning_criteria, sculpting, sculpting_against_lrr};
pub use store::{NodeEnvironment, NodeFile, NodeLock, Store, model_of};
pub use suite::{ManifestEntry, Source, Suite, publish};
pub use user_recipe::{UserRecipe, read_user_recipe};
