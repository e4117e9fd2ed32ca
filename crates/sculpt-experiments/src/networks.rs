//! Exported networks of users: a node names one by its content, and the store keeps it, so that files may move or go.

use crate::store::entries;
use crate::{ExperimentError, Store, UserRecipe};
use sculpt_models::ModelSpec;
use sculpt_store::canonical::sha256_file;
use sculpt_store::{atomic, paths};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::PathBuf;

impl Store {
    /// The model, an exported one with its file where the store has it.
    ///
    /// # Errors
    /// A file that is not the one that was kept, or what the file system refuses.
    pub fn with_network(&self, model: ModelSpec) -> Result<ModelSpec, ExperimentError> {
        let (Some(sha256), None) = (model.network_sha256(), model.network_file()) else {
            return Ok(model);
        };
        let path = paths::network(self.runs(), sha256);
        self.bring_file(&path, Some(sha256))?;
        match sculpt_store::read(&path) {
            Ok(content) => Ok(model.with_network_file(content)?),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(model),
            Err(source) => Err(ExperimentError::Io { path, source }),
        }
    }

    /// Keeps what the files of a recipe were, and its networks: from then on the same recipe can be read without them.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn keep_recipe(&self, recipe: &UserRecipe) -> Result<(), ExperimentError> {
        if recipe.files.is_empty() {
            return Ok(());
        }
        for (_, entry) in recipe.recipe.iter() {
            if let Some(model) = entry.node.model() {
                self.keep_network(model)?;
            }
        }
        let path = paths::recipe_files(self.runs(), &recipe.sha256);
        let text = serde_json::to_string(&recipe.files).expect("strings are JSON");
        if !sculpt_store::read_text(&path).is_ok_and(|kept| kept == text) {
            atomic::write(&path, text.as_bytes())?;
        }
        self.keep_file(&path)
    }

    /// Keeps the file of an exported network, also in place of a damaged copy.
    pub(crate) fn keep_network(&self, model: &ModelSpec) -> Result<(), ExperimentError> {
        let (Some(sha256), Some(content)) = (model.network_sha256(), model.network_file()) else {
            return Ok(());
        };
        let path = paths::network(self.runs(), sha256);
        if !sha256_file(&path).is_ok_and(|(kept, _)| kept == sha256) {
            atomic::write(&path, content)?;
        }
        self.keep_file(&path)
    }

    /// The files of exported networks that its nodes begin with, and that are not there.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn missing_networks(&self) -> Result<BTreeSet<PathBuf>, ExperimentError> {
        let mut missing = BTreeSet::new();
        for id in self.ids()? {
            let node = self.node(&id);
            let sha256 = node.as_ref().and_then(|node| node.model()?.network_sha256());
            let file = sha256.map(|sha256| paths::network(self.runs(), sha256));
            missing.extend(file.filter(|file| !file.exists()));
        }
        Ok(missing)
    }

    /// The files of exported networks that it keeps, sorted.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn networks(&self) -> Result<Vec<PathBuf>, ExperimentError> {
        let mut found = entries(&paths::networks_folder(self.runs()))?;
        found.retain(|path| !paths::is_temporary(paths::file_name(path)));
        found.sort();
        Ok(found)
    }
}
