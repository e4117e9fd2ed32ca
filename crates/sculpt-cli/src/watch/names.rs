//! What people call the nodes of a recipe.

use sculpt_experiments::{Entry, NamedState, NodeId};
use std::collections::HashMap;

/// Names by node; one without is called by its kind.
#[derive(Default)]
pub(crate) struct Names(HashMap<NodeId, String>);

impl Names {
    /// Of a recipe of the user's own, where the first of several names stands.
    pub(crate) fn new(states: &[NamedState]) -> Self {
        let named = states.iter().rev();
        Self(
            named
                .map(|named| (named.state.id.clone(), named.title()))
                .collect(),
        )
    }

    pub(super) fn of<'a>(&'a self, id: &NodeId, entry: &Entry) -> &'a str {
        self.0.get(id).map_or(entry.node.kind(), String::as_str)
    }
}
