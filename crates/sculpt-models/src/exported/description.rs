//! What a file says of its network, believed only as far as it can be checked.

use super::NetworkFault;
use sculpt_layout::{BufferKind, Layout, ParamKind};
use serde::{Deserialize, Serialize};

/// No network of one machine has more parameters.
const MAX_PARAMS: u64 = 1 << 32;

/// Nor running statistics: they are of channels, not of weights.
const MAX_BUFFERS: u64 = 1 << 26;

/// Letters of a name or a title.
const MAX_NAME: usize = 500;

/// Values in an image: 64 channels of 1,024 × 1,024.
const MAX_IMAGE: u64 = 1 << 26;

/// Numbers that operations put out for one image: a terabyte or four. Beyond 2^53 JSON, and so ids, would not be exact.
const MAX_ACTIVATIONS: u64 = 1 << 40;

/// Times that one image uses a weight: more than there are values in the largest image, 64 times.
const MAX_POSITIONS: u64 = 1 << 32;

/// The tensors of a network, in `state_dict` order, and what was counted when it was exported. Part of the identity of every run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Description {
    /// What people call it.
    pub(crate) title: String,
    pub(crate) classes: u32,
    /// Channels, rows and columns of the images that it takes.
    pub(crate) image: [u32; 3],
    pub(crate) params: Vec<Param>,
    pub(crate) buffers: Vec<Buffer>,
    /// What a `state_dict` of it has beside these: second names of tensors, and constants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) beside: Vec<String>,
    /// Numbers that its operations put out for one image.
    pub(crate) activations: u64,
    /// Values a channel that one image gives to the BatchNorm which has the fewest; none without BatchNorm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) normalised: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Param {
    pub(crate) name: String,
    kind: Word,
    shape: Vec<usize>,
    /// Of convolutions and linear layers: how often one image uses each weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) positions: Option<u64>,
    /// Of other kinds: how it is drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) draw: Option<Draw>,
}

