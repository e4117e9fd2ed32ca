//! Runs what is missing of a recipe, several chains side by side, in child processes that stay.

use crate::children::Children;
use crate::cuda::{Mps, jobs_that_fit};
use crate::display::Display;
use crate::signals::Stop;
use crate::words::Global;
use anyhow::bail;
use sculpt_experiments::{Board, DataFolder, Drive, Happening, NodeId, Recipe, Store, drive};
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

/// What jobs run, and with what.
#[derive(Clone, Copy)]
pub(crate) struct Jobs<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) store: &'a Store,
    pub(crate) data: &'a DataFolder,
    pub(crate) global: &'a Global,
    /// How many at once, where a card's memory holds them.
    pub(crate) n: u32,
    /// Training that diverged since then is not tried again.
    pub(crate) since: Option<SystemTime>,
}

impl Jobs<'_> {
    /// Runs every node that is not done; a failed node fails only what depends on it.
    ///
    /// # Errors
    /// Stopped from outside (what was begun is saved), or a child that cannot be started.
    pub(crate) fn run(&self) -> anyhow::Result<Finished> {
        let stop = Stop::on_signals()?;
        let (end, finished) = self.run_until(&stop)?;
        if end == Drive::Stopped {
            bail!("stopped; the same command goes on from here");
        }
        stop.end_at_once();
        Ok(finished)
    }

    /// The same until `stop` is asked for; what was begun is saved then.
    ///
    /// # Errors
    /// A child that cannot be started.
    pub(crate) fn run_until(&self, stop: &Stop) -> anyhow::Result<(Drive, Finished)> {
        let mut end = Drive::Finished;
        let is_done = |id: &NodeId, entry: &_| self.store.is_done(id, entry);
        let mut board = Board::new(self.recipe, is_done);
        if board.n_open_at_start() > 0 {
            let n = jobs_that_fit(self.n, self.global, self.recipe, self.store)?;
            let mut display = Display::new(&board);
            // Dropped after the children.
            let service = Mps::of(n, &self.global.device);
            let mut children = Children::new(Jobs { n, ..*self }, service.as_ref());
            let mut show = |board: &Board<'_>, what: Happening<'_>| display.show(board, what);
            end = drive(&mut board, &mut children, stop.asked(), &is_done, &mut show)?;
            display.finish();
        }
        for (id, why) in board.failed() {
            self.store.note_failure(id, why);
        }
        let finished = Finished {
            n_run: board.n_run(),
            failed: board.failed().to_vec(),
            n_skipped: board.n_cut(),
        };
        Ok((end, finished))
    }
}
