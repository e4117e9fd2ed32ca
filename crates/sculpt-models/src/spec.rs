mod joint;
mod ours;

use crate::exported::{Exported, RawExported};
use crate::families::{self, Architecture, Shortcut};
use crate::init::{self, InitRule, Law};
use crate::plan::Sizes;
use crate::planned::{ConvolutionWork, PlannedNetwork, convolution_work};
use crate::{ModelError, NetworkFault, Precision};
use ours::{Ours, Planned};
use sculpt_layout::Layout;
use sculpt_network::Network;
use sculpt_random::Seed;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use tch::Tensor;

/// A checked description of a network; part of the identity of every run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawSpec", into = "RawSpec")]
pub struct ModelSpec(Form);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Form {
    Ours(Ours),
    Exported(Arc<Exported>),
}

/// Either the first three, or `network`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    architecture: Option<Architecture>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    classes: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    network: Option<RawExported>,
}

impl ModelSpec {
    /// The model that the command line calls `name`; a width and shortcuts left out are the family's usual ones.
    ///
    /// # Errors
    /// An unknown name; a shortcut for a model that has no choice; a width not in 1..=1024; classes not in
    /// 1..=100,000.
    pub fn named(
        name: &str,
        classes: u32,
        width: Option<u32>,
        shortcut: Option<Shortcut>,
    ) -> Result<Self, ModelError> {
        let mut architecture = find(name)?;
        if let Some(shortcut) = shortcut {
            let chosen = architecture.family().with_shortcut(shortcut);
            architecture = chosen.ok_or_else(|| ModelError::ShortcutNotApplicable {
                name: name.to_owned(),
            })?;
        }
        let usual = architecture.family().usual_width();
        Self::new(architecture, width.unwrap_or(usual), classes)
    }

    fn new(architecture: Architecture, width: u32, classes: u32) -> Result<Self, ModelError> {
        architecture.family().check()?;
        for (what, value, max) in [("width", width, 1024), ("number of classes", classes, 100_000)] {
            if !(1..=max).contains(&value) {
                return Err(ModelError::OutOfRange { what, value, max });
            }
        }
        Ok(Self(Form::Ours(Ours {
            architecture,
            width,
            classes,
        })))
    }

    /// The network of a file that `python/export_network.py` made of a PyTorch module. libtorch interprets the program in it once
    /// it is to compute: its size, its description and the functions that it calls are checked before, and what it answers. It
    /// runs no Python, but a stranger's may still take long.
    ///
    /// # Errors
    /// Another file, or one that describes no network.
    pub fn exported(path: &Path) -> Result<Self, ModelError> {
        Ok(Self(Form::Exported(Arc::new(Exported::read(path)?))))
    }

    /// Of an exported network, the SHA-256 of its file: its identity.
    pub fn network_sha256(&self) -> Option<&str> {
        self.as_exported().map(Exported::sha256)
    }

    /// The file of an exported network, where it was read and not only described.
    pub fn network_file(&self) -> Option<&[u8]> {
        self.as_exported()?.content()
    }

    /// An exported network that was described alone, with its file.
    ///
    /// # Errors
    /// The file of another network, or a description that is not the file's.
    ///
    /// # Panics
    /// Of a network of ours, which has no file.
    pub fn with_network_file(&self, content: Vec<u8>) -> Result<Self, ModelError> {
        let exported = self.as_exported().expect("only exported networks have a file");
        Ok(Self(Form::Exported(Arc::new(exported.with_program(content)?))))
    }

    /// Number of classes that the model `name` is usually trained on.
    ///
    /// # Errors
    /// An unknown name.
    pub fn usual_classes(name: &str) -> Result<u32, ModelError> {
        Ok(find(name)?.family().usual_classes())
    }

    /// Networks that are in use, each with every kind of shortcuts, with `classes` classes and this width (the usual one where
    /// none is given): what a file may be of.
    pub fn in_use(classes: u32, width: Option<u32>) -> Vec<ModelSpec> {
        let with = |shortcut| {
            families::names_in_use().filter_map(move |name| Self::named(&name, classes, width, shortcut).ok())
        };
        let mut all: Vec<ModelSpec> = Vec::new();
        for model in with(None).chain(with(Some(Shortcut::Identity))) {
            if !all.contains(&model) {
                all.push(model);
            }
        }
        all
    }

    /// The name that [`ModelSpec::named`] takes; of an exported network its title.
    pub fn name(&self) -> String {
        match &self.0 {
            Form::Ours(ours) => ours.family().name(),
            Form::Exported(exported) => exported.description().title.clone(),
        }
    }

    /// Channels of the first stage; an exported network has its widths in its tensors.
    pub fn width(&self) -> Option<u32> {
        match &self.0 {
            Form::Ours(ours) => Some(ours.width),
            Form::Exported(_) => None,
        }
    }

