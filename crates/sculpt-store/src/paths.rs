//! Every file name of the project.
//!
//! Functions of a node take its folder, those of a store `runs` (default `runs/`), those of the published
//! suites `data`, those of the reports `reports`. Nothing here touches the disk.

mod reports;

use std::path::{Path, PathBuf};

pub use reports::{
    ReportFile, benchmarks, benchmarks_lock, benchmarks_scale, findings, node_picture,
    published_report_folder, report, report_folder, report_page,
};

/// Name of [`node_json`].
pub const NODE_JSON: &str = "node.json";

/// Name of [`manifest()`].
pub const MANIFEST: &str = "manifest.json";

/// Name of [`manifest_sha256`].
pub const MANIFEST_SHA256: &str = "manifest.sha256";

/// Name of [`suite_json`].
pub const SUITE_JSON: &str = "suite.json";

/// Behind the folder that PyTorch's archives have, the description in a network's file.
pub const NETWORK_DESCRIPTION: &str = "/extra/sculpt.json";

/// Folder of the networks that users exported, each under the SHA-256 of its content.
pub fn networks_folder(runs: &Path) -> PathBuf {
    runs.join("networks")
}

/// An exported network.
pub fn network(runs: &Path, sha256: &str) -> PathBuf {
    networks_folder(runs).join(format!("{sha256}.pt"))
}

/// Folder of what the files were that users' recipes name.
pub fn recipes_folder(runs: &Path) -> PathBuf {
    runs.join("recipes")
}

/// Those of the recipe whose text has this SHA-256.
pub fn recipe_files(runs: &Path, sha256: &str) -> PathBuf {
    recipes_folder(runs).join(format!("{sha256}.json"))
}

/// Whether a file's name is that of a table.
pub fn is_parquet(file_name: &str) -> bool {
    file_name.ends_with(".parquet")
}

/// Folder of a node: `runs/<first 2>/<id>/`.
pub fn node_folder(runs: &Path, id: &str) -> PathBuf {
    runs.join(first_two(id)).join(id)
}

/// Description and environment of a node, written first.
pub fn node_json(node: &Path) -> PathBuf {
    node.join(NODE_JSON)
}

/// State of a node after an epoch, the last one included; 0 for kinds that do not train.
pub fn checkpoint_at(node: &Path, epoch: u32) -> PathBuf {
    node.join(format!("checkpoint-{epoch}.safetensors"))
}

/// State at the end of a node in stores of the older form, which had no marker: where it stands, the node is done.
pub fn older_checkpoint(node: &Path) -> PathBuf {
    node.join("checkpoint.safetensors")
}

/// Index of a pack of pictures, written last.
pub fn pack_index(pack: &Path) -> PathBuf {
    pack.join("pack.json")
}

/// In a store's folder that is a cache: the address of the store that it is of.
pub fn cache_of(runs: &Path) -> PathBuf {
    runs.join("cache-of.txt")
}

/// What a pack is to become, as long as it is half made.
pub fn pack_begun(pack: &Path) -> PathBuf {
    pack.join("packing.json")
}

/// A file of a pack's pictures; `part` is `train` or `val`.
pub fn pack_shard(pack: &Path, part: &str, number: usize) -> PathBuf {
    pack.join(format!("{part}-{number:05}.shard"))
}

/// Marker of a node that was run to its end: the SHA-256 of its files and of the states that it read.
pub fn done(node: &Path) -> PathBuf {
    node.join("done.json")
}

/// The epoch of a checkpoint's file name; none for every other name.
pub fn checkpoint_epoch(file_name: &str) -> Option<u32> {
    let epoch = file_name
        .strip_prefix("checkpoint-")?
        .strip_suffix(".safetensors")?
        .parse()
        .ok()?;
    (file_name == format!("checkpoint-{epoch}.safetensors")).then_some(epoch)
}

/// Metrics by epoch: of a node's folder, or of all nodes in a published suite's.
pub fn metrics(folder: &Path) -> PathBuf {
    folder.join("metrics.parquet")
}

/// Wall time of a node, which is no part of its result.
pub fn timing(node: &Path) -> PathBuf {
    node.join("timing.json")
}

/// SHA-256 of [`timing`], which differs from run to run and so stands in no marker.
pub fn timing_sha256(node: &Path) -> PathBuf {
    node.join("timing.sha256")
}

