//! `sculpt verify`: everything that is wrong with files, run folders, stores and suites.

mod file;
mod node;
mod suite;

use crate::commands::model::ModelWords;
use crate::printing;
use crate::words::Global;
use anyhow::bail;
use clap::Args;
use sculpt_checkpoints::{FaultKind, verify};
use sculpt_experiments::Store;
use sculpt_models::{ModelSpec, Shortcut};
use sculpt_store::paths;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::exit;

/// A checkpoint says of itself which model it is of; mask files and other programs' weights are checked against
/// a model only where --model names it, and for structure and finiteness otherwise.
#[derive(Args)]
pub(crate) struct Words {
    /// Checkpoints, masks, weights, run folders, stores, published suites
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
    /// Print one JSON object: checked, violations
    #[arg(long)]
    json: bool,
}

/// What was found so far.
#[derive(Default, Serialize)]
struct Findings {
    /// Files looked at.
    checked: u64,
    violations: Vec<Violation>,
}

/// One thing that is wrong.
#[derive(Serialize)]
struct Violation {
    file: String,
    tensor: Option<String>,
    kind: Kind,
    /// One sentence.
    detail: String,
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
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
enum PlaceKind {
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
    /// Another SHA-256 than the manifest's.
    Checksum,
    /// Another length than the manifest's.
    Size,
}

impl Findings {
    fn say(&mut self, file: &Path, kind: PlaceKind, detail: impl Into<String>) {
        self.violations.push(Violation {
            file: file.display().to_string(),
            tensor: None,
            kind: Kind::Place(kind),
            detail: detail.into(),
        });
    }

    fn extend(&mut self, violations: Vec<verify::Violation>) {
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
    fn entries(&mut self, folder: &Path) -> Vec<PathBuf> {
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
}

pub(crate) fn run(words: &Words, _global: &Global) -> anyhow::Result<()> {
    let model = match &words.model {
        None => None,
        Some(model) => {
            let (model, classes, width, shortcut) =
                (model.clone(), words.classes, words.width, words.shortcut);
            Some(
                ModelWords {
                    model,
                    classes,
                    width,
                    shortcut,
                }
                .spec()?,
            )
        }
    };
    for path in &words.paths {
        if let Err(error) = fs::metadata(path) {
            bail!("{} cannot be verified: {error}", path.display());
        }
    }
    let mut findings = Findings::default();
    for path in &words.paths {
        verify(path, model.as_ref(), &mut findings)?;
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
            printing::line(&format!("{file}: {tensor}{detail}"));
        }
        let n = findings.violations.len();
        let files = if findings.checked == 1 { "file" } else { "files" };
        let found = if n == 1 { "violation" } else { "violations" };
        printing::note(&format!("{} {files} checked, {n} {found}", findings.checked));
    }
    if !sound {
        exit(1);
    }
    Ok(())
}

/// What a path is, its content says.
fn verify(path: &Path, model: Option<&ModelSpec>, findings: &mut Findings) -> anyhow::Result<()> {
    let name = path
        .canonicalize()
        .ok()
        .and_then(|p| p.file_name().and_then(|n| n.to_str()).map(str::to_owned));
    let name = name.unwrap_or_default();
    if !path.is_dir() {
        file::verify(path, model, findings);
    } else if paths::node_json(path).exists() || paths::is_sha256(&name) {
        node::verify(path, findings);
    } else if paths::manifest(path).exists() || paths::suite_json(path).exists() {
        suite::verify(path, findings);
    } else if is_store(path, &name) {
        store(path, findings);
    } else {
        bail!(
            "{} is no run folder (it has no node.json), store (no folders of two digits) or suite (no \
             manifest.json); name the files in it",
            path.display()
        );
    }
    Ok(())
}

fn is_store(path: &Path, name: &str) -> bool {
    let Ok(entries) = fs::read_dir(path) else {
        return false;
    };
    let nodes = entries.flatten().any(|entry| is_first_two(&entry.path()));
    nodes || paths::suites_folder(path).is_dir() || name == "runs"
}

/// A store's folder of all nodes whose ids begin alike.
fn is_first_two(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    name.len() == 2
        && name
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        && path.is_dir()
}

fn store(runs: &Path, findings: &mut Findings) {
    for folder in findings
        .entries(runs)
        .into_iter()
        .filter(|path| is_first_two(path))
    {
        for node in findings.entries(&folder) {
            if node.is_dir() {
                node::verify(&node, findings);
            }
        }
    }
    if paths::suites_folder(runs).is_dir() {
        for path in findings.entries(&paths::suites_folder(runs)) {
            let Some(name) = path.file_stem().and_then(|stem| stem.to_str()) else {
                continue;
            };
            if path.extension().is_none_or(|e| e != "json") || name.starts_with('.') {
                continue;
            }
            findings.checked += 1;
            match sculpt_experiments::Suite::in_store(&Store::new(runs), name) {
                Err(error) => suite::say(findings, &path, &error),
                Ok(None) => {}
                Ok(Some(suite)) if suite.name == name => {}
                Ok(Some(suite)) => {
                    let detail = format!("is of suite {:?}", suite.name);
                    findings.say(&path, PlaceKind::Description, detail);
                }
            }
        }
    }
}