/// A normal distribution, or its mean alone where the deviation is 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Draw {
    pub(crate) mean: f64,
    pub(crate) deviation: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Buffer {
    name: String,
    kind: Statistic,
    n: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    Conv,
    Linear,
    Bias,
    NormScale,
    NormShift,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Statistic {
    RunningMean,
    RunningVar,
}

impl Description {
    /// The layout that it describes, after a check of every value.
    pub(crate) fn layout(&self) -> Result<Layout, NetworkFault> {
        check_name("its title", &self.title)?;
        check(
            "its number of classes",
            self.classes,
            (1..=100_000).contains(&self.classes),
            "in 1..=100000",
        )?;
        let pixels = self
            .image
            .iter()
            .map(|&n| u64::from(n))
            .try_fold(1u64, u64::checked_mul);
        let is_image = pixels.is_some_and(|n| (1..=MAX_IMAGE).contains(&n));
        check(
            "its image",
            format!("{:?}", self.image),
            is_image,
            "channels, rows and columns of one",
        )?;
        for param in &self.params {
            let what = format!("positions of {}", param.name);
            check(
                &what,
                format!("{:?}", param.positions),
                param.positions.is_none_or(|n| n <= MAX_POSITIONS),
                "at most 2^32",
            )?;
        }
        check(
            "its number of activations",
            self.activations,
            (u64::from(self.classes)..=MAX_ACTIVATIONS).contains(&self.activations),
            "at least the number of classes, and at most 2^40",
        )?;
        let normalised = self.normalised.unwrap_or(1);
        check(
            "its number of values that a BatchNorm has of one image",
            normalised,
            (1..=MAX_ACTIVATIONS).contains(&normalised),
            "in 1..=2^40",
        )?;
        let (mut layout, mut n_params) = (Layout::builder(), 0u64);
        for param in &self.params {
            param.check()?;
            n_params = param
                .size()
                .and_then(|n| n_params.checked_add(n))
                .unwrap_or(u64::MAX);
            check(
                "its number of parameters",
                n_params,
                n_params <= MAX_PARAMS,
                "at most 2^32",
            )?;
            layout = match param.kind {
                Word::Conv | Word::Linear => layout.prunable(&param.name, &param.shape, param.kind.into()),
                Word::Bias | Word::NormScale | Word::NormShift | Word::Other => {
                    layout.param(&param.name, &param.shape, param.kind.into())
                }
            };
        }
        check("its number of parameters", n_params, n_params > 0, "above 0")?;
        let mut n_buffers = 0u64;
        for Buffer { name, kind, n } in &self.buffers {
            check_name("the name of a buffer", name)?;
            n_buffers = n_buffers.saturating_add(*n as u64);
            check(
                "its number of running statistics",
                n_buffers,
                n_buffers <= MAX_BUFFERS,
                "at most 2^26",
            )?;
            layout = layout.buffer(name, *n, (*kind).into());
        }
        for name in &self.beside {
            check_name("the name of a tensor beside", name)?;
            layout = layout.beside(name);
        }
        Ok(layout.build()?)
    }

    /// Numbers of every parameter, in their order; of one that has too many to count, 2^64 - 1.
    pub(super) fn sizes(&self) -> impl Iterator<Item = u64> {
        self.params.iter().map(|param| param.size().unwrap_or(u64::MAX))
    }

    /// Of every prunable tensor in layout order, how often one image uses each weight.
    pub(crate) fn positions(&self) -> Vec<u64> {
        self.params.iter().filter_map(|param| param.positions).collect()
    }
}

impl Param {
    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn size(&self) -> Option<u64> {
        let dims = self.shape.iter();
        dims.map(|&dim| dim as u64).try_fold(1u64, u64::checked_mul)
    }

    fn check(&self) -> Result<(), NetworkFault> {
        check_name("the name of a parameter", &self.name)?;
        let (n_dims, name) = (self.shape.len(), &self.name);
        let (fits, allowed) = match self.kind {
            Word::Conv => ((3..=5).contains(&n_dims), "that of a convolution's weight"),
            Word::Linear => (n_dims == 2, "that of a linear layer's weight"),
            Word::Bias | Word::NormScale | Word::NormShift | Word::Other => {
                (n_dims <= 8, "of 8 dimensions at most")
            }
        };
        check(
            &format!("the shape of {name}"),
            format!("{:?}", self.shape),
            fits,
            allowed,
        )?;
        let is_layer = matches!(self.kind, Word::Conv | Word::Linear);
        check(
            &format!("positions of {name}"),
            format!("{:?}", self.positions),
            self.positions.is_some() == is_layer,
            "a number for convolutions and linear layers, and none for others",
        )?;
        let is_drawn = match self.draw {
            None => self.kind != Word::Other,
            Some(Draw { mean, deviation }) => {
                self.kind == Word::Other && mean.is_finite() && deviation.is_finite() && deviation >= 0.0
            }
        };
        check(
            &format!("draw of {name}"),
            format!("{:?}", self.draw),
            is_drawn,
            "a finite mean and deviation for other kinds, and none for known ones",
        )
    }
}

impl From<Word> for ParamKind {
    fn from(word: Word) -> Self {
        match word {
            Word::Conv => ParamKind::Conv,
            Word::Linear => ParamKind::Linear,
            Word::Bias => ParamKind::Bias,
            Word::NormScale => ParamKind::NormScale,
            Word::NormShift => ParamKind::NormShift,
            Word::Other => ParamKind::Other,
        }
    }
}

impl From<Statistic> for BufferKind {
    fn from(statistic: Statistic) -> Self {
        match statistic {
            Statistic::RunningMean => BufferKind::RunningMean,
            Statistic::RunningVar => BufferKind::RunningVar,
        }
    }
}

fn check_name(what: &str, name: &str) -> Result<(), NetworkFault> {
    let is_name = (1..=MAX_NAME).contains(&name.len()) && !name.chars().any(char::is_control);
    let shown: String = name.chars().take(50).collect();
    check(
        what,
        format!("{shown:?}"),
        is_name,
        "some letters, without control characters",
    )
}

fn check(
    what: &str,
    value: impl ToString,
    is_allowed: bool,
    allowed: &'static str,
) -> Result<(), NetworkFault> {
    if is_allowed {
        return Ok(());
    }
    Err(NetworkFault::Value {
        what: what.to_owned(),
        value: value.to_string(),
        allowed,
    })
}
