//! He et al. 2016 §4.2: three stages of `(depth − 2) / 6` basic blocks, widths w, 2w, 4w (w = 16).

use super::residual::{BASIC, Residual};
use super::{Architecture, Family};
use crate::{ModelError, plan::Plan};
use sculpt_layout::Layout;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// A network of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CifarResnet {
    /// 6n + 2, from 8 to 1202.
    depth: u32,
    shortcut: Shortcut,
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

pub(super) const NAMES: &str =
    "resnet20, resnet8 (and every resnet of depth 6n+2 up to 1202; that of depth 50 is resnet50-6n2)";

/// The depth that torchvision's `resnet50` has too, and its name here.
const SHARED: (u32, &str) = (50, "resnet50-6n2");

/// He et al.'s, and what others made of them.
pub(super) const DEPTHS_IN_USE: [u32; 9] = [8, 14, 20, 26, 32, 38, 44, 56, 110];

pub(super) fn parse(name: &str) -> Option<Architecture> {
    let (shared, its_name) = SHARED;
    let depth = match name == its_name {
        true => shared,
        false => name.strip_prefix("resnet")?.parse().ok()?,
    };
    let parsed = CifarResnet {
        depth,
        shortcut: Shortcut::Projection,
    };
    // One spelling each: not resnet020.
    (parsed.check().is_ok() && parsed.name() == name).then_some(Architecture::CifarResnet(parsed))
}

impl Family for CifarResnet {
    fn check(&self) -> Result<(), ModelError> {
        if (8..=1202).contains(&self.depth) && self.depth % 6 == 2 {
            return Ok(());
        }
        Err(ModelError::BadDepth {
            depth: self.depth,
            allowed: "6n + 2, from 8 to 1202",
        })
    }

    fn name(&self) -> String {
        let (shared, its_name) = SHARED;
        match self.depth == shared {
            true => its_name.to_owned(),
            false => format!("resnet{}", self.depth),
        }
    }

    fn title(&self) -> String {
        let family = if self.depth == SHARED.0 { " (6n + 2)" } else { "" };
        let shortcut = match self.shortcut {
            Shortcut::Projection => "",
            Shortcut::Identity => " (identity shortcuts)",
        };
        format!("ResNet-{}{family}{shortcut}", self.depth)
    }

    fn usual_width(&self) -> u32 {
        16
    }

    fn usual_classes(&self) -> u32 {
        10
    }

    fn usual_side(&self) -> u32 {
        32
    }

    fn shortcut(&self) -> Option<Shortcut> {
        Some(self.shortcut)
    }

    fn with_shortcut(&self, shortcut: Shortcut) -> Option<Architecture> {
        Some(Architecture::CifarResnet(Self { shortcut, ..*self }))
    }

    fn plan(&self, width: usize, classes: usize) -> (Layout, Plan) {
        let residual = Residual {
            stem: (3, 1),
            pool: None,
            stages: vec![(self.depth - 2) / 6; 3],
            block: BASIC,
            projections: self.shortcut == Shortcut::Projection,
        };
        residual.plan(width, classes)
    }
}

impl Shortcut {
    /// The word of the command line.
    pub fn word(self) -> &'static str {
        match self {
            Shortcut::Projection => "projection",
            Shortcut::Identity => "identity",
        }
    }
}

impl FromStr for Shortcut {
    type Err = ModelError;

    fn from_str(word: &str) -> Result<Self, ModelError> {
        let known = [Shortcut::Projection, Shortcut::Identity];
        known
            .into_iter()
            .find(|shortcut| shortcut.word() == word)
            .ok_or_else(|| ModelError::UnknownWord {
                what: "shortcut",
                value: word.to_owned(),
                allowed: "projection, identity",
            })
    }
}
