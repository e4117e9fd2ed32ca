//! `node.json`: what a node is, and how it is run.

use crate::read::MADE_AGAIN;
use crate::{CODE_VERSION, Entry, Environment, ExperimentError, Node, NodeId, Store};
use sculpt_store::{atomic, paths, sealed};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;

/// What `node.json` holds: the node, and beside it what is not its identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFile {
    /// The node's id, again.
    pub id: NodeId,
    /// The node.
    pub node: Node,
    /// How it is run.
    pub environment: NodeEnvironment,
}

/// How a node is run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeEnvironment {
    /// The machine; absent until the node has been run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Environment>,
    /// The version of the code; absent like the machine, and of nodes run before it was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// libtorch threads to run with.
    pub threads: u32,
    /// Epochs whose state is kept.
    pub keep: BTreeSet<u32>,
}

impl NodeEnvironment {
    /// Notes by whom it is run, from its first step or from where another went on. Begun on one machine and ended on another, or by another version of
    /// the code: none made these bits alone.
    pub(crate) fn run_by(&mut self, machine: Environment, resumes: bool) {
        fn noted<T: PartialEq>(noted: &mut Option<T>, now: T, resumes: bool) {
            let is_mixed = resumes && noted.as_ref() != Some(&now);
            *noted = (!is_mixed).then_some(now);
        }
        noted(&mut self.machine, machine, resumes);
        noted(&mut self.code, CODE_VERSION.to_owned(), resumes);
    }
}

impl NodeFile {
    /// Reads the description in a node's folder, of whatever node it is. Files of older versions have no seal.
    ///
    /// # Errors
    /// No such file, another JSON, or one of which a byte was changed.
    pub fn read(folder: &Path) -> Result<Self, ExperimentError> {
        let path = paths::node_json(folder);
        let text = sculpt_store::read(&path).map_err(|source| ExperimentError::Io {
            path: path.clone(),
            source,
        })?;
        match sealed::open(&text) {
            Ok((file, _)) => Ok(file),
            Err(error) => Err(ExperimentError::BadFile {
                path,
                detail: error.to_string(),
            }),
        }
    }

    pub(crate) fn write(&self, folder: &Path) -> Result<(), ExperimentError> {
        Ok(atomic::write(
            &paths::node_json(folder),
            self.text(folder)?.as_bytes(),
        )?)
    }

    /// Writes it where there is none yet: whether there was none.
    fn write_new(&self, folder: &Path) -> Result<bool, ExperimentError> {
        Ok(atomic::write_new(
            &paths::node_json(folder),
            self.text(folder)?.as_bytes(),
        )?)
    }

    fn text(&self, folder: &Path) -> Result<String, ExperimentError> {
        sealed::seal(self).map_err(|e| ExperimentError::BadFile {
            path: paths::node_json(folder),
            detail: e.to_string(),
        })
    }
}

impl Store {
    /// Writes `node.json`, uniting the epochs to keep with those that stand there, and keeps the file of an exported network.
    ///
    /// # Errors
    /// A `node.json` that is not this node's, one that must be changed while the node is run by another process, or
    /// what the file system refuses.
    pub fn describe(&self, id: &NodeId, entry: &Entry) -> Result<(), ExperimentError> {
        // First, so that no node stands there whose network is not.
        self.keep_network(&entry.model)?;
        let Some(first) = self.described(id, entry)? else {
            return Ok(());
        };
        // Of a node that nobody has described whoever comes writes the same.
        let node_json = paths::node_json(&self.node_folder(id));
        if first.environment.machine.is_none() && !node_json.is_file() {
            match first.write_new(&self.node_folder(id)) {
                Ok(true) => return Ok(()),
                // Another was faster, or has begun already: whoever runs a node sweeps its folder of what is half written.
                Ok(false) => {}
                Err(_) if node_json.is_file() => {}
                Err(error) => return Err(error),
            }
            if self.described(id, entry)?.is_none() {
                return Ok(());
            }
        }
        // What stands there may have changed until the lock was had.
        let _lock = self.lock_soon(id)?;
        match self.described(id, entry)? {
            None => Ok(()),
            Some(file) => file.write(&self.node_folder(id)),
        }
    }

    /// The description that must be written, if one must.
    fn described(&self, id: &NodeId, entry: &Entry) -> Result<Option<NodeFile>, ExperimentError> {
        let folder = self.node_folder(id);
        let mut keep = entry.keep.clone();
        let (mut machine, mut code, mut threads) = (None, None, entry.threads);
        if paths::node_json(&folder).is_file() {
            let old = self.node_file(id)?;
            // A node ends with the threads that it was begun with, and is made again with them: others would give
            // other bits.
            if paths::progress_state(&folder).is_file() || self.has_end(id) {
                threads = old.environment.threads;
            }
            if entry.keep.is_subset(&old.environment.keep) && old.environment.threads == threads {
                return Ok(None);
            }
            keep.extend(old.environment.keep);
            (machine, code) = (old.environment.machine, old.environment.code);
        }
        let environment = NodeEnvironment {
            machine,
            code,
            threads,
            keep,
        };
        Ok(Some(NodeFile {
            id: id.clone(),
            node: entry.node.clone(),
            environment,
        }))
    }

    /// Reads `node.json` and checks that it hashes to its own id.
    ///
    /// # Errors
    /// No such node, unreadable JSON, or another node's description.
    pub fn node_file(&self, id: &NodeId) -> Result<NodeFile, ExperimentError> {
        let folder = self.node_folder(id);
        let file = NodeFile::read(&folder)?;
        let computed = file.node.id();
        if file.id != *id || computed != *id {
            return Err(ExperimentError::BadFile {
                path: paths::node_json(&folder),
                detail: format!("describes node {computed}, not the one whose folder it is in; {MADE_AGAIN}"),
            });
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    /// Who begins a node made it, unless another, or another version of the code, goes on; who begins it anew made it again.
    #[test]
    fn who_ran_a_node_is_noted() {
        let here = |threads| Environment::here(Device::Cpu, threads);
        let mut environment = NodeEnvironment {
            machine: None,
            code: None,
            threads: 1,
            keep: BTreeSet::new(),
        };
        environment.run_by(here(1), false);
        environment.run_by(here(1), true);
        let noted = (environment.machine.clone(), environment.code.as_deref());
        assert_eq!(noted, (Some(here(1)), Some(env!("CARGO_PKG_VERSION"))));
        environment.code = Some("0.0.9".to_owned());
        environment.run_by(here(2), true);
        environment.run_by(here(2), true);
        assert_eq!((&environment.machine, &environment.code), (&None, &None));
        environment.run_by(here(2), false);
        assert_eq!(environment.machine, Some(here(2)));
        assert!(environment.code.is_some());
    }
}
