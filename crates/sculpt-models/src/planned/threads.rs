//! The threads that share a pass over images.
//!
//! They are libtorch's own, of OpenMP, where that is GCC's. After each of libtorch's operations those wait for the next one busily, for milliseconds, in
//! which threads of ours would have to share the processors with them: a ResNet-8 of width 8 was trained half as fast by a pool of its own, and beside
//! another such process at a sixth. Elsewhere it is a pool of our own.
//!
//! `unsafe` stands here: the call of OpenMP, and items shared out one to a thread.

#[cfg(unix)]
use libloading::os::unix::{Library, Symbol};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::any::Any;
use std::cell::RefCell;
use std::ffi::{c_uint, c_void};
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::available_parallelism;

/// As many threads as libtorch has been told to use, and there are processors for.
pub(super) struct Threads(Kind);

enum Kind {
    One,
    OpenMp(Parallel),
    Pool(Arc<ThreadPool>),
}

/// `GOMP_parallel`: calls a function in so many threads, of which the caller is one, and waits for them. 0 are as many as libtorch's operations have:
/// from a team of another size the library ends threads, and starts them again for the next.
type Parallel = unsafe extern "C" fn(extern "C" fn(*mut c_void), *mut c_void, c_uint, c_uint);

/// Where the process has it, as it does where libtorch's OpenMP is GCC's. (With two of them it may be the other's: as right, and slower.)
static OPEN_MP: LazyLock<Option<Parallel>> = LazyLock::new(|| {
    #[cfg(unix)]
    #[expect(unsafe_code, reason = "a symbol has no type")]
    // SAFETY: libgomp has had it with this type since GCC 4.9, as code that is compiled against it relies on; it stays loaded with libtorch.
    unsafe {
        let found: Result<Symbol<Parallel>, _> = Library::this().get(b"GOMP_parallel\0");
        found.ok().map(|symbol| *symbol)
    }
    #[cfg(not(unix))]
    None
});

/// To ask takes reading files.
static PROCESSORS: LazyLock<usize> = LazyLock::new(|| available_parallelism().map_or(1, NonZero::get));

thread_local! {
    /// The threads that this one used last, kept for when it wants as many: who measures beside others has its own.
    static LAST: RefCell<Option<Arc<ThreadPool>>> = const { RefCell::new(None) };
}

impl Threads {
    pub(super) fn of_libtorch() -> Self {
        let n = n_of_libtorch();
        if n < 2 {
            return Self(Kind::One);
        }
        if let Some(parallel) = *OPEN_MP {
            return Self(Kind::OpenMp(parallel));
        }
        LAST.with_borrow_mut(|last| {
            if last.as_ref().is_none_or(|pool| pool.current_num_threads() != n) {
                // A process that may start no more threads does with its own.
                *last = ThreadPoolBuilder::new().num_threads(n).build().ok().map(Arc::new);
            }
            Self(last.clone().map_or(Kind::One, Kind::Pool))
        })
    }

    /// How many compute at once.
    pub(super) fn n(&self) -> usize {
        match &self.0 {
            Kind::One => 1,
            Kind::OpenMp(_) => n_of_libtorch(),
            Kind::Pool(pool) => pool.current_num_threads(),
        }
    }

    /// The calling one alone.
    pub(super) fn one() -> Self {
        Self(Kind::One)
    }

    /// Does something with each item.
    pub(super) fn each<T: Send>(&self, items: &mut [T], work: impl Fn(usize, &mut T) + Sync) {
        match &self.0 {
            Kind::OpenMp(parallel) if items.len() > 1 => shared_out(*parallel, items, &work),
            Kind::One | Kind::OpenMp(_) => items.iter_mut().enumerate().for_each(|(i, item)| work(i, item)),
            Kind::Pool(pool) => pool.install(|| {
                items
                    .par_iter_mut()
                    .with_max_len(1)
                    .enumerate()
                    .for_each(|(i, item)| work(i, item));
            }),
        }
    }
}

fn n_of_libtorch() -> usize {
    let n = usize::try_from(tch::get_num_threads()).unwrap_or(1);
    n.min(*PROCESSORS)
}

/// Items, the next of which whoever is free takes.
struct Shared<'a, T, F> {
    next: AtomicUsize,
    items: *mut T,
    n: usize,
    work: &'a F,
    /// What the first panic said: it must not leave a function that C calls.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

#[expect(unsafe_code, reason = "the call of OpenMP")]
fn shared_out<T: Send, F: Fn(usize, &mut T) + Sync>(parallel: Parallel, items: &mut [T], work: &F) {
    let mut shared = Shared {
        next: AtomicUsize::new(0),
        items: items.as_mut_ptr(),
        n: items.len(),
        work,
        panic: Mutex::new(None),
    };
    // SAFETY: the function is `take`'s of this very type, and returns in all threads before the call does, so that what is borrowed stays.
    unsafe { parallel(take::<T, F>, (&raw mut shared).cast(), 0, 0) };
    if let Ok(Some(panic)) = shared.panic.into_inner() {
        resume_unwind(panic);
    }
}

/// A thread's share.
#[expect(unsafe_code, reason = "called by OpenMP, in several threads")]
extern "C" fn take<T: Send, F: Fn(usize, &mut T) + Sync>(shared: *mut c_void) {
    // SAFETY: what `shared_out` gave, which waits for this; all threads read it, and change what atomics and locks guard.
    let shared = unsafe { &*shared.cast::<Shared<'_, T, F>>() };
    let worked = catch_unwind(AssertUnwindSafe(|| {
        loop {
            let number = shared.next.fetch_add(1, Ordering::Relaxed);
            if number >= shared.n {
                break;
            }
            // SAFETY: an item of the slice that `shared_out` has for itself alone, and each number is given to one thread.
            let item = unsafe { &mut *shared.items.add(number) };
            (shared.work)(number, item);
        }
    }));
    if let Err(panic) = worked
        && let Ok(mut first) = shared.panic.lock()
    {
        first.get_or_insert(panic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> [Threads; 3] {
        let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let open_mp = OPEN_MP.map_or(Kind::One, Kind::OpenMp);
        [Kind::One, open_mp, Kind::Pool(Arc::new(pool))].map(Threads)
    }

    /// Fewer and more items than threads, each once; from within another share too.
    #[test]
    fn each_item_is_worked_on_once() {
        for threads in all() {
            for n in [0, 1, 2, 3, 100] {
                let mut items = vec![0; n];
                threads.each(&mut items, |number, item| {
                    *item += number + 1;
                    let mut inner = [0; 3];
                    threads.each(&mut inner, |number, item| *item += number);
                    assert_eq!(inner, [0, 1, 2]);
                });
                assert!(items.iter().copied().eq(1..=n), "{items:?}");
            }
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn libtorch_has_threads_of_gcc() {
        assert!(OPEN_MP.is_some());
    }

    /// A panic is the caller's, and the threads go on to be of use.
    #[test]
    fn a_panic_is_the_callers() {
        for threads in all() {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                threads.each(&mut [1, 2, 3], |_, item| assert_ne!(*item, 2, "the second"));
            }));
            let said = caught.unwrap_err();
            assert!(said.downcast_ref::<String>().unwrap().contains("the second"));
            let mut items = [0; 4];
            threads.each(&mut items, |_, item| *item = 1);
            assert_eq!(items, [1; 4]);
        }
    }
}
