//! What a site wants said of a job: `slurm.toml`, in the field's own words. Nothing of a site is guessed.

use crate::printing;
use crate::words::BadUsage;
use anyhow::{Context, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The file that profiles stand in, in the folder of the caller.
const FILE: &str = "slurm.toml";

/// Where nodes are trained, as `--on` says it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    /// By Slurm, with the profile of this name, or the file of one.
    Slurm(Option<String>),
}

impl FromStr for Place {
    type Err = BadUsage;

    fn from_str(word: &str) -> Result<Self, BadUsage> {
        match word.split_once(':') {
            None if word == "slurm" => Ok(Self::Slurm(None)),
            Some(("slurm", profile)) if !profile.is_empty() => Ok(Self::Slurm(Some(profile.to_owned()))),
            _ => Err(BadUsage(format!("{word:?} is neither slurm nor slurm:PROFILE"))),
        }
    }
}

/// A profile. What it leaves out is the site's default.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// `--partition`
    partition: Option<String>,
    /// `--account`
    account: Option<String>,
    /// `--qos`
    qos: Option<String>,
    /// `--time`, as Slurm writes it: `1-00:00:00`
    time: Option<String>,
    /// `--gres`, such as `gpu:1`
    gres: Option<String>,
    /// `--mem`, such as `16G`
    memory: Option<String>,
    /// `--constraint`
    constraint: Option<String>,
    /// Workers that run at once, at most; the others wait in the queue.
    throttle: Option<NonZeroU32>,
    /// Seconds before the end of its time at which a worker is told to save and to go back into the queue.
    warning: Option<u32>,
    /// `module load` of each.
    #[serde(default)]
    modules: Vec<String>,
    /// Lines of the shell before the worker starts, such as `export OMP_PROC_BIND=true`.
    #[serde(default)]
    environment: Vec<String>,
    /// Words before the command, such as `apptainer exec --nv sculpt.sif`.
    container: Option<String>,
    /// Further options of `sbatch`, each as a word: `--exclude=node7`.
    #[serde(default)]
    options: Vec<String>,
}

/// What `--signal` takes, in seconds.
const MOST_WARNING: u32 = 65_535;

/// Slurm's ways to write a time: M, M:S, H:M:S, D-H, D-H:M, D-H:M:S. None of another, which Slurm itself refuses or knows.
fn seconds_of(time: &str) -> Option<u64> {
    let (days, rest) = match time.split_once('-') {
        Some((days, rest)) => (Some(days.parse::<u64>().ok()?), rest),
        None => (None, time),
    };
    let parts: Vec<u64> = rest
        .split(':')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    let (hours, minutes, seconds) = match (days, &parts[..]) {
        (None, &[minutes]) => (0, minutes, 0),
        (None, &[minutes, seconds]) => (0, minutes, seconds),
        (Some(_), &[hours]) => (hours, 0, 0),
        (Some(_), &[hours, minutes]) => (hours, minutes, 0),
        (_, &[hours, minutes, seconds]) => (hours, minutes, seconds),
        _ => return None,
    };
    let hours = days.unwrap_or(0).checked_mul(24)?.checked_add(hours)?;
    hours
        .checked_mul(3600)?
        .checked_add(minutes.checked_mul(60)?)?
        .checked_add(seconds)
}

