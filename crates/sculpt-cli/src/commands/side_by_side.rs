//! `sculpt bench report`: this product beside others, by the scripts of tests/peers.

use crate::commands::tables::{Comparison, merged, page};
use crate::commands::{kit, scale, weights};
use crate::words::{BadUsage, Global};
use crate::{places, printing};
use anyhow::{Context, bail};
use clap::{Args, value_parser};
use sculpt_checkpoints::{DIALECTS, write_state_dict_as};
use sculpt_models::{ModelSpec, has_bf16};
use sculpt_store::{Lock, LockError, atomic, paths};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Runs the scripts of tests/peers one after the other, each of which alternates this binary with what it is held against, and writes
/// what they found. Nothing else should run on the machine meanwhile.
#[derive(Args)]
pub(crate) struct Words {
    /// A Python that has torch 2.11.0, torchvision 0.26.0 and pyhessian 0.1
    #[arg(long, value_name = "PATH", default_value = "python3")]
    python: PathBuf,
    /// Rounds of each comparison
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Training steps timed in a round; of 512 images through a ResNet-18 on a CPU, one
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = value_parser!(u32).range(1..=1000))]
    steps: u32,
    /// Only comparisons whose script and words hold this, such as hessian.py, "--network weights" or "--density 0.02"; a word that none holds has all of
    /// them listed. Other tables of the page stay as they are
    #[arg(
        long,
        value_name = "WORD",
        allow_hyphen_values = true,
        conflicts_with = "scale"
    )]
    only: Option<String>,
    /// Folder of CIFAR-10 (DIR/cifar-10-batches-bin), of whose images Hessians are; of noise where it is left out
    #[arg(long, value_name = "DIR", conflicts_with = "scale")]
    data: Option<PathBuf>,
    /// A trained ResNet-20 of 10 classes, whose Hessian is measured beside others': weights, or the id of a state
    /// (tests/peers/trained_resnet20.toml names a published one)
    #[arg(long, value_name = "FILE|ID", conflicts_with = "scale")]
    weights: Option<PathBuf>,
    /// How training beside torch.compile depends on batch, width and threads, as tables and a picture of their own
    #[arg(long)]
    scale: bool,
    /// Measure nothing, and take what another machine's `run.py` of `cargo xtask gpu-kit` brought: kit.json
    #[arg(long, value_name = "FILE", conflicts_with_all = ["only", "data", "weights", "scale"])]
    from: Option<PathBuf>,
    /// Print one JSON object, comparisons, and write nothing
    #[arg(long)]
    json: bool,
}

/// What a script prints: a comparison, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Printed {
    One(Comparison),
    Several(Vec<Comparison>),
}

/// What the scripts know.
const DEVICES: [&str; 2] = ["cpu", "cuda:0"];

/// Of CIFAR-10, in its folder: those that Hessians are of.
const FIRST_IMAGES: &str = "cifar-10-batches-bin/data_batch_1.bin";

/// Characters of a network's name.
const MOST_OF_NAME: usize = 40;

/// What makes which page.
const REPORT: &str = "bench report";
const SCALE: &str = "bench report --scale";

