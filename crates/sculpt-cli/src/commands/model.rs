//! The flags that name a network.

use crate::commands::{address::Input, weights};
use crate::places;
use crate::words::{BadUsage, Global};
use clap::Args;
use sculpt_models::{ModelError, ModelSpec, Shortcut, known_models};
use std::path::{Path, PathBuf};

/// `--model`, `--classes`, `--width`, `--shortcut`; or `--network`.
#[derive(Args)]
pub(crate) struct ModelWords {
    #[arg(long, value_name = "M", help = known_models())]
    pub(crate) model: Option<String>,
    /// Number of classes [default: that of the data the model is usually trained on, 10, 100 or 1000]
    #[arg(long, value_name = "K")]
    pub(crate) classes: Option<u32>,
    /// Channels of the first stage [default: the model's usual one, 16 or 64]
    #[arg(long, value_name = "W")]
    pub(crate) width: Option<u32>,
    /// What joins blocks of different shapes in the CIFAR family: projection or identity [default: projection]
    #[arg(long)]
    pub(crate) shortcut: Option<Shortcut>,
    /// A network of your own: what python/export_network.py made of a PyTorch module, in place of --model, --classes, --width and --shortcut
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "classes", "width", "shortcut"])]
    pub(crate) network: Option<PathBuf>,
}

impl ModelWords {
    /// The file that they name, which no output may stand in place of.
    pub(crate) fn input(&self) -> Option<(&'static str, &Path)> {
        Some(("--network", self.network.as_deref()?))
    }

    /// The network, or what is wrong with the words.
    pub(crate) fn spec(&self) -> anyhow::Result<ModelSpec> {
        if let Some(path) = &self.network {
            return Ok(ModelSpec::exported(path)?);
        }
        let Some(model) = &self.model else {
            return Err(BadUsage(
                "--model M, or --network FILE, is needed: nothing else says what network this is of"
                    .to_owned(),
            )
            .into());
        };
        let bad = |error: ModelError| BadUsage(error.to_string());
        let classes = match self.classes {
            Some(classes) => classes,
            None => ModelSpec::usual_classes(model).map_err(bad)?,
        };
        Ok(ModelSpec::named(model, classes, self.width, self.shortcut).map_err(bad)?)
    }

    /// As [`ModelWords::spec`], but where neither `--model` nor `--network` is given, what the first of these states or checkpoints says that
    /// it is of.
    pub(crate) fn spec_or_of(&self, words: &[&Path], global: &Global) -> anyhow::Result<ModelSpec> {
        if self.model.is_some() || self.network.is_some() {
            return self.spec();
        }
        for word in words {
            let input = Input::of(word, global)?;
            if let Some(model) = input.model() {
                // Of an exported network a state has the description, and the store the program.
                return Ok(places::store(global).with_network(model)?);
            }
            // A state says it, unless it cannot be read.
            if let Input::State(place) = input {
                place.load()?;
            }
        }
        let fitting = words
            .iter()
            .find_map(|word| Some((word, weights::fitting(word, None)?)));
        let Some((word, model)) = fitting else {
            return self.spec();
        };
        let problem = format!(
            "--model M is needed: {} says not what network it is of; it fits {}",
            word.display(),
            weights::flags(&model)
        );
        Err(BadUsage(problem).into())
    }
}
