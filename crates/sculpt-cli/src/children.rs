//! Chains of nodes in child processes of this very program.

use crate::commands::pictures::PREFIX;
use crate::cuda::Mps;
use crate::jobs::Jobs;
use crate::ranks;
use anyhow::Context;
use sculpt_experiments::{Event, ExperimentError, JobNumber, NodeId, PostMortem, Report, Worker};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

/// This very program, even when a build has put another in its place: one run is one version.
pub(crate) const PROGRAM: &str = "/proc/self/exe";

/// What a job's process says on stdout when all nodes of its chain are done: it waits for another.
pub(crate) const READY: &str = "ready for a chain";

/// Child processes `sculpt node --supervised`, each of which reads chains on its stdin, one a line, and reports events on its stdout. It
/// stays for the next chain: libtorch's start, a GPU's context and data are had once. One whose node failed ends,
/// and so does one of several ranks after its chain.
pub(crate) struct Children<'a> {
    jobs: Jobs<'a>,
    /// Through which they use a card together.
    service: Option<&'a Mps>,
    n_jobs: JobNumber,
    n_processes: usize,
    processes: BTreeMap<usize, Process>,
    sender: Sender<Message>,
    receiver: Receiver<Message>,
}

struct Process {
    child: Child,
    /// Open while the process may run.
    stdin: Option<ChildStdin>,
    /// None while it waits for one.
    job: Option<JobNumber>,
    /// Whether it has done a chain before.
    is_used: bool,
    /// Whether it has said anything of the nodes of this one.
    has_begun: bool,
}

enum Message {
    /// A process said something.
    Line(usize, String),
    /// A process closed its stdout.
    Closed(usize),
    /// Of a job that needed no process.
    Report(JobNumber, Report),
}

impl<'a> Children<'a> {
    pub(crate) fn new(jobs: Jobs<'a>, service: Option<&'a Mps>) -> Self {
        let (sender, receiver) = mpsc::channel();
        Self {
            jobs,
            service,
            n_jobs: 0,
            n_processes: 0,
            processes: BTreeMap::new(),
            sender,
            receiver,
        }
    }

