use crate::{PictureError, Transformer};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// Threads, and what each needs for its work.
pub(crate) struct Crew {
    /// There as long as this is.
    pool: Option<ThreadPool>,
    threads: Vec<JoinHandle<()>>,
    hands: Mutex<Vec<Hand>>,
    /// Set when what is being made goes to nobody.
    pub(crate) stop: Arc<AtomicBool>,
}

/// What one thread works with.
#[derive(Default)]
pub(crate) struct Hand {
    pub(crate) transformer: Transformer,
    pub(crate) bytes: Vec<u8>,
}

impl Crew {
    pub(crate) fn new(n: usize, stop: Arc<AtomicBool>) -> Result<Self, PictureError> {
        let mut threads = Vec::new();
        let pool = ThreadPoolBuilder::new()
            .num_threads(n)
            .spawn_handler(|thread| {
                let named = thread::Builder::new().name("picture".into());
                threads.push(named.spawn(|| thread.run())?);
                Ok(())
            })
            .build();
        let pool = pool.map_err(|refused| no_threads(std::io::Error::other(refused)))?;
        Ok(Self {
            pool: Some(pool),
            threads,
            hands: Mutex::default(),
            stop,
        })
    }

    pub(crate) fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        let pool = self.pool.as_ref().expect("it is taken on dropping");
        pool.install(work)
    }

    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Hand) -> R) -> R {
        let hands = || self.hands.lock().unwrap_or_else(PoisonError::into_inner);
        let free = hands().pop();
        let mut hand = free.unwrap_or_default();
        let result = work(&mut hand);
        hands().push(hand);
        result
    }
}

impl Drop for Crew {
    /// The pool asks its threads to end, and does not wait for them.
    fn drop(&mut self) {
        self.pool = None;
        for thread in self.threads.drain(..) {
            // Rayon hands panics of its threads on to whoever waits for the work.
            let _ = thread.join();
        }
    }
}

pub(crate) fn no_threads(refused: std::io::Error) -> PictureError {
    PictureError::Threads { refused }
}
