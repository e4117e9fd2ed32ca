use crate::{ModelError, resnet};
use sculpt_layout::Layout;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A checked description of a network; part of the identity of every run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawSpec", into = "RawSpec")]
pub struct ModelSpec {
    architecture: Architecture,
    width: u32,
    classes: u32,
}

/// Which family of residual networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Architecture {
    /// He et al. 2016 §4.2: three stages of `(depth − 2) / 6` basic blocks, widths w, 2w, 4w (w = 16).
    CifarResnet {
        /// 6n + 2, from 8 to 1202.
        depth: u32,
        /// What joins blocks of different shapes.
        shortcut: Shortcut,
    },
    /// torchvision's ResNet: four stages, widths w, 2w, 4w, 8w (w = 64).
    Resnet {
        /// 18 or 50.
        depth: u32,
        /// What comes before the first stage.
        stem: Stem,
    },
}

/// What joins two blocks of different shapes in the CIFAR family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shortcut {
    /// A strided 1×1 convolution with BatchNorm (option B; open_lth, torchvision).
    Projection,
    /// Every second pixel, new channels zero (option A; no parameters).
    Identity,
}

/// What comes before the first stage of a torchvision ResNet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stem {
    /// 3×3 convolution of stride 1, no pooling: for 32 × 32 images.
    Cifar,
    /// 7×7 convolution of stride 2 and 3×3 max pooling of stride 2: torchvision's.
    Imagenet,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSpec {
    architecture: Architecture,
    width: u32,
    classes: u32,
}

impl ModelSpec {
    /// Checks and joins the parts. `width` is that of the first stage: 16 (CIFAR family) or 64 in the paper.
    ///
    /// # Errors
    /// A depth that the architecture does not have; a width not in 1..=1024; classes not in 1..=100,000.
    pub fn new(architecture: Architecture, width: u32, classes: u32) -> Result<Self, ModelError> {
        match architecture {
            Architecture::CifarResnet { depth, .. } if !(8..=1202).contains(&depth) || depth % 6 != 2 => {
                return Err(ModelError::BadDepth {
                    depth,
                    allowed: "6n + 2, from 8 to 1202",
                });
            }
            Architecture::Resnet { depth, .. } if depth != 18 && depth != 50 => {
                return Err(ModelError::BadDepth {
                    depth,
                    allowed: "18 or 50",
                });
            }
            Architecture::CifarResnet { .. } | Architecture::Resnet { .. } => {}
        }
        for (what, value, max) in [("width", width, 1024), ("number of classes", classes, 100_000)] {
            if !(1..=max).contains(&value) {
                return Err(ModelError::OutOfRange { what, value, max });
            }
        }
        Ok(Self {
            architecture,
            width,
            classes,
        })
    }

    /// The model that the command line calls `name`; widths and shortcuts left out are 16 (CIFAR family) or
    /// 64, and projections.
    ///
    /// # Errors
    /// As [`ModelSpec::new`]; an unknown name; a shortcut for a model outside the CIFAR family.
    pub fn named(
        name: &str,
        classes: u32,
        width: Option<u32>,
        shortcut: Option<Shortcut>,
    ) -> Result<Self, ModelError> {
        let unknown = || ModelError::UnknownName {
            name: name.to_owned(),
        };
        let architecture = match name {
            "resnet18-cifar" => Architecture::Resnet {
                depth: 18,
                stem: Stem::Cifar,
            },
            "resnet50-cifar" => Architecture::Resnet {
                depth: 50,
                stem: Stem::Cifar,
            },
            "resnet18" => Architecture::Resnet {
                depth: 18,
                stem: Stem::Imagenet,
            },
            "resnet50" => Architecture::Resnet {
                depth: 50,
                stem: Stem::Imagenet,
            },
            other => {
                let depth = other
                    .strip_prefix("resnet")
                    .and_then(|d| d.parse().ok())
                    .ok_or_else(unknown)?;
                Architecture::CifarResnet {
                    depth,
                    shortcut: shortcut.unwrap_or(Shortcut::Projection),
                }
            }
        };
        let default_width = match architecture {
            Architecture::CifarResnet { .. } => 16,
            Architecture::Resnet { .. } if shortcut.is_some() => {
                return Err(ModelError::ShortcutNotApplicable {
                    name: name.to_owned(),
                });
            }
            Architecture::Resnet { .. } => 64,
        };
        Self::new(architecture, width.unwrap_or(default_width), classes).map_err(|error| match error {
            ModelError::BadDepth { .. } => unknown(),
            other => other,
        })
    }

    /// The name that [`ModelSpec::named`] takes.
    pub fn name(&self) -> String {
        match self.architecture {
            Architecture::CifarResnet { depth, .. } => format!("resnet{depth}"),
            Architecture::Resnet {
                depth,
                stem: Stem::Cifar,
            } => format!("resnet{depth}-cifar"),
            Architecture::Resnet {
                depth,
                stem: Stem::Imagenet,
            } => format!("resnet{depth}"),
        }
    }

