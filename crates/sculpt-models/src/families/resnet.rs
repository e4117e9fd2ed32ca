//! torchvision's ResNet: four stages, widths w, 2w, 4w, 8w (w = 64).

use super::residual::{BASIC, BOTTLENECK, Residual};
use super::{Architecture, Family};
use crate::{ModelError, plan::Plan};
use sculpt_layout::Layout;
use serde::{Deserialize, Serialize};

/// A network of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resnet {
    /// 18 or 50.
    depth: u32,
    stem: Stem,
}

/// What comes before the first stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Stem {
    /// 3×3 convolution of stride 1, no pooling: for 32 × 32 images.
    Cifar,
    /// 7×7 convolution of stride 2 and 3×3 max pooling of stride 2: torchvision's.
    Imagenet,
}

pub(super) const NAMES: &str = "resnet18-cifar, resnet50-cifar, resnet18, resnet50 (torchvision's)";

pub(super) fn parse(name: &str) -> Option<Architecture> {
    let all = [18, 50].map(|depth| [Stem::Cifar, Stem::Imagenet].map(|stem| Resnet { depth, stem }));
    let named = all.into_iter().flatten().find(|network| network.name() == name);
    named.map(Architecture::Resnet)
}

impl Family for Resnet {
    fn check(&self) -> Result<(), ModelError> {
        match self.depth {
            18 | 50 => Ok(()),
            depth => Err(ModelError::BadDepth {
                depth,
                allowed: "18 or 50",
            }),
        }
    }

    fn name(&self) -> String {
        match self.stem {
            Stem::Cifar => format!("resnet{}-cifar", self.depth),
            Stem::Imagenet => format!("resnet{}", self.depth),
        }
    }

    fn title(&self) -> String {
        match self.stem {
            Stem::Cifar => format!("ResNet-{} (CIFAR stem)", self.depth),
            Stem::Imagenet => format!("ResNet-{}", self.depth),
        }
    }

    fn usual_width(&self) -> u32 {
        64
    }

    fn usual_classes(&self) -> u32 {
        match self.stem {
            Stem::Cifar => 100,
            Stem::Imagenet => 1000,
        }
    }

    fn usual_side(&self) -> u32 {
        match self.stem {
            Stem::Cifar => 32,
            Stem::Imagenet => 224,
        }
    }

    fn plan(&self, width: usize, classes: usize) -> (Layout, Plan) {
        let (stem, pool) = match self.stem {
            Stem::Cifar => ((3, 1), None),
            Stem::Imagenet => ((7, 2), Some([3, 2, 1])),
        };
        let (stages, block) = match self.depth {
            50 => (vec![3, 4, 6, 3], BOTTLENECK),
            _ => (vec![2; 4], BASIC),
        };
        let residual = Residual {
            stem,
            pool,
            stages,
            block,
            projections: true,
        };
        residual.plan(width, classes)
    }
}
