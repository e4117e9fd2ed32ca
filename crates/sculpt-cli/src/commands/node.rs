//! `node ID…`: runs nodes of the store, one after the other. `reproduce` starts it as its jobs.

use super::preset::DataWords;
use crate::children::READY;
use crate::cuda::Graphs;
use crate::ranks::Ranks;
use crate::signals::Stop;
use crate::words::Global;
use crate::{device, places, printing, process};
use anyhow::{Context, bail};
use clap::Args;
use sculpt_experiments::{Ended, Event, ExperimentError, NodeId, Progress, Runner, Store};
use sculpt_trainers::Recorder;
use std::cell::RefCell;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

#[derive(Args)]
pub(crate) struct Words {
    /// Ids, or prefixes that fit one node
    #[arg(required_unless_present = "supervised", value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    data: DataWords,
    /// Make them anew though they are done, and with them all finished nodes that follow from them
    #[arg(long, requires = "ids")]
    again: bool,
    /// Report events as JSON lines, stop cleanly when stdin closes; without ids, read chains of them from stdin, one a line
    #[arg(long, hide = true)]
    supervised: bool,
}

/// How often a supervised job reports steps, at most.
const REPORT_EVERY: Duration = Duration::from_millis(200);

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    let store = places::store(global);
    let data = words.data.folder(global, 1)?;
    // First, as what outlives the group: its processes end when the group does.
    let mut ranks = Ranks::of(global)?;
    let device = device::of_rank(global, ranks.local_rank())?;
    let stop = Stop::on_signals()?;
    let follows = ranks.follows();
    // Those of rank 0 are the others' too.
    let supervised = words.supervised && !follows;
    let chains = supervised.then(|| Chains::read(stop.clone()));
    if !supervised && !follows {
        stop.tell_when_asked(match ranks.is_alone() {
            true => "stopping: saving what is being trained",
            false => {
                "stopping: saving what is being trained, once all ranks have ended their step; another signal, in ten seconds or later, \
                 ends without it"
            }
        });
    }
    let group = ranks.join()?;
    let current: RefCell<Option<NodeId>> = RefCell::new(None);
    let mut last = Instant::now();
    let mut report = |p: Progress| {
        let Some(id) = current.borrow().clone() else {
            return;
        };
        if supervised && (p.epoch.is_some() || last.elapsed() >= REPORT_EVERY) {
            last = Instant::now();
            let train_loss = p.epoch.map(|e| e.train_loss);
            event(&Event::Progress {
                id,
                steps_done: p.steps_done,
                n_steps: p.n_steps,
                train_loss,
            });
        } else if let (Some(epoch), false) = (p.epoch, supervised || follows) {
            printing::note(&format!(
                "{} epoch {}: loss {:.4}, accuracy {:.2} % on training images",
                id.short(),
                epoch.epoch,
                epoch.train_loss,
                100.0 * epoch.train_accuracy
            ));
        }
    };
    // One runner for all of them: data are read once.
    let graphs = Graphs::of(device);
    let mut runner = Runner::new(&store, &data, device, stop.asked(), &mut report)
        .recorded_by(graphs.as_ref().map(|graphs| graphs as &dyn Recorder));
    if let Some(group) = &group {
        runner = runner.on_ranks(group.clone());
    }
    // Before anything is written.
    let mut ids = find(&store, &words.ids)?;
    let _shared = store.share()?;
    let mut at = At {
        store: &store,
        stop: &stop,
        runner: &mut runner,
        current: &current,
        ranks: &ranks,
        is_alone: group.is_none(),
        supervised,
    };
    if words.ids.is_empty() {
        let Some(chains) = chains.filter(|_| group.is_none()) else {
            bail!("processes that train together are told the nodes' ids as words");
        };
        while let Some(chain) = chains.next(&stop) {
            store.look_anew();
            if !at.run(find(&store, &chain)?)? {
                break;
            }
            process::give_back();
            if let Some(graphs) = &graphs {
                graphs.give_back();
            }
            say(READY);
        }
        return Ok(());
    }
    if words.again && !follows {
        let followers = store.followers(&ids.iter().cloned().collect())?;
        if !followers.is_empty() {
            printing::note(&format!(
                "{} nodes that follow are made anew too",
                followers.len()
            ));
        }
        ids.extend(followers);
        store.forget(&ids)?;
    }
    if let Some(group) = &group {
        // More of them may be made anew than were named, which rank 0 alone knows.
        let text = serde_json::to_vec(&ids).expect("ids are plain JSON");
        ids =
            serde_json::from_slice(&group.broadcast_bytes(&text, 0)?).context("rank 0 is another program")?;
    }
    at.run(ids)?;
    Ok(())
}

