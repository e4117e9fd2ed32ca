//! Folders that are finished once, by whichever machine is first.

use crate::{Location, Remote, RemoteError};
use sculpt_store::digest::Digest;
use sculpt_store::{paths, sealed};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// An index has no more bytes: it lists the hundred files of a node.
const MOST_INDEX_BYTES: u64 = 1 << 22;

/// Nobody is faster so often.
const RACES: usize = 5;

/// What a finished folder holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// The folder.
    pub folder: String,
    /// SHA-256 and length of its files, by name.
    pub files: BTreeMap<String, Digest>,
}

/// How a push ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The folder is there now.
    Finished,
    /// It was there, with the same results.
    WasThere,
    /// It is there with the same results, with files that are not here, and without some that are: to be pulled, and pushed again
    /// with what is here.
    Lacks(Index),
}

/// Folders under names that are SHA-256: `<first 2>/<name>/`. A file lies there under its own hash, so that nobody overwrites
/// anybody's; `index.json`, written last and only where there is none, or one of fewer results, says which files the folder consists of.
#[derive(Debug)]
pub struct RemoteFolders {
    remote: Remote,
}

impl RemoteFolders {
    /// The folders of a place.
    pub fn new(remote: Remote) -> Self {
        Self { remote }
    }

    /// The place.
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Where that is.
    pub fn location(&self) -> &Location {
        self.remote.location()
    }

    /// The name of a folder's index, written last.
    pub fn index_name(&self, folder: &str) -> String {
        in_folder(folder, paths::REMOTE_INDEX)
    }

    /// What a finished folder holds; none where it is not finished.
    ///
    /// # Errors
    /// An index that is not ours, a server that refuses, or none that answers.
    pub fn index(&self, folder: &str) -> Result<Option<Index>, RemoteError> {
        let file = in_folder(folder, paths::REMOTE_INDEX);
        let Some(text) = self.remote.read(&file, MOST_INDEX_BYTES)? else {
            return Ok(None);
        };
        let bad = |detail: String| RemoteError::BadList {
            object: self.remote.name_of(&file),
            detail,
        };
        let (index, is_sealed) = sealed::open::<Index>(&text).map_err(|error| bad(error.to_string()))?;
        if !is_sealed {
            return Err(bad("it lacks its own SHA-256".to_owned()));
        }
        if index.folder != folder {
            return Err(bad(format!("it is of {:?}", index.folder)));
        }
        for (name, digest) in &index.files {
            if !paths::is_plain_name(name) || !paths::is_sha256(&digest.sha256) {
                return Err(bad(format!("it lists {name:?} with SHA-256 {:?}", digest.sha256)));
            }
        }
        Ok(Some(index))
    }

    /// The finished folders with the names of their files; none where the place cannot be listed.
    ///
    /// # Errors
    /// As [`Remote::list`].
    pub fn finished(&self) -> Result<Option<BTreeMap<String, BTreeSet<String>>>, RemoteError> {
        let Some(files) = self.remote.list("")? else {
            return Ok(None);
        };
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut whole = BTreeSet::new();
        for (file, _) in &files {
            let parts: Vec<&str> = file.split('/').collect();
            let [first_two, folder, name] = parts[..] else {
                continue;
            };
            if !paths::is_sha256(folder) || !folder.starts_with(first_two) {
                continue;
            }
            if name == paths::REMOTE_INDEX {
                whole.insert(folder);
            } else if let Some(name) = paths::remote_file_of(name) {
                found
                    .entry(folder.to_owned())
                    .or_default()
                    .insert(name.to_owned());
            }
        }
        found.retain(|folder, _| whole.contains(folder.as_str()));
        Ok(Some(found))
    }

    /// Brings a file of a folder to `to`, every byte checked before it is there.
    ///
    /// # Errors
    /// Other bytes, a file that is not there, or a server that refuses.
    pub fn pull(&self, index: &Index, name: &str, to: &Path) -> Result<(), RemoteError> {
        let missing = |object: String| RemoteError::BadList {
            object: self
                .remote
                .name_of(&in_folder(&index.folder, paths::REMOTE_INDEX)),
            detail: format!("{object} is not there"),
        };
        let digest = index.files.get(name).ok_or_else(|| missing(name.to_owned()))?;
        let object = in_folder(&index.folder, &paths::remote_object(&digest.sha256, name));
        if self.remote.fetch_checked(&object, to, digest)? {
            return Ok(());
        }
        Err(missing(object))
    }

    /// Makes a folder of local files finished. `results` names those of them that are the result: two machines must have made
    /// them the same. Where the folder is finished with fewer results, what is here takes its place.
    ///
    /// # Errors
    /// Another result than the one that is there, which stays; a server that refuses, or what the file system refuses.
    pub fn push(
        &self,
        folder: &str,
        local: &Path,
        files: &BTreeSet<String>,
        results: &BTreeSet<String>,
    ) -> Result<Pushed, RemoteError> {
        let mut ours = BTreeMap::new();
        for name in files {
            ours.insert(name.clone(), Digest::of_file(&local.join(name))?);
        }
        let mut sent = false;
        for _ in 0..RACES {
            let there = self.index(folder)?;
            if let Some(there) = &there {
                self.compare(there, &ours, results)?;
                if results.iter().all(|name| there.files.contains_key(name)) {
                    return Ok(Pushed::WasThere);
                }
                if there.files.keys().any(|name| !ours.contains_key(name)) {
                    return Ok(Pushed::Lacks(there.clone()));
                }
            }
            if !sent {
                for (name, digest) in &ours {
                    let object = in_folder(folder, &paths::remote_object(&digest.sha256, name));
                    let found = self.remote.look(&object)?;
                    if found.is_none_or(|found| found.bytes != digest.bytes) {
                        self.remote.write_file(&object, &local.join(name), digest)?;
                    }
                }
                sent = true;
            }
            let index = Index {
                folder: folder.to_owned(),
                files: ours.clone(),
            };
            let is_first = there.is_none();
            let text = sealed::seal(&index).expect("an index is an object of plain JSON");
            let file = in_folder(folder, paths::REMOTE_INDEX);
            if self.remote.write(&file, text.as_bytes(), is_first)? {
                // A server that ignores conditions may have let somebody else write too.
                match self.index(folder)? {
                    Some(found) if found == index => return Ok(Pushed::Finished),
                    Some(_) | None => {}
                }
            }
        }
        Err(RemoteError::BadList {
            object: self.remote.name_of(&in_folder(folder, paths::REMOTE_INDEX)),
            detail: format!("it changed {RACES} times while it was written; the same command goes on"),
        })
    }

    fn compare(
        &self,
        there: &Index,
        ours: &BTreeMap<String, Digest>,
        results: &BTreeSet<String>,
    ) -> Result<(), RemoteError> {
        for name in results {
            if let (Some(theirs), Some(ours)) = (there.files.get(name), ours.get(name))
                && theirs != ours
            {
                return Err(RemoteError::OtherResult {
                    location: self.location().to_string(),
                    folder: there.folder.clone(),
                    file: name.clone(),
                    theirs: theirs.sha256.clone(),
                    ours: ours.sha256.clone(),
                });
            }
        }
        Ok(())
    }
}

fn in_folder(folder: &str, name: &str) -> String {
    format!("{}/{folder}/{name}", folder.get(..2).unwrap_or(folder))
}