/// The comparisons: scripts with their words.
fn comparisons(on_cpu: bool, has_weights: bool) -> Vec<String> {
    let training = |words: &str| format!("training.py {words}");
    let mut all = vec![
        training("--precision f32 --density 0.1"),
        training("--precision f32 --density 0.02"),
        training("--precision f32 --density 1"),
    ];
    // A step of 512 images takes PyTorch twenty seconds on two cores: there its fastest form alone, and one step a round.
    let whole_batch = if on_cpu {
        "--model resnet18-cifar --steps 1 --peers torch.compile"
    } else {
        "--model resnet18-cifar"
    };
    let wide = ["--model resnet18-cifar --batch 128", whole_batch];
    for words in wide {
        for density in ["0.1", "1"] {
            all.push(training(&format!("{words} --precision f32 --density {density}")));
        }
    }
    let networks = ["untrained", "minute", "weights"];
    let networks = &networks[..if has_weights { 3 } else { 2 }];
    // A hundred products at each network, of which one of 512 images takes PyHessian seconds.
    for what in ["eigenvalue", "trace --images 32", "density --images 32"] {
        for network in networks {
            all.push(format!("hessian.py --what {what} --network {network}"));
        }
    }
    // On other processors PyTorch's steps in bfloat16 take twenty seconds each.
    if !on_cpu || has_bf16() {
        for words in [
            "--precision bf16".to_owned(),
            format!("{whole_batch} --precision bf16"),
        ] {
            for density in ["0.1", "1"] {
                all.push(training(&format!("{words} --density {density}")));
            }
        }
    }
    all
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    let first = words.data.as_ref().map(|folder| folder.join(FIRST_IMAGES));
    if let Some(file) = first.filter(|file| !file.is_file()) {
        return Err(BadUsage(format!("--data: {} is not there", file.display())).into());
    }
    if !DEVICES.contains(&global.device.as_str()) {
        let problem = format!(
            "device {:?} is none that others are measured on: {}",
            global.device,
            DEVICES.join(", ")
        );
        return Err(BadUsage(problem).into());
    }
    // Whatever is wrong with the folder, the page or the weights, is said before the first hour.
    let _own = (!words.json).then(own_page).transpose()?;
    if words.scale {
        return scale_up(words, global);
    }
    let path = paths::benchmarks(&places::reports());
    if let Some(kit) = &words.from {
        let found = kit::comparisons(kit)?;
        if words.json {
            return json(&found);
        }
        keep(&path, &found)?;
        printing::line(&format!("{}", path.display()));
        return Ok(());
    }
    let all_lines = comparisons(global.device == "cpu", words.weights.is_some());
    let wanted = |line: &String| words.only.as_ref().is_none_or(|word| line.contains(word));
    let lines: Vec<_> = all_lines.iter().filter(|line| wanted(line)).collect();
    if lines.is_empty() {
        bail!(
            "no comparison's words hold {:?}; they are: {}",
            words.only.as_deref().unwrap_or_default(),
            all_lines.join("; ")
        );
    }
    if !words.json {
        read_page(&path)?;
    }
    let weights = words.state_dict(global)?;
    let mut all = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        tell_of(line, i, lines.len());
        let found = words.compare(global, line, weights.as_ref())?;
        // What was measured is kept, whatever becomes of the rest.
        if !words.json {
            keep(&path, &found)?;
        }
        all.extend(found);
    }
    if words.json {
        return json(&all);
    }
    printing::line(&format!("{}", path.display()));
    Ok(())
}

fn json(comparisons: &[impl Serialize]) -> anyhow::Result<()> {
    printing::json(&serde_json::json!({ "comparisons": comparisons }))
}

/// The page with these too.
fn keep(path: &Path, found: &[Comparison]) -> anyhow::Result<()> {
    let page = merged(read_page(path)?.as_deref(), REPORT, found);
    Ok(atomic::write(path, page.as_bytes())?)
}

/// For us alone: another's measuring would be in our numbers, and its writing in our page.
fn own_page() -> anyhow::Result<Lock> {
    let path = paths::benchmarks_lock(&places::reports());
    match Lock::exclusive(&path) {
        Err(LockError::Held { .. }) => {
            bail!(
                "another `bench report` is at work in {}",
                places::reports().display()
            )
        }
        lock => Ok(lock?),
    }
}

/// Of the comparison that begins, of several.
fn tell_of(line: &str, i: usize, n: usize) {
    printing::note(&format!("{} of {n}: {line}, some minutes", i + 1));
}

