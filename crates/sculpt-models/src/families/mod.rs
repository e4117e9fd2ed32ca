//! What a family of networks knows of itself: one module each, and its arm in [`Architecture`].

mod cifar_resnet;
mod residual;
mod resnet;
mod vgg;

pub use cifar_resnet::Shortcut;

use crate::ModelError;
use crate::plan::Plan;
use cifar_resnet::CifarResnet;
use resnet::Resnet;
use sculpt_layout::Layout;
use serde::{Deserialize, Serialize};
use vgg::Vgg;

/// Which network, without its width and its classes. Part of the identity of every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Architecture {
    CifarResnet(CifarResnet),
    Resnet(Resnet),
    Vgg(Vgg),
}

/// Reads a name.
type Parse = fn(&str) -> Option<Architecture>;

/// Of each family: what may stand behind `--model`, and who reads it. Families have no name in common.
const FAMILIES: [(&str, Parse); 3] = [
    (cifar_resnet::NAMES, cifar_resnet::parse),
    (resnet::NAMES, resnet::parse),
    (vgg::NAMES, vgg::parse),
];

impl Architecture {
    /// The architecture of a name, with the family's usual shortcuts.
    pub(crate) fn named(name: &str) -> Option<Self> {
        FAMILIES.iter().find_map(|(_, parse)| parse(name))
    }

    pub(crate) fn family(&self) -> &dyn Family {
        match self {
            Architecture::CifarResnet(family) => family,
            Architecture::Resnet(family) => family,
            Architecture::Vgg(family) => family,
        }
    }
}

/// What may stand behind `--model`, for messages and help.
pub fn known_models() -> String {
    FAMILIES.map(|(names, _)| names).join(", ")
}

/// Names of networks that files are tried with when their user's does not fit: all with the depths in use.
pub(crate) fn names_in_use() -> impl Iterator<Item = String> {
    let cifar = cifar_resnet::DEPTHS_IN_USE.map(|depth| format!("resnet{depth}"));
    let others = FAMILIES.map(|(names, _)| {
        let words = names
            .split([',', ' ', ';', '(', ')'])
            .filter(|word| Architecture::named(word).is_some());
        words.map(str::to_owned).collect::<Vec<_>>()
    });
    cifar.into_iter().chain(others.into_iter().flatten())
}

/// All that is asked of an architecture of a family.
pub(crate) trait Family {
    /// An error where the family has no such architecture.
    fn check(&self) -> Result<(), ModelError>;

    /// The name that the family's `parse` takes.
    fn name(&self) -> String;

    /// For people; widths other than the usual one are added behind it.
    fn title(&self) -> String;

    /// Channels of the first stage in the paper that the architecture comes from.
    fn usual_width(&self) -> u32;

    /// Number of classes that the architecture is usually trained on.
    fn usual_classes(&self) -> u32;

    /// Rows, and columns, of the images that it is usually trained on.
    fn usual_side(&self) -> u32;

    /// The kind of shortcuts, where the family has a choice.
    fn shortcut(&self) -> Option<Shortcut> {
        None
    }

    /// The same with other shortcuts. None where the family has no choice.
    fn with_shortcut(&self, shortcut: Shortcut) -> Option<Architecture> {
        let _ = shortcut;
        None
    }

    /// The tensors, and what is done with them.
    fn plan(&self, width: usize, classes: usize) -> (Layout, Plan);
}
