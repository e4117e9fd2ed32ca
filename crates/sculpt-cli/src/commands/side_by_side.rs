//! `sculpt bench report`: this product beside others, by the scripts of tests/peers.

use crate::commands::bench::median;
use crate::commands::scale;
use crate::words::{BadUsage, Global};
use crate::{places, printing};
use anyhow::{Context, anyhow, bail};
use clap::{Args, value_parser};
use sculpt_models::has_bf16;
use sculpt_store::atomic;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
    /// Steps timed in a round
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = value_parser!(u32).range(1..=1000))]
    steps: u32,
    /// Only comparisons whose words hold this one, printed, and nothing written
    #[arg(long, value_name = "WORD")]
    only: Option<String>,
    /// Folder of CIFAR-10 (DIR/cifar-10-batches-bin), of whose images Hessians are; of noise where it is left out
    #[arg(long, value_name = "DIR", conflicts_with = "scale")]
    data: Option<PathBuf>,
    /// A trained ResNet-20 (tests/peers/trained_resnet20.toml, `export --torch`), whose Hessian is measured beside others'
    #[arg(long, value_name = "FILE.pth", conflicts_with = "scale")]
    weights: Option<PathBuf>,
    /// How training beside torch.compile depends on batch, width and threads, as tables and a picture of their own
    #[arg(long)]
    scale: bool,
    /// Print one JSON object, and write nothing
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

/// This product beside others.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Comparison {
    what: String,
    unit: String,
    /// Of each round, by who made them; this product is `sculpt`. More is better.
    speeds: BTreeMap<String, Vec<f64>>,
    /// How this product did it.
    ours: String,
    versions: String,
    pub(super) machine: String,
    pub(super) date: String,
}

impl Comparison {
    /// How many times as fast this product is as the fastest of the others, round by round; None without others.
    pub(super) fn to_fastest(&self) -> Option<Vec<f64>> {
        let others = self.speeds.iter().filter(|(name, _)| *name != OURS);
        let (fastest, _) = others.max_by(|a, b| spread(a.1)[0].total_cmp(&spread(b.1)[0]))?;
        let mut ratios = self.ratios();
        ratios.find_map(|(name, ratios)| (name == fastest).then_some(ratios))
    }

    /// How many times as fast this product is as each of the others, round by round.
    fn ratios(&self) -> impl Iterator<Item = (&str, Vec<f64>)> {
        let own = &self.speeds[OURS];
        let others = self.speeds.iter().filter(|(name, _)| *name != OURS);
        others.map(|(name, theirs)| {
            (
                name.as_str(),
                own.iter().zip(theirs).map(|(own, theirs)| own / theirs).collect(),
            )
        })
    }
}

#[cfg(test)]
impl Comparison {
    pub(super) fn of_speeds<const N: usize>(speeds: [(&str, Vec<f64>); N]) -> Self {
        Self {
            what: "Training".to_owned(),
            unit: "images/s".to_owned(),
            speeds: speeds.map(|(name, values)| (name.to_owned(), values)).into(),
            ours: "dense".to_owned(),
            versions: "torch".to_owned(),
            machine: "a processor".to_owned(),
            date: "2026-01-02".to_owned(),
        }
    }
}

/// This product, in `speeds`.
const OURS: &str = "sculpt";

/// What makes which page.
const REPORT: &str = "bench report";
const SCALE: &str = "bench report --scale";

