//! `fetch`: a published suite from a folder or a server, every checkpoint checked against its manifest.

use super::data::Bar;
use super::preset::check_suite_name;
use crate::words::Global;
use crate::{places, printing, remotes};
use anyhow::{Context, bail};
use clap::Args;
use sculpt_experiments::{AnySuite, Manifest, ManifestEntry, Source, check_against};
use sculpt_remote::Remote;
use sculpt_store::{Lock, atomic, canonical::sha256_file, folders, paths};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Args)]
pub(crate) struct Words {
    /// What the suite is called
    #[arg(long, value_name = "NAME")]
    suite: String,
    /// Its folder, or the address of that: https://…, s3://bucket/prefix, hf://owner/name[@revision]
    #[arg(long, value_name = "URL|DIR")]
    from: String,
    /// Let the address be one of plain http: anybody on the way can change what is fetched
    #[arg(long)]
    plain_http: bool,
    /// Print one JSON object: suite, folder, files, bytes, fetched, kept
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Fetched {
    suite: String,
    folder: PathBuf,
    /// Files of the suite.
    files: usize,
    /// Of all of them.
    bytes: u64,
    /// Files brought now.
    fetched: usize,
    /// Checkpoints that were here.
    kept: usize,
}

/// A suite's lists, metrics and predictions have no more bytes each: the paper's 30,000 checkpoints need half of it.
const MOST_LIST_BYTES: u64 = 1 << 31;

/// So long is waited for another process that fetches the same suite.
const FETCHED_BY_THEN: Duration = Duration::from_secs(600);

/// Nor a checkpoint: ResNet-50 needs a fortieth of it.
const MOST_CHECKPOINT_BYTES: u64 = 1 << 32;

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    check_suite_name(&words.suite)?;
    let from = Origin::of(&words.from, words.plain_http)?;
    if let (true, Origin::Remote(remote)) = (global.offline, &from) {
        bail!(
            "--offline: {} is not asked; give a folder with --from DIR",
            remote.location()
        );
    }
    let data = places::data();
    let place = paths::fetched_suite(&data, &words.suite);
    let fetched = fetch(&words.suite, &from, &place)?;
    if paths::published_suite(&data, &words.suite).exists() {
        printing::warning(&format!(
            "a suite {:?} is published here too, and commands read that one",
            words.suite
        ));
    }
    if words.json {
        return printing::json(&fetched);
    }
    printing::line(&format!(
        "suite {} in {}: {} files, {:.1} MB; {} fetched, {} were here",
        fetched.suite,
        fetched.folder.display(),
        fetched.files,
        fetched.bytes as f64 / 1e6,
        fetched.fetched,
        fetched.kept
    ));
    Ok(())
}

