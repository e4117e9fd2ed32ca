//! Chains of nodes in child processes of this very program.

use crate::ranks;
use crate::words::Global;
use anyhow::Context;
use sculpt_experiments::{DataFolder, JobNumber, NodeId, Report, Store, Worker};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

/// This very program, even when a build has put another in its place: one run is one version.
pub(crate) const PROGRAM: &str = "/proc/self/exe";

/// Child processes `sculpt node ID… --supervised`, each of which reports events on its stdout.
pub(crate) struct Children<'a> {
    store: &'a Store,
    data: &'a DataFolder,
    global: &'a Global,
    n_jobs: usize,
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
    Closed,
}

impl<'a> Children<'a> {
    pub(crate) fn new(store: &'a Store, data: &'a DataFolder, global: &'a Global, n_jobs: usize) -> Self {
        let (sender, receiver) = mpsc::channel();
        Self {
            store,
            data,
            global,
            n_jobs,
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
            Message::Closed => {
                let Some(mut ended) = self.running.remove(&job) else {
                    return Ok(None);
                };
                let status = ended.child.wait().context("a job cannot be waited for")?;
                let died = (!status.success()).then(|| format!("its process ended with {status}"));
                Ok(Some(Report::Ended { died }))
            }
        }
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
        let mut command = Command::new(PROGRAM);
        command
            .arg("node")
            .args(chain.iter().map(NodeId::as_str))
            .arg("--supervised")
            .arg(flag("--runs", self.store.runs()))
            .arg(flag("--device", &self.global.device));
        if let Some(ranks) = self.global.ranks {
            command.arg(flag("--ranks", ranks.to_string()));
        }
        if let Some(folder) = &self.data.folder {
            command.arg(flag("--data", folder));
        }
        if let Some(name) = &self.data.name {
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
        self.n_started += 1;
        let (job, sender) = (self.n_started, self.sender.clone());
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
        self.n_jobs
    }
}