    /// Number of classes.
    pub fn classes(&self) -> u32 {
        match &self.0 {
            Form::Ours(ours) => ours.classes,
            Form::Exported(exported) => exported.description().classes,
        }
    }

    /// What joins blocks of different shapes, where the family has a choice.
    pub fn shortcut(&self) -> Option<Shortcut> {
        match &self.0 {
            Form::Ours(ours) => ours.family().shortcut(),
            Form::Exported(_) => None,
        }
    }

    /// Channels, rows and columns of the images that the model is usually trained on; of an exported network those that it
    /// takes.
    pub fn usual_image(&self) -> [u32; 3] {
        match &self.0 {
            Form::Ours(ours) => {
                let side = ours.family().usual_side();
                [3, side, side]
            }
            Form::Exported(exported) => exported.description().image,
        }
    }

    /// The tensors of the network, in torchvision's `state_dict` order, or its own. Whoever asks for one again shares it.
    pub fn layout(&self) -> Arc<Layout> {
        match &self.0 {
            Form::Ours(ours) => Arc::clone(&ours.planned().layout),
            Form::Exported(exported) => Arc::clone(exported.layout()),
        }
    }

    /// Draws `θ` and the fresh buffers, as [`initialise`](crate::initialise) does; tensors of an exported network that have no
    /// rule, such as tokens and embeddings, from a normal distribution like the values that they had when it was exported.
    pub fn initialise(&self, rule: InitRule, seed: Seed) -> (Vec<f32>, Vec<f32>) {
        let Form::Exported(exported) = &self.0 else {
            return init::initialise(&self.layout(), rule, seed);
        };
        init::draw(exported.layout(), rule, seed, |place| {
            let draw = exported.description().params[place].draw;
            let draw = draw.expect("a tensor without a rule has a law of its own");
            match draw.deviation {
                0.0 => Law::Constant(draw.mean as f32),
                deviation => Law::Around(draw.mean, deviation),
            }
        })
    }

    /// The network, computing in `precision`. It takes images of any size that [`ModelSpec::check_image`] accepts.
    ///
    /// # Errors
    /// Of an exported network: a file that was not read, a program that fails or answers otherwise than described, or another
    /// precision than it has.
    pub fn network(&self, precision: Precision) -> Result<Box<dyn Network<Tensor>>, ModelError> {
        self.planned(precision, false)
    }

    /// The same network, whose [`sculpt_network::Mode::Eval`] multiplies each BatchNorm into the convolution before it:
    /// `w·γ/√(σ² + ε)` and `β + (b − μ)·γ/√(σ² + ε)`. Logits differ by rounding only; derivatives of them cost less than
    /// through `batch_norm`, and, in full precision, [`Network::linearise`] writes out the second ones. An exported network
    /// stays as it is.
    ///
    /// # Errors
    /// As [`ModelSpec::network`].
    pub fn folded_network(&self, precision: Precision) -> Result<Box<dyn Network<Tensor>>, ModelError> {
        self.planned(precision, true)
    }

    fn planned(&self, precision: Precision, folded: bool) -> Result<Box<dyn Network<Tensor>>, ModelError> {
        self.check_precision(precision)?;
        match &self.0 {
            Form::Ours(ours) => {
                let Planned { layout, plan } = &*ours.planned();
                let layout = Layout::clone(layout);
                Ok(Box::new(PlannedNetwork::new(
                    layout,
                    plan.clone(),
                    precision,
                    folded,
                )))
            }
            Form::Exported(exported) => Ok(Box::new(exported.network()?)),
        }
    }

    /// Whether the network computes in `precision`.
    ///
    /// # Errors
    /// An exported network, and not f32.
    pub fn check_precision(&self, precision: Precision) -> Result<(), ModelError> {
        match (&self.0, precision) {
            (Form::Ours(_), _) | (Form::Exported(_), Precision::F32) => Ok(()),
            (Form::Exported(exported), Precision::Bf16) => Err(exported.error(NetworkFault::Precision)),
        }
    }

    /// Whether the network takes images of these channels, rows and columns: of ours three, and as many pixels as leave something
    /// behind the last pooling; an exported one those of its example.
    ///
    /// # Errors
    /// An image that it does not take.
    pub fn check_image(&self, image: [u32; 3]) -> Result<(), ModelError> {
        self.pixels(image).map(|_| ())
    }

    /// Multiply-accumulates of one forward pass on one image of these channels, rows and columns, for every prunable
    /// tensor in layout order: each weight counts once for every position at which it is used.
    ///
    /// # Errors
    /// As [`ModelSpec::check_image`].
    pub fn multiply_accumulates(&self, image: [u32; 3]) -> Result<Vec<u64>, ModelError> {
        let pixels = self.pixels(image)?;
        let layout = self.layout();
        let counts = layout.prunable().zip(pixels);
        Ok(counts
            .map(|(param, n)| (param.len() as u64).saturating_mul(n))
            .collect())
    }