/// The comparisons: a script, and its words.
fn scripts() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut all = vec![
        ("training.py", vec!["--precision", "f32", "--density", "0.1"]),
        ("training.py", vec!["--precision", "f32", "--density", "0.02"]),
        ("training.py", vec!["--precision", "f32", "--density", "1"]),
    ];
    for density in ["0.1", "1"] {
        let words = [
            "--model",
            "resnet18-cifar",
            "--batch",
            "128",
            "--precision",
            "f32",
            "--density",
            density,
        ];
        all.push(("training.py", words.to_vec()));
    }
    all.push(("hessian.py", Vec::new()));
    // A hundred products at each network, of which one of 512 images takes PyHessian seconds.
    for what in ["trace", "density"] {
        all.push(("hessian.py", vec!["--what", what, "--images", "32"]));
    }
    // Elsewhere PyTorch's steps in bfloat16 take twenty seconds each.
    if has_bf16() {
        all.push(("training.py", vec!["--precision", "bf16", "--density", "0.1"]));
        all.push(("training.py", vec!["--precision", "bf16", "--density", "1"]));
    }
    all
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    for (flag, path) in [("--data", &words.data), ("--weights", &words.weights)] {
        if let Some(path) = path.as_ref().filter(|path| !path.exists()) {
            return Err(BadUsage(format!("{flag}: {} is not there", path.display())).into());
        }
    }
    if words.scale {
        return scale_up(words, global);
    }
    let mut found = Vec::new();
    for (script, own) in scripts() {
        let own: Vec<_> = own.into_iter().map(str::to_owned).collect();
        found.extend(words.compare(global, script, &own)?.into_iter().flatten());
    }
    if found.is_empty() {
        return Err(words.nothing_is_called_so());
    }
    if words.json {
        return printing::json(&found);
    }
    if words.only.is_some() {
        printing::line(page(REPORT, &found).trim_end());
        return Ok(());
    }
    let path = places::reports().join("benchmarks.md");
    atomic::write(&path, page(REPORT, &found).as_bytes())?;
    printing::line(&format!("{}", path.display()));
    Ok(())
}

fn scale_up(words: &Words, global: &Global) -> anyhow::Result<()> {
    let mut found = Vec::new();
    for place in scale::places(global.threads, global.device == "cpu") {
        for comparison in words
            .compare(global, "training.py", &place.words())?
            .into_iter()
            .flatten()
        {
            found.push((place, comparison));
        }
    }
    if found.is_empty() {
        return Err(words.nothing_is_called_so());
    }
    let comparisons: Vec<_> = found.iter().map(|(_, comparison)| comparison).collect();
    if words.json {
        return printing::json(&comparisons);
    }
    if words.only.is_some() {
        printing::line(page(SCALE, comparisons).trim_end());
        return Ok(());
    }
    let (svg, png) = scale::picture(&found)?;
    for (ending, bytes) in [
        ("svg", svg.as_bytes()),
        ("png", &png),
        ("md", page(SCALE, comparisons).as_bytes()),
    ] {
        let path = places::reports().join(format!("benchmarks-scale.{ending}"));
        atomic::write(&path, bytes)?;
        printing::line(&format!("{}", path.display()));
    }
    Ok(())
}

impl Words {
    /// Runs a script of tests/peers with these words; None where only others were asked for.
    fn compare(
        &self,
        global: &Global,
        script: &str,
        own: &[String],
    ) -> anyhow::Result<Option<Vec<Comparison>>> {
        let line = format!("{script} {}", own.join(" "));
        if self
            .only
            .as_ref()
            .is_some_and(|word| !line.contains(word.as_str()))
        {
            return Ok(None);
        }
        printing::note(&format!("{line}: some minutes"));
        compare(self, global, &places::peers()?.join(script), own).map(Some)
    }

    fn nothing_is_called_so(&self) -> anyhow::Error {
        let all: Vec<String> = scripts()
            .into_iter()
            .map(|(script, own)| format!("{script} {}", own.join(" ")).trim_end().to_owned())
            .collect();
        anyhow!(
            "no comparison's words hold {:?}; they are: {}",
            self.only.as_deref().unwrap_or_default(),
            all.join("; ")
        )
    }
}

