//! What commands on a recipe's suite share: which suite, its states, which of them.

use super::preset::{DataWords, check_suite_name};
use super::suites::find_any;
use crate::display::tell_of_measuring;
use crate::words::{BadUsage, Global};
use crate::{device, places, printing};
use anyhow::{Context, bail};
use clap::Args;
use sculpt_experiments::{
    AnySuite, DataFolder, Drawing, Node, Recipe, RecipeSuite, Selection, Source, Store, UserRecipe, is_stem,
};
use sculpt_remote::Location;
use sculpt_report::OwnSession;
use sculpt_store::{Lock, paths};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// Which states, and how they make curves.
#[derive(Args)]
pub(crate) struct SelectionWords {
    /// What the curves run along: density, cycles, epochs, or an axis of the recipe's grid with numbers [default: density where
    /// there are several, else cycles, else epochs]
    #[arg(long, value_name = "AXIS")]
    x: Option<String>,
    /// What tells curves apart: name, and axes of the grid [default: all that differ, as `method` says too]
    #[arg(long, value_name = "AXIS,…", value_delimiter = ',')]
    by: Vec<String>,
    /// Names of nodes of the recipe [default: all that train]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    nodes: Vec<String>,
    /// Values on axes of the grid that states must have: density=0.1,lr=0.05
    #[arg(long, value_name = "AXIS=VALUE,…", value_delimiter = ',')]
    only: Vec<String>,
}

impl SelectionWords {
    pub(crate) fn selection(&self) -> anyhow::Result<Selection> {
        let mut only = BTreeMap::new();
        for pair in &self.only {
            let Some((axis, value)) = pair.split_once('=') else {
                return Err(BadUsage(format!("--only {pair:?} is no AXIS=VALUE")).into());
            };
            if only.insert(axis.to_owned(), value.to_owned()).is_some() {
                return Err(BadUsage(format!("--only gives {axis} twice")).into());
            }
        }
        // The curves of the paper's figures are methods; those of a recipe are what its grid makes.
        let by = if self.by == ["method"] {
            Vec::new()
        } else {
            self.by.clone()
        };
        Ok(Selection {
            x: self.x.clone(),
            by,
            nodes: self.nodes.clone(),
            only,
        })
    }

    /// The flags that stand in the command.
    pub(crate) fn given(&self) -> Vec<&'static str> {
        let all = [
            ("--x", self.x.is_some()),
            ("--by", !self.by.is_empty()),
            ("--nodes", !self.nodes.is_empty()),
            ("--only", !self.only.is_empty()),
        ];
        all.into_iter()
            .filter_map(|(flag, is_given)| is_given.then_some(flag))
            .collect()
    }
}

/// A recipe's suite as it was found.
pub(crate) struct Found {
    pub(crate) suite: RecipeSuite,
    pub(crate) recipe: Recipe,
    /// Whether it is the store's, and so may be told what is drawn of it.
    pub(crate) is_in_store: bool,
    source: Source,
}

/// Finds a recipe's suite: the store's own, which may be ahead of what is published, or a published or fetched one.
pub(crate) fn find(name: &str, global: &Global) -> anyhow::Result<Found> {
    check_suite_name(name)?;
    let store = places::store(global);
    let own = match AnySuite::in_store(&store, name)? {
        Some(AnySuite::OfRecipe(suite)) => Some(suite),
        Some(AnySuite::OfPreset(_)) | None => None,
    };
    let is_in_store = own.is_some();
    let (suite, folder) = match own {
        Some(suite) => (suite, None),
        None => match find_any(Some(name), global)? {
            (AnySuite::OfRecipe(suite), folder) => (suite, folder),
            (AnySuite::OfPreset(suite), _) => bail!(
                "suite {:?} is of a preset: `sculpt figure N --suite {}` and `sculpt all` show it; `sculpt run` makes suites of recipes",
                suite.name,
                suite.name
            ),
        },
    };
    let path = match &folder {
        Some(folder) => paths::suite_json(folder),
        None => paths::suite(store.runs(), name),
    };
    let recipe = suite.recipe(&store, &path)?;
    let source = match folder {
        Some(folder) => Source::published(&folder)?,
        None => Source::Runs(store),
    };
    Ok(Found {
        suite,
        recipe,
        is_in_store,
        source,
    })
}

impl Found {
    /// Opens it for measuring.
    pub(crate) fn session(self, data: &DataWords, global: &Global) -> anyhow::Result<OwnSession> {
        open(
            self.suite,
            self.recipe,
            self.source,
            &data.folder(global, 1)?,
            global,
        )
    }
}

/// Opens a suite for measuring.
pub(crate) fn open(
    suite: RecipeSuite,
    recipe: Recipe,
    source: Source,
    data: &DataFolder,
    global: &Global,
) -> anyhow::Result<OwnSession> {
    let (device, cache) = (device::of(global)?, places::runs(global));
    let session = OwnSession::new(suite, recipe, source, data, device, &cache);
    tell_of_measuring(session.measures());
    Ok(session)
}