impl Profile {
    /// The profile of this name in `slurm.toml` here, or of a file that is named with its ending; without a name nothing is said.
    ///
    /// # Errors
    /// No such file or profile, a key that is none of a profile's, a value of several lines.
    pub(crate) fn find(name: Option<&str>) -> anyhow::Result<Self> {
        let Some(name) = name else {
            if Path::new(FILE).exists() {
                printing::note(&format!(
                    "--on slurm: the site's defaults, and none of the profiles in {FILE}, which --on slurm:NAME names"
                ));
            }
            return Ok(Self::default());
        };
        let is_file = name.ends_with(".toml");
        let path = PathBuf::from(if is_file { name } else { FILE });
        if !is_file && !path.exists() {
            bail!(
                "there is no {FILE} in the folder that this was typed in, of which --on slurm:{name} would be a table; \
                 --on slurm:FILE.toml names a file"
            );
        }
        let text = sculpt_store::read_text(&path).with_context(|| {
            format!(
                "{}: profile {name:?} of --on is a table of it, or the name of a file that ends in .toml",
                path.display()
            )
        })?;
        let at = |error: toml::de::Error| {
            anyhow::anyhow!(
                "{}: {}",
                path.display(),
                error.to_string().trim().replace('\n', " ")
            )
        };
        let profile = if is_file {
            toml::from_str(&text).map_err(at)?
        } else {
            let tables: toml::Table = toml::from_str(&text).map_err(at)?;
            if let Some((key, _)) = tables.iter().find(|(_, value)| !value.is_table()) {
                bail!(
                    "{}: {key} stands in no profile; the settings of {name:?} stand below a line [{name}]",
                    path.display()
                );
            }
            let mut all: BTreeMap<String, Self> = toml::from_str(&text).map_err(at)?;
            let names = all.keys().cloned().collect::<Vec<_>>().join(", ");
            all.remove(name)
                .with_context(|| format!("{} has no profile {name:?}; it has: {names}", path.display()))?
        };
        profile.check(&path.display().to_string())?;
        Ok(profile)
    }

    /// One line a value: the script is made of them.
    fn check(&self, path: &str) -> anyhow::Result<()> {
        let singles = self.headers().into_iter().map(|(_, value)| value);
        let all = singles
            .chain(self.modules.iter().cloned())
            .chain(self.environment.iter().cloned())
            .chain(self.container.iter().cloned())
            .chain(self.options.iter().cloned());
        for value in all {
            if value.is_empty() || value.chars().any(char::is_control) {
                bail!("{path}: {value:?} is no line of a job's script");
            }
        }
        if let Some(option) = self.options.iter().find(|option| !option.starts_with('-')) {
            bail!("{path}: options: {option:?} is no option of sbatch, which begin with a dash");
        }
        let warning = self.warning();
        if warning > MOST_WARNING {
            bail!("{path}: warning = {warning} is more than Slurm takes, {MOST_WARNING} seconds");
        }
        if let (Some(time), Some(seconds)) = (&self.time, self.seconds())
            && seconds <= u64::from(warning)
        {
            bail!(
                "{path}: time = {time:?} is over before it begins: warning is {warning} seconds, in which a worker saves and goes back into the queue"
            );
        }
        let flag = |option: &str| option.split(['=', ' ']).next().unwrap_or_default().to_owned();
        if let Some(option) = self
            .options
            .iter()
            .find(|option| OURS.contains(&flag(option).as_str()))
        {
            bail!(
                "{path}: options: {option:?} is said for every worker already, and workers are found by it"
            );
        }
        Ok(())
    }

    /// Seconds that a job may take, where Slurm's words for it are understood.
    fn seconds(&self) -> Option<u64> {
        self.time.as_deref().and_then(seconds_of)
    }

    /// Seconds before the end at which a worker is warned: what is said, else two minutes, or half of a shorter time.
    fn warning(&self) -> u32 {
        let half = self.seconds().and_then(|seconds| u32::try_from(seconds / 2).ok());
        self.warning
            .unwrap_or_else(|| half.unwrap_or(WARNING).min(WARNING))
    }

    /// Options of `sbatch` and their values.
    fn headers(&self) -> Vec<(&'static str, String)> {
        let known = [
            ("partition", &self.partition),
            ("account", &self.account),
            ("qos", &self.qos),
            ("time", &self.time),
            ("gres", &self.gres),
            ("mem", &self.memory),
            ("constraint", &self.constraint),
        ];
        known
            .into_iter()
            .filter_map(|(flag, value)| Some((flag, value.clone()?)))
            .collect()
    }

    /// The `#SBATCH` lines.
    pub(super) fn sbatch(&self) -> Vec<String> {
        let mut lines: Vec<_> = self
            .headers()
            .into_iter()
            .map(|(flag, value)| format!("#SBATCH --{flag}={value}"))
            .collect();
        let warning = self.warning();
        lines.push(format!("#SBATCH --signal=B:USR1@{warning}"));
        lines.extend(self.options.iter().map(|option| format!("#SBATCH {option}")));
        lines
    }

