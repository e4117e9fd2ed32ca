//! Several processes for one node: those that a launcher started, as the environment tells, or those that `--ranks` starts.

use crate::children::PROGRAM;
use crate::words::{BadUsage, Global};
use anyhow::Context;
use sculpt_collective::{Group, Rendezvous};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a process waits for the others to come.
const TO_MEET: Duration = Duration::from_secs(300);

/// How long it waits for one that is there and silent: rank 0 evaluates and writes while the others wait.
const TIMEOUT: Duration = Duration::from_secs(1800);

/// How long those that were started here may take to end.
const TO_END: Duration = Duration::from_secs(10);

/// What launchers set.
const OF_LAUNCHERS: [&str; 9] = [
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "MASTER_ADDR",
    "MASTER_PORT",
    "TORCHELASTIC_USE_AGENT_STORE",
    "TORCHELASTIC_RESTART_COUNT",
    "SLURM_PROCID",
    "SLURM_STEP_NUM_TASKS",
];

/// A command of this process that is none of several.
pub(crate) fn forget_launcher(command: &mut Command) {
    for name in OF_LAUNCHERS {
        command.env_remove(name);
    }
}

/// Where the processes of this one's training meet; None where it is alone.
pub(crate) struct Ranks {
    place: Option<Rendezvous>,
    /// At its port, where this process chose it.
    listener: Option<TcpListener>,
    /// Kept for their end.
    _others: Others,
}

/// The processes that this one started.
struct Others(Vec<Child>);

impl Ranks {
    /// Of the launcher, or of `--ranks`, whose other processes are started: they do what this one was asked to.
    pub(crate) fn of(global: &Global) -> anyhow::Result<Self> {
        let launched = Rendezvous::from_variables(|name| std::env::var(name).ok())
            .map_err(|error| BadUsage(error.to_string()))?;
        if launched.is_none() {
            check_step(|name| std::env::var(name).ok())?;
        }
        let asked = global.ranks.unwrap_or(1) as usize;
        let (mut others, mut listener) = (Others(Vec::new()), None);
        let place = match launched {
            Some(place) if asked > 1 && asked != place.world => {
                return Err(BadUsage(format!(
                    "--ranks {asked}: a launcher has started {} already",
                    place.world
                ))
                .into());
            }
            Some(place) => Some(place),
            None if asked > 1 => {
                let (socket, port) = listen()?;
                listener = Some(socket);
                let place = Rendezvous {
                    rank: 0,
                    world: asked,
                    local_rank: 0,
                    host: "127.0.0.1".to_owned(),
                    port,
                    launcher_listens: false,
                    attempt: 0,
                };
                for rank in 1..asked {
                    others.0.push(start(rank, &place)?);
                }
                Some(place)
            }
            None => None,
        };
        Ok(Self {
            place: place.filter(|place| place.world > 1),
            listener,
            _others: others,
        })
    }

    /// This process among those of its machine.
    pub(crate) fn local_rank(&self) -> usize {
        self.place.as_ref().map_or(0, |place| place.local_rank)
    }

    /// This process among all.
    pub(crate) fn rank(&self) -> usize {
        self.place.as_ref().map_or(0, |place| place.rank)
    }

    /// Whether there are no others.
    pub(crate) fn is_alone(&self) -> bool {
        self.place.is_none()
    }

    /// Whether another process locks, writes and reports.
    pub(crate) fn follows(&self) -> bool {
        self.rank() > 0
    }

    /// Waits for the others to come.
    pub(crate) fn join(&mut self) -> anyhow::Result<Option<Arc<Group>>> {
        let Some(place) = &self.place else {
            return Ok(None);
        };
        let group = match self.listener.take() {
            Some(listener) => Group::join_at(listener, place, TO_MEET, TIMEOUT)?,
            None => Group::join(place, TO_MEET, TIMEOUT)?,
        };
        Ok(Some(Arc::new(group)))
    }
}

/// Tasks of `srun` that have no place to meet would be strangers at one node: the first would lock the others out.
fn check_step(variable: impl Fn(&str) -> Option<String>) -> Result<(), BadUsage> {
    let tasks = variable("SLURM_STEP_NUM_TASKS").and_then(|word| word.parse::<u32>().ok());
    match tasks {
        Some(tasks) if tasks > 1 => Err(BadUsage(format!(
            "this is one of srun's {tasks} tasks, and they have nowhere to meet: set MASTER_ADDR to the first one's host, as in \
             `scontrol show hostname \"$SLURM_JOB_NODELIST\" | head -n 1`, and MASTER_PORT to a free port, for all of them; \
             `sculpt work` is what tasks do that share a store, each its own nodes"
        ))),
        _ => Ok(()),
    }
}

/// At a port that nobody else is given as long as this is open.
fn listen() -> anyhow::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no port of this machine can be had")?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

/// This very command as another rank. What it has to say is rank 0's to say, but for what ends it.
fn start(rank: usize, place: &Rendezvous) -> anyhow::Result<Child> {
    Command::new(PROGRAM)
        .args(std::env::args_os().skip(1))
        .env("RANK", rank.to_string())
        .env("LOCAL_RANK", rank.to_string())
        .env("WORLD_SIZE", place.world.to_string())
        .env("MASTER_ADDR", &place.host)
        .env("MASTER_PORT", place.port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("rank {rank} cannot be started"))
}

/// When it goes the group is closed, which ends the others: none is left behind.
impl Drop for Others {
    fn drop(&mut self) {
        let end = Instant::now() + TO_END;
        for child in &mut self.0 {
            while child.try_wait().is_ok_and(|ended| ended.is_none()) && Instant::now() < end {
                thread::sleep(Duration::from_millis(10));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
