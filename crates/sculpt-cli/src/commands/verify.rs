//! `sculpt verify`: everything that is wrong with files, run folders, stores and suites.

mod evaluate;
mod file;
mod findings;
mod node;
mod pack;
mod predictions;
mod records;
mod repair;
mod retrain;
mod store;
mod suite;

use self::findings::{Findings, PlaceKind, Violation};
use crate::commands::model::ModelWords;
use crate::commands::preset::DataWords;
use crate::printing;
use crate::words::{BadUsage, Global};
use anyhow::bail;
use clap::Args;
use sculpt_experiments::Limit;
use sculpt_models::{ModelSpec, Shortcut};
use sculpt_store::paths;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::exit;

/// A checkpoint says of itself which model it is of, and other programs' weights tell by their names and shapes if it is one
/// in use; mask files are checked against a model only where --model names it, and for structure otherwise.
#[derive(Args)]
pub(crate) struct Words {
    /// Checkpoints, masks, weights, run folders, stores, published suites, packs of pictures
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Model of all files that are given
    #[arg(long, value_name = "M")]
    model: Option<String>,
    /// Its number of classes
    #[arg(long, value_name = "K", requires = "model")]
    classes: Option<u32>,
    /// Its width
    #[arg(long, value_name = "W", requires = "model")]
    width: Option<u32>,
    /// Its shortcuts: projection or identity
    #[arg(long, requires = "model")]
    shortcut: Option<Shortcut>,
    /// Network of all files that are given, made by python/export_network.py
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    network: Option<PathBuf>,
    /// Set damaged nodes of a store aside, and remove damaged measures and strays: they are made again when they are needed
    #[arg(long)]
    repair: bool,
    /// Train N random nodes of a published suite again, and compare bytes, or accuracies where the suite was made in another environment
    #[arg(long, value_name = "N", value_parser = |word: &str| RETRAINED.parse(word))]
    retrain: Option<u32>,
    /// Which ones are drawn
    #[arg(long, value_name = "S", default_value_t = 1, requires = "retrain")]
    seed: u64,
    /// Evaluate every trained state of a published suite, and compare with what training recorded and with its predictions, image by
    /// image
    #[arg(long)]
    evaluate: bool,
    #[command(flatten)]
    data: DataWords,
    /// Print one JSON object: checked, violations, notes, retrained
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    let model = ModelWords {
        model: words.model.clone(),
        classes: words.classes,
        width: words.width,
        shortcut: words.shortcut,
        network: words.network.clone(),
    };
    let is_named = model.model.is_some() || model.network.is_some();
    let model = is_named.then(|| model.spec()).transpose()?;
    for path in &words.paths {
        if path.to_string_lossy().contains("://") {
            return Err(BadUsage(format!(
                "verify takes files and folders: of what comes from {} every byte is checked when it is read, and `sculpt fetch` brings a suite here",
                path.display()
            ))
            .into());
        }
        if let Err(error) = fs::metadata(path) {
            bail!("{} cannot be verified: {error}", path.display());
        }
    }
    let mut findings = Findings {
        verbose: global.verbose,
        ..Findings::default()
    };
    for path in &words.paths {
        verify(path, model.as_ref(), &mut findings)?;
    }
    if words.evaluate || words.retrain.is_some() {
        let data = words.data.folder(global, 1)?;
        for path in &words.paths {
            if words.evaluate {
                let done = evaluate::evaluate(path, &data, global, &mut findings);
                or_finding(done, path, (PlaceKind::Evaluated, "evaluated"), &mut findings)?;
            }
            if let Some(n) = words.retrain {
                let (seed, data) = (words.seed, data.clone());
                let asked = retrain::Asked { n, seed, data };
                let done = retrain::retrain(path, &asked, global, &mut findings);
                or_finding(done, path, (PlaceKind::Retrained, "trained again"), &mut findings)?;
            }
        }
    }
    let sound = findings.violations.is_empty();
    if words.json {
        printing::json(&findings)?;
    } else {
        for Violation {
            file, tensor, detail, ..
        } in &findings.violations
        {
            // The sentences of tensors name them already.
            let tensor = tensor.as_deref().filter(|tensor| !detail.contains(*tensor));
            let tensor = tensor.map_or(String::new(), |tensor| format!("{tensor}: "));
            printing::line(&printing::plain(&format!("{file}: {tensor}{detail}")));
        }
        let n = findings.violations.len();
        let files = if findings.checked == 1 { "file" } else { "files" };
        let found = if n == 1 { "violation" } else { "violations" };
        findings
            .notes
            .iter()
            .for_each(|note| printing::note(&format!("note: {}", printing::plain(note))));
        printing::note(&format!("{} {files} checked, {n} {found}", findings.checked));
    }
    if words.repair {
        repair::repair(&findings)?;
    }
    if !sound {
        exit(1);
    }
    Ok(())
}

/// Nodes trained again.
const RETRAINED: Limit = Limit::from_1(1000, "each is trained, and often what it comes from");

/// What a path is, its content says.
/// What stood in the way of looking closer is one more thing that was found, but for words that make no sense: what is wrong with
/// the files stands there already.
fn or_finding(
    done: anyhow::Result<()>,
    path: &Path,
    (kind, what): (PlaceKind, &str),
    findings: &mut Findings,
) -> anyhow::Result<()> {
    match done {
        Err(error) if error.is::<BadUsage>() => Err(error),
        Err(error) => {
            findings.say(path, kind, format!("cannot be {what}: {error:#}"));
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn verify(path: &Path, model: Option<&ModelSpec>, findings: &mut Findings) -> anyhow::Result<()> {
    let whole = path.canonicalize().unwrap_or_default();
    let name = paths::file_name(&whole);
    if let Ok(whose) = fs::read_to_string(paths::cache_of(path)) {
        bail!(
            "{} is this machine's cache of {}: it holds what was read of it, each file checked when it is, and can be removed whole",
            path.display(),
            printing::plain(&whose)
        );
    }
    if !path.is_dir() {
        file::verify(path, model, findings);
    } else if paths::node_json(path).exists() || paths::is_sha256(name) {
        node::verify(path, findings);
    } else if paths::manifest(path).exists() || paths::suite_json(path).exists() {
        suite::verify(path, findings);
    } else if paths::pack_index(path).exists() || paths::pack_begun(path).exists() {
        pack::verify(path, findings);
    } else if is_store(path, name) {
        store::verify(path, findings);
    } else {
        bail!(
            "{} is no run folder (it has no node.json), store (no folders of two digits), suite (no \
             manifest.json) or pack (no pack.json); name the files in it",
            path.display()
        );
    }
    Ok(())
}

fn is_store(path: &Path, name: &str) -> bool {
    let Ok(entries) = fs::read_dir(path) else {
        return false;
    };
    let nodes = entries
        .flatten()
        .any(|entry| is_first_two(&entry.path()) && entry.path().is_dir());
    nodes || paths::suites_folder(path).is_dir() || name == "runs"
}

/// A name of a store's folder of all nodes whose ids begin alike.
fn is_first_two(path: &Path) -> bool {
    let name = paths::file_name(path);
    name.len() == 2
        && name
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
