//! What `verify` found.

use super::retrain::Retrained;
use sculpt_checkpoints::{FaultKind, verify};
use sculpt_experiments::{ExperimentError, check_against};
use sculpt_store::digest::{Digest, Mismatch};
use sculpt_store::lease::is_record;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What was found so far.
#[derive(Default, Serialize)]
pub(super) struct Findings {
    /// Files looked at.
    pub(super) checked: u64,
    pub(super) violations: Vec<Violation>,
    /// What is no fault and yet should be known.
    pub(super) notes: Vec<String>,
    /// Nodes that were trained again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) retrained: Vec<Retrained>,
    /// Whether notes tell what was not read.
    #[serde(skip)]
    pub(super) verbose: bool,
    /// What `--repair` moves out of the way, and the store that it is in.
    #[serde(skip)]
    pub(super) damaged: BTreeMap<PathBuf, PathBuf>,
    /// What `--repair` removes: it is made again, or was never whole.
    #[serde(skip)]
    pub(super) removable: BTreeSet<PathBuf>,
}

/// One thing that is wrong.
#[derive(Serialize)]
pub(super) struct Violation {
    pub(super) file: String,
    pub(super) tensor: Option<String>,
    kind: Kind,
    /// One sentence.
    pub(super) detail: String,
}

/// What kind of thing.
#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
enum Kind {
    /// Something inside a file of tensors.
    Tensors(FaultKind),
    /// Something about where a file stands and what others say of it.
    Place(PlaceKind),
}

/// Kinds of violations of folders.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum PlaceKind {
    /// A file or folder that cannot be read.
    Unreadable,
    /// A description that is not of this format.
    Description,
    /// An id, or the folder or file named for it, that is not the description's hash.
    NodeId,
    /// Another model than described.
    Model,
    /// What a checkpoint says of its training or pruning is not what the chain says.
    Chain,
    /// A file that should be there.
    MissingFile,
    /// A file that should not be there.
    ExtraFile,
    /// Metrics that are not those of the node.
    Metrics,
    /// Another SHA-256 than the recorded one.
    Checksum,
    /// Another length than the recorded one.
    Size,
    /// A file that a killed process was writing.
    Stray,
    /// A state that does not come out again.
    Retrained,
    /// A state that does not get the test images right that its suite says.
    Evaluated,
}

impl Findings {
    pub(super) fn say(&mut self, file: &Path, kind: PlaceKind, detail: impl Into<String>) {
        let file = file.display().to_string();
        let same = |old: &Violation| old.file == file && matches!(old.kind, Kind::Place(old) if old == kind);
        // Two lists may miss one file.
        if kind == PlaceKind::MissingFile && self.violations.iter().any(same) {
            return;
        }
        self.violations.push(Violation {
            file,
            tensor: None,
            kind: Kind::Place(kind),
            detail: detail.into(),
        });
    }

    pub(super) fn extend(&mut self, violations: Vec<verify::Violation>) {
        self.violations.extend(violations.into_iter().map(|v| {
            // The file's name has a place of its own.
            let detail = v
                .detail
                .strip_prefix(&format!("{}: ", v.file))
                .unwrap_or(&v.detail)
                .to_owned();
            Violation {
                file: v.file,
                tensor: v.tensor,
                kind: Kind::Tensors(v.kind),
                detail,
            }
        }));
    }

    /// The entries of a folder, sorted.
    pub(super) fn entries(&mut self, folder: &Path) -> Vec<PathBuf> {
        let read = fs::read_dir(folder).and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect());
        match read {
            Ok(entries) => {
                let mut entries: Vec<PathBuf> = entries;
                entries.sort();
                entries
            }
            Err(error) => {
                self.say(folder, PlaceKind::Unreadable, error.to_string());
                Vec::new()
            }
        }
    }

    /// A file against what is recorded of it; false where it is another.
    pub(super) fn check(&mut self, path: &Path, recorded: &Digest) -> bool {
        let kind = match recorded.check(path) {
            Ok(()) => return true,
            Err(error) => match error {
                Mismatch::Bytes { .. } => (PlaceKind::Size, error.to_string()),
                Mismatch::Sha256 { .. } => (PlaceKind::Checksum, error.to_string()),
                Mismatch::File(_) if !path.exists() => {
                    (PlaceKind::MissingFile, "is recorded and not there".to_owned())
                }
                Mismatch::File(_) => (PlaceKind::Unreadable, error.to_string()),
            },
        };
        self.say(path, kind.0, kind.1);
        false
    }

    /// A file against one that holds its hash, where that is there.
    pub(super) fn check_against(&mut self, path: &Path, sha256_file: &Path) {
        if sha256_file.exists() {
            self.checked += 1;
        }
        if let Err(error) = check_against(path, sha256_file) {
            self.say_error(path, PlaceKind::Checksum, &error);
        }
    }

    /// An error of the experiments crate, without the path that it begins with.
    pub(super) fn say_error(&mut self, path: &Path, kind: PlaceKind, error: &ExperimentError) {
        let text = error.to_string();
        let detail = text
            .strip_prefix(&format!("{}: ", path.display()))
            .unwrap_or(&text);
        self.say(path, kind, detail);
    }

    /// What a killed process was writing.
    pub(super) fn stray(&mut self, path: &Path) {
        self.say(path, PlaceKind::Stray, "is what a killed process was writing");
        self.removable.insert(path.to_owned());
    }

    /// A lock, which holds nothing, or says who has it.
    pub(super) fn lock(&mut self, path: &Path) {
        let Ok(found) = fs::symlink_metadata(path) else {
            return;
        };
        let is_right = found.is_file()
            && (found.len() == 0 || sculpt_store::read(path).is_ok_and(|bytes| is_record(&bytes)));
        if !is_right {
            let detail = "is a lock, and locks are empty or name their holder";
            self.say(path, PlaceKind::ExtraFile, detail);
        }
    }
}