    /// The architecture.
    pub fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// Channels of the first stage.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Number of classes.
    pub fn classes(&self) -> u32 {
        self.classes
    }

    /// The tensors of the network, in torchvision's `state_dict` order.
    pub fn layout(&self) -> Layout {
        resnet::plan(self).0
    }

    /// Multiply-accumulates of one forward pass on one image of `height` × `width` pixels, for every prunable
    /// tensor in layout order: each weight counts once for every position at which it is used.
    pub fn multiply_accumulates(&self, height: u32, width: u32) -> Vec<u64> {
        resnet::multiply_accumulates(self, height, width)
    }

    /// Numbers that all convolutions and linear layers put out for one image of `height` × `width` pixels: what a
    /// backward pass keeps is a small multiple of it.
    pub fn activations(&self, height: u32, width: u32) -> u64 {
        let layout = self.layout();
        let macs = self.multiply_accumulates(height, width);
        // A number put out costs `fan_in` multiply-accumulates.
        layout
            .prunable()
            .zip(macs)
            .map(|(param, n)| n / param.fan_in() as u64)
            .sum()
    }
}

impl fmt::Display for ModelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (family, full_width) = match self.architecture {
            Architecture::CifarResnet {
                depth,
                shortcut: Shortcut::Projection,
            } => (format!("ResNet-{depth}"), 16),
            Architecture::CifarResnet {
                depth,
                shortcut: Shortcut::Identity,
            } => (format!("ResNet-{depth} (identity shortcuts)"), 16),
            Architecture::Resnet {
                depth,
                stem: Stem::Cifar,
            } => (format!("ResNet-{depth} (CIFAR stem)"), 64),
            Architecture::Resnet {
                depth,
                stem: Stem::Imagenet,
            } => (format!("ResNet-{depth}"), 64),
        };
        f.write_str(&family)?;
        if self.width != full_width {
            write!(f, " of width {}", self.width)?;
        }
        Ok(())
    }
}

impl TryFrom<RawSpec> for ModelSpec {
    type Error = ModelError;

    fn try_from(raw: RawSpec) -> Result<Self, ModelError> {
        Self::new(raw.architecture, raw.width, raw.classes)
    }
}

impl From<ModelSpec> for RawSpec {
    fn from(spec: ModelSpec) -> Self {
        Self {
            architecture: spec.architecture,
            width: spec.width,
            classes: spec.classes,
        }
    }
}

impl FromStr for Shortcut {
    type Err = ModelError;

    fn from_str(word: &str) -> Result<Self, ModelError> {
        match word {
            "projection" => Ok(Shortcut::Projection),
            "identity" => Ok(Shortcut::Identity),
            other => Err(ModelError::UnknownWord {
                what: "shortcut",
                value: other.to_owned(),
                allowed: "projection, identity",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(name: &str, classes: u32, shortcut: Option<Shortcut>) -> (usize, usize, usize) {
        let layout = ModelSpec::named(name, classes, None, shortcut).unwrap().layout();
        (layout.n_params(), layout.n_prunable(), layout.prunable().count())
    }

    /// Reference §2.9, worked out there by hand and equal to torchvision's own counts.
    #[test]
    fn parameter_counts() {
        assert_eq!(counts("resnet20", 10, None), (272_474, 270_896, 22));
        let identity = counts("resnet20", 10, Some(Shortcut::Identity));
        assert_eq!((identity.0, identity.1), (269_722, 268_336));
        assert_eq!(counts("resnet18-cifar", 10, None), (11_173_962, 11_164_352, 21));
        assert_eq!(counts("resnet18-cifar", 100, None), (11_220_132, 11_210_432, 21));
        assert_eq!(counts("resnet18", 1000, None), (11_689_512, 11_678_912, 21));
        assert_eq!(counts("resnet50-cifar", 100, None), (23_705_252, 23_652_032, 54));
        assert_eq!(counts("resnet50", 1000, None), (25_557_032, 25_502_912, 54));
    }

    /// ResNet-18 on 224 × 224: 1,814,073,344 multiply-accumulates, the 1.81 GMac of torchvision's model table.
    #[test]
    fn multiply_accumulates_of_resnet18() {
        let spec = ModelSpec::named("resnet18", 1000, None, None).unwrap();
        assert_eq!(
            spec.multiply_accumulates(224, 224).iter().sum::<u64>(),
            1_814_073_344
        );
        assert_eq!(spec.multiply_accumulates(224, 224).len(), 21);
    }

    #[test]
    fn unknown_models_are_refused() {
        for name in [
            "resnet",
            "resnet21",
            "vgg16",
            "resnet34",
            "",
            "resnet-20",
            "resnet99999999999",
        ] {
            let error = ModelSpec::named(name, 10, None, None).unwrap_err();
            assert_eq!(error, ModelError::UnknownName { name: name.into() });
        }
        assert!(ModelSpec::named("resnet20", 0, None, None).is_err());
        assert!(ModelSpec::named("resnet20", 10, Some(0), None).is_err());
        assert!(ModelSpec::named("resnet18", 10, None, Some(Shortcut::Identity)).is_err());
    }
}
