use crate::Fault;
use serde::Serialize;

/// What kind of thing is wrong, for programs; kebab-case in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The operating system could not read the file.
    Unreadable,
    /// Not a safetensors file at all.
    NotSafetensors,
    /// Header that is no JSON, or a name or key that stands twice in it.
    Header,
    /// The file ends too early.
    CutOff,
    /// Offsets and sizes that do not fit together.
    Offsets,
    /// A tensor is missing.
    MissingTensor,
    /// A tensor too many.
    ExtraTensor,
    /// Wrong type of number.
    Type,
    /// Wrong shape or length.
    Shape,
    /// A file of `torch.save` that is damaged, or larger than it can be.
    Torch,
    /// A file of `torch.save` whose content has no place here.
    TorchKind,
    /// Names that no dialect has.
    Names,
    /// A running variance below zero.
    NegativeVariance,
    /// NaN, infinity, or too large.
    NotFinite,
    /// A pruned weight that is not `+0.0`.
    NotZeroUnderMask,
    /// Mask bits or values that are none.
    Mask,
    /// Metadata missing, unknown or unreadable.
    Metadata,
    /// Mask and metadata disagree about the SHA-256.
    MaskHash,
    /// Mask and metadata disagree about the density.
    Density,
}

impl Fault {
    /// The kind of thing that is wrong.
    pub fn kind(&self) -> FaultKind {
        match self {
            Fault::NotAFile
            | Fault::TooMany { .. }
            | Fault::TooLong { .. }
            | Fault::Holes { .. }
            | Fault::Empty
            | Fault::NotSafetensors { .. }
            | Fault::HeaderTooLong { .. } => FaultKind::NotSafetensors,
            Fault::TorchBroken { .. }
            | Fault::TorchPickleTooLong { .. }
            | Fault::TorchCompressed { .. }
            | Fault::TorchRepeats { .. }
            | Fault::TorchTensor { .. } => FaultKind::Torch,
            Fault::TorchKind { .. } | Fault::TorchObject { .. } | Fault::Network => FaultKind::TorchKind,
            Fault::HeaderJson { .. }
            | Fault::NameTwice { .. }
            | Fault::ReservedName { .. }
            | Fault::KeyTwice { .. } => FaultKind::Header,
            Fault::HeaderCutOff { .. } | Fault::CutOff { .. } => FaultKind::CutOff,
            Fault::WrongSize { .. } | Fault::Offsets { .. } | Fault::TrailingBytes { .. } => {
                FaultKind::Offsets
            }
            Fault::Missing { .. } | Fault::NoTensors => FaultKind::MissingTensor,
            Fault::Extra { .. } => FaultKind::ExtraTensor,
            Fault::NoDialect(_) | Fault::NoNames | Fault::OnlyMasks => FaultKind::Names,
            Fault::NegativeVariance { .. } => FaultKind::NegativeVariance,
            Fault::UnknownType { .. } | Fault::WrongType { .. } => FaultKind::Type,
            Fault::WrongShape { .. } | Fault::WrongLength { .. } => FaultKind::Shape,
            Fault::NotFinite { .. } | Fault::TooLargeForF32 { .. } => FaultKind::NotFinite,
            Fault::NotZeroUnderMask { .. } => FaultKind::NotZeroUnderMask,
            Fault::MaskPadding { .. } | Fault::MaskValue { .. } | Fault::NoMask { .. } => FaultKind::Mask,
            Fault::NoMetadata { .. } | Fault::Metadata { .. } | Fault::UnknownFormat { .. } => {
                FaultKind::Metadata
            }
            Fault::MaskHash { .. } => FaultKind::MaskHash,
            Fault::Density { .. } => FaultKind::Density,
        }
    }

    /// The tensor that it is about, if it is about one.
    pub fn tensor(&self) -> Option<&str> {
        match self {
            Fault::NameTwice { tensor }
            | Fault::ReservedName { tensor }
            | Fault::UnknownType { tensor, .. }
            | Fault::WrongSize { tensor, .. }
            | Fault::Offsets { tensor, .. }
            | Fault::CutOff { tensor, .. }
            | Fault::Missing { tensor, .. }
            | Fault::Extra { tensor }
            | Fault::WrongType { tensor, .. }
            | Fault::WrongShape { tensor, .. }
            | Fault::NotFinite { tensor, .. }
            | Fault::TooLargeForF32 { tensor, .. }
            | Fault::NotZeroUnderMask { tensor, .. }
            | Fault::TorchTensor { tensor, .. }
            | Fault::NegativeVariance { tensor, .. }
            | Fault::NoMask { tensor }
            | Fault::MaskPadding { tensor, .. }
            | Fault::MaskValue { tensor, .. } => Some(tensor),
            Fault::NotAFile
            | Fault::NoNames
            | Fault::NoTensors
            | Fault::OnlyMasks
            | Fault::Network
            | Fault::TooMany { .. }
            | Fault::TooLong { .. }
            | Fault::Holes { .. }
            | Fault::Empty
            | Fault::TorchBroken { .. }
            | Fault::TorchKind { .. }
            | Fault::TorchObject { .. }
            | Fault::TorchPickleTooLong { .. }
            | Fault::TorchCompressed { .. }
            | Fault::TorchRepeats { .. }
            | Fault::NotSafetensors { .. }
            | Fault::HeaderTooLong { .. }
            | Fault::HeaderCutOff { .. }
            | Fault::HeaderJson { .. }
            | Fault::KeyTwice { .. }
            | Fault::TrailingBytes { .. }
            | Fault::WrongLength { .. }
            | Fault::NoDialect(_)
            | Fault::NoMetadata { .. }
            | Fault::Metadata { .. }
            | Fault::UnknownFormat { .. }
            | Fault::MaskHash { .. }
            | Fault::Density { .. } => None,
        }
    }
}