/// Brings the suite into a folder beside its place, which takes that place when it is whole.
fn fetch(name: &str, from: &Origin, place: &Path) -> anyhow::Result<Fetched> {
    let _lock = Lock::exclusive_within(&paths::suite_lock(place), FETCHED_BY_THEN)?;
    let partial = paths::suite_partial(place);
    if partial.is_symlink() {
        // What it leads to is no attempt of ours.
        remove_file(&partial)?;
    }
    let mut known = BTreeSet::new();
    let mut list = |path: PathBuf, needed: bool, most: u64| -> anyhow::Result<PathBuf> {
        if bring_list(from, &path, needed, most)? {
            known.insert(path.clone());
        } else {
            // What an earlier attempt brought is of another day.
            remove_file(&path)?;
        }
        Ok(path)
    };
    list(paths::suite_json(&partial), true, MOST_LIST_BYTES)?;
    let suite = AnySuite::in_folder(&partial)?.context("the suite's description was just brought")?;
    if suite.name() != name {
        let at = from.name_of(paths::SUITE_JSON);
        bail!(
            "{at} is of suite {:?}; fetch it as --suite {}",
            suite.name(),
            suite.name()
        );
    }
    let manifest = list(paths::manifest(&partial), true, MOST_LIST_BYTES)?;
    list(paths::manifest_sha256(&partial), false, MOST_LIST_BYTES)?;
    let manifest = read_manifest(&manifest, from)?;
    let entries = manifest.checkpoints();
    for (path, needed) in [
        (paths::metrics(&partial), true),
        (paths::timings(&partial), false),
        (paths::predictions(&partial), false),
    ] {
        let most = manifest
            .file(&path)
            .map_or(MOST_LIST_BYTES, |listed| listed.bytes);
        list(path, needed, most)?;
    }
    let all_bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
    printing::note(&format!(
        "suite {name}: {} checkpoints, {:.1} MB",
        entries.len(),
        all_bytes as f64 / 1e6
    ));
    let mut bar = Bar::new(format!("suite {name}"));
    let (mut here, mut kept, mut done) = (0, 0, 0);
    for entry in entries {
        let path = partial.join(&entry.file);
        if is_here(&path, entry) || take_over(&place.join(&entry.file), &path, entry)? {
            kept += 1;
        } else {
            bring_checkpoint(from, &path, entry, &mut |bytes| bar.show(here + bytes, all_bytes)).with_context(
                || {
                    format!(
                        "{} of {} checkpoints are here and checked, in {}; the same command goes on from there",
                        done,
                        entries.len(),
                        partial.display()
                    )
                },
            )?;
            bar.show(here + entry.bytes, all_bytes);
        }
        here += entry.bytes;
        done += 1;
        known.insert(path);
    }
    bar.end();
    remove_others(&partial, &known)?;
    // What every command will read of it, before any does.
    Source::published(&partial)?;
    let sizes = known
        .iter()
        .map(|path| fs::metadata(path).with_context(at(path)).map(|m| m.len()));
    let bytes = sizes.sum::<anyhow::Result<u64>>()?;
    folders::replace(&partial, place)?;
    Ok(Fetched {
        suite: name.to_owned(),
        folder: place.to_owned(),
        files: known.len(),
        bytes,
        fetched: known.len() - kept,
        kept,
    })
}

/// A manifest of a stranger: every name in it is made of an id and an epoch, and every size is bounded.
fn read_manifest(path: &Path, from: &Origin) -> anyhow::Result<Manifest> {
    let served = from.name_of(paths::MANIFEST);
    let text = sculpt_store::read(path).with_context(at(path))?;
    let hash = path.parent().map(paths::manifest_sha256).unwrap_or_default();
    if let Err(error) = check_against(path, &hash) {
        bail!(
            "{served} is not what its {} says: {error}",
            paths::MANIFEST_SHA256
        );
    }
    let manifest =
        Manifest::parse(&text).map_err(|error| anyhow::anyhow!("{served} is no manifest: {error}"))?;
    if let (Manifest::Whole(_), false) = (&manifest, hash.exists()) {
        bail!("{served} is served without its {}", paths::MANIFEST_SHA256);
    }
    if let Some(fault) = manifest.faults().first() {
        bail!("{served} {fault}; nothing of it is fetched");
    }
    for entry in manifest.checkpoints() {
        if entry.bytes > MOST_CHECKPOINT_BYTES {
            bail!(
                "{served} lists {} with {} bytes, and no checkpoint has more than {MOST_CHECKPOINT_BYTES}",
                entry.file,
                entry.bytes
            );
        }
    }
    Ok(manifest)
}

/// Where a suite comes from.
enum Origin {
    Folder(PathBuf),
    Remote(Box<Remote>),
}

impl Origin {
    fn of(from: &str, plain_http: bool) -> anyhow::Result<Self> {
        Ok(match remotes::location("--from", from)? {
            Some(location) => Self::Remote(Box::new(remotes::open(location, plain_http)?)),
            None => Self::Folder(from.into()),
        })
    }

    /// What messages call a file of it.
    fn name_of(&self, file: &str) -> String {
        match self {
            Self::Folder(folder) => folder.join(file).display().to_string(),
            Self::Remote(remote) => remote.name_of(file),
        }
    }

    /// Copies a file to `to`, going on from what is there; false where there is none of this name. `bytes` is its
    /// length, where that is known, `most` what it has at most.
    fn copy(
        &self,
        file: &str,
        to: &Path,
        bytes: Option<u64>,
        most: u64,
        progress: &mut dyn FnMut(u64),
    ) -> anyhow::Result<bool> {
        match self {
            Self::Folder(folder) => copy_file(&folder.join(file), to, bytes.unwrap_or(most)),
            Self::Remote(remote) => Ok(remote.fetch(file, to, bytes, most, progress)?),
        }
    }
}

