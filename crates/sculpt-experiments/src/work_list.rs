//! What is to be run of a suite, expanded once for all workers that run it.

use crate::{Entry, ExperimentError, Recipe, Store};
use sculpt_store::atomic;
use sculpt_store::canonical::sha256_hex;
use std::path::Path;

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
        let entries: Vec<&Entry> = recipe.iter().map(|(_, entry)| entry).collect();
        let text = serde_json::to_string(&entries).expect("nodes are plain JSON");
        // Canonical JSON takes longer than all the rest, and these bytes are nobody's identity.
        let text = format!("{}\n{text}\n", sha256_hex(text.as_bytes()));
        Ok(atomic::write(path, text.as_bytes())?)
    }

    /// The nodes that such a file holds.
    ///
    /// # Errors
    /// No such file, or one of which a byte was changed.
    pub fn read_list(&self, path: &Path) -> Result<Recipe, ExperimentError> {
        let text = std::fs::read_to_string(path).map_err(|source| ExperimentError::Io {
            path: path.to_owned(),
            source,
        })?;
        let bad = |detail: String| ExperimentError::BadFile {
            path: path.to_owned(),
            detail,
        };
        let (sha256, list) = text.split_once('\n').unwrap_or_default();
        let list = list.trim_end();
        if sha256_hex(list.as_bytes()) != sha256 {
            return Err(bad("is no list of nodes as a submission writes it".to_owned()));
        }
        let entries: Vec<Entry> = serde_json::from_str(list).map_err(|e| bad(e.to_string()))?;
        let mut recipe = Recipe::default();
        for entry in entries {
            recipe.take(&entry.node.id(), entry);
        }
        Ok(recipe)
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
