//! `sculpt export`: a node's state for PyTorch.

use crate::commands::address;
use crate::words::{BadUsage, Global};
use crate::{places, printing};
use clap::Args;
use clap::builder::PossibleValuesParser;
use sculpt_checkpoints::{DIALECTS, Dialect, write_state_dict_as};
use std::path::PathBuf;

/// Pruned weights are zero in the file; it has no mask.
#[derive(Args)]
pub(crate) struct Words {
    /// Id of a node of the store or of a published suite, or how it begins; @EPOCH may follow
    #[arg(value_name = "ID")]
    id: String,
    /// Plain state_dict: FILE.pth (or .pt, .th, .ckpt, .bin) for `load_state_dict(torch.load(FILE))`, any other name for
    /// `load_state_dict(safetensors.torch.load_file(FILE))`
    #[arg(long, value_name = "FILE")]
    torch: PathBuf,
    /// Whose names its tensors get [default: torchvision's; a network of your own has its own, and no others]
    #[arg(long = "as", value_name = "NAMES", value_parser = PossibleValuesParser::new(Dialect::all_words()))]
    dialect: Option<String>,
    /// Epoch of a Train node [default: its last]
    #[arg(long, value_name = "E")]
    epoch: Option<u32>,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    places::spare_inputs(("--torch", &words.torch), [])?;
    let store = places::store(global);
    let (id, epoch) = address::find(&store, &words.id)?;
    let loaded = address::place(&store, &id, words.epoch.or(epoch))?.load()?;
    let (state, model) = (loaded.state, loaded.model);
    if let (Some(word), Some(_)) = (&words.dialect, model.network_sha256()) {
        let problem = format!(
            "--as {word} is not for {model}, a network of your own: its tensors have the names of its module"
        );
        return Err(BadUsage(problem).into());
    }
    let dialect = words.dialect.as_deref().and_then(Dialect::named);
    let dialect = dialect.unwrap_or(&DIALECTS[0]);
    let layout = model.layout();
    let beside: Vec<&str> = layout.beside().collect();
    if let Some(first) = beside.first() {
        printing::note(&printing::plain(&format!(
            "{} lacks {first}{}, second names or constants of the module: load_state_dict(…, strict=False)",
            words.torch.display(),
            if beside.len() > 1 { " and others" } else { "" }
        )));
    }
    write_state_dict_as(&words.torch, &layout, &state.theta, &state.buffers, dialect)?;
    printing::line(&format!(
        "{}: {model} with {} classes, density {}, trained for {} epochs",
        words.torch.display(),
        model.classes(),
        loaded.meta.density(),
        loaded.meta.epochs_trained
    ));
    Ok(())
}
