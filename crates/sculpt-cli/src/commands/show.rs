//! `sculpt show`: everything about one node.

use crate::commands::{address, ls};
use crate::words::Global;
use crate::{places, printing};
use anyhow::bail;
use clap::Args;
use sculpt_checkpoints::read_tensors;
use sculpt_experiments::{
    Done, Failure, MetricsRow, Node, NodeEnvironment, NodeId, PostMortem, ReadState, StateRef,
};
use sculpt_report::training_curves;
use sculpt_store::{atomic, paths};
use sculpt_trainers::Position;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;

#[derive(Args)]
pub(crate) struct Words {
    /// Id of a node of the store or of a published suite, or how it begins
    #[arg(value_name = "ID")]
    id: String,
    /// Draw loss and accuracy by epoch: here, and as SVG into the folder of reports
    #[arg(long, conflicts_with = "json")]
    plot: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    id: NodeId,
    /// What recipes call it, each with its suite.
    names: Vec<String>,
    kind: &'static str,
    status: ls::Status,
    /// Whether it was once run to its end here, for the words of `status`.
    #[serde(skip)]
    has_end: bool,
    model: Option<String>,
    density: Option<f64>,
    /// Epochs trained before it along the chain.
    epochs_before: Option<u32>,
    parents: Vec<StateRef>,
    node: Node,
    /// How the store runs it; none of a published suite's node.
    environment: Option<NodeEnvironment>,
    /// The published suite that the node is read from, where the store has none of it.
    suite: Option<String>,
    /// The states that it read, with the SHA-256 of each, where they are recorded.
    read: Vec<ReadState>,
    /// Pictures that nobody can read, and that it and what it rests on were made without, each with the reason.
    left_out: BTreeSet<String>,
    /// Where an unfinished node goes on.
    progress: Option<Position>,
    /// Why its last run failed, where it did for another reason than that its training diverged.
    failure: Option<Failure>,
    /// How its last training ended, where it diverged.
    post_mortem: Option<PostMortem>,
    /// Epochs whose state is there.
    states: Vec<u32>,
    metrics: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    epoch: u32,
    learning_rate: f64,
    train_loss: f64,
    train_accuracy: f64,
    test_loss: Option<f64>,
    test_accuracy: Option<f64>,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    let store = places::store(global);
    let (id, epoch) = address::find(&store, &words.id)?;
    if epoch.is_some() {
        // An epoch that is not there is said so.
        address::place(&store, &id, epoch)?;
    }
    let suite = store.suite_of(&id);
    let (node, environment) = match suite.and_then(|suite| suite.node(&id)) {
        Some(node) => (node.clone(), None),
        None => {
            let file = store.node_file(&id)?;
            (file.node, Some(file.environment))
        }
    };
    let folder = suite.map_or_else(|| store.node_folder(&id), |suite| suite.folder().to_owned());
    let last = node.last_epoch();
    let status = match &environment {
        Some(environment) => ls::status(&store, &id, last, environment.keep.iter().copied()),
        None => ls::Status::Done,
    };
    let is_train = matches!(node, Node::Train(_));
    let rows = match status {
        ls::Status::Done if is_train => store.metrics(&id)?,
        ls::Status::Unfinished if is_train && !store.has_end(&id) => ls::live_metrics(&store, &id),
        ls::Status::Done | ls::Status::Unfinished | ls::Status::Described => Vec::new(),
    };
    let expected =
        address::described_or_read(store.expected(&id), address::place(&store, &id, None).ok(), last);
    let report = Report {
        names: ls::Named::of(&store).names(&id),
        kind: node.kind(),
        status,
        has_end: store.has_end(&id),
        model: expected.model.map(|model| model.to_string()),
        density: expected.density,
        epochs_before: expected.epochs_before,
        parents: node.parents().into_iter().cloned().collect(),
        progress: progress(&paths::progress_state(&store.node_folder(&id))),
        failure: Failure::read(&store.node_folder(&id))?,
        post_mortem: PostMortem::read(&store.node_folder(&id))?,
        states: address::epochs(&store, &id),
        suite: suite.map(|suite| suite.name()),
        read: Done::read(&store.node_folder(&id))?.map_or_else(Vec::new, |done| done.parents),
        left_out: store.left_out(&id)?,
        metrics: rows
            .iter()
            .map(|row| Row {
                epoch: row.training.epoch,
                learning_rate: row.training.learning_rate,
                train_loss: row.training.train_loss,
                train_accuracy: row.training.train_accuracy,
                test_loss: row.test.map(|test| test.loss),
                test_accuracy: row.test.map(|test| test.n_correct as f64 / test.n as f64),
            })
            .collect(),
        node,
        environment,
        id,
    };
    if words.json {
        return printing::json(&report);
    }
    print(&report, &folder)?;
    if words.plot {
        plot(&report, &rows)?;
    }
    Ok(())
}

/// Rows of a chart on a terminal.
const CHART_ROWS: u32 = 10;
/// Columns of its curve.
const CHART_COLUMNS: u32 = 70;

