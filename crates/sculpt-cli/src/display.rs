//! How far a recipe is, on stderr.

use crate::printing;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use sculpt_experiments::{Board, Event, Happening, JobNumber, NodeId, counted};
use sculpt_measures::Session;
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::sync::Weak;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Seconds between lines where there is no terminal.
pub(crate) const LINE_EVERY: Duration = Duration::from_secs(15);

/// Says every so often how far measuring is, until the session is gone.
pub(crate) fn tell_of_measuring(session: &Session) {
    let (counts, begun) = (session.counts(), Instant::now());
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(LINE_EVERY);
            let Some(counts) = counts.upgrade() else { return };
            // What comes after measuring has words of its own.
            if counts.taken() >= counts.wanted() {
                continue;
            }
            let seconds = begun.elapsed().as_secs_f64();
            printing::note(&format!(
                "measuring for {}: {} of {} measures taken and {}, {} were known{}",
                duration(seconds),
                counts.taken(),
                counts.wanted(),
                kept(counts.lost()),
                counts.found(),
                to_go(seconds, counts.taken() as f64, counts.wanted())
            ));
        }
    });
}

/// Says every so often how many of at most so many products with a Hessian are computed, until nobody computes any more.
pub(crate) fn tell_of_products(done: Weak<AtomicUsize>, at_most: usize) {
    let begun = Instant::now();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(LINE_EVERY);
            let Some(done) = done.upgrade() else { return };
            printing::note(&products_line(
                done.load(Ordering::Relaxed),
                at_most,
                begun.elapsed(),
            ));
        }
    });
}

fn products_line(done: usize, at_most: usize, since: Duration) -> String {
    // How many a search takes, nobody knows before: the most of them says nothing of the time to go.
    format!(
        "{} in {}; at most {at_most}, fewer where a search converges before",
        counted(done, "product"),
        duration(since.as_secs_f64())
    )
}

/// What became of measures, of which so many could not be written.
fn kept(n_lost: u64) -> String {
    match n_lost {
        0 => "kept".to_owned(),
        n => format!(
            "kept but for {n}, to be taken anew next time, since the folder of runs cannot be written to"
        ),
    }
}

/// Bars on a terminal, plain lines otherwise; always on stderr.
pub(crate) struct Display {
    bars: MultiProgress,
    total: ProgressBar,
    jobs: BTreeMap<JobNumber, ProgressBar>,
    terminal: bool,
    begun: Instant,
    last_line: Instant,
    n_nodes: usize,
    /// Nodes of which it was said that another process is at them.
    held: BTreeSet<NodeId>,
}

impl Display {
    pub(crate) fn new(board: &Board<'_>) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bars = MultiProgress::with_draw_target(target);
        let total = bars.add(ProgressBar::new(board.epochs_total()));
        let style = "total {bar:30} {pos}/{len} epochs, {msg}";
        total.set_style(ProgressStyle::with_template(style).expect("a valid template"));
        let n_nodes = board.n_open_at_start();
        let display = Self {
            bars,
            total,
            jobs: BTreeMap::new(),
            terminal,
            begun: Instant::now(),
            last_line: Instant::now(),
            n_nodes,
            held: BTreeSet::new(),
        };
        let (epochs, done) = (board.epochs_total(), board.recipe().len() - n_nodes);
        display.note(&format!(
            "{} to run ({done} are there), {}",
            counted(n_nodes, "node"),
            counted(epochs, "epoch")
        ));
        display
    }

    /// Shows what happened.
    pub(crate) fn show(&mut self, board: &Board<'_>, happening: Happening<'_>) {
        match happening {
            Happening::Opened(job) => self.open(job),
            Happening::Said(job, event) => {
                self.said(job, event, board);
                self.tick(board);
            }
            Happening::Closed(job) => self.close(job),
            Happening::Stopping => self.note("stopping: saving what is being trained"),
            Happening::Tick => self.tick(board),
        }
    }

