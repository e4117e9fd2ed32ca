#![doc = include_str!("../README.md")]

mod builder;
mod error;

pub use builder::LayoutBuilder;
pub use error::LayoutError;

use std::collections::BTreeSet;
use std::ops::Range;

/// The named slices of a network's two flat vectors, in `state_dict` order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    params: Vec<Param>,
    buffers: Vec<Buffer>,
    beside: BTreeSet<String>,
    n_params: usize,
    n_buffers: usize,
    n_prunable: usize,
}

/// What a slice of `θ` is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParamKind {
    /// Weight of a convolution: OIHW, or with one or three dimensions in place of rows and columns.
    Conv,
    /// Weight of a linear layer, `[out, in]`.
    Linear,
    /// Bias of a convolution or a linear layer.
    Bias,
    /// Scale `γ` of a normalisation: by batch, layer, group or instance.
    NormScale,
    /// Shift `β` of a normalisation.
    NormShift,
    /// Anything else: a token, an embedding, a gate.
    Other,
}

/// Which running statistic of a BatchNorm a buffer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BufferKind {
    /// Running mean; fresh: 0.
    RunningMean,
    /// Running variance; fresh: 1.
    RunningVar,
}

/// One tensor in `θ`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    name: String,
    shape: Vec<usize>,
    range: Range<usize>,
    kind: ParamKind,
    prunable_range: Option<Range<usize>>,
}

/// One tensor in the buffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffer {
    name: String,
    range: Range<usize>,
    kind: BufferKind,
}

impl Layout {
    /// A builder that appends tensors in `state_dict` order.
    pub fn builder() -> LayoutBuilder {
        LayoutBuilder::default()
    }

    /// All tensors of `θ`, in `state_dict` order.
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// All buffers, in `state_dict` order.
    pub fn buffers(&self) -> &[Buffer] {
        &self.buffers
    }

    /// What a `state_dict` may hold beside these: the second name of a tensor, a constant.
    pub fn beside(&self) -> impl Iterator<Item = &str> {
        self.beside.iter().map(String::as_str)
    }

    /// The prunable tensors, in `state_dict` order.
    pub fn prunable(&self) -> impl Iterator<Item = &Param> {
        self.params.iter().filter(|p| p.is_prunable())
    }

    /// The tensor of `θ` with this `state_dict` name.
    pub fn param(&self, name: &str) -> Option<&Param> {
        self.params.iter().find(|p| p.name == name)
    }

    /// Length of `θ`.
    pub fn n_params(&self) -> usize {
        self.n_params
    }

    /// Length of the buffers.
    pub fn n_buffers(&self) -> usize {
        self.n_buffers
    }

    /// The buffers before training: running means 0, variances 1.
    pub fn fresh_buffers(&self) -> Vec<f32> {
        let mut buffers = vec![0.0; self.n_buffers];
        for buffer in &self.buffers {
            buffers[buffer.range()].fill(match buffer.kind() {
                BufferKind::RunningMean => 0.0,
                BufferKind::RunningVar => 1.0,
            });
        }
        buffers
    }

    /// Number of prunable coordinates, the `N` of every density.
    pub fn n_prunable(&self) -> usize {
        self.n_prunable
    }
}

impl Param {
    /// `state_dict` name, such as `layer1.0.conv1.weight`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Shape, row-major: OIHW, `[out, in]` or `[n]`; of other kinds any.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Place in `θ`.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// What the tensor is for.
    pub fn kind(&self) -> ParamKind {
        self.kind
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether the tensor has no elements; a built layout has none such.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// Whether a mask may remove entries of the tensor.
    pub fn is_prunable(&self) -> bool {
        self.prunable_range.is_some()
    }

    /// Place among the prunable coordinates (`0..n_prunable`, layout order), if prunable.
    pub fn prunable_range(&self) -> Option<Range<usize>> {
        self.prunable_range.clone()
    }

    /// Inputs to one output unit: `in · kh · kw`, or `in`; the element count for vectors.
    pub fn fan_in(&self) -> usize {
        match self.shape.len() {
            0 | 1 => self.len(),
            _ => self.shape[1..].iter().product(),
        }
    }

    /// Outputs that one input unit feeds: `out · kh · kw`, or `out`; the element count for vectors.
    pub fn fan_out(&self) -> usize {
        match self.shape.len() {
            0 | 1 => self.len(),
            _ => self.shape[0] * self.shape[2..].iter().product::<usize>(),
        }
    }
}

impl Buffer {
    /// `state_dict` name, such as `bn1.running_mean`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Place in the buffers.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Which statistic it is.
    pub fn kind(&self) -> BufferKind {
        self.kind
    }
}