    /// Workers of one of so many arrays that run at once, at most, as `--array` takes it.
    ///
    /// # Errors
    /// More arrays than that.
    pub(super) fn throttle(&self, n_arrays: u32) -> anyhow::Result<String> {
        match self.throttle {
            None => Ok(String::new()),
            Some(n) if n.get() < n_arrays => bail!(
                "throttle = {n} cannot be kept over {n_arrays} arrays, which so many workers are on this site: ask for fewer with --jobs"
            ),
            Some(n) => Ok(format!("%{}", n.get() / n_arrays.max(1))),
        }
    }

    /// What the shell does before the worker.
    pub(super) fn shell(&self) -> Vec<String> {
        let modules = self.modules.iter().map(|module| format!("module load {module}"));
        modules.chain(self.environment.iter().cloned()).collect()
    }

    /// Words before the command.
    pub(super) fn container(&self) -> &str {
        self.container.as_deref().unwrap_or_default()
    }
}

/// Options that the scripts of workers have.
const OURS: [&str; 12] = [
    "--job-name",
    "-J",
    "--array",
    "-a",
    "--output",
    "-o",
    "--open-mode",
    "--requeue",
    "--no-requeue",
    "--signal",
    "--ntasks",
    "-n",
];

/// Seconds of warning where a profile says none: a save takes less, and Slurm's own resolution is a minute.
const WARNING: u32 = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_options_and_lines() {
        let text = "partition = \"gpu\"\nmemory = \"16G\"\nmodules = [\"gcc/12\"]\noptions = [\"--exclude=n7\"]\nwarning = 60\nthrottle = 7";
        let profile: Profile = toml::from_str(text).unwrap();
        profile.check("p").unwrap();
        assert_eq!(
            profile.sbatch(),
            [
                "#SBATCH --partition=gpu",
                "#SBATCH --mem=16G",
                "#SBATCH --signal=B:USR1@60",
                "#SBATCH --exclude=n7"
            ]
        );
        assert_eq!(profile.shell(), ["module load gcc/12"]);
        assert_eq!(
            [1, 3, 7].map(|n| profile.throttle(n).unwrap()),
            ["%7", "%2", "%1"]
        );
        assert!(profile.throttle(8).is_err());
        assert_eq!(Profile::default().throttle(1).unwrap(), "");
    }

    #[test]
    fn times_are_read_as_slurm_writes_them() {
        let times = [
            "5",
            "5:30",
            "1:00:00",
            "1-0",
            "1-2:03",
            "1-02:03:04",
            "UNLIMITED",
            "1-",
            ":5",
            "1:2:3:4",
        ];
        let seconds = times.map(seconds_of);
        let day = 86_400;
        let known = [300, 330, 3600, day, day + 7380, day + 7384].map(Some);
        assert_eq!(seconds[..6], known);
        assert!(seconds[6..].iter().all(Option::is_none));
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        let read = |text: &str| toml::from_str::<Profile>(text);
        assert!(
            read("partitoin = \"gpu\"")
                .unwrap_err()
                .to_string()
                .contains("unknown field")
        );
        let check = |text: &str| read(text).unwrap().check("p").unwrap_err().to_string();
        assert!(read("throttle = 0").is_err());
        assert!(check("partition = \"a\\n#SBATCH --wrap\"").contains("no line"));
        assert!(check("options = [\"rm\"]").contains("no option"));
        assert!(check("warning = 100000").contains("more than Slurm takes"));
        let minute = read("time = \"00:01:00\"").unwrap();
        minute.check("p").unwrap();
        assert_eq!(minute.sbatch()[1], "#SBATCH --signal=B:USR1@30");
        assert!(check("time = \"2\"\nwarning = 120").contains("over before it begins"));
        read("time = \"3\"\nwarning = 120").unwrap().check("p").unwrap();
        assert!(check("options = [\"--job-name=x\"]").contains("said for every worker"));
        assert_eq!(
            "slurm:a100".parse::<Place>().unwrap(),
            Place::Slurm(Some("a100".to_owned()))
        );
        assert!("slurm:".parse::<Place>().is_err() && "pbs".parse::<Place>().is_err());
    }
}
