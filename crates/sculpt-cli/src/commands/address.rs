//! Words that name a state: a file, or an id (or how it begins), with `@epoch` where not the last is meant.

use crate::places;
use crate::words::{BadUsage, Global};
use anyhow::bail;
use sculpt_checkpoints::read_meta;
use sculpt_experiments::{Expected, NodeId, Place, StateRef, Store, model_of};
use sculpt_models::ModelSpec;
use std::path::{Path, PathBuf};

/// What a word stands for.
pub(crate) enum Input {
    /// A file, or a path where there is none: reading it says so.
    File(PathBuf),
    /// A state of the store or of a published suite.
    State(Box<Place>),
}

/// The digits that a beginning of an id needs, so that it is not taken for a file's name.
const LEAST_DIGITS: usize = 4;

impl Input {
    /// A file of that name wins; else the word is an address where it looks like one.
    pub(crate) fn of(word: &Path, global: &Global) -> anyhow::Result<Self> {
        let text = word.to_str().unwrap_or_default();
        if word.exists() || !is_address(text) {
            return Ok(Self::File(word.to_owned()));
        }
        let store = places::store(global);
        let (id, epoch) = find(&store, text)?;
        Ok(Self::State(Box::new(place(&store, &id, epoch)?)))
    }

    /// The model that the word's state or checkpoint says it is of; none for other files.
    pub(crate) fn model(&self) -> Option<ModelSpec> {
        let path = match self {
            Self::File(path) => path,
            Self::State(place) => &place.path,
        };
        stated(path)
    }
}

/// The network that a checkpoint of ours says it is of.
pub(crate) fn stated(path: &Path) -> Option<ModelSpec> {
    model_of(path, &read_meta(path).ok()?).ok()
}

/// Whether a word looks like an id, or how one begins.
pub(crate) fn is_address(text: &str) -> bool {
    let (prefix, _) = split(text);
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    (LEAST_DIGITS..=64).contains(&prefix.len()) && prefix.bytes().all(is_hex)
}

/// The node of an address, and the epoch if it names one.
pub(crate) fn find(store: &Store, text: &str) -> anyhow::Result<(NodeId, Option<u32>)> {
    let (prefix, epoch) = split(text);
    let epoch = match epoch.map(str::parse) {
        None => None,
        Some(Ok(epoch)) => Some(epoch),
        Some(Err(_)) => {
            return Err(BadUsage(format!(
                "{text:?} names no epoch: what follows the @ must be a number"
            ))
            .into());
        }
    };
    Ok((store.find(prefix)?, epoch))
}

/// Where a node's state lies, after its last epoch if none is named.
pub(crate) fn place(store: &Store, id: &NodeId, epoch: Option<u32>) -> anyhow::Result<Place> {
    let short = id.short();
    let last = store.node(id).map(|node| node.last_epoch());
    let Some(epoch) = epoch.or(last) else {
        bail!("node {short} has no description that can be read; `sculpt verify` says more");
    };
    let address = |epoch| StateRef {
        id: id.clone(),
        epoch,
    };
    if let Some(place) = store.place(&address(epoch)) {
        return Ok(place);
    }
    let there = epochs(store, id);
    let problem = if there.is_empty() {
        format!("node {short} has not been run; `sculpt node {short}` runs it")
    } else {
        let there: Vec<_> = there.iter().map(|epoch| format!("{short}@{epoch}")).collect();
        format!(
            "node {short} has no state after epoch {epoch}; there is {}",
            there.join(", ")
        )
    };
    Err(BadUsage(problem).into())
}

/// The epochs of a node whose states are there.
pub(crate) fn epochs(store: &Store, id: &NodeId) -> Vec<u32> {
    let mut there = store.epochs(id);
    there.extend(store.suite_of(id).into_iter().flat_map(|suite| suite.epochs(id)));
    there.into_iter().collect()
}

/// What is said of a node's network: by the descriptions of its ancestors, or where a suite without them was published by its own
/// state, of which `epoch` epochs are the node's.
pub(crate) fn described_or_read(described: Expected, state: Option<Place>, epoch: u32) -> Expected {
    if described.model.is_some() {
        return described;
    }
    let read = state.and_then(|place| {
        let meta = read_meta(&place.path).ok()?;
        let model = model_of(&place.path, &meta).ok()?;
        Some(Expected {
            density: Some(meta.density_target.unwrap_or(1.0)),
            epochs_before: Some(meta.epochs_trained.saturating_sub(epoch)),
            model: Some(model),
        })
    });
    read.unwrap_or(described)
}

fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once('@') {
        Some((prefix, epoch)) => (prefix, Some(epoch)),
        None => (text, None),
    }
}