/// Loss and accuracy by epoch, as charts of characters and as a picture beside the reports.
fn plot(report: &Report, rows: &[MetricsRow]) -> anyhow::Result<()> {
    if rows.is_empty() {
        bail!("node {} has no epoch to draw", report.id.short());
    }
    let chart = |caption: &str, values: Vec<f64>| {
        // One point is no line.
        if values.len() > 1 && values.iter().all(|value| value.is_finite()) {
            let config = rasciigraph::Config::default()
                .with_height(CHART_ROWS)
                .with_width(CHART_COLUMNS)
                .with_caption(caption.to_owned());
            printing::line(&rasciigraph::plot(values, config));
        }
    };
    let last = rows.len();
    let train = rows.iter().map(|row| row.training.train_loss).collect();
    chart(&format!("training loss (nats), epochs 1 to {last}"), train);
    let test = rows.iter().filter_map(|row| row.test);
    let losses = test.clone().map(|test| test.loss).collect();
    chart(&format!("test loss (nats), epochs 1 to {last}"), losses);
    let accuracies = test.map(|test| test.n_correct as f64 / test.n as f64).collect();
    chart(
        &format!("test accuracy (fraction), epochs 1 to {last}"),
        accuracies,
    );
    let title = report
        .names
        .first()
        .cloned()
        .unwrap_or_else(|| report.id.short().to_owned());
    let subtitle = format!(
        "node {}, {}",
        report.id.short(),
        report.model.as_deref().unwrap_or("an unknown model")
    );
    let picture = training_curves(&title, &subtitle, rows)?;
    let path = paths::node_picture(&places::reports(), report.id.as_str());
    atomic::write(&path, picture.as_bytes())?;
    printing::line(&path.display().to_string());
    Ok(())
}

fn print(report: &Report, folder: &Path) -> anyhow::Result<()> {
    let line = printing::line;
    line(&format!("{} in {}", report.id, folder.display()));
    for name in &report.names {
        line(&format!("called {name}"));
    }
    let density = report
        .density
        .map_or("?".to_owned(), |d| format!("{:.2} %", 100.0 * d));
    line(&format!(
        "{} of {} at density {density}, {} epochs before it",
        report.kind,
        report.model.as_deref().unwrap_or("an unknown model"),
        report.epochs_before.map_or("?".to_owned(), |n| n.to_string()),
    ));
    for parent in &report.parents {
        line(&format!(
            "from {} after epoch {}",
            parent.id.short(),
            parent.epoch
        ));
    }
    line(&match (report.status, report.progress) {
        (ls::Status::Done, _) => "done".to_owned(),
        (_, Some(at)) => format!(
            "unfinished, goes on at epoch {} step {}",
            at.epoch + 1,
            at.step + 1
        ),
        (ls::Status::Unfinished, None) if report.has_end => {
            "unfinished: states that it keeps are missing".to_owned()
        }
        (ls::Status::Unfinished, None) => format!(
            "begun, {} epochs so far, nothing saved yet to go on from",
            report.metrics.len()
        ),
        (ls::Status::Described, None) => "not run yet".to_owned(),
    });
    for picture in &report.left_out {
        line(&format!("made without {}", printing::plain(picture)));
    }
    if let Some(failure) = &report.failure {
        line(&format!("its last run failed: {}", printing::plain(&failure.why)));
    }
    if let Some(post_mortem) = &report.post_mortem {
        print_post_mortem(post_mortem);
    }
    match &report.environment {
        Some(environment) => line(&format!(
            "states after epochs {:?}, keeps {:?}",
            report.states, environment.keep
        )),
        None => line(&format!("states after epochs {:?}", report.states)),
    }
    let machine = match report.environment.as_ref().and_then(|e| e.machine.as_ref()) {
        None => String::new(),
        Some(m) => format!(
            " on {} ({}), libtorch {}",
            m.device, m.instruction_set, m.libtorch
        ),
    };
    if let Some(environment) = &report.environment {
        let ranks = environment.machine.as_ref().map_or(1, |machine| machine.ranks);
        let ranks = if ranks > 1 {
            format!(" a rank, {ranks} ranks")
        } else {
            String::new()
        };
        let code = environment.code.as_ref();
        let code = code.map_or_else(String::new, |code| format!(", sculpt {}", printing::plain(code)));
        line(&format!("{} threads{ranks}{machine}{code}", environment.threads));
    }
    line(&serde_json::to_string_pretty(&report.node)?);
    if !report.metrics.is_empty() {
        line(&format!(
            "{:>6} {:>10} {:>10} {:>9} {:>10} {:>9}",
            "epoch", "rate", "train loss", "accuracy", "test loss", "accuracy"
        ));
    }
    for row in &report.metrics {
        let test = match (row.test_loss, row.test_accuracy) {
            (Some(loss), Some(accuracy)) => format!(" {loss:>10.4} {:>7.2} %", 100.0 * accuracy),
            _ => String::new(),
        };
        line(&format!(
            "{:>6} {:>10.6} {:>10.4} {:>7.2} %{test}",
            row.epoch,
            row.learning_rate,
            row.train_loss,
            100.0 * row.train_accuracy
        ));
    }
    Ok(())
}

fn print_post_mortem(post_mortem: &PostMortem) {
    printing::line(&printing::plain(&post_mortem.why));
    for epoch in &post_mortem.epochs {
        printing::line(&format!(
            "  epoch {} at rate {:.6}: training loss {:.4}, accuracy {:.2} %",
            epoch.epoch,
            epoch.learning_rate,
            epoch.train_loss,
            100.0 * epoch.train_accuracy
        ));
    }
    let largest = |value: Option<f32>| value.map_or("none".to_owned(), |v| format!("{v:.3e}"));
    for tensor in post_mortem
        .tensors
        .iter()
        .filter(|tensor| tensor.n_not_finite > 0)
    {
        printing::line(&format!(
            "  {}: {} entries are no numbers, the largest other one is {}, of its momentum {}",
            tensor.name,
            tensor.n_not_finite,
            largest(tensor.largest),
            largest(tensor.largest_momentum)
        ));
    }
}

/// Where a saved state stands, if there is one that can be read.
fn progress(path: &Path) -> Option<Position> {
    #[derive(Deserialize)]
    struct Header {
        position: Position,
    }
    let tensors = path.is_file().then(|| read_tensors(path))?.ok()?;
    let header: Header = serde_json::from_str(tensors.metadata_json()?).ok()?;
    Some(header.position)
}
