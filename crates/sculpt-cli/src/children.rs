//! Chains of nodes in child processes of this very program.

use crate::commands::pictures::PREFIX;
use crate::jobs::Jobs;
use crate::ranks;
use anyhow::Context;
use sculpt_experiments::{Event, ExperimentError, JobNumber, NodeId, PostMortem, Report, Worker};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

/// This very program, even when a build has put another in its place: one run is one version.
pub(crate) const PROGRAM: &str = "/proc/self/exe";

/// Child processes `sculpt node ID… --supervised`, each of which reports events on its stdout.
pub(crate) struct Children<'a> {
    jobs: Jobs<'a>,
    n_started: JobNumber,
    running: BTreeMap<JobNumber, Job>,
    sender: Sender<(JobNumber, Message)>,
    receiver: Receiver<(JobNumber, Message)>,
}

struct Job {
    child: Child,
    /// Open while the job may run.
    stdin: Option<ChildStdin>,
}

enum Message {
    Line(String),
    Event(Event),
    Closed,
}

impl<'a> Children<'a> {
    pub(crate) fn new(jobs: Jobs<'a>) -> Self {
        let (sender, receiver) = mpsc::channel();
        Self {
            jobs,
            n_started: 0,
            running: BTreeMap::new(),
            sender,
            receiver,
        }
    }

    fn report(&mut self, job: JobNumber, message: Message) -> anyhow::Result<Option<Report>> {
        match message {
            // A line that is no event is a library's: libtorch warns on stdout too.
            Message::Line(line) => Ok(serde_json::from_str(&line).ok().map(Report::Event)),
            Message::Event(event) => Ok(Some(Report::Event(event))),
            Message::Closed => {
                let Some(mut ended) = self.running.remove(&job) else {
                    // One that was not started.
                    return Ok(Some(Report::Ended { died: None }));
                };
                let status = ended.child.wait().context("a job cannot be waited for")?;
                // One that was asked to end before it could listen is no failure: its node is tried again, unless we are to end too.
                let was_asked = matches!(status.signal(), Some(libc::SIGTERM | libc::SIGINT));
                let died =
                    (!status.success() && !was_asked).then(|| format!("its process ended with {status}"));
                Ok(Some(Report::Ended { died }))
            }
        }
    }
}

impl Children<'_> {
    /// Describes the chain's nodes in the store, up to one that somebody else is at; what is to be said of the first where not even
    /// that one can be run.
    fn describe<'c>(&self, chain: &'c [NodeId]) -> (&'c [NodeId], Option<Event>) {
        for (n, id) in chain.iter().enumerate() {
            let entry = self.jobs.recipe.get(id).expect("chains are of the recipe");
            let described = match self.jobs.store.holding(id) {
                _ if let Some(event) = self.diverged(id) => Err(event),
                // Without the start of a process that would find the same.
                Ok(Some(holding)) if holding.is_certain => Err(Event::Held { id: id.clone() }),
                Ok(_) => self
                    .jobs
                    .store
                    .describe(id, entry)
                    .map_err(|error| event(id, &error)),
                Err(error) => Err(event(id, &error)),
            };
            if let Err(event) = described {
                return (&chain[..n], (n == 0).then_some(event));
            }
        }
        (chain, None)
    }
}

impl Children<'_> {
    /// That another worker of the same submission has seen the node's training diverge: here it would too.
    fn diverged(&self, id: &NodeId) -> Option<Event> {
        let folder = self.jobs.store.node_folder(id);
        self.jobs
            .since
            .filter(|since| PostMortem::written(&folder).is_some_and(|written| written >= *since))?;
        let post_mortem = PostMortem::read(&folder).ok().flatten()?;
        Some(Event::Failed {
            id: id.clone(),
            error: format!("{}; so said another worker of this submission", post_mortem.why),
        })
    }
}

/// What an error of a node's description means for whoever wants to run it.
fn event(id: &NodeId, error: &ExperimentError) -> Event {
    let id = id.clone();
    match error {
        ExperimentError::Locked { .. } => Event::Held { id },
        error => Event::Failed {
            id,
            error: error.to_string(),
        },
    }
}

/// A flag and its value in one word, so that a value may begin with a dash.
fn flag(name: &str, value: impl AsRef<OsStr>) -> OsString {
    let mut word = OsString::from(name);
    word.push("=");
    word.push(value);
    word
}

impl Worker for Children<'_> {
    type Error = anyhow::Error;

    fn start(&mut self, chain: &[NodeId]) -> anyhow::Result<JobNumber> {
        self.n_started += 1;
        let (job, sender) = (self.n_started, self.sender.clone());
        let (chain, said) = self.describe(chain);
        if let Some(event) = said {
            let _ = sender.send((job, Message::Event(event)));
            let _ = sender.send((job, Message::Closed));
            return Ok(job);
        }
        let mut command = Command::new(PROGRAM);
        command
            .arg("node")
            .args(chain.iter().map(NodeId::as_str))
            .arg("--supervised")
            .arg(flag("--runs", self.jobs.store.word()))
            .arg(flag("--device", &self.jobs.global.device));
        if let Some(ranks) = self.jobs.global.ranks {
            command.arg(flag("--ranks", ranks.to_string()));
        }
        if let Some(folder) = &self.jobs.data.folder {
            command.arg(flag("--data", folder));
        }
        if let Some(pictures) = &self.jobs.data.pictures {
            let decoding = pictures.decoding();
            let mut word = OsString::from(PREFIX);
            word.push(pictures.folder());
            command
                .arg(flag("--data", word))
                .arg(flag("--decoders", decoding.threads.to_string()))
                .arg(flag("--leave-out", decoding.most_left_out.to_string()));
        }
        if let Some(name) = &self.jobs.data.name {
            command.arg(flag("--data-name", name));
        }
        // Whoever started this process among others did not start its jobs so.
        ranks::forget_launcher(&mut command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("a job cannot be started")?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("a job has no stdout")?;
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send((job, Message::Line(line)));
            }
            let _ = sender.send((job, Message::Closed));
        });
        self.running.insert(job, Job { child, stdin });
        Ok(job)
    }

    fn poll(&mut self, patience: Duration) -> anyhow::Result<Vec<(JobNumber, Report)>> {
        let mut reports = Vec::new();
        let mut next = self.receiver.recv_timeout(patience).ok();
        while let Some((job, message)) = next {
            if let Some(report) = self.report(job, message)? {
                reports.push((job, report));
            }
            next = self.receiver.try_recv().ok();
        }
        Ok(reports)
    }

    /// Closing its stdin asks a job to stop.
    fn stop(&mut self) {
        self.running.values_mut().for_each(|job| job.stdin = None);
    }

    fn capacity(&self) -> usize {
        self.jobs.n as usize
    }
}