    fn report(&mut self, message: Message) -> anyhow::Result<Option<(JobNumber, Report)>> {
        match message {
            Message::Report(job, report) => Ok(Some((job, report))),
            Message::Line(number, line) => {
                let Some(process) = self.processes.get_mut(&number) else {
                    return Ok(None);
                };
                if line == READY {
                    return Ok(process.job.take().map(|job| (job, Report::Ended { died: None })));
                }
                // A line that is no event is a library's: libtorch warns on stdout too.
                let event = serde_json::from_str(&line).ok().map(Report::Event);
                process.has_begun |= event.is_some();
                Ok(process.job.zip(event))
            }
            Message::Closed(number) => {
                let Some(mut ended) = self.processes.remove(&number) else {
                    return Ok(None);
                };
                // One that goes on though nobody can hear it ends as well.
                ended.stdin = None;
                let status = ended.child.wait().context("a job cannot be waited for")?;
                // One that was asked to end before it could listen is no failure: its node is tried again, unless we are to end too.
                let was_asked = matches!(status.signal(), Some(libc::SIGTERM | libc::SIGINT));
                // Nor is one that ended while it waited, just as it was handed a chain: that is another's then.
                let had_waited = ended.is_used && !ended.has_begun;
                let died = (!status.success() && !was_asked && !had_waited)
                    .then(|| format!("its process ended with {status}"));
                Ok(ended.job.map(|job| (job, Report::Ended { died })))
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

impl Children<'_> {
    /// Hands a chain to a process that waits for one; whether there is one.
    fn hand_over(&mut self, job: JobNumber, chain: &[NodeId]) -> bool {
        let line = line_of(chain);
        let waiting = self
            .processes
            .values_mut()
            .filter(|process| process.job.is_none());
        for process in waiting {
            let written = process
                .stdin
                .as_mut()
                .map(|stdin| stdin.write_all(line.as_bytes()));
            match written {
                Some(Ok(())) => {
                    (process.job, process.is_used, process.has_begun) = (Some(job), true, false);
                    return true;
                }
                // It was ended by somebody, which its stdout tells too.
                Some(Err(_)) | None => process.stdin = None,
            }
        }
        false
    }

    /// The command of a process that reads chains, or, of several ranks, runs this one.
    fn command(&self, chain: &[NodeId]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .arg("node")
            .arg("--supervised")
            .arg(flag("--runs", self.jobs.store.word()))
            .arg(flag("--device", &self.jobs.global.device));
        if let Some(ranks) = self.jobs.global.ranks {
            command
                .arg(flag("--ranks", ranks.to_string()))
                .args(chain.iter().map(NodeId::as_str));
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
        if let Some(service) = self.service {
            command.envs(service.environment());
        }
        // Whoever started this process among others did not start its jobs so.
        ranks::forget_launcher(&mut command);
        command
    }

    /// Starts a process for a chain.
    fn spawn(&mut self, job: JobNumber, chain: &[NodeId]) -> anyhow::Result<()> {
        let mut child = self
            .command(chain)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("a job cannot be started")?;
        let mut stdin = child.stdin.take();
        let stdout = child.stdout.take().context("a job has no stdout")?;
        if let (Some(stdin), None) = (&mut stdin, self.jobs.global.ranks) {
            // One that ended already says so by closing its stdout.
            let _ = stdin.write_all(line_of(chain).as_bytes());
        }
        self.n_processes += 1;
        let (number, sender) = (self.n_processes, self.sender.clone());
        std::thread::spawn(move || {
            // Libraries print paths, which may be of any bytes.
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                let _ = sender.send(Message::Line(number, String::from_utf8_lossy(&line).into_owned()));
            }
            let _ = sender.send(Message::Closed(number));
        });
        let process = Process {
            child,
            stdin,
            job: Some(job),
            is_used: false,
            has_begun: false,
        };
        self.processes.insert(number, process);
        Ok(())
    }
}

/// A chain as a process reads it.
fn line_of(chain: &[NodeId]) -> String {
    let ids: Vec<_> = chain.iter().map(NodeId::as_str).collect();
    format!("{}\n", ids.join(" "))
}

impl Worker for Children<'_> {
    type Error = anyhow::Error;

    fn start(&mut self, chain: &[NodeId]) -> anyhow::Result<JobNumber> {
        self.n_jobs += 1;
        let job = self.n_jobs;
        let (chain, said) = self.describe(chain);
        if let Some(event) = said {
            for report in [Report::Event(event), Report::Ended { died: None }] {
                let _ = self.sender.send(Message::Report(job, report));
            }
        } else if !self.hand_over(job, chain) {
            self.spawn(job, chain)?;
        }
        Ok(job)
    }

    fn poll(&mut self, patience: Duration) -> anyhow::Result<Vec<(JobNumber, Report)>> {
        let mut reports = Vec::new();
        let mut next = self.receiver.recv_timeout(patience).ok();
        while let Some(message) = next {
            reports.extend(self.report(message)?);
            next = self.receiver.try_recv().ok();
        }
        Ok(reports)
    }

    /// Closing its stdin asks a job to stop.
    fn stop(&mut self) {
        self.processes
            .values_mut()
            .for_each(|process| process.stdin = None);
    }

    fn capacity(&self) -> usize {
        self.jobs.n as usize
    }
}

impl Drop for Children<'_> {
    /// Those that wait for a chain end when nobody can give them one; they hold a share of the store until then.
    fn drop(&mut self) {
        self.stop();
        let waiting = self
            .processes
            .values_mut()
            .filter(|process| process.job.is_none());
        for process in waiting {
            let _ = process.child.wait();
        }
    }
}
