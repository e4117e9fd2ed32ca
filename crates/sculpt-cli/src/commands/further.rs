//! Where `publish` brings a suite beside its folder: to a server, and to a folder as the Hugging Face hub shows it.

use super::data::Bar;
use crate::words::{BadUsage, Global};
use crate::{printing, remotes};
use anyhow::{Context, bail};
use sculpt_checkpoints::read_meta;
use sculpt_experiments::{AnySuite, Manifest, Node, PublishedSuite, StateRef, model_of};
use sculpt_remote::{Remote, upload};
use sculpt_store::digest::Digest;
use sculpt_store::{atomic, paths};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// What is read last and so comes last: without it nobody takes the rest for a suite.
const LAST: [&str; 2] = [paths::MANIFEST_SHA256, paths::MANIFEST];

/// The places that flags name, looked at before anything is published.
pub(super) struct Further {
    remote: Option<Remote>,
    hub: Option<PathBuf>,
}

impl Further {
    /// The places of `--to` and `--hub`.
    pub(super) fn of(to: Option<&str>, hub: Option<&Path>, global: &Global) -> anyhow::Result<Self> {
        let remote = to.map(|word| place_to_write(word, global)).transpose()?;
        if let Some(folder) = hub.filter(|folder| folder.exists() && !is_ours(folder)) {
            return Err(BadUsage(format!(
                "--hub {} is there, and is no folder that `publish --hub` made; give another",
                folder.display()
            ))
            .into());
        }
        let hub = hub.map(Path::to_owned);
        Ok(Self { remote, hub })
    }

    /// Brings the suite published in a folder there.
    pub(super) fn bring(&self, folder: &Path) -> anyhow::Result<()> {
        if self.remote.is_none() && self.hub.is_none() {
            return Ok(());
        }
        let files = files_of(folder)?;
        if let Some(hub) = &self.hub {
            copy(folder, hub, &files)?;
            let card = card(folder)?;
            atomic::write(&hub.join(CARD), card.as_bytes())?;
            printing::note(&format!(
                "{}: {} files and {CARD}; `hf upload OWNER/NAME {} .` uploads them, `sculpt fetch --suite NAME --from hf://OWNER/NAME` brings them back",
                hub.display(),
                files.len(),
                printing::quoted(&hub.display().to_string())
            ));
        }
        if let Some(remote) = &self.remote {
            let mut all = 0;
            for file in &files {
                let path = folder.join(file);
                all += fs::metadata(&path)
                    .with_context(|| path.display().to_string())?
                    .len();
            }
            let mut bar = Bar::new(remote.location().to_string());
            let done = upload(remote, folder, &files, &LAST, &mut |here| bar.show(here, all));
            bar.end();
            let done = done
                .context("the upload is not whole, and no manifest is there yet; the same command goes on")?;
            printing::note(&format!(
                "{}: {} files sent, {:.1} MB; {} were there",
                remote.location(),
                done.sent,
                done.sent_bytes as f64 / 1e6,
                done.were_there
            ));
        }
        Ok(())
    }
}

fn place_to_write(word: &str, global: &Global) -> anyhow::Result<Remote> {
    let Some(location) = remotes::location("--to", word)? else {
        return Err(BadUsage(format!(
            "--to {word:?} is no address such as s3://bucket/prefix; the suite's own folder can be copied as it is"
        ))
        .into());
    };
    if location.is_read_only() {
        return Err(BadUsage(format!(
            "--to {location} can only be read: s3://bucket/prefix can be written, and --hub DIR makes a folder for the hub"
        ))
        .into());
    }
    if global.offline {
        bail!("--offline: {location} is not written to");
    }
    let remote = remotes::open(location, false)?;
    // Whether it answers is known before anything is published.
    remote.list(paths::MANIFEST)?;
    Ok(remote)
}

/// The files of a published suite, by names with `/`.
fn files_of(folder: &Path) -> anyhow::Result<Vec<String>> {
    let manifest = Manifest::read(folder)?;
    let mut files: Vec<String> = manifest
        .checkpoints()
        .iter()
        .map(|entry| entry.file.clone())
        .collect();
    for path in [
        paths::suite_json(folder),
        paths::metrics(folder),
        paths::timings(folder),
        paths::predictions(folder),
        paths::manifest_sha256(folder),
        paths::manifest(folder),
    ] {
        if path.is_file() {
            files.push(paths::file_name(&path).to_owned());
        }
    }
    Ok(files)
}

/// What the hub shows of a repository.
const CARD: &str = "README.md";

fn is_ours(folder: &Path) -> bool {
    let is_empty = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    is_empty || paths::suite_json(folder).is_file()
}

