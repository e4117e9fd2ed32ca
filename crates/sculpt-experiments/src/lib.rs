#![doc = include_str!("../README.md")]

mod again;
#[cfg(test)]
mod artefact_tests;
mod chain;
mod coupling;
mod curve;
mod cyclic;
mod data;
mod done;
mod environment;
mod error;
mod grow;
mod landscape;
mod library;
mod manifest;
mod memory;
mod metrics;
mod node;
mod node_file;
mod plan;
mod preset;
mod programme;
mod progress;
mod prune;
mod publish;
mod published;
mod read;
mod recipe;
mod recorder;
mod recovery;
mod run;
mod sculpting;
mod source;
mod store;
mod suite;
mod timings;
mod training;
mod user_recipe;

pub use chain::{Expected, model_of};
pub use coupling::coupling;
pub use curve::{Curve, Point, PruningStep};
pub use cyclic::{
    allocations, cycle_by_cycle, iterative_against_dense, noisy_labels, pruned_at_initialisation,
    schedules_at_equal_epochs,
};
pub use data::{DEMO_A, DataFolder, data_ref, demo_a};
pub use done::{Done, ReadState, check_against};
pub use environment::{Environment, LIBTORCH_VERSION, device_name};
pub use error::ExperimentError;
pub use landscape::{basins, jumps, levels, long_runs, random_masks};
pub use manifest::{Manifest, ManifestEntry, WholeManifest};
pub use metrics::{Metrics, MetricsRow, TestScore, read_metrics, write_metrics, write_parquet};
pub use node::{
    Combine, Criterion, DataRef, Init, LabelNoise, Node, NodeId, Perturb, Prune, Scoring, StateRef, Train,
    Version,
};
pub use node_file::{NodeEnvironment, NodeFile};
pub use plan::{Cost, Plan, Work, plan};
pub use preset::{Overrides, PanelName, Preset, PresetName, Setup};
pub use programme::programme;
pub use progress::check_progress;
pub use publish::publish;
pub use published::PublishedSuite;
pub use read::{Form, Loaded, Place};
pub use recipe::{Entry, Recipe};
pub use recovery::{sign_overlap, sign_recovery, signs_suffice};
pub use run::{Ended, Progress, Runner};
pub use sculpting::{pruning_criteria, sculpting, sculpting_against_lrr};
pub use source::Source;
pub use store::Store;
pub use suite::Suite;
pub use timings::check_timings;
pub use training::{EVALUATION_BATCH, Timing, evaluate_examples};
pub use user_recipe::{UserRecipe, read_user_recipe};