fn compare(words: &Words, global: &Global, script: &Path, own: &[String]) -> anyhow::Result<Vec<Comparison>> {
    let this = std::env::current_exe().context("the path of this program")?;
    let mut command = Command::new(&words.python);
    command.arg(script).arg(this).args(own);
    command.args(["--rounds", &words.rounds.to_string()]);
    if script.ends_with("training.py") {
        command.args(["--steps", &words.steps.to_string()]);
    }
    if script.ends_with("hessian.py") {
        for (name, path) in [("--data", &words.data), ("--weights", &words.weights)] {
            if let Some(path) = path {
                command.arg(name).arg(path);
            }
        }
    }
    let device = if global.device.starts_with("cuda") {
        "cuda"
    } else {
        "cpu"
    };
    command.args(["--device", device]);
    if let Some(threads) = global
        .threads
        .filter(|_| !own.iter().any(|word| word == "--threads"))
    {
        command.args(["--threads", &threads.to_string()]);
    }
    let python = words.python.display();
    // Its own libtorch is the peer's.
    let made = command
        .env_remove("LD_LIBRARY_PATH")
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .output();
    let made = made.with_context(|| format!("cannot start {python}"))?;
    if !made.status.success() {
        bail!(
            "{} ended with {}: see above; it needs torch 2.11.0, torchvision 0.26.0 and pyhessian in {python} (--python)",
            script.display(),
            made.status
        );
    }
    let printed = serde_json::from_slice(&made.stdout);
    let printed: Printed = printed.with_context(|| format!("{} printed no comparison", script.display()))?;
    Ok(match printed {
        Printed::One(comparison) => vec![comparison],
        Printed::Several(comparisons) => comparisons,
    })
}

/// Median and both ends.
pub(super) fn spread(values: &[f64]) -> [f64; 3] {
    let ends = values
        .iter()
        .fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], &v| {
            [low.min(v), high.max(v)]
        });
    [median(values), ends[0], ends[1]]
}

/// Whole, or where little is left of that with a few digits.
fn speed(value: f64) -> String {
    match value {
        10.0.. => format!("{value:.0}"),
        0.1.. => format!("{value:.2}"),
        _ => format!("{value:.1e}"),
    }
}

fn page<'a>(command: &str, found: impl IntoIterator<Item = &'a Comparison>) -> String {
    let mut text = format!(
        "# Benchmarks\n\nGenerated by `cargo xtask {command}`, do not edit. Each table is one run, in which all took turns on one machine: the \
         median of the rounds, and in brackets their range. A ratio is that of the same round.\n"
    );
    for comparison in found {
        let Comparison {
            what,
            unit,
            speeds,
            ours,
            versions,
            machine,
            date,
        } = comparison;
        let own = &speeds[OURS];
        write!(
            text,
            "\n## {what}\n\n{date}, {machine}; {versions}. Sculpt's convolutions: {ours}.\n\n| | {unit} | sculpt is |\n| --- | ---: | ---: |\n"
        )
        .expect("a string takes all");
        let [median, low, high] = spread(own);
        let [median, low, high] = [median, low, high].map(speed);
        writeln!(text, "| **sculpt** | **{median}** ({low} to {high}) | |").expect("likewise");
        let ratios: BTreeMap<_, _> = comparison.ratios().collect();
        let mut others: Vec<_> = speeds.iter().filter(|(name, _)| *name != OURS).collect();
        others.sort_by(|a, b| spread(b.1)[0].total_cmp(&spread(a.1)[0]));
        for (name, theirs) in others {
            let ([median, low, high], [ratio, least, most]) =
                (spread(theirs).map(speed), spread(&ratios[name.as_str()]));
            writeln!(
                text,
                "| {name} | {median} ({low} to {high}) | {ratio:.2} × ({least:.2} to {most:.2}) |"
            )
            .expect("likewise");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 200, 100, 300 against 100, 100, 100: the median 200, 2 times as fast, from 1 to 3.
    #[test]
    fn pages_give_medians_and_ranges() {
        let speeds = [
            (OURS, [200.0, 100.0, 300.0]),
            ("another", [100.0; 3]),
            ("a third", [400.0; 3]),
        ];
        let comparison = Comparison::of_speeds(speeds.map(|(name, values)| (name, values.to_vec())));
        let page = page(REPORT, &[comparison]);
        let table: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
        assert_eq!(
            table[2..],
            [
                "| **sculpt** | **200** (100 to 300) | |",
                "| a third | 400 (400 to 400) | 0.50 × (0.25 to 0.75) |",
                "| another | 100 (100 to 100) | 2.00 × (1.00 to 3.00) |",
            ]
        );
        assert_eq!(spread(&[1.0, 4.0, 2.0, 3.0]), [2.5, 1.0, 4.0]);
        assert_eq!(
            [1234.5, 10.0, 9.876, 0.1, 0.0123].map(speed),
            ["1234", "10", "9.88", "0.10", "1.2e-2"]
        );
    }
}
