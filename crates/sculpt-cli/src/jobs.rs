//! Runs what is missing of a recipe, several chains side by side, each job a child process.

use crate::children::Children;
use crate::display::Display;
use crate::signals::Stop;
use crate::words::Global;
use anyhow::bail;
use sculpt_experiments::{Board, DataFolder, Drive, NodeId, Recipe, Store, drive};
use std::time::SystemTime;

/// What became of a recipe.
#[derive(Default)]
pub(crate) struct Finished {
    /// Nodes run now.
    pub(crate) n_run: usize,
    /// Failed nodes, with why.
    pub(crate) failed: Vec<(NodeId, String)>,
    /// Nodes not run because one that they need failed.
    pub(crate) n_skipped: usize,
}

/// Runs every node that is not done; a failed node fails only what depends on it.
///
/// # Errors
/// Stopped from outside (what was begun is saved), or a child that cannot be started.
pub(crate) fn run(
    recipe: &Recipe,
    store: &Store,
    data: &DataFolder,
    global: &Global,
    n_jobs: u32,
) -> anyhow::Result<Finished> {
    let stop = Stop::on_signals()?;
    let (end, finished) = run_until((recipe, None), store, data, global, n_jobs, &stop)?;
    if end == Drive::Stopped {
        bail!("stopped; the same command goes on from here");
    }
    stop.end_at_once();
    Ok(finished)
}

/// The same until `stop` is asked for; what was begun is saved then. Training that diverged since a time is not tried again.
///
/// # Errors
/// A child that cannot be started.
pub(crate) fn run_until(
    (recipe, since): (&Recipe, Option<SystemTime>),
    store: &Store,
    data: &DataFolder,
    global: &Global,
    n_jobs: u32,
    stop: &Stop,
) -> anyhow::Result<(Drive, Finished)> {
    let mut end = Drive::Finished;
    let mut board = Board::new(recipe, |id, entry| store.is_done(id, entry));
    if board.n_open_at_start() > 0 {
        let mut display = Display::new(&board);
        let mut children = Children::new((recipe, since), store, data, global, n_jobs as usize);
        let is_done = |id: &NodeId, entry: &_| store.is_done(id, entry);
        end = drive(
            &mut board,
            &mut children,
            stop.asked(),
            &is_done,
            &mut |board, what| {
                display.show(board, what);
            },
        )?;
        display.finish();
    }
    let finished = Finished {
        n_run: board.n_run(),
        failed: board.failed().to_vec(),
        n_skipped: board.n_cut(),
    };
    Ok((end, finished))
}
