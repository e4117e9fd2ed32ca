//! The files that a recipe names. What each of them was is kept by the store, under the recipe's text: once it was run, they may
//! move or go, and the same recipe is of the same nodes.

use super::Read;
use crate::{Node, NodeId, Store};
use sculpt_checkpoints::State;
use sculpt_models::ModelSpec;
use sculpt_store::canonical::{sha256_hex, to_canonical_json};
use sculpt_store::paths;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a recipe's files were, by how it uses them: the SHA-256 of a network, the id of what was loaded.
pub(super) type Contents = BTreeMap<String, String>;

/// What names of files stand for.
pub(super) struct Files<'a> {
    folder: &'a Path,
    store: Option<&'a Store>,
    known: Contents,
    found: Mutex<Contents>,
    gone: Mutex<BTreeSet<PathBuf>>,
    networks: Mutex<BTreeMap<PathBuf, ModelSpec>>,
}

impl<'a> Files<'a> {
    /// Those of a recipe of this text in a folder. What the store cannot read of them it does not know.
    pub(super) fn new(folder: &'a Path, text: &str, store: Option<&'a Store>) -> Self {
        let known = store.and_then(|store| {
            let path = paths::recipe_files(store.runs(), &sha256_hex(text.as_bytes()));
            store.bring_file(&path, None).ok()?;
            serde_json::from_str(&sculpt_store::read_text(&path).ok()?).ok()
        });
        Self {
            folder,
            store,
            known: known.unwrap_or_default(),
            found: Mutex::default(),
            gone: Mutex::default(),
            networks: Mutex::default(),
        }
    }

    /// The exported network of a file, read once.
    pub(super) fn network(&self, file: &Path) -> Result<ModelSpec, String> {
        if let Some(model) = held(&self.networks).get(file) {
            return Ok(model.clone());
        }
        let path = self.folder.join(file);
        let key = format!("network {}", file.display());
        let kept = || {
            let (store, sha256) = (self.store?, self.known.get(&key)?);
            let path = paths::network(store.runs(), sha256);
            store.bring_file(&path, Some(sha256)).ok()?;
            let model = ModelSpec::exported(&path).ok()?;
            (model.network_sha256() == Some(sha256)).then_some(model)
        };
        let model = match (ModelSpec::exported(&path), path.exists()) {
            (Err(error), false) => {
                let model = kept().ok_or_else(|| format!("{error}{}", self.advice()))?;
                held(&self.gone).insert(file.to_owned());
                model
            }
            (read, _) => read.map_err(|error| error.to_string())?,
        };
        let sha256 = model.network_sha256().unwrap_or_default();
        held(&self.found).insert(key, sha256.to_owned());
        held(&self.networks).insert(file.to_owned(), model.clone());
        Ok(model)
    }

    /// The node that a file is, and its state; without it where the store has it alone.
    pub(super) fn load(
        &self,
        kind: &str,
        file: &str,
        model: ModelSpec,
        read: Read,
    ) -> Result<(Node, Option<State>), String> {
        let of = to_canonical_json(&model).map_err(|error| error.to_string())?;
        let key = format!("{kind} {file} of {}", sha256_hex(of.as_bytes()));
        let path = self.folder.join(file);
        let kept = || {
            let (store, id) = (self.store?, self.known.get(&key)?);
            let id: NodeId = id.parse().ok()?;
            store.has_end(&id).then(|| store.node(&id))?
        };
        let (node, state) = match (read(&path, model), path.exists()) {
            (Err(error), false) => {
                let node = kept().ok_or_else(|| format!("{error}{}", self.advice()))?;
                held(&self.gone).insert(file.into());
                (node, None)
            }
            (read, _) => {
                let (node, state) = read.map_err(|error| error.to_string())?;
                (node, Some(state))
            }
        };
        held(&self.found).insert(key, node.id().to_string());
        Ok((node, state))
    }

    /// What was found, and which files were not there.
    pub(super) fn into_found(self) -> (Contents, Vec<PathBuf>) {
        let gone = self.gone.into_inner().unwrap_or_else(PoisonError::into_inner);
        let found = self.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        (found, gone.into_iter().collect())
    }

    fn advice(&self) -> String {
        let networks = self
            .store
            .and_then(|store| store.networks().ok())
            .unwrap_or_default();
        match &networks[..] {
            [] => String::new(),
            [first, ..] => format!(
                "; the store knows no run of this recipe as it stands, and keeps {} networks, such as {}",
                networks.len(),
                first.display()
            ),
        }
    }
}

/// What a lock guards; tables are read side by side, and nobody leaves one half changed.
pub(super) fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
