//! The words of the command line. One struct a command, in the command's own file.

use crate::commands;
use clap::{Args, Parser, Subcommand};
use sculpt_experiments::{Recipe, RemoteStore, limits};
use std::path::PathBuf;
use std::sync::Arc;

/// A laboratory for sparse training: every figure of "PaI is getting competitive by training longer", and its
/// parts for anybody's own checkpoints.
#[derive(Parser)]
#[command(name = "sculpt", version, max_term_width = 100)]
pub(crate) struct Words {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Args)]
pub(crate) struct Global {
    /// Folder of the runs, or s3://bucket/prefix, or https://… to read alone [default: runs, beside data and reports]
    #[arg(long, global = true, value_name = "DIR|URL")]
    pub(crate) runs: Option<PathBuf>,
    /// Where `--runs` leads, if it is an address: `runs` is the cache's folder then.
    #[arg(skip)]
    pub(crate) remote: Option<Arc<RemoteStore>>,
    /// libtorch threads [default: all for a single command, the preset's or the recipe's for a node]
    #[arg(long, global = true, value_name = "N", value_parser = |word: &str| limits::THREADS.parse(word))]
    pub(crate) threads: Option<u32>,
    /// Where to compute: cpu, or cuda:0
    #[arg(long, global = true, value_name = "DEVICE", default_value = "cpu")]
    pub(crate) device: String,
    /// Processes of this machine that train a node together, each with its own threads and GPU
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) ranks: Option<u32>,
    /// Fetch nothing
    #[arg(long, global = true)]
    pub(crate) offline: bool,
    /// Say more of what was read: tensors that belong to no network
    #[arg(long, global = true)]
    pub(crate) verbose: bool,
}

impl Global {
    /// Nodes that are not begun get the threads that were told, in the place of their preset's or recipe's.
    pub(crate) fn tell_threads(&self, recipe: &mut Recipe) {
        if let Some(threads) = self.threads {
            recipe.set_threads(threads);
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Measure and draw figures of the paper from checkpoints
    Figure(commands::figure::Words),
    /// Measure and show tables, the paper's and ours
    Table(commands::table::Words),
    /// Show the verdicts on the paper's claims
    Claims(commands::figure::ShowWords),
    /// Show the comparisons that the claims come down to
    Contrasts(commands::figure::ShowWords),
    /// Show where paper, the authors' harness and a suite differ
    Differences(commands::figure::ShowWords),
    /// Show every artefact of a suite, and the page of them all
    All(commands::figure::ShowWords),
    /// List every artefact and what of it is available
    List(commands::list::Words),
    /// Say what an artefact costs, without training
    Plan(commands::plan::Words),
    /// Say how long an artefact's training takes on so many machines, without any
    Simulate(commands::simulate::Words),
    /// Train what an artefact needs, then measure and draw it
    Reproduce(commands::reproduce::Words),
    /// Run a recipe of your own
    Run(commands::run::Words),
    /// Train what is missing of a suite together with other workers on one store: what a cluster's job is
    Work(commands::work::Words),
    /// How far suites are: done, running, waiting, and who is at it
    Status(commands::status::Words),
    /// Measure and draw what a recipe of your own trained
    Draw(commands::draw::Words),
    /// Compare two curves of a recipe of your own, seed by seed
    Compare(commands::compare::Words),
    /// Look at a recipe of your own
    Recipe(commands::recipe::Words),
    /// Run single nodes of the store
    Node(commands::node::Words),
    /// Show a node: description, parents, metrics
    Show(commands::show::Words),
    /// List the nodes of the store, or of a published suite
    Ls(commands::ls::Words),
    /// Write a node's state as a plain torchvision state_dict
    Export(commands::export::Words),
    /// Make a suite of the runs, to be committed or served
    Publish(commands::publish::Words),
    /// Bring a published suite from a folder or a server
    Fetch(commands::fetch::Words),
    /// List what of the store no suite needs, and delete it
    Gc(commands::gc::Words),
    /// Check checkpoints, masks, run folders, stores and suites
    Verify(commands::verify::Words),
    /// Loss, accuracy and logits of anybody's weights on a probe or on pictures
    Eval(commands::eval::Words),
    /// Find a sparse mask
    Mask(commands::mask::Words),
    /// Largest eigenvalues of the Hessian, with residuals
    Hessian(commands::hessian::Words),
    /// Loss and error along the line between two networks
    Connect(commands::connect::Words),
    /// How many signs two networks share
    Signs(commands::signs::Words),
    /// Corrupt labels at an exact rate
    Noise(commands::noise::Words),
    /// Write a learning-rate schedule as CSV
    Schedule(commands::schedule::Words),
    /// Fetch data sets, pack pictures, write probes of images
    Data(commands::data::Words),
    /// Measure this product's own speed
    Bench(commands::bench::Words),
}

impl Words {
    /// An error where flags of every command say nothing to this one.
    pub(crate) fn check(&self) -> Result<(), BadUsage> {
        let trains = matches!(
            self.command,
            Command::Node(_) | Command::Reproduce(_) | Command::Run(_) | Command::Work(_) | Command::Plan(_)
        );
        let problem = match (self.global.ranks, self.global.threads, &self.command) {
            (Some(_), _, _) if !trains => {
                "--ranks is for what trains: node, reproduce, run, work, and plan's scripts"
            }
            (_, Some(_), Command::Node(_)) => {
                "--threads: a node has those that it was described with; `reproduce`, `run` and `work` describe it with others"
            }
            (_, _, _) => return Ok(()),
        };
        Err(BadUsage(problem.to_owned()))
    }
}

/// A combination of flags that makes no sense: exit 2, as for every other bad usage.
#[derive(Debug)]
pub(crate) struct BadUsage(pub(crate) String);

impl std::fmt::Display for BadUsage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadUsage {}
