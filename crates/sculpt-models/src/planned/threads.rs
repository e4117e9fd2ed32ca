use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::cell::RefCell;
use std::num::NonZero;
use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

/// As many threads as libtorch has been told to use, and there are processors for.
pub(super) struct Threads(Option<Arc<ThreadPool>>);

/// To ask takes reading files.
static PROCESSORS: LazyLock<usize> = LazyLock::new(|| available_parallelism().map_or(1, NonZero::get));

thread_local! {
    /// The threads that this one used last, kept for when it wants as many: who measures beside others has its own.
    static LAST: RefCell<Option<Arc<ThreadPool>>> = const { RefCell::new(None) };
}

impl Threads {
    pub(super) fn of_libtorch() -> Self {
        let n = usize::try_from(tch::get_num_threads())
            .unwrap_or(1)
            .min(*PROCESSORS);
        if n < 2 {
            return Self(None);
        }
        LAST.with_borrow_mut(|last| {
            if last.as_ref().is_none_or(|pool| pool.current_num_threads() != n) {
                // A process that may start no more threads does with its own.
                *last = ThreadPoolBuilder::new().num_threads(n).build().ok().map(Arc::new);
            }
            Self(last.clone())
        })
    }

    pub(super) fn n(&self) -> usize {
        self.0.as_ref().map_or(1, |pool| pool.current_num_threads())
    }

    /// The calling one alone.
    pub(super) fn one() -> Self {
        Self(None)
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
