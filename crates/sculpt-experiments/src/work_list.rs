//! What is to be run of a suite, expanded once for all workers that run it.

use crate::{Entry, ExperimentError, Recipe, Store};
use sculpt_store::{atomic, sealed};
use serde::{Deserialize, Serialize};
use std::path::Path;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkList {
    /// Parents, where they are in the list, before children.
    entries: Vec<Entry>,
}

impl Store {
    /// Writes the nodes of a recipe into one file for workers of this store, and keeps the files of exported networks that they
    /// begin with.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn write_list(&self, recipe: &Recipe, path: &Path) -> Result<(), ExperimentError> {
        let mut kept = Vec::new();
        for (_, entry) in recipe.iter() {
            if !kept.contains(&&entry.model) {
                self.keep_network(&entry.model)?;
                kept.push(&entry.model);
            }
        }
        let entries = recipe.iter().map(|(_, entry)| entry.clone()).collect();
        let text = sealed::seal(&WorkList { entries }).map_err(|e| bad(path, &e))?;
        Ok(atomic::write(path, text.as_bytes())?)
    }

    /// The nodes that such a file holds.
    ///
    /// # Errors
    /// No such file, or one of which a byte was changed.
    pub fn read_list(&self, path: &Path) -> Result<Recipe, ExperimentError> {
        let bytes = std::fs::read(path).map_err(|source| ExperimentError::Io {
            path: path.to_owned(),
            source,
        })?;
        let (list, _): (WorkList, bool) = sealed::open(&bytes).map_err(|e| bad(path, &e))?;
        let mut recipe = Recipe::default();
        for entry in list.entries {
            recipe.take(&entry.node.id(), &entry);
        }
        Ok(recipe)
    }
}

fn bad(path: &Path, error: &sealed::SealError) -> ExperimentError {
    ExperimentError::BadFile {
        path: path.to_owned(),
        detail: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Init, Node, StateRef, Version};
    use sculpt_models::{InitRule, ModelSpec};

    #[test]
    fn a_list_comes_back_as_it_was_and_whole() {
        let init = |seed| {
            Node::Init(Init {
                v: Version,
                model: ModelSpec::named("resnet8", 3, Some(2), None).unwrap(),
                rule: InitRule::KaimingNormalFanIn,
                seed,
                draw: 0,
            })
        };
        let mut recipe = Recipe::default();
        let states: Vec<StateRef> = [2, 1].map(|seed| recipe.add(init(seed), 3)).into();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("slurm/list.json");
        let store = Store::new(folder.path());
        store.write_list(&recipe, &path).unwrap();
        let read = store.read_list(&path).unwrap();
        assert!(recipe.iter().eq(read.iter()));
        assert_eq!(read.len(), states.len());
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen("\"seed\":1", "\"seed\":3", 1)).unwrap();
        assert!(store.read_list(&path).is_err());
    }
}
