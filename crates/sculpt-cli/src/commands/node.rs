//! `node ID…`: runs nodes of the store, one after the other. `reproduce` starts it as its jobs.

use super::preset::DataWords;
use crate::cuda::Graphs;
use crate::ranks::Ranks;
use crate::signals::Stop;
use crate::words::Global;
use crate::{device, places, printing};
use anyhow::{Context, bail};
use clap::Args;
use sculpt_experiments::{Ended, Event, ExperimentError, NodeId, Progress, Runner};
use sculpt_trainers::Recorder;
use std::cell::RefCell;
use std::io::Read;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

#[derive(Args)]
pub(crate) struct Words {
    /// Ids, or prefixes that fit one node
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    data: DataWords,
    /// Make them anew though they are done, and with them all finished nodes that follow from them
    #[arg(long)]
    again: bool,
    /// Report events as JSON lines, and stop cleanly when stdin closes
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
    if supervised {
        stop_when_stdin_closes(stop.clone());
    }
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
    let mut ids = words
        .ids
        .iter()
        .map(|word| store.find(word))
        .collect::<Result<Vec<_>, _>>()?;
    let _shared = store.share()?;
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
    for id in ids {
        *current.borrow_mut() = Some(id.clone());
        if supervised {
            event(&Event::Start { id: id.clone() });
        }
        if let Some(suite) = store.suite_of(&id) {
            bail!(
                "node {} is one of suite {}, whose states count as done; `reproduce --no-published` trains it here",
                id.short(),
                suite.name()
            );
        }
        // A node of few steps ends before it hears of it, and would be followed by the next one. Processes that train together have
        // to agree, which they do at a step.
        let is_stopped = group.is_none() && stop.asked().load(Ordering::Relaxed);
        let ended = if is_stopped {
            Ok(Ended::Stopped)
        } else {
            runner.run(&id)
        };
        runner
            .take_warnings()
            .iter()
            .for_each(|warning| printing::warning(warning));
        match (ended, supervised) {
            (Ok(Ended::Done), true) => event(&Event::Done { id }),
            (Ok(Ended::WasDone), true) => event(&Event::Found { id }),
            (Ok(Ended::Stopped), true) => {
                event(&Event::Stopped { id });
                return Ok(());
            }
            (Err(ExperimentError::Locked { .. } | ExperimentError::TakenOver { .. }), true) => {
                event(&Event::Held { id });
                return Ok(());
            }
            (Err(error), true) => {
                event(&Event::Failed {
                    id,
                    error: error.to_string(),
                });
                return Ok(());
            }
            (Ok(Ended::Done | Ended::WasDone), false) if follows => {}
            (Ok(Ended::Stopped), false) if follows => return Ok(()),
            (Ok(Ended::Done), false) => printing::line(&format!("{id} done")),
            (Ok(Ended::WasDone), false) => printing::line(&format!("{id} was done already")),
            (Ok(Ended::Stopped), false) => bail!("stopped; `sculpt node {}` goes on from here", id.short()),
            (Err(error), false) if follows => {
                return Err(anyhow::Error::new(error).context(format!("rank {}", ranks.rank())));
            }
            (Err(error), false) => return Err(error.into()),
        }
    }
    Ok(())
}

fn event(event: &Event) {
    printing::line(&serde_json::to_string(event).expect("events are plain JSON"));
}

/// The supervisor holds our stdin open; it closes when the supervisor asks us to stop, and also when it dies.
fn stop_when_stdin_closes(stop: Stop) {
    std::thread::spawn(move || {
        let mut sink = [0; 64];
        while std::io::stdin().read(&mut sink).is_ok_and(|n| n > 0) {}
        stop.ask();
    });
}