/// The page as it is; none before the first.
fn read_page(path: &Path) -> anyhow::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(page) => Ok(Some(page)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

fn scale_up(words: &Words, global: &Global) -> anyhow::Result<()> {
    let mut found = Vec::new();
    let places = scale::places(global.threads, global.device == "cpu");
    for (i, place) in places.iter().copied().enumerate() {
        let line = format!("training.py {}", place.words());
        tell_of(&line, i, places.len());
        let comparisons = words.compare(global, &line, None)?;
        found.extend(comparisons.into_iter().map(|comparison| (place, comparison)));
    }
    let comparisons: Vec<_> = found.iter().map(|(_, comparison)| comparison).collect();
    if words.json {
        return json(&comparisons);
    }
    let (svg, png) = scale::picture(&found)?;
    for (ending, bytes) in [
        ("svg", svg.as_bytes()),
        ("png", &png),
        ("md", page(SCALE, comparisons).as_bytes()),
    ] {
        let path = paths::benchmarks_scale(&places::reports(), ending);
        atomic::write(&path, bytes)?;
        printing::line(&format!("{}", path.display()));
    }
    Ok(())
}

/// `--weights` as the scripts read them, for as long as they run.
struct StateDict {
    _folder: TempDir,
    path: PathBuf,
}

impl Words {
    fn state_dict(&self, global: &Global) -> anyhow::Result<Option<StateDict>> {
        let Some(word) = &self.weights else {
            return Ok(None);
        };
        let model = ModelSpec::named("resnet20", 10, None, None)?;
        let layout = model.layout();
        let of = weights::read(word, &model, global).with_context(|| "--weights")?;
        let folder = TempDir::new()?;
        let path = folder.path().join("weights.pth");
        write_state_dict_as(&path, &layout, &of.theta, &of.buffers, &DIALECTS[0])?;
        Ok(Some(StateDict {
            _folder: folder,
            path,
        }))
    }

    /// What the network of `--weights` is called: a file by its name, a state by what names it.
    fn network_name(&self) -> Option<String> {
        let stem = self.weights.as_ref()?.file_stem()?.to_string_lossy();
        let stem = stem.replace(char::is_control, " ");
        Some(stem.trim().chars().take(MOST_OF_NAME).collect())
    }

    /// Runs a script of tests/peers, with its words.
    fn compare(
        &self,
        global: &Global,
        line: &str,
        weights: Option<&StateDict>,
    ) -> anyhow::Result<Vec<Comparison>> {
        let mut own = line.split(' ');
        let script = places::peers()?.join(own.next().unwrap_or_default());
        compare(self, global, &script, &own.collect::<Vec<_>>(), weights)
    }
}

fn compare(
    words: &Words,
    global: &Global,
    script: &Path,
    own: &[&str],
    weights: Option<&StateDict>,
) -> anyhow::Result<Vec<Comparison>> {
    let this = std::env::current_exe().context("the path of this program")?;
    let mut command = Command::new(&words.python);
    command.arg(script).arg(this).args(own);
    command.args(["--rounds", &words.rounds.to_string()]);
    // What a comparison says itself, it knows better.
    let is_free = |flag| !own.contains(&flag);
    if script.ends_with("training.py") && is_free("--steps") {
        command.args(["--steps", &words.steps.to_string()]);
    }
    if script.ends_with("hessian.py") {
        command.args(words.data.iter().flat_map(|folder| [Path::new("--data"), folder]));
        if let (Some(weights), Some(name)) = (weights, words.network_name()) {
            command.arg("--weights").arg(&weights.path);
            command.args(["--name", &format!("of {name}")]);
        }
    }
    let device = if global.device.starts_with("cuda") {
        "cuda"
    } else {
        "cpu"
    };
    command.args(["--device", device]);
    if let Some(threads) = global.threads.filter(|_| is_free("--threads")) {
        command.args(["--threads", &threads.to_string()]);
    }
    let python = words.python.display();
    // Its own libtorch is the peer's; the script gives this program ours back.
    if let Some(libraries) = std::env::var_os("LD_LIBRARY_PATH") {
        command
            .env_remove("LD_LIBRARY_PATH")
            .env("SCULPT_LIBRARIES", libraries);
    }
    let made = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).output();
    let made = made.with_context(|| format!("cannot start {python}"))?;
    if !made.status.success() {
        bail!(
            "{} ended with {}: see above; of {python} (--python) it needs torch 2.11.0, torchvision 0.26.0 and pyhessian",
            script.display(),
            made.status
        );
    }
    let printed = serde_json::from_slice(&made.stdout);
    let no_comparison = || format!("{} printed no comparison", script.display());
    let printed: Printed = printed.with_context(no_comparison)?;
    let found = match printed {
        Printed::One(comparison) => vec![comparison],
        Printed::Several(comparisons) => comparisons,
    };
    if let Some(fault) = found.iter().find_map(Comparison::fault) {
        bail!("{}: {fault}", no_comparison());
    }
    Ok(found)
}