    fn open(&mut self, job: JobNumber) {
        let bar = self.bars.add(ProgressBar::new(1));
        let style = "job   {bar:30} {msg}";
        bar.set_style(ProgressStyle::with_template(style).expect("a valid template"));
        self.jobs.insert(job, bar);
    }

    fn said(&mut self, job: JobNumber, event: &Event, board: &Board<'_>) {
        let Some(bar) = self.jobs.get(&job).cloned() else {
            return;
        };
        match event {
            Event::Start { id } => {
                let entry = board.recipe().get(id);
                let what = entry.map_or_else(String::new, |e| {
                    format!("{} {} at density {}", e.node.kind(), id.short(), e.density)
                });
                bar.set_position(0);
                bar.set_message(what);
            }
            Event::Progress {
                steps_done, n_steps, ..
            } => {
                bar.set_length(*n_steps);
                bar.set_position(*steps_done);
            }
            Event::Done { .. } | Event::Found { .. } | Event::Stopped { .. } => {}
            // A worker that waits looks at it again and again.
            Event::Held { id } if self.held.insert(id.clone()) => self.note(&format!(
                "node {} is being run by another process; looked at again later",
                id.short()
            )),
            Event::Held { .. } => {}
            Event::Failed { id, error } => self.note(&format!("node {} failed: {error}", id.short())),
        }
    }

    fn close(&mut self, job: JobNumber) {
        if let Some(bar) = self.jobs.remove(&job) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
    }

    fn tick(&mut self, board: &Board<'_>) {
        let epochs = board.epochs_so_far();
        self.total.set_position(epochs as u64);
        let gone = self.begun.elapsed().as_secs_f64();
        let said = format!(
            "{}/{} nodes{}, {} gone{}",
            board.n_done(),
            self.n_nodes,
            match board.n_held() {
                0 => String::new(),
                n => format!(" ({n} with other processes)"),
            },
            duration(gone),
            to_go(gone, epochs, board.epochs_total())
        );
        if !self.terminal && self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            printing::note(&format!("{epochs:.0}/{} epochs, {said}", board.epochs_total()));
        }
        self.total.set_message(said);
    }

    fn note(&self, text: &str) {
        if self.terminal {
            let _ = self.bars.println(text);
        } else {
            printing::note(text);
        }
    }

    pub(crate) fn finish(&self) {
        self.total.finish_and_clear();
        let _ = self.bars.clear();
    }
}

/// At the speed so far, once there is one.
fn to_go(seconds: f64, epochs: f64, epochs_total: u64) -> String {
    let left = seconds_to_go(seconds, epochs, epochs_total as f64);
    left.map_or_else(String::new, |left| format!(", about {} to go", duration(left)))
}

/// At the speed so far; none before there is one.
pub(crate) fn seconds_to_go(seconds: f64, epochs: f64, epochs_total: f64) -> Option<f64> {
    (epochs >= 0.5).then(|| (seconds / epochs * (epochs_total - epochs)).max(0.0))
}

/// To about one part in a hundred.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 30 of 120 epochs in 60 s: 90 more take 180 s. Nothing done yet: nothing known.
    #[test]
    fn the_time_to_go_is_that_of_the_speed_so_far() {
        assert_eq!(to_go(60.0, 30.0, 120), ", about 3 min to go");
        assert_eq!(to_go(60.0, 0.0, 120), "");
        assert_eq!(to_go(60.0, 120.0, 120), ", about 0 s to go");
        // 30 of 120 products in 60 s.
        let line = products_line(30, 120, Duration::from_secs(60));
        assert_eq!(
            line,
            "30 products in 60 s; at most 120, fewer where a search converges before"
        );
        assert_eq!(kept(0), "kept");
        assert!(kept(3).starts_with("kept but for 3,"));
        assert_eq!([99.0, 100.0, 7200.0].map(duration), ["99 s", "2 min", "2.0 h"]);
    }
}