/// Copies what is not there, the list last, and removes checkpoints that the list does not name.
fn copy(from: &Path, to: &Path, files: &[String]) -> anyhow::Result<()> {
    for file in files {
        let (old, new) = (from.join(file), to.join(file));
        let digest = Digest::of_file(&old)?;
        if digest.check(&new).is_ok() {
            continue;
        }
        let mut source = File::open(&old).with_context(|| old.display().to_string())?;
        atomic::write_with(&new, |copy| io::copy(&mut source, copy).map(drop))?;
    }
    let checkpoints = to.join(paths::CHECKPOINTS);
    for entry in fs::read_dir(&checkpoints).into_iter().flatten().flatten() {
        let name = format!("{}/{}", paths::CHECKPOINTS, entry.file_name().to_string_lossy());
        if !files.contains(&name) {
            fs::remove_file(entry.path()).with_context(|| entry.path().display().to_string())?;
        }
    }
    Ok(())
}

/// Test accuracies of states that differ in nothing but their seeds, or the method that made them.
#[derive(Default)]
struct Row {
    accuracies: Vec<f64>,
    /// Of one state.
    file: String,
}

/// Network, data, density in 1/100 %, epochs trained.
type Key = (String, String, u64, u32);

/// The README of a suite's repository: what the hub reads of it in YAML, and the table of its results.
fn card(folder: &Path) -> anyhow::Result<String> {
    let suite = AnySuite::in_folder(folder)?.context("the suite was just published")?;
    let (name, title) = match &suite {
        AnySuite::OfPreset(suite) => (&suite.name, &suite.title),
        AnySuite::OfRecipe(suite) => (&suite.name, &suite.title),
    };
    let published = PublishedSuite::open(folder)?;
    let mut rows: BTreeMap<Key, Row> = BTreeMap::new();
    let manifest = Manifest::read(folder)?;
    for entry in manifest.checkpoints() {
        let state = StateRef {
            id: entry.id.clone(),
            epoch: entry.epoch,
        };
        let (Node::Train(train), Some(test)) = (&entry.description, published.recorded(&state)) else {
            continue;
        };
        let path = folder.join(&entry.file);
        let meta = read_meta(&path)?;
        let network = model_of(&path, &meta)?.to_string();
        let density = (10_000.0 * meta.density()).round() as u64;
        let key = (network, train.data.name.clone(), density, meta.epochs_trained);
        let row = rows.entry(key).or_default();
        row.accuracies.push(test.accuracy());
        row.file.clone_from(&entry.file);
    }
    let mut head = "---\nlibrary_name: sculpt\npipeline_tag: image-classification\ntags:\n- pruning\n- sparse\n- sculpt\n".to_owned();
    let mut table = "| network | data | density | epochs trained | states | test accuracy, mean | lowest | highest | one of them |\n\
        | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n"
        .to_owned();
    if !rows.is_empty() {
        writeln!(head, "model-index:\n- name: {}\n  results:", yaml(name))?;
    }
    for ((network, data, density, epochs), row) in &rows {
        let n = row.accuracies.len();
        let mean = row.accuracies.iter().sum::<f64>() / n as f64;
        let lowest = row.accuracies.iter().copied().fold(1.0, f64::min);
        let highest = row.accuracies.iter().copied().fold(0.0, f64::max);
        let density = *density as f64 / 100.0;
        writeln!(
            table,
            "| {} | {} | {density} % | {epochs} | {n} | {:.2} % | {:.2} % | {:.2} % | [{}]({}) |",
            cell(network),
            cell(data),
            100.0 * mean,
            100.0 * lowest,
            100.0 * highest,
            &paths::file_name(Path::new(&row.file))[..12],
            row.file
        )?;
        let metric = format!("test accuracy of {network}, density {density} %, {epochs} epochs, mean of {n}");
        writeln!(
            head,
            "  - task:\n      type: image-classification\n    dataset:\n      type: {slug}\n      name: {data}\n    metrics:\n    - type: accuracy\n      value: {:.6}\n      name: {}",
            mean,
            yaml(&metric),
            data = yaml(data),
            slug = yaml(&data.to_lowercase().replace(' ', "-"))
        )?;
    }
    Ok(format!(
        "{head}---\n\n# {}\n\nSparse networks as [Sculpt](https://github.com/sculpt-lab/sculpt) trained them: {} states of suite `{name}`. \
         Each file of `checkpoints/` is a safetensors file of `values` (what survives, and what is never pruned, in the order of the \
         network's layout), `buffers` and `mask_bits`; `manifest.json` says of each what made it and its SHA-256.\n\n\
         ```\nsculpt fetch --suite {name} --from hf://OWNER/NAME\nsculpt list\n```\n\n## Results\n\n\
         Recorded by training on the test set; a row joins the states that have network, data, density and epochs in common, whatever \
         method and seed made them.\n\n{table}",
        cell(title),
        manifest.checkpoints().len(),
    ))
}

/// Text that stands in one line and one cell of a table.
fn cell(text: &str) -> String {
    text.replace(['\n', '\r'], " ").replace('|', "\\|")
}

/// A string of JSON is one of YAML.
fn yaml(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
