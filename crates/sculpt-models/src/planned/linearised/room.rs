use sculpt_sparse::Lanes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Memory of blocks that nobody keeps, by length: taken and cleared once, and not for each pass. It is freed with the last of its users.
#[derive(Clone, Debug, Default)]
pub(super) struct Room(Arc<Mutex<Free>>);

#[derive(Debug, Default)]
struct Free {
    n_users: usize,
    blocks: HashMap<usize, Vec<Vec<Lanes>>>,
}

impl Room {
    fn lock(&self) -> MutexGuard<'_, Free> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn enter(&self) -> Self {
        self.lock().n_users += 1;
        self.clone()
    }

    pub(super) fn leave(&self) {
        let mut free = self.lock();
        free.n_users -= 1;
        if free.n_users == 0 {
            free.blocks.clear();
        }
    }

    /// In which there is anything.
    pub(super) fn take(&self, n: usize) -> Vec<Lanes> {
        let found = self.lock().blocks.get_mut(&n).and_then(Vec::pop);
        found.unwrap_or_else(|| vec![Lanes::ZERO; n])
    }

    pub(super) fn put_back(&self, blocks: Vec<Vec<Lanes>>) {
        let mut free = self.lock();
        if free.n_users > 0 {
            for block in blocks {
                free.blocks.entry(block.len()).or_default().push(block);
            }
        }
    }
}
