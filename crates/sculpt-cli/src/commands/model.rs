//! The flags that name a network.

use crate::commands::address::Input;
use crate::words::{BadUsage, Global};
use clap::Args;
use sculpt_models::{ModelSpec, Shortcut};
use std::path::Path;

/// `--model`, `--classes`, `--width`, `--shortcut`.
#[derive(Args)]
pub(crate) struct ModelWords {
    /// resnet20, resnet8 (any resnet of depth 6n+2), resnet18-cifar, resnet50-cifar, resnet18, resnet50
    #[arg(long, value_name = "M")]
    pub(crate) model: Option<String>,
    /// Number of classes [default: 10 for the CIFAR family, else 1000; 100 for resnet18-cifar and resnet50-cifar]
    #[arg(long, value_name = "K")]
    pub(crate) classes: Option<u32>,
    /// Channels of the first stage [default: 16 for the CIFAR family, else 64]
    #[arg(long, value_name = "W")]
    pub(crate) width: Option<u32>,
    /// What joins blocks of different shapes in the CIFAR family: projection or identity [default: projection]
    #[arg(long)]
    pub(crate) shortcut: Option<Shortcut>,
}

impl ModelWords {
    /// The network, or what is wrong with the words.
    pub(crate) fn spec(&self) -> anyhow::Result<ModelSpec> {
        let Some(model) = &self.model else {
            return Err(BadUsage(
                "--model M is needed: nothing else says what network this is of".to_owned(),
            )
            .into());
        };
        let classes = self.classes.unwrap_or(match model.as_str() {
            "resnet18" | "resnet50" => 1000,
            "resnet18-cifar" | "resnet50-cifar" => 100,
            _ => 10,
        });
        ModelSpec::named(model, classes, self.width, self.shortcut)
            .map_err(|error| BadUsage(error.to_string()).into())
    }

    /// As [`ModelWords::spec`], but where `--model` is not given, what the first of these states or checkpoints says that
    /// it is of.
    pub(crate) fn spec_or_of(&self, words: &[&Path], global: &Global) -> anyhow::Result<ModelSpec> {
        if self.model.is_none() {
            for word in words {
                if let Some(model) = Input::of(word, global)?.model() {
                    return Ok(model);
                }
            }
        }
        self.spec()
    }
}
