use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::{Arc, Mutex};

/// As many threads as libtorch has been told to use.
pub(super) struct Threads(Option<Arc<ThreadPool>>);

/// The threads that were used last, kept for who wants as many.
static LAST: Mutex<Option<Arc<ThreadPool>>> = Mutex::new(None);

impl Threads {
    pub(super) fn of_libtorch() -> Self {
        let n = usize::try_from(tch::get_num_threads()).unwrap_or(1);
        if n < 2 {
            return Self(None);
        }
        let mut last = LAST.lock().expect("nobody panics with it");
        if let Some(pool) = last.as_ref().filter(|pool| pool.current_num_threads() == n) {
            return Self(Some(Arc::clone(pool)));
        }
        // A process that may start no more threads does with its own.
        *last = ThreadPoolBuilder::new().num_threads(n).build().ok().map(Arc::new);
        Self(last.clone())
    }

    /// Does something with each item.
    pub(super) fn each<T: Send>(&self, items: &mut [T], work: impl Fn(usize, &mut T) + Sync) {
        match &self.0 {
            None => items.iter_mut().enumerate().for_each(|(i, item)| work(i, item)),
            Some(pool) => pool.install(|| {
                items
                    .par_iter_mut()
                    .with_max_len(1)
                    .enumerate()
                    .for_each(|(i, item)| work(i, item));
            }),
        }
    }
}
