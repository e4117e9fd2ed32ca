use crate::Misfit;
use sculpt_store::FileError;
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
    /// More bytes than any network here has.
    #[error(
        "has {bytes} bytes, and no file of tensors with more than {most} is read: a ResNet-50 has 102 MB"
    )]
    TooLong {
        /// The file's length.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// More tensors than any network here has, with the state of its optimiser.
    #[error("holds {found} tensors, and no file of more than {most} is read: a ResNet-1202 has 7,221")]
    TooMany {
        /// So many.
        found: usize,
        /// The limit.
        most: usize,
    },
    /// A file that says to be large and is nearly nowhere on the disk: reading it would only count zeros.
    #[error("has {bytes} bytes, of which {on_disk} are on the disk: the rest are holes, and no network")]
    Holes {
        /// The file's length.
        bytes: u64,
        /// What of it is stored.
        on_disk: u64,
    },
    /// No bytes at all.
    #[error("is empty")]
    Empty,
    /// A file of `torch.save` that is damaged or made up.
    #[error("cannot be read as a PyTorch file: {message}")]
    TorchBroken {
        /// What its reader said.
        message: String,
    },
    /// A file of `torch.save` whose content has no place here.
    #[error("holds {what}, which are not read here; save it again in Python: {instead}")]
    TorchKind {
        /// What it is called.
        what: &'static str,
        /// What to save instead.
        instead: &'static str,
    },
    /// A Python object that holds tensors and is neither a dictionary nor a module.
    #[error(
        "holds an object of {class}, which is not read here; save it again in Python: torch.save(model.state_dict(), NEW)"
    )]
    TorchObject {
        /// Its class, as the file spells it.
        class: String,
    },
    /// A pickle longer than any real one.
    #[error(
        "cannot be read as a PyTorch file: its pickle is longer than {limit} bytes, or makes too many objects; save model.state_dict() alone"
    )]
    TorchPickleTooLong {
        /// The longest that is read.
        limit: u64,
    },
    /// An entry of a zip file that `torch.save` would have stored as it is.
    #[error(
        "entry {entry} of it is compressed, as torch.save never does; torch.save(torch.load(FILE), NEW) writes one that is read"
    )]
    TorchCompressed {
        /// The entry.
        entry: String,
    },
    /// Views that repeat what is stored.
    #[error(
        "its tensors are views that make {n_bytes} bytes of a file of {n_file}; save v.clone() of each tensor v"
    )]
    TorchRepeats {
        /// Bytes of all tensors.
        n_bytes: u64,
        /// Bytes of the file.
        n_file: u64,
    },
    /// A tensor whose numbers are not where the file says, or not those that were written.
    #[error("tensor {tensor} cannot be read: {message}")]
    TorchTensor {
        /// The tensor.
        tensor: String,
        /// What its reader said.
        message: String,
    },
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
    /// Names that no dialect has: what is missing and what is left over, side by side.
    #[error(transparent)]
    NoDialect(Misfit),
    /// Weights in one tensor, where the names of tensors are asked for.
    #[error("is a published checkpoint, which names no tensors: it is read with the layout of its network")]
    NoNames,
    /// Masks, where weights are asked for.
    #[error("holds masks alone, and no weights")]
    OnlyMasks,
    /// A network of the user's own, where weights are asked for.
    #[error("is a network that export_network.py made, and holds no weights: --network takes it")]
    Network,
    /// A file of nothing else than words and numbers.
    #[error("there is no tensor of real numbers in it")]
    NoTensors,
    /// A prunable tensor of which a file of masks says nothing.
    #[error("there is no mask for tensor {tensor}; a mask is needed for every prunable tensor")]
    NoMask {
        /// The tensor.
        tensor: String,
    },
    /// A running variance below zero, which no training makes.
    #[error(
        "tensor {tensor} holds {value:?} at index {index}, a variance is not negative ({count} such values)"
    )]
    NegativeVariance {
        /// The tensor.
        tensor: String,
        /// First such place.
        index: usize,
        /// What stands there.
        value: f32,
        /// How many there are.
        count: usize,
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
