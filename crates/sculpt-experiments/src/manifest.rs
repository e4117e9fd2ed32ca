//! `manifest.json`: the list of a published suite's files.

use crate::done::check_against;
use crate::{ExperimentError, Node, NodeId};
use sculpt_store::digest::{Digest, write_sha256};
use sculpt_store::{atomic, paths};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A published checkpoint, as the manifest lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestEntry {
    /// The node.
    pub id: NodeId,
    /// The epoch of it whose state the file holds.
    pub epoch: u32,
    /// The node's description.
    pub description: Node,
    /// Path in the suite, with `/`.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// Pictures that nobody can read, and that it and the states that it rests on were made without, each with the reason.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub left_out: BTreeSet<String>,
}

impl ManifestEntry {
    /// What the file must be.
    pub fn digest(&self) -> Digest {
        Digest {
            sha256: self.sha256.clone(),
            bytes: self.bytes,
        }
    }
}

/// The files of a published suite, all but the manifest and its own hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Manifest {
    /// As it is written now: every file is listed, and the manifest's hash stands beside it.
    Whole(WholeManifest),
    /// As older suites have it: the checkpoints alone.
    Checkpoints(Vec<ManifestEntry>),
}

/// See [`Manifest::Whole`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WholeManifest {
    /// The states.
    pub checkpoints: Vec<ManifestEntry>,
    /// All other files, by name.
    pub files: BTreeMap<String, Digest>,
}

impl Manifest {
    /// Reads the manifest of a suite's folder and checks it against its own hash, where there is one.
    ///
    /// # Errors
    /// No manifest, another content than its hash is of, or one that is not ours.
    pub fn read(folder: &Path) -> Result<Self, ExperimentError> {
        let path = paths::manifest(folder);
        let bad = |detail: String| ExperimentError::BadFile {
            path: path.clone(),
            detail,
        };
        let text = match sculpt_store::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(bad("is missing".to_owned()));
            }
            Err(source) => return Err(ExperimentError::Io { path, source }),
        };
        check_against(&path, &paths::manifest_sha256(folder))?;
        let manifest = Self::parse(&text).map_err(|e| bad(e.to_string()))?;
        if let (Manifest::Whole(_), false) = (&manifest, paths::manifest_sha256(folder).exists()) {
            let path = paths::manifest_sha256(folder);
            let detail = "is missing: the manifest's own hash stands there".to_owned();
            return Err(ExperimentError::BadFile { path, detail });
        }
        Ok(manifest)
    }

    /// The text of a manifest, of either form.
    ///
    /// # Errors
    /// Text that is neither form.
    pub fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        // Not as untagged: that one's errors say nothing.
        let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
        if first == Some(&b'[') {
            serde_json::from_slice(text).map(Manifest::Checkpoints)
        } else {
            serde_json::from_slice(text).map(Manifest::Whole)
        }
    }

    /// The states.
    pub fn checkpoints(&self) -> &[ManifestEntry] {
        match self {
            Manifest::Whole(whole) => &whole.checkpoints,
            Manifest::Checkpoints(checkpoints) => checkpoints,
        }
    }

    /// What a file beside the checkpoints must be; none where an older suite does not say.
    pub fn file(&self, path: &Path) -> Option<&Digest> {
        match self {
            Manifest::Whole(whole) => whole.files.get(path.file_name()?.to_str()?),
            Manifest::Checkpoints(_) => None,
        }
    }

    /// Checks a file beside the checkpoints, which must be listed where all are.
    ///
    /// # Errors
    /// Another file than the listed one, or one that no list names.
    pub fn check(&self, path: &Path) -> Result<(), ExperimentError> {
        let bad = |detail: String| ExperimentError::BadFile {
            path: path.to_owned(),
            detail,
        };
        match (self, self.file(path)) {
            (_, Some(digest)) => digest.check(path).map_err(|e| bad(e.to_string())),
            (Manifest::Whole(_), None) => Err(bad("is not in the suite's manifest".to_owned())),
            (Manifest::Checkpoints(_), None) => Ok(()),
        }
    }

    /// What is wrong with a list: names that are not made of the id and epoch, descriptions of other nodes, hashes that
    /// are none, epochs that a node has not, and entries that stand twice.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut seen = BTreeSet::new();
        for entry in self.checkpoints() {
            let (id, epoch, last) = (&entry.id, entry.epoch, entry.description.last_epoch());
            let due = paths::published_checkpoint_file(id.as_str(), epoch);
            if entry.file != due {
                faults.push(format!("lists {:?} where {due} is due", entry.file));
            }
            let computed = entry.description.id();
            if computed != *id {
                faults.push(format!(
                    "lists node {id} with another node's description, which hashes to {computed}"
                ));
            }
            if !paths::is_sha256(&entry.sha256) {
                faults.push(format!(
                    "lists {due} with {:?}, which is no SHA-256",
                    entry.sha256
                ));
            }
            if epoch > last || (epoch == 0 && last > 0) {
                faults.push(format!("lists epoch {epoch} of node {id}, which has {last}"));
            }
            if !seen.insert((id, epoch)) {
                faults.push(format!("lists {due} twice"));
            }
        }
        faults
    }

    /// Writes manifest and hash into a folder whose other files are there.
    pub(crate) fn write(folder: &Path, checkpoints: Vec<ManifestEntry>) -> Result<(), ExperimentError> {
        let mut files = BTreeMap::new();
        for path in others(folder).filter(|path| path.is_file()) {
            let name = paths::file_name(&path);
            files.insert(name.to_owned(), Digest::of_file(&path)?);
        }
        let path = paths::manifest(folder);
        let whole = WholeManifest { checkpoints, files };
        let mut text = serde_json::to_string_pretty(&whole).map_err(|e| ExperimentError::BadFile {
            path: path.clone(),
            detail: e.to_string(),
        })?;
        text.push('\n');
        atomic::write(&path, text.as_bytes())?;
        let sha256 = Digest::of(text.as_bytes()).sha256;
        Ok(write_sha256(&paths::manifest_sha256(folder), &sha256)?)
    }
}

/// The files of a suite that are no checkpoints and no part of the manifest.
fn others(folder: &Path) -> impl Iterator<Item = PathBuf> {
    [
        paths::suite_json(folder),
        paths::metrics(folder),
        paths::timings(folder),
        paths::predictions(folder),
    ]
    .into_iter()
}