fn find(store: &Store, words: &[String]) -> anyhow::Result<Vec<NodeId>> {
    Ok(words
        .iter()
        .map(|word| store.find(word))
        .collect::<Result<Vec<_>, _>>()?)
}

/// Where nodes are run, and by whom.
struct At<'a, 'r> {
    store: &'a Store,
    stop: &'a Stop,
    runner: &'a mut Runner<'r>,
    /// The node that is being run.
    current: &'a RefCell<Option<NodeId>>,
    ranks: &'a Ranks,
    is_alone: bool,
    supervised: bool,
}

impl At<'_, '_> {
    /// Runs these nodes, up to one that another process is at; whether this one may go on to others.
    ///
    /// # Errors
    /// A node that cannot be run. A supervisor is told of it as an event.
    fn run(&mut self, ids: Vec<NodeId>) -> anyhow::Result<bool> {
        let follows = self.ranks.follows();
        for id in ids {
            *self.current.borrow_mut() = Some(id.clone());
            if self.supervised {
                event(&Event::Start { id: id.clone() });
            }
            if let Some(suite) = self.store.suite_of(&id) {
                bail!(
                    "node {} is one of suite {}, whose states count as done; `reproduce --no-published` trains it here",
                    id.short(),
                    suite.name()
                );
            }
            process::give_back();
            // A node of few steps ends before it hears of it, and would be followed by the next one. Processes that train together
            // have to agree, which they do at a step.
            let is_stopped = self.is_alone && self.stop.asked().load(Ordering::Relaxed);
            let ended = if is_stopped {
                Ok(Ended::Stopped)
            } else {
                self.runner.run(&id)
            };
            self.runner
                .take_warnings()
                .iter()
                .for_each(|warning| printing::warning(warning));
            match (ended, self.supervised) {
                (Ok(Ended::Done), true) => event(&Event::Done { id }),
                (Ok(Ended::WasDone), true) => event(&Event::Found { id }),
                (Ok(Ended::Stopped), true) => {
                    event(&Event::Stopped { id });
                    return Ok(false);
                }
                (Err(ExperimentError::Locked { .. } | ExperimentError::TakenOver { .. }), true) => {
                    event(&Event::Held { id });
                    return Ok(true);
                }
                (Err(error), true) => {
                    event(&Event::Failed {
                        id,
                        error: error.to_string(),
                    });
                    return Ok(false);
                }
                (Ok(Ended::Done | Ended::WasDone), false) if follows => {}
                (Ok(Ended::Stopped), false) if follows => return Ok(false),
                (Ok(Ended::Done), false) => printing::line(&format!("{id} done")),
                (Ok(Ended::WasDone), false) => printing::line(&format!("{id} was done already")),
                (Ok(Ended::Stopped), false) => {
                    bail!("stopped; `sculpt node {}` goes on from here", id.short())
                }
                (Err(error), false) if follows => {
                    return Err(anyhow::Error::new(error).context(format!("rank {}", self.ranks.rank())));
                }
                (Err(error), false) => return Err(error.into()),
            }
        }
        Ok(true)
    }
}

fn event(event: &Event) {
    say(&serde_json::to_string(event).expect("events are plain JSON"));
}

/// A line for the supervisor. What a library printed, and may have begun a line with, ends before it.
fn say(line: &str) {
    printing::line(&format!("\n{line}"));
}

/// How often a process that waits for a chain looks whether it is to stop.
const TICK: Duration = Duration::from_millis(100);

/// Chains that a supervisor hands us, one a line of our stdin. It holds that open; it closes when the supervisor asks us to stop, and also
/// when it dies.
struct Chains(Receiver<Vec<String>>);

impl Chains {
    fn read(stop: Stop) -> Self {
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in std::io::stdin().lines().map_while(Result::ok) {
                let _ = sender.send(line.split_whitespace().map(str::to_owned).collect());
            }
            stop.ask();
        });
        Self(receiver)
    }

    /// The next one; None where we are to stop.
    fn next(&self, stop: &Stop) -> Option<Vec<String>> {
        while !stop.asked().load(Ordering::Relaxed) {
            match self.0.recv_timeout(TICK) {
                Ok(chain) => return Some(chain),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        None
    }
}
