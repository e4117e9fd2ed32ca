use crate::families::{Architecture, Family};
use crate::plan::Plan;
use sculpt_layout::Layout;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// A network of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ours {
    pub(super) architecture: Architecture,
    pub(super) width: u32,
    pub(super) classes: u32,
}

/// What a network of a family is made by.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) layout: Arc<Layout>,
    pub(super) plan: Plan,
}

impl Ours {
    /// Made once: grids of thousands of nodes have a few networks, and each node asks for its own.
    pub(super) fn planned(&self) -> Arc<Planned> {
        static MADE: LazyLock<Mutex<HashMap<Ours, Arc<Planned>>>> = LazyLock::new(Mutex::default);
        /// More than anybody has at once; whoever goes through many widths keeps no more.
        const MOST: usize = 64;
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(planned) = made.get(self) {
            return Arc::clone(planned);
        }
        let (layout, plan) = self.family().plan(self.width as usize, self.classes as usize);
        let planned = Arc::new(Planned {
            layout: Arc::new(layout),
            plan,
        });
        if made.len() >= MOST {
            made.clear();
        }
        made.insert(*self, Arc::clone(&planned));
        planned
    }

    pub(super) fn family(&self) -> &dyn Family {
        self.architecture.family()
    }
}