    /// What training on a CPU by our own convolutions takes under a mask, on images of these channels, rows and columns, in numbers of this precision; `kept` is 1 or 0 for each
    /// parameter. None of exported networks, which have no such training, and of images that they do not take.
    pub fn convolution_work(
        &self,
        kept: &[f32],
        image: [u32; 3],
        precision: Precision,
    ) -> Option<ConvolutionWork> {
        match &self.0 {
            Form::Ours(ours) => {
                let planned = ours.planned();
                let sides = [image[1], image[2]];
                convolution_work(&planned.layout, &planned.plan, kept, sides, precision)
            }
            Form::Exported(_) => None,
        }
    }

    /// Numbers that all convolutions and linear layers put out for one image of these channels, rows and columns, or of an
    /// exported network all operations: what a backward pass keeps is a small multiple of it.
    ///
    /// # Errors
    /// As [`ModelSpec::check_image`].
    pub fn activations(&self, image: [u32; 3]) -> Result<u64, ModelError> {
        let pixels = self.pixels(image)?;
        match &self.0 {
            Form::Ours(ours) => {
                let planned = ours.planned();
                let outputs = planned.layout.prunable().zip(pixels);
                Ok(outputs.map(|(param, n)| param.shape()[0] as u64 * n).sum())
            }
            Form::Exported(exported) => Ok(exported.description().activations),
        }
    }

    /// Values a channel that one image of these channels, rows and columns gives to the BatchNorm which has the fewest; none of
    /// a network without BatchNorm.
    ///
    /// # Errors
    /// As [`ModelSpec::check_image`].
    pub fn least_normalised(&self, image: [u32; 3]) -> Result<Option<u64>, ModelError> {
        let mut pixels = self.pixels(image)?;
        match &self.0 {
            Form::Ours(_) => {
                // Behind each convolution there is one, behind the linear layer none.
                pixels.pop();
                Ok(pixels.into_iter().min())
            }
            Form::Exported(exported) => Ok(exported.description().normalised),
        }
    }

    /// Positions at which each prunable tensor is used, in layout order.
    fn pixels(&self, image: [u32; 3]) -> Result<Vec<u64>, ModelError> {
        match &self.0 {
            Form::Ours(ours) => {
                let [channels, height, width] = image;
                let name = ours.family().name();
                if channels != 3 {
                    return Err(ModelError::Channels { name, channels });
                }
                let sizes = ours.planned().plan.sizes(height, width);
                let sizes = sizes.ok_or(ModelError::ImageTooSmall { name, height, width })?;
                Ok(sizes.iter().map(Sizes::pixels).chain([1]).collect())
            }
            Form::Exported(exported) if exported.description().image == image => {
                Ok(exported.description().positions())
            }
            Form::Exported(exported) => Err(exported.error(NetworkFault::ImageSize {
                expected: exported.description().image,
                found: image,
            })),
        }
    }

    fn as_exported(&self) -> Option<&Exported> {
        match &self.0 {
            Form::Ours(_) => None,
            Form::Exported(exported) => Some(exported),
        }
    }
}

fn find(name: &str) -> Result<Architecture, ModelError> {
    Architecture::named(name).ok_or_else(|| ModelError::UnknownName {
        name: name.to_owned(),
    })
}

impl fmt::Display for ModelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Ours(ours) => {
                f.write_str(&ours.family().title())?;
                if ours.width != ours.family().usual_width() {
                    write!(f, " of width {}", ours.width)?;
                }
                Ok(())
            }
            Form::Exported(exported) => f.write_str(&exported.description().title),
        }
    }
}

impl TryFrom<RawSpec> for ModelSpec {
    type Error = ModelError;

    fn try_from(raw: RawSpec) -> Result<Self, ModelError> {
        match raw {
            RawSpec {
                architecture: Some(architecture),
                width: Some(width),
                classes: Some(classes),
                network: None,
            } => Self::new(architecture, width, classes),
            RawSpec {
                architecture: None,
                width: None,
                classes: None,
                network: Some(network),
            } => Ok(Self(Form::Exported(Arc::new(network.try_into()?)))),
            RawSpec {
                architecture: _,
                width: _,
                classes: _,
                network: _,
            } => Err(ModelError::Fields),
        }
    }
}

impl From<ModelSpec> for RawSpec {
    fn from(spec: ModelSpec) -> Self {
        match spec.0 {
            Form::Ours(Ours {
                architecture,
                width,
                classes,
            }) => Self {
                architecture: Some(architecture),
                width: Some(width),
                classes: Some(classes),
                network: None,
            },
            Form::Exported(exported) => Self {
                architecture: None,
                width: None,
                classes: None,
                network: Some(exported.as_ref().into()),
            },
        }
    }
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
