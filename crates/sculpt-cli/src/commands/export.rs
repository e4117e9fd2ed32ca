//! `sculpt export`: a node's state for PyTorch.

use crate::words::{BadUsage, Global};
use crate::{places, printing};
use clap::Args;
use sculpt_checkpoints::{read_meta, write_state_dict};
use sculpt_experiments::{StateRef, Store, model_of};
use std::path::PathBuf;

/// Pruned weights are zero in the file; it has no mask.
#[derive(Args)]
pub(crate) struct Words {
    /// Id of the node, or how it begins
    #[arg(value_name = "ID")]
    id: String,
    /// Plain torchvision state_dict, for `load_state_dict(safetensors.torch.load_file(FILE))`
    #[arg(long, value_name = "FILE")]
    torch: PathBuf,
    /// Epoch of a Train node [default: its last]
    #[arg(long, value_name = "E")]
    epoch: Option<u32>,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    let store = Store::new(places::runs(global));
    let id = store.find(&words.id)?;
    let node = store.node_file(&id)?.node;
    let last = node.last_epoch();
    let epoch = words.epoch.unwrap_or(last);
    let path_of = |epoch| {
        store.checkpoint_path(
            &StateRef {
                id: id.clone(),
                epoch,
            },
            last,
        )
    };
    let path = path_of(epoch);
    if epoch > last || !path.is_file() {
        let there: Vec<String> = (0..=last)
            .filter(|&e| path_of(e).is_file())
            .map(|e| e.to_string())
            .collect();
        let short = id.short();
        let problem = if there.is_empty() {
            format!("node {short} has not been run; `sculpt node {short}` runs it")
        } else {
            format!(
                "node {short} has no state after epoch {epoch}; --epoch can be {}",
                there.join(", ")
            )
        };
        return Err(BadUsage(problem).into());
    }
    let model = model_of(&path, &read_meta(&path)?)?;
    let layout = model.layout();
    let (state, meta) = store.read_state(
        &StateRef {
            id: id.clone(),
            epoch,
        },
        last,
        &layout,
    )?;
    write_state_dict(&words.torch, &layout, &state.theta, &state.buffers)?;
    printing::line(&format!(
        "{}: {model} with {} classes, density {}, trained for {} epochs",
        words.torch.display(),
        model.classes(),
        meta.density(),
        meta.epochs_trained
    ));
    Ok(())
}
