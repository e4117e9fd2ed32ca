//! Slurm: workers as one array of jobs over a shared store. The store is the only truth; Slurm is asked for no more than who is
//! queued, and its accounting never.

mod profile;
mod queue;
mod script;

pub(crate) use profile::{Place, Profile};
pub(crate) use queue::{Queued, max_array_size, queued, queued_within, requeue_self};
pub(crate) use script::{Work, job_name, write_scripts};

use crate::display::duration;
use crate::jobs::Finished;
use crate::printing;
use crate::signals::Stop;
use anyhow::{Context, bail};
use sculpt_experiments::{Entry, NodeId, PostMortem, Recipe, Store, counted};
use sculpt_store::paths;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the store is looked at, and the queue.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const ASK_EVERY: Duration = Duration::from_secs(10);

/// A shared folder of thousands of nodes is looked at for a twentieth of the time at most.
const LOOKS_OF_TIME: u32 = 20;

/// How often a line says how far the workers are, and when the first one does.
const SAY_EVERY: Duration = Duration::from_secs(60);
const SAID_FIRST: Duration = Duration::from_secs(12);

/// For so long the controller may be away.
const PATIENCE: Duration = Duration::from_secs(900);

/// Looks at the queue, in a row, in which nobody is there before that is believed: a job that is being requeued is in no list.
const EMPTY_LOOKS: u32 = 3;

/// Lines of a log that an error shows.
const LOG_LINES: usize = 5;

/// Has workers train what is missing, and waits for them.
pub(crate) struct Cluster<'a> {
    pub(crate) store: &'a Store,
    /// What every worker is started with.
    pub(crate) work: Work<'a>,
    pub(crate) profile: Profile,
    pub(crate) n_workers: u32,
    /// Whether to wait for them.
    pub(crate) detach: bool,
}

impl Cluster<'_> {
    /// Submits as many workers as there is work for and are not queued already, and waits until the nodes are done. None where nobody
    /// waits.
    ///
    /// # Errors
    /// Slurm that refuses, workers that ended and left nodes, or a signal; workers go on then.
    pub(crate) fn train(&self, recipe: &Recipe) -> anyhow::Result<Option<Finished>> {
        let is_open = |(id, entry): &(&NodeId, &Entry)| !self.store.is_done(id, entry);
        let open: Vec<_> = recipe.iter().filter(is_open).collect();
        let stop = Stop::on_signals()?;
        let n_open = open.len();
        if n_open == 0 {
            printing::note("all nodes are done: nothing is submitted");
            return Ok((!self.detach).then(Finished::default));
        }
        let name = job_name(self.work.suite, self.store.runs());
        let there = queued(&name)?.len() as u32;
        let wanted = self.n_workers.min(n_open as u32).saturating_sub(there);
        if there > 0 {
            printing::note(&format!(
                "{} queued or running already{}",
                match there {
                    1 => "1 worker is".to_owned(),
                    n => format!("{n} workers are"),
                },
                if self.work.is_as_submitted(&self.profile)? {
                    String::new()
                } else {
                    format!(", with other words than these; `scancel --name={name}` takes them back")
                }
            ));
        }
        self.submit(wanted)?;
        if self.detach {
            printing::note(&format!(
                "workers train {n_open} nodes; `sculpt status` says how far they are, the same command without --detach waits for them"
            ));
            return Ok(None);
        }
        self.wait(open, &name, &stop, there > 0)
    }

    fn submit(&self, n_workers: u32) -> anyhow::Result<()> {
        if n_workers == 0 {
            // Those that are queued read what is missing now.
            return self.work.write_list();
        }
        let folder = paths::slurm_folder(self.store.runs());
        let largest = queue::max_array_size()?;
        let scripts = write_scripts(&folder, &self.work, &self.profile, n_workers, largest)?;
        let (n, mut there) = (scripts.len(), Vec::new());
        for script in scripts {
            let submitted = queue::submit(&script);
            let id = submitted.with_context(|| match there.len() {
                0 => format!("none of {n} arrays was submitted"),
                k => format!(
                    "{k} of {n} arrays were submitted and train what they can (`scancel {}` takes them back)",
                    there.join(" ")
                ),
            })?;
            printing::note(&format!("submitted {} as job {id}", script.display()));
            there.push(id);
        }
        Ok(())
    }

    fn wait(
        &self,
        mut open: Vec<(&NodeId, &Entry)>,
        name: &str,
        stop: &Stop,
        mut adopted: bool,
    ) -> anyhow::Result<Option<Finished>> {
        let n = open.len();
        let (begun, mut asked, mut answered) = (Instant::now(), Instant::now(), Instant::now());
        let mut says = begun + SAID_FIRST;
        let (mut empty, mut workers, mut pause) = (0, Vec::new(), LOOK_EVERY);
        loop {
            if stop.asked().load(Ordering::Relaxed) {
                bail!(
                    "the workers go on; the same command waits for them again, `scancel --name={name}` ends them"
                );
            }
            std::thread::sleep(pause);
            let look = Instant::now();
            open.retain(|(id, entry)| !self.store.is_done(id, entry));
            pause = LOOK_EVERY.max(LOOKS_OF_TIME * look.elapsed());
            if open.is_empty() {
                stop.end_at_once();
                return Ok(Some(Finished {
                    n_run: n,
                    ..Finished::default()
                }));
            }
            if asked.elapsed() >= ASK_EVERY {
                asked = Instant::now();
                match queued(name) {
                    Ok(found) => {
                        answered = Instant::now();
                        // Those that Slurm holds start no more by themselves, nor those that no machine can take.
                        let is_over = found
                            .iter()
                            .all(|worker| worker.is_held() || worker.never_starts());
                        empty = if is_over { empty + 1 } else { 0 };
                        workers = found;
                    }
                    // A controller that is restarted comes back.
                    Err(error) if answered.elapsed() > PATIENCE => return Err(error),
                    Err(_) => {}
                }
            }
            if empty >= EMPTY_LOOKS && adopted && workers.is_empty() {
                // They were there before, and may have known of fewer nodes.
                (adopted, empty) = (false, 0);
                self.submit(self.n_workers.min(open.len() as u32))?;
            }
            if empty >= EMPTY_LOOKS {
                let folders = open.iter().map(|(id, _)| self.store.node_folder(id));
                let mut diverged = folders.filter_map(|folder| PostMortem::read(&folder).ok().flatten());
                let why = match diverged.next() {
                    Some(first) => format!("{}: {}", first.id.short(), first.why),
                    None => last_words(self.store.runs(), name),
                };
                let held = workers.first().map_or_else(String::new, |worker: &Queued| {
                    if worker.never_starts() {
                        return format!(
                            " that can start: {} wait with {}, since no machine of the site has what they ask for (--pack, threads, the \
                             profile). `scancel --name={name}` takes them back",
                            counted(workers.len(), "worker"),
                            worker.place
                        );
                    }
                    format!(
                        " that may start ({} are held: {}; `scontrol release {}` lets the first go)",
                        workers.len(),
                        worker.place,
                        worker.job
                    )
                });
                bail!(
                    "no worker is left{held}, and {} of {n} nodes are not done; {why}",
                    open.len()
                );
            }
            if Instant::now() >= says {
                says = Instant::now() + SAY_EVERY;
                let running = workers
                    .iter()
                    .filter(|worker: &&Queued| worker.is_running())
                    .count();
                let why = workers.iter().find(|worker: &&Queued| !worker.is_running());
                let why = why.map_or_else(String::new, |worker: &Queued| format!(" {}", worker.place));
                printing::note(&format!(
                    "{}/{n} nodes in {}, {} running, {} waiting{why}",
                    n - open.len(),
                    duration(begun.elapsed().as_secs_f64()),
                    counted(running, "worker"),
                    workers.len() - running
                ));
            }
        }
    }
}

