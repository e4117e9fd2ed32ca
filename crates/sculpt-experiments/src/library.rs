//! The published and fetched suites of a checkout: states that nobody needs to train again.

use crate::published::PublishedSuite;
use crate::{ExperimentError, Node, NodeId, Place, StateRef};
use sculpt_store::paths;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Suites that a store reads on to, opened when the first state is looked for.
#[derive(Debug, Default)]
pub(crate) struct Library {
    /// The suites' folders, or those that they stand in.
    folders: Folders,
    opened: OnceLock<Opened>,
}

#[derive(Debug, Default)]
enum Folders {
    #[default]
    None,
    /// All suites published in and fetched into a folder of data.
    Of(PathBuf),
    /// One suite.
    One(PathBuf),
}

impl Folders {
    fn all(&self) -> Vec<PathBuf> {
        match self {
            Folders::None => Vec::new(),
            Folders::One(folder) => vec![folder.clone()],
            Folders::Of(data) => [paths::published_folder(data), paths::fetched_folder(data)]
                .iter()
                .flat_map(|parent| folders_in(parent))
                .filter(|folder| paths::manifest(folder).exists())
                .collect(),
        }
    }
}

#[derive(Debug, Default)]
struct Opened {
    suites: Vec<PublishedSuite>,
    /// Suites that cannot be read, and why.
    unreadable: Vec<ExperimentError>,
}

impl Library {
    /// The suites in `data/published` and `data/fetched`.
    pub(crate) fn of(data: &Path) -> Self {
        Self {
            folders: Folders::Of(data.to_owned()),
            opened: OnceLock::new(),
        }
    }

    /// One suite.
    pub(crate) fn of_suite(folder: &Path) -> Self {
        Self {
            folders: Folders::One(folder.to_owned()),
            opened: OnceLock::new(),
        }
    }

    pub(crate) fn suites(&self) -> &[PublishedSuite] {
        &self.opened().suites
    }

    pub(crate) fn unreadable(&self) -> &[ExperimentError] {
        &self.opened().unreadable
    }

    /// The suite that holds the state.
    pub(crate) fn suite_of(&self, state: &StateRef) -> Option<&PublishedSuite> {
        self.suites().iter().find(|suite| suite.has(state))
    }

    pub(crate) fn place(&self, state: &StateRef) -> Option<Place> {
        self.suite_of(state)?.place(state)
    }

    /// The description of a node, where a suite has one.
    pub(crate) fn node(&self, id: &NodeId) -> Option<Node> {
        self.suites().iter().find_map(|suite| suite.node(id)).cloned()
    }

    fn opened(&self) -> &Opened {
        self.opened.get_or_init(|| {
            let mut opened = Opened::default();
            for folder in self.folders.all() {
                match PublishedSuite::open(&folder) {
                    Ok(suite) => opened.suites.push(suite),
                    Err(error) => opened.unreadable.push(error),
                }
            }
            opened
        })
    }
}

/// What begins with a dot is being made.
fn folders_in(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let plain = |path: &PathBuf| paths::is_plain_name(paths::file_name(path)) && path.is_dir();
    let mut folders: Vec<_> = entries.map(|entry| entry.path()).filter(plain).collect();
    folders.sort();
    folders
}