/// The suite that running a recipe makes: its name is that of the file where none is given. None, with a note, where that is no name
/// or somebody else's.
pub(crate) fn suite_of(
    user: &UserRecipe,
    file: &Path,
    asked: Option<&str>,
    data: &DataFolder,
    global: &Global,
) -> anyhow::Result<Option<RecipeSuite>> {
    let stem = file
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let name = asked.map_or_else(|| stem.clone(), str::to_owned);
    let unusable = if !paths::is_plain_name(&name) {
        Some(format!("{name:?} is no plain name of letters, digits and -_+=,."))
    } else {
        let data = places::data();
        let folders = [
            paths::published_suite(&data, &name),
            paths::fetched_suite(&data, &name),
        ];
        let published = folders.iter().map(|folder| AnySuite::in_folder(folder));
        let of_preset =
            |suite: &Result<Option<AnySuite>, _>| matches!(suite, Ok(Some(AnySuite::OfPreset(_))));
        match AnySuite::in_store(&places::store(global), &name) {
            Ok(Some(AnySuite::OfPreset(_))) => Some(format!("{name:?} is a suite of a preset here")),
            Ok(Some(AnySuite::OfRecipe(_)) | None) if published.clone().any(|suite| of_preset(&suite)) => {
                Some(format!("{name:?} is a published or fetched suite of a preset"))
            }
            Ok(Some(AnySuite::OfRecipe(_)) | None) => None,
            // To train and have no suite of it would be found out hours later.
            Err(error) => return Err(anyhow::Error::from(error).context("the recipe's suite cannot be read")),
        }
    };
    if let Some(why) = unusable {
        if asked.is_some() {
            return Err(BadUsage(format!("--suite: {why}")).into());
        }
        printing::note(&format!(
            "no suite is made of the recipe: {why}; --suite NAME gives another name"
        ));
        return Ok(None);
    }
    let mut titles: BTreeSet<String> = BTreeSet::new();
    let mut models = BTreeSet::new();
    for (_, entry) in user.recipe.iter() {
        if let Node::Train(train) = &entry.node {
            let (_, mut title) = data.find_or_plan(train.data.spec()?)?;
            if let Some(pool) = train.data.average_pool {
                let side = train.data.spec()?.shape.height / pool.k();
                title.push_str(&format!(" at {side} × {side}"));
            }
            titles.insert(title);
            models.insert(entry.model.to_string());
        }
    }
    if titles.is_empty() {
        // Masks alone are no suite: there is nothing to draw or to publish.
        return Ok(None);
    }
    let joined = |words: BTreeSet<String>| words.into_iter().collect::<Vec<_>>().join(", ");
    let title = format!("{}, {}; recipe {stem}", joined(titles), joined(models));
    let threads = user.recipe.iter().next().map_or(1, |(_, entry)| entry.threads);
    let mut suite = RecipeSuite::new(name.clone(), title, user, threads);
    if let Ok(Some(AnySuite::OfRecipe(old))) = AnySuite::in_store(&places::store(global), &name) {
        if old.states() != suite.states() {
            printing::note(&format!(
                "suite {name:?} was another recipe, or this one before it was changed: it is this one now, with the old drawings; \
                 `--suite` gives another name"
            ));
        }
        suite.drawings = old.drawings;
    }
    Ok(Some(suite))
}

/// Keeps in the store what a recipe read from files, which may go then.
pub(crate) fn keep_files(user: &mut UserRecipe, store: &Store) -> anyhow::Result<()> {
    store.keep_recipe(user)?;
    for (id, state) in std::mem::take(&mut user.loaded) {
        let entry = user
            .recipe
            .get(&id)
            .expect("what is loaded is a node of the recipe");
        store.keep_loaded(&id, entry, &state)?;
    }
    Ok(())
}

/// Where reports of a suite go.
pub(crate) fn report_folder(suite: &RecipeSuite) -> std::path::PathBuf {
    paths::report_folder(&places::reports(), &suite.name)
}

/// A stem of files that stays in its folder.
pub(crate) fn check_stem(stem: &str) -> anyhow::Result<()> {
    if is_stem(stem) {
        return Ok(());
    }
    Err(BadUsage(format!(
        "--as {stem:?} is no plain name of letters, digits and -_+=,"
    ))
    .into())
}

/// How long to wait for others who remember something of the same suite.
const REMEMBERED_BY_THEN: Duration = Duration::from_secs(30);

/// Changes what a suite of the store says is drawn of it: `publish` draws that too. Others may do the same.
pub(crate) fn remember(
    name: &str,
    global: &Global,
    change: impl FnOnce(&mut BTreeMap<String, Drawing>),
) -> anyhow::Result<()> {
    let store = places::store(global);
    if store.location().is_some_and(Location::is_read_only) {
        return Ok(());
    }
    let said = || format!("suite {name:?} cannot be told what is drawn of it");
    let path = paths::suite(store.runs(), name);
    let _lock = Lock::exclusive_within(&paths::suite_lock(&path), REMEMBERED_BY_THEN).with_context(said)?;
    if let Some(AnySuite::OfRecipe(mut suite)) = AnySuite::in_store(&store, name)? {
        change(&mut suite.drawings);
        AnySuite::OfRecipe(suite).save(&store).with_context(said)?;
    }
    Ok(())
}