/// Whether workers of this name were submitted from this store.
pub(crate) fn was_submitted(name: &str, runs: &Path) -> bool {
    let files = fs::read_dir(paths::slurm_folder(runs))
        .into_iter()
        .flatten()
        .flatten();
    files
        .into_iter()
        .any(|file| file.file_name().to_string_lossy().starts_with(name))
}

/// What the workers of this name said last: the end of the log that was written last.
pub(crate) fn last_words(runs: &Path, name: &str) -> String {
    let folder = paths::slurm_folder(runs);
    let logs = fs::read_dir(&folder).into_iter().flatten().flatten();
    let own = |path: &PathBuf| {
        let file = paths::file_name(path);
        file.starts_with(&format!("{name}-")) && file.ends_with(".log")
    };
    let written = |path: &PathBuf| fs::metadata(path).and_then(|found| found.modified()).ok();
    let mut logs: Vec<_> = logs.map(|entry| entry.path()).filter(own).collect();
    logs.sort_by_key(|path| written(path));
    let Some(log) = logs.pop() else {
        return format!(
            "they left no log in {}; scripts that `plan` wrote there are for you to submit",
            folder.display()
        );
    };
    let text = fs::read_to_string(&log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let end = &lines[lines.len().saturating_sub(LOG_LINES)..];
    format!("{} ends: {}", log.display(), end.join(" / "))
}

/// What a command of Slurm says.
fn ask(program: &str, words: &[&str]) -> anyhow::Result<String> {
    ask_within(program, words, ANSWERED_BY_THEN)
}

/// The same, for somebody who does not wait so long.
fn ask_within(program: &str, words: &[&str], patience: Duration) -> anyhow::Result<String> {
    let mut command = Command::new(program);
    command
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        // A user's own habits would hide workers, or give them other names.
        if name.starts_with("SQUEUE_") || OURS_ALONE.contains(&name.as_str()) {
            command.env_remove(&name);
        }
    }
    let child = command.spawn();
    let mut child = child
        .with_context(|| format!("{program} cannot be started: is this a machine of a Slurm cluster?"))?;
    let (stdout, stderr) = (child.stdout.take().map(said), child.stderr.take().map(said));
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().with_context(|| program.to_owned())? {
            break status;
        }
        if begun.elapsed() > patience {
            let _ = child.kill();
            let _ = child.wait();
            bail!(
                "{program} {} did not answer within {} s",
                words.join(" "),
                patience.as_secs()
            );
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let text =
        |reader: Option<JoinHandle<String>>| reader.and_then(|reader| reader.join().ok()).unwrap_or_default();
    let (stdout, stderr) = (text(stdout), text(stderr));
    if !status.success() {
        bail!("{program} {}: {}", words.join(" "), stderr.trim());
    }
    Ok(stdout)
}

/// A controller that is busy answers within this.
const ANSWERED_BY_THEN: Duration = Duration::from_secs(60);

/// What variables of `sbatch` would say in the place of a worker's script.
const OURS_ALONE: [&str; 6] = [
    "SBATCH_JOB_NAME",
    "SBATCH_ARRAY_INX",
    "SBATCH_OUTPUT",
    "SBATCH_OPEN_MODE",
    "SBATCH_REQUEUE",
    "SBATCH_SIGNAL",
];

/// All that a stream says, read beside whatever else it does.
fn said(mut stream: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
