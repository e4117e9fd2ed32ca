//! SIGINT, SIGTERM and SIGUSR1, by which schedulers warn of the end of a job's time: the first asks to stop at the next step boundary, state saved. Schedulers of clusters signal twice, and a
//! hasty user too: for ten seconds more of them change nothing; after that one ends the process at once.

use crate::printing;
use signal_hook::{
    consts::{SIGINT, SIGTERM, SIGUSR1},
    flag,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How long a save may take before a further signal ends the process.
const GRACE: Duration = Duration::from_secs(10);

/// How often the clock is looked at.
const TICK: Duration = Duration::from_millis(100);

/// Whether somebody asked this process to stop.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
    /// A signal ends the process as it would without a handler.
    at_once: Arc<AtomicBool>,
    /// Somebody warned that the time of this process ends.
    warned: Arc<AtomicBool>,
}

impl Stop {
    /// Listens to signals from here on.
    pub(crate) fn on_signals() -> anyhow::Result<Self> {
        let stop = Self {
            asked: Arc::default(),
            at_once: Arc::default(),
            warned: Arc::default(),
        };
        for signal in [SIGINT, SIGTERM, SIGUSR1] {
            // In this order: a signal that comes when the time is over does no more than end the process.
            flag::register_conditional_default(signal, Arc::clone(&stop.at_once))?;
            flag::register(signal, Arc::clone(&stop.asked))?;
        }
        flag::register(SIGUSR1, Arc::clone(&stop.warned))?;
        let watched = stop.clone();
        thread::spawn(move || {
            while !watched.asked.load(Ordering::Relaxed) {
                thread::sleep(TICK);
            }
            thread::sleep(GRACE);
            watched.at_once.store(true, Ordering::Relaxed);
        });
        Ok(stop)
    }

    /// Says so as soon as somebody asks: what is waited for may be silent.
    pub(crate) fn tell_when_asked(&self, said: &'static str) {
        let asked = Arc::clone(&self.asked);
        thread::spawn(move || {
            while !asked.load(Ordering::Relaxed) {
                thread::sleep(TICK);
            }
            printing::note(said);
        });
    }

    /// Set once somebody asked.
    pub(crate) fn asked(&self) -> &AtomicBool {
        &self.asked
    }

    /// Whether it was warned of its end, and not asked to go.
    pub(crate) fn is_warned(&self) -> bool {
        self.warned.load(Ordering::Relaxed)
    }

    /// Asks, as a signal does.
    pub(crate) fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// What follows saves as it goes: the next signal ends the process at once.
    pub(crate) fn end_at_once(&self) {
        self.at_once.store(true, Ordering::Relaxed);
    }
}
