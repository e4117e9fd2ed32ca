use sculpt_store::FileError;
use serde::Serialize;
use std::path::PathBuf;
use thiserror::Error;

/// Why a file could not be read or written.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// What the file holds is wrong.
    #[error("{}: {fault}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The first thing that is wrong with it.
        fault: Fault,
    },
    /// What should be written is wrong; nothing was written.
    #[error("{} was not written: {fault}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: Fault,
    },
}

/// One thing that is wrong with a file, or with what should be written to one.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum Fault {
    /// A folder, device or pipe.
    #[error("is not a regular file")]
    NotAFile,
    /// No bytes at all.
    #[error("is empty")]
    Empty,
    /// What `torch.save` (or `numpy.savez`) writes.
    #[error("is a PyTorch pickle or zip file; save its state_dict with safetensors")]
    Pickle,
    /// Too short for, or not beginning like, a safetensors file.
    #[error("is not a safetensors file: {why}")]
    NotSafetensors {
        /// What gives it away.
        why: &'static str,
    },
    /// A header longer than any real one.
    #[error("is not a safetensors file: it announces a header of {n_bytes} bytes, the limit is {limit}")]
    HeaderTooLong {
        /// Announced length.
        n_bytes: u64,
        /// The longest that is read.
        limit: u64,
    },
    /// The file ends inside its header.
    #[error("is cut off: it announces a header of {n_bytes} bytes, {left} follow")]
    HeaderCutOff {
        /// Announced length.
        n_bytes: u64,
        /// Bytes that follow.
        left: u64,
    },
    /// The header is no JSON, or not of the shape that safetensors asks for.
    #[error("has a broken safetensors header: {message}")]
    HeaderJson {
        /// What the JSON reader said.
        message: String,
    },
    /// Two tensors under one name.
    #[error("tensor {tensor} stands twice in the file")]
    NameTwice {
        /// The tensor.
        tensor: String,
    },
    /// A name that the format keeps for itself.
    #[error("no tensor can be named {tensor}")]
    ReservedName {
        /// The tensor.
        tensor: String,
    },
    /// A metadata key that stands twice.
    #[error("metadata key {key} stands twice in the header")]
    KeyTwice {
        /// The key.
        key: String,
    },
    /// A type of number that safetensors does not have.
    #[error("tensor {tensor} has the unknown type {dtype}")]
    UnknownType {
        /// The tensor.
        tensor: String,
        /// Its type, as the file spells it.
        dtype: String,
    },
    /// Type and shape do not make the number of bytes.
    #[error("tensor {tensor} ({dtype} {shape:?}) does not fill its {n_bytes} bytes exactly")]
    WrongSize {
        /// The tensor.
        tensor: String,
        /// Its type.
        dtype: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Bytes that it spans.
        n_bytes: u64,
    },
    /// Tensors overlap, leave a hole, or end before they begin.
    #[error("tensor {tensor} spans bytes {start}..{end} of the data where one beginning at {due} is due")]
    Offsets {
        /// The tensor.
        tensor: String,
        /// First byte.
        start: u64,
        /// Byte behind the last one.
        end: u64,
        /// Where the previous tensor ended.
        due: u64,
    },
    /// A tensor reaches past the end of the file.
    #[error("is cut off: tensor {tensor} ends at byte {end} of the data, the file holds {n_bytes}")]
    CutOff {
        /// The first such tensor.
        tensor: String,
        /// Byte behind its last one.
        end: u64,
        /// Bytes of data in the file.
        n_bytes: u64,
    },
    /// Bytes behind the last tensor.
    #[error("has {n_bytes} bytes behind its last tensor")]
    TrailingBytes {
        /// How many.
        n_bytes: u64,
    },
    /// A tensor that must be there.
    #[error("tensor {tensor} is missing{hint}")]
    Missing {
        /// The tensor.
        tensor: String,
        /// Where it seems to be instead; may be empty.
        hint: String,
    },
    /// A tensor that must not be there.
    #[error("tensor {tensor} does not belong to this model or kind of file")]
    Extra {
        /// The tensor.
        tensor: String,
    },
    /// Another type of number than the format asks for.
    #[error("tensor {tensor} has type {dtype}, expected {expected}")]
    WrongType {
        /// The tensor.
        tensor: String,
        /// Its type.
        dtype: String,
        /// What it can be.
        expected: String,
    },
    /// Another shape than the model's.
    #[error("tensor {tensor} has shape {shape:?}, expected {expected:?}")]
    WrongShape {
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
        /// The right shape.
        expected: Vec<usize>,
    },
    /// A flat vector of another length than the layout's.
    #[error("{what} has {len} elements, the layout asks for {expected}")]
    WrongLength {
        /// `theta`, `buffers` or `mask`.
        what: &'static str,
        /// Its length.
        len: usize,
        /// The right length.
        expected: usize,
    },
    /// NaN or infinity.
    #[error("tensor {tensor} holds {value} at index {index} ({count} such values)")]
    NotFinite {
        /// The tensor.
        tensor: String,
        /// First such place, row-major.
        index: usize,
        /// What stands there.
        value: f64,
        /// How many there are.
        count: usize,
    },
    /// A 64-bit number whose nearest `f32` is infinite.
    #[error("tensor {tensor} holds {value:e} at index {index}, which is too large for f32")]
    TooLargeForF32 {
        /// The tensor.
        tensor: String,
        /// First such place, row-major.
        index: usize,
        /// What stands there.
        value: f64,
    },
    /// A pruned weight that is not `+0.0`.
    #[error(
        "tensor {tensor} holds {value:?} at index {index}, where the mask asks for +0.0 ({count} such values)"
    )]
    NotZeroUnderMask {
        /// The tensor.
        tensor: String,
        /// First such place, row-major.
        index: usize,
        /// What stands there.
        value: f32,
        /// How many there are.
        count: usize,
    },
    /// Mask bits behind the last weight.
    #[error("tensor {tensor} has bits set behind its {n} mask bits")]
    MaskPadding {
        /// The tensor.
        tensor: String,
        /// Number of bits that mean something.
        n: usize,
    },
    /// A mask entry other than 0 and 1.
    #[error("tensor {tensor} holds {value} at index {index}, a mask is 0 or 1 ({count} such values)")]
    MaskValue {
        /// The tensor.
        tensor: String,
        /// First such place, row-major.
        index: usize,
        /// What stands there.
        value: f64,
        /// How many there are.
        count: usize,
    },
    /// A checkpoint without its metadata.
    #[error("has no metadata key {key}")]
    NoMetadata {
        /// The key.
        key: &'static str,
    },
    /// Metadata that do not say what they should.
    #[error("metadata key {key} is not as expected: {message}")]
    Metadata {
        /// The key.
        key: &'static str,
        /// What is wrong.
        message: String,
    },
    /// A format of another version or program.
    #[error("has format {format:?}, this version reads {expected:?}")]
    UnknownFormat {
        /// What the file says.
        format: String,
        /// What is known.
        expected: &'static str,
    },
    /// The mask is another one than the metadata say.
    #[error("the mask has SHA-256 {computed}, the metadata say {stated}")]
    MaskHash {
        /// Of the metadata.
        stated: String,
        /// Of the bits.
        computed: String,
    },
    /// The mask keeps another share than the metadata say.
    #[error("the mask has density {computed}, the metadata say {stated}")]
    Density {
        /// Of the metadata.
        stated: f64,
        /// Of the bits.
        computed: f64,
    },
}

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
            | Fault::Empty
            | Fault::Pickle
            | Fault::NotSafetensors { .. }
            | Fault::HeaderTooLong { .. } => FaultKind::NotSafetensors,
            Fault::HeaderJson { .. }
            | Fault::NameTwice { .. }
            | Fault::ReservedName { .. }
            | Fault::KeyTwice { .. } => FaultKind::Header,
            Fault::HeaderCutOff { .. } | Fault::CutOff { .. } => FaultKind::CutOff,
            Fault::WrongSize { .. } | Fault::Offsets { .. } | Fault::TrailingBytes { .. } => {
                FaultKind::Offsets
            }
            Fault::Missing { .. } => FaultKind::MissingTensor,
            Fault::Extra { .. } => FaultKind::ExtraTensor,
            Fault::UnknownType { .. } | Fault::WrongType { .. } => FaultKind::Type,
            Fault::WrongShape { .. } | Fault::WrongLength { .. } => FaultKind::Shape,
            Fault::NotFinite { .. } | Fault::TooLargeForF32 { .. } => FaultKind::NotFinite,
            Fault::NotZeroUnderMask { .. } => FaultKind::NotZeroUnderMask,
            Fault::MaskPadding { .. } | Fault::MaskValue { .. } => FaultKind::Mask,
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
            | Fault::MaskPadding { tensor, .. }
            | Fault::MaskValue { tensor, .. } => Some(tensor),
            Fault::NotAFile
            | Fault::Empty
            | Fault::Pickle
            | Fault::NotSafetensors { .. }
            | Fault::HeaderTooLong { .. }
            | Fault::HeaderCutOff { .. }
            | Fault::HeaderJson { .. }
            | Fault::KeyTwice { .. }
            | Fault::TrailingBytes { .. }
            | Fault::WrongLength { .. }
            | Fault::NoMetadata { .. }
            | Fault::Metadata { .. }
            | Fault::UnknownFormat { .. }
            | Fault::MaskHash { .. }
            | Fault::Density { .. } => None,
        }
    }
}