/// What every node of a published suite took.
pub fn timings(suite_folder: &Path) -> PathBuf {
    suite_folder.join("timings.parquet")
}

/// What the states of a published suite say of each test image.
pub fn predictions(suite_folder: &Path) -> PathBuf {
    suite_folder.join("predictions.safetensors")
}

/// Folder of what an unfinished node needs to go on.
pub fn progress_folder(node: &Path) -> PathBuf {
    node.join("progress")
}

/// Training state of an unfinished node.
pub fn progress_state(node: &Path) -> PathBuf {
    progress_folder(node).join("state.safetensors")
}

/// Epochs of an unfinished node, a line each, for whoever watches: nothing is gone on from here.
pub fn live_epochs(node: &Path) -> PathBuf {
    progress_folder(node).join("epochs.jsonl")
}

/// What TensorBoard reads of one node: it looks for `tfevents` in a name.
pub fn event_file(run_folder: &Path) -> PathBuf {
    run_folder.join("events.out.tfevents.sculpt")
}

/// Folder in which a finished node is made again, for an epoch that was not kept.
pub fn again_folder(node: &Path) -> PathBuf {
    node.join("again")
}

/// Beside a folder's `progress/`: what of it was damaged and is not gone on from.
pub fn damaged_progress(node: &Path) -> PathBuf {
    node.join("progress-damaged")
}

/// Why an unfinished node's last run failed, where its training did not diverge.
pub fn failure(node: &Path) -> PathBuf {
    node.join("failure.json")
}

/// How an unfinished node's training ended where it diverged.
pub fn post_mortem(node: &Path) -> PathBuf {
    node.join("post-mortem.json")
}

/// Of a folder on a remote store: which files it has, written last.
pub const REMOTE_INDEX: &str = "index.json";

/// A file of a folder on a remote store, under its content: two machines that made different ones overwrite nothing.
pub fn remote_object(sha256: &str, file_name: &str) -> String {
    format!("{sha256}-{file_name}")
}

/// The file whose object in a folder of a remote store has this name; none where it is no such object.
pub fn remote_file_of(object: &str) -> Option<&str> {
    let (sha256, file_name) = object.split_once('-')?;
    is_sha256(sha256).then_some(file_name)
}

/// Beside the folders of nodes: those that make room in a cache, on their way out.
pub fn evicted_folder(runs: &Path) -> PathBuf {
    runs.join("evicted")
}

/// Lock file of whoever makes room in a cache.
pub fn evicting_lock(runs: &Path) -> PathBuf {
    runs.join("evicting.lock")
}

/// Lock file of a node, which keeps two processes off it, or of a store, which keeps `gc` off running recipes. It
/// is empty.
pub fn lock(folder: &Path) -> PathBuf {
    folder.join("lock")
}

/// Folder of nodes that `verify --repair` set aside.
pub fn damaged_folder(runs: &Path) -> PathBuf {
    runs.join("damaged")
}

/// The last name of a path; empty where there is none, or where it is no UTF-8 and so none of ours.
pub fn file_name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