fn copy_file(from: &Path, to: &Path, most: u64) -> anyhow::Result<bool> {
    let found = match fs::metadata(from) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        found => found.with_context(at(from))?,
    };
    if !found.is_file() {
        bail!("{} is no file", from.display());
    }
    if found.len() > most {
        bail!(
            "{} has {} bytes, more than the {most} that it should have",
            from.display(),
            found.len()
        );
    }
    let mut source = File::open(from).with_context(at(from))?.take(most);
    atomic::write_with(to, |copy| io::copy(&mut source, copy).map(drop))?;
    Ok(true)
}

/// Brings a file of at most so many bytes without a checksum, always anew: what is here may be of another day. False where it is
/// not served and not needed either.
fn bring_list(from: &Origin, path: &Path, needed: bool, most: u64) -> anyhow::Result<bool> {
    let file = paths::file_name(path);
    let coming = coming(path)?;
    remove_file(&coming)?;
    if !from.copy(file, &coming, None, most, &mut |_| {})? {
        if needed {
            let perhaps = match from {
                Origin::Remote(_) => ", or may not be read",
                Origin::Folder(_) => "",
            };
            bail!(
                "{} is not there{perhaps}; --from names the folder of one suite, in which `publish` put it",
                from.name_of(file)
            );
        }
        return Ok(false);
    }
    atomic::rename(&coming, path)?;
    Ok(true)
}

/// Brings a checkpoint, which the manifest vouches for.
fn bring_checkpoint(
    from: &Origin,
    path: &Path,
    entry: &ManifestEntry,
    progress: &mut dyn FnMut(u64),
) -> anyhow::Result<()> {
    let coming = coming(path)?;
    let goes_on = coming.exists();
    if !from.copy(&entry.file, &coming, Some(entry.bytes), entry.bytes, progress)? {
        bail!(
            "{} is listed in the manifest and not there; what has come is kept, and the same command goes on",
            from.name_of(&entry.file)
        );
    }
    let (sha256, bytes) = sha256_file(&coming)?;
    if (&sha256, bytes) == (&entry.sha256, entry.bytes) {
        return Ok(atomic::rename(&coming, path)?);
    }
    remove_file(&coming)?;
    if goes_on {
        // It began another file than the one that is served now.
        return bring_checkpoint(from, path, entry, progress);
    }
    bail!(
        "{} has {bytes} bytes and SHA-256 {sha256}, the manifest says {} and {}; it was thrown away, and whoever serves \
         the suite has to mend it",
        from.name_of(&entry.file),
        entry.bytes,
        entry.sha256
    )
}

/// The name under which a file comes, in a folder that is there.
fn coming(path: &Path) -> anyhow::Result<PathBuf> {
    if let Some(folder) = path.parent() {
        atomic::create_folder(folder)?;
    }
    Ok(paths::partial(path))
}

/// Whether the file is the one that the manifest lists.
fn is_here(path: &Path, entry: &ManifestEntry) -> bool {
    let right_size = fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == entry.bytes);
    right_size && sha256_file(path).is_ok_and(|(sha256, _)| sha256 == entry.sha256)
}

/// Takes a checkpoint over from the suite that was fetched before, if it is the one that the manifest lists.
fn take_over(old: &Path, path: &Path, entry: &ManifestEntry) -> anyhow::Result<bool> {
    if !is_here(old, entry) {
        return Ok(false);
    }
    let coming = coming(path)?;
    copy_file(old, &coming, entry.bytes)?;
    atomic::rename(&coming, path)?;
    Ok(true)
}

/// Removes what an earlier attempt brought and no list names any more.
fn remove_others(folder: &Path, known: &BTreeSet<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(at(folder))? {
        let path = entry.with_context(at(folder))?.path();
        if fs::symlink_metadata(&path).with_context(at(&path))?.is_dir() {
            remove_others(&path, known)?;
        } else if !known.contains(&path) {
            remove_file(&path)?;
        }
    }
    Ok(())
}

fn remove_file(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).with_context(at(path)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Says where the file system refused.
fn at(path: &Path) -> impl Fn() -> String + use<> {
    let text = path.display().to_string();
    move || text.clone()
}
