#![doc = include_str!("../README.md")]

mod cost;
mod criterion;
mod data;
mod environment;
mod error;
mod grow;
mod memory;
pub mod methods;
mod metrics;
mod node;
mod plan;
mod point;
mod preset;
mod prune;
mod recipe;
mod run;
mod scheduler;
mod show;
mod store;
mod suite;
mod timings;
mod user_recipe;

pub use cost::Cost;
pub use criterion::{
    Criterion, CriterionKind, FisherRule, GraspRule, Scored, Scoring, ScoringMode, SnipRule, SynflowSchedule,
    WoodFisherRule,
};
pub use data::{DEMO_A, DataFolder, data_ref, demo_a};
pub use environment::{Environment, LIBTORCH_VERSION, device_name};
pub use error::ExperimentError;
pub use methods::{Method, UnknownMethod};
pub use metrics::{Metrics, MetricsRow, TestScore, read_metrics, write_metrics, write_parquet};
pub use node::{Combine, DataRef, Init, LabelNoise, Node, NodeId, Perturb, Prune, StateRef, Train, Version};
pub use plan::{Plan, Work, plan};
pub use point::Point;
pub use preset::{Overrides, PanelName, Preset, PresetName, Setup};
pub use recipe::{Entry, Recipe};
pub use run::{EVALUATION_BATCH, Ended, Progress, Runner, Timing, evaluate_examples};
pub use scheduler::{Board, Drive, Event, Happening, JobNumber, Report, Worker, drive};
pub use show::{At, Length, Show, States, grow};
pub use store::{NodeEnvironment, NodeFile, NodeLock, Store, model_of};
pub use suite::{ManifestEntry, Source, Suite, publish};
pub use user_recipe::{UserRecipe, read_user_recipe};