/// Whether the name is that of a file that was being written when its process ended.
pub fn is_temporary(file_name: &str) -> bool {
    let inner = file_name
        .strip_prefix('.')
        .and_then(|name| name.strip_suffix(".tmp"));
    let numbers = inner.and_then(|name| name.rsplit_once('.'));
    let numbers = numbers.and_then(|(_, numbers)| numbers.split_once('-'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    numbers.is_some_and(|(process, number)| is_number(process) && is_number(number))
}

/// Folder of the store's suites.
pub fn suites_folder(runs: &Path) -> PathBuf {
    runs.join("suites")
}

/// Scripts and logs of a cluster's workers.
pub fn slurm_folder(runs: &Path) -> PathBuf {
    runs.join("slurm")
}

/// What workers of a cluster that are called so run.
pub fn work_list(runs: &Path, name: &str) -> PathBuf {
    slurm_folder(runs).join(format!("{name}.nodes.json"))
}

/// A suite of the store: which nodes belong to it, and what for.
pub fn suite(runs: &Path, name: &str) -> PathBuf {
    suites_folder(runs).join(format!("{name}.json"))
}

/// The suite whose file in [`suites_folder`] has this name; none where it can be no suite's.
pub fn suite_of(file_name: &str) -> Option<&str> {
    file_name.strip_suffix(".json").filter(|name| is_plain_name(name))
}

/// Folder of cached measurements: of a store (`runs`), or of reports where a published suite is read.
pub fn measures_folder(parent: &Path) -> PathBuf {
    parent.join("measures")
}

/// A cached measurement under the SHA-256 of what it depends on.
pub fn measure(parent: &Path, key: &str) -> PathBuf {
    measures_folder(parent)
        .join(first_two(key))
        .join(measure_file(key))
}

/// Name of the file of a measurement.
pub fn measure_file(key: &str) -> String {
    format!("{key}.json")
}

/// Folder of the published suites, which are committed.
pub fn published_folder(data: &Path) -> PathBuf {
    data.join("published")
}

/// Folder of a published suite.
pub fn published_suite(data: &Path, suite: &str) -> PathBuf {
    published_folder(data).join(suite)
}

/// Text file that names the suites used when none is asked for, the first that has an artefact.
pub fn published_default(data: &Path) -> PathBuf {
    published_folder(data).join("default")
}

/// Folder of the suites that `fetch` brought, which git ignores.
pub fn fetched_folder(data: &Path) -> PathBuf {
    data.join("fetched")
}

/// Folder of a suite that `fetch` brought.
pub fn fetched_suite(data: &Path, suite: &str) -> PathBuf {
    fetched_folder(data).join(suite)
}

/// Beside a suite's folder: what is being made of it, to take its place when it is whole.
pub fn suite_partial(suite_folder: &Path) -> PathBuf {
    beside(suite_folder, "partial")
}

/// Beside a folder: the one that stood in its place, on its way out ([`crate::folders::replace`]).
pub fn old_folder(folder: &Path) -> PathBuf {
    beside(folder, "old")
}

/// Beside a suite's folder: lock of whoever publishes or fetches it.
pub fn suite_lock(suite_folder: &Path) -> PathBuf {
    beside(suite_folder, "lock")
}

/// Beside a file or folder that is being brought: what of it has come.
pub fn partial(path: &Path) -> PathBuf {
    path.with_added_extension("partial")
}

/// Beside a file that is being brought: lock of whoever brings it, which goes when that ends; of one that is killed it stays, and holds nobody.
pub fn partial_lock(path: &Path) -> PathBuf {
    beside(path, "lock")
}

/// The checksums of the files beside it and of the archive that they came in, as `sha256sum` writes them.
pub fn checksums(folder: &Path) -> PathBuf {
    folder.join("SHA256SUMS")
}

/// List of a published suite's files, with their SHA-256 and sizes.
pub fn manifest(suite_folder: &Path) -> PathBuf {
    suite_folder.join(MANIFEST)
}

/// SHA-256 of [`manifest`]; suites of the older form have none.
pub fn manifest_sha256(suite_folder: &Path) -> PathBuf {
    suite_folder.join(MANIFEST_SHA256)
}

/// Name, data, preset and environment of a published suite.
pub fn suite_json(suite_folder: &Path) -> PathBuf {
    suite_folder.join(SUITE_JSON)
}

/// Folder of a published suite's checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";

/// A published checkpoint, as the manifest names it: relative to the suite's folder, with `/`.
pub fn published_checkpoint_file(id: &str, epoch: u32) -> String {
    format!("{CHECKPOINTS}/{id}-{epoch}.safetensors")
}

/// A published checkpoint.
pub fn published_checkpoint(suite_folder: &Path, id: &str, epoch: u32) -> PathBuf {
    suite_folder.join(published_checkpoint_file(id, epoch))
}

/// Whether `id` is a SHA-256 as this project writes it: 64 of `0-9a-f`.
pub fn is_sha256(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether `name` can name a suite or artefact: letters, digits, `-`, `_`, `+`, `=`, `,` and inner dots, so
/// that it stays inside its folder.
pub fn is_plain_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_+=,.".contains(&b);
    !name.is_empty() && name.len() <= 200 && !name.starts_with('.') && name.bytes().all(plain)
}

/// No name of a suite begins with a dot.
fn beside(folder: &Path, word: &str) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}.{word}"))
}

fn first_two(id: &str) -> &str {
    id.get(..2).unwrap_or(id)
}

#[cfg(test)]
#[path = "paths_tests.rs"]
mod tests;
