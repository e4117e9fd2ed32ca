use crate::{Choice, Images, Point, Probe, ScoreError, Scorer, Scores};
use sculpt_layout::Layout;
use sculpt_masks::Density;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use tch::{Device, Kind, Tensor};

/// The largest block: a matrix of 32 MiB.
const MAX_BLOCK_SIZE: usize = 2048;

/// Bytes of block matrices, gradients and indices held at once.
const MAX_BYTES: usize = 1 << 30;

/// Gradients that are added to the block matrices together: one product of matrices instead of many of rank 1.
const N_TOGETHER: usize = 16;

/// Weights whose matrices are converted or inverted at a time.
const N_AT_A_TIME: usize = 100_000;

/// Parameters of [`wood_fisher`].
///
/// | Name | Unit | Range | Value | Where |
/// | --- | --- | --- | --- | --- |
/// | block size | weights | 1..=2048 | 50 | reference §2.4b |
/// | damping λ | squared gradient | (0, ∞) | 1e-5 | reference §2.4b |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WoodFisher {
    /// Weights of a block.
    #[serde(skip_serializing_if = "is_usual_size")]
    pub block_size: usize,
    /// λ.
    #[serde(skip_serializing_if = "is_usual_damping")]
    pub damping: f64,
}

impl Scorer for WoodFisher {
    const HELP: &'static str = "The largest weight^2 / (inverse Fisher matrix), in blocks of 50";

    /// Figure 9 (a).
    const USUAL: Self = Self {
        block_size: 50,
        damping: 1e-5,
    };

    fn check(&self) -> Result<(), ScoreError> {
        if !(1..=MAX_BLOCK_SIZE).contains(&self.block_size) {
            return Err(ScoreError::BlockSize {
                value: self.block_size,
                max: MAX_BLOCK_SIZE,
            });
        }
        ScoreError::check_positive("damping", self.damping)
    }

    fn choose(&self, point: &Point<'_>, images: Images<'_>, density: Density) -> Result<Choice, ScoreError> {
        wood_fisher(point, images.probe()?, *self)?.choose(density)
    }
}

fn is_usual_size(block_size: &usize) -> bool {
    *block_size == WoodFisher::USUAL.block_size
}

fn is_usual_damping(damping: &f64) -> bool {
    *damping == WoodFisher::USUAL.damping
}

/// WoodFisher: `θ_j² / (2 [F⁻¹]_jj)` with `F = λI + 1/n Σ_i g_i g_iᵀ` in diagonal blocks of consecutive
/// weights of a tensor, one gradient `g_i` an image, true labels, evaluation mode (Singh & Alistarh 2020).
///
/// The last block of a tensor may be shorter. A pruned weight has its place in a block, and no gradient: it
/// changes no other's score. Matrices are f64. At blocks of 50, two million weights fit into 1 GiB of them; a
/// larger network is scored in such parts, and every image's gradient taken once for each part.
///
/// # Errors
/// Numbers out of their ranges; a probe that does not fit the network; a block without inverse; a score that is not finite.
pub fn wood_fisher(point: &Point<'_>, probe: &Probe, params: WoodFisher) -> Result<Scores, ScoreError> {
    params.check()?;
    let mut inverse_diagonal = vec![0.0; point.layout().n_prunable()];
    let max_blocks = max_blocks(params.block_size);
    for part in parts(point.layout(), params.block_size, max_blocks) {
        let mut sums = BlockSums::new(point, &part, params.block_size);
        point.each_gradient(probe, |gradient| sums.push(&gradient))?;
        sums.add_rows();
        let mean = sums.sums / probe.n_images() as f64;
        let mut padded = &diagonal_of_inverse(&mean, &part, params)?[..];
        for run in part {
            let n = run.prunable.len();
            let (blocks, rest) = padded.split_at(n.next_multiple_of(params.block_size));
            inverse_diagonal[run.prunable].copy_from_slice(&blocks[..n]);
            padded = rest;
        }
    }
    let inverse_diagonal = Tensor::from_slice(&inverse_diagonal).to_device(point.theta().device());
    let theta = point.prunable(&point.theta().to_kind(Kind::Double));
    Scores::new(point, "WoodFisher", &(theta.square() / (inverse_diagonal * 2.0)))
}

/// Consecutive weights of one tensor, from the beginning of a block.
#[derive(Clone, Debug, PartialEq)]
struct Run {
    tensor: String,
    /// Place of the first in the tensor.
    offset: usize,
    /// Places in θ.
    theta: Range<usize>,
    /// Places among the prunable coordinates.
    prunable: Range<usize>,
}

/// Cuts the prunable weights into parts of at most `max_blocks` blocks.
fn parts(layout: &Layout, block_size: usize, max_blocks: usize) -> Vec<Vec<Run>> {
    let mut parts = Vec::new();
    let (mut part, mut n_left) = (Vec::new(), max_blocks);
    for param in layout.prunable() {
        let prunable = param.prunable_range().expect("a prunable tensor has a place");
        let mut offset = 0;
        while offset < param.len() {
            let n = (param.len() - offset).min(n_left * block_size);
            let from = |start: usize| start + offset..start + offset + n;
            part.push(Run {
                tensor: param.name().to_owned(),
                offset,
                theta: from(param.range().start),
                prunable: from(prunable.start),
            });
            offset += n;
            n_left -= n.div_ceil(block_size);
            if n_left == 0 {
                parts.push(std::mem::take(&mut part));
                n_left = max_blocks;
            }
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// How many blocks [`MAX_BYTES`] hold, at least 1: for each weight a row of its matrix, its gradients of
/// [`N_TOGETHER`] images (and a copy of one), and its index, of 8 bytes each.
fn max_blocks(block_size: usize) -> usize {
    let bytes_per_weight = 8 * (block_size + N_TOGETHER + 2);
    (MAX_BYTES / (block_size * bytes_per_weight)).max(1)
}

/// `Σ_i g_i g_iᵀ` in blocks, each tensor's last one padded by weights that have no gradient.
struct BlockSums {
    /// `[n_blocks, b, b]`, f64.
    sums: Tensor,
    /// `[N_TOGETHER, n_blocks · b]`: gradients not yet in the sums.
    rows: Tensor,
    n_rows: usize,
    /// For each place in a row, the coordinate of θ; one behind the last for padding and pruned weights.
    index: Tensor,
    block_size: i64,
}

impl BlockSums {
    fn new(point: &Point<'_>, part: &[Run], block_size: usize) -> Self {
        let none = point.layout().n_params() as i64;
        let mut index = Vec::new();
        for run in part {
            let kept = |place: usize| point.mask().is_none_or(|mask| mask.get(place));
            let places = run.theta.clone().zip(run.prunable.clone());
            index.extend(places.map(|(in_theta, place)| if kept(place) { in_theta as i64 } else { none }));
            index.resize(index.len().next_multiple_of(block_size), none);
        }
        let device = point.theta().device();
        let (n, b) = (index.len() as i64, block_size as i64);
        Self {
            sums: Tensor::zeros([n / b, b, b], (Kind::Double, device)),
            rows: Tensor::zeros([N_TOGETHER as i64, n], (point.theta().kind(), device)),
            n_rows: 0,
            index: Tensor::from_slice(&index).to_device(device),
            block_size: b,
        }
    }

    /// Adds `g gᵀ` of one gradient over θ.
    fn push(&mut self, gradient: &Tensor) {
        let padded = gradient.constant_pad_nd([0, 1]);
        let mut row = self.rows.get(self.n_rows as i64);
        row.copy_(&padded.index_select(0, &self.index));
        self.n_rows += 1;
        if self.n_rows == N_TOGETHER {
            self.add_rows();
        }
    }

    fn add_rows(&mut self) {
        let (n_rows, n_blocks, b) = (self.n_rows as i64, self.sums.size()[0], self.block_size);
        let rows = self.rows.narrow(0, 0, n_rows).view([n_rows, n_blocks, b]);
        for (start, n) in chunks(n_blocks, b) {
            let columns = rows.narrow(1, start, n).permute([1, 2, 0]).to_kind(Kind::Double);
            let mut sums = self.sums.narrow(0, start, n);
            let _ = sums.baddbmm_(&columns, &columns.transpose(1, 2));
        }
        self.n_rows = 0;
    }
}

/// The diagonal of `(λI + mean)⁻¹` of each block, joined.
fn diagonal_of_inverse(mean: &Tensor, part: &[Run], params: WoodFisher) -> Result<Vec<f64>, ScoreError> {
    let b = params.block_size;
    let damping = Tensor::eye(b as i64, (Kind::Double, mean.device())) * params.damping;
    let mut diagonal = Vec::with_capacity(mean.numel() / b);
    for (start, n) in chunks(mean.size()[0], b as i64) {
        let fisher = mean.narrow(0, start, n) + &damping;
        let (factor, failed) = fisher.linalg_cholesky_ex(false, false);
        if failed.any().int64_value(&[]) != 0 {
            let block = start + failed.nonzero().int64_value(&[0, 0]);
            return Err(no_inverse(part, block as usize, params));
        }
        let inverse = factor.cholesky_inverse(false);
        let values = inverse.diagonal(0, 1, 2).flatten(0, -1).to_device(Device::Cpu);
        let values = Vec::<f64>::try_from(values.contiguous()).expect("a flat f64 tensor is a vector");
        diagonal.extend(values);
    }
    Ok(diagonal)
}

/// (first, number) of the blocks to work on together.
fn chunks(n_blocks: i64, block_size: i64) -> impl Iterator<Item = (i64, i64)> {
    let step = (N_AT_A_TIME as i64 / block_size).max(1);
    (0..n_blocks)
        .step_by(step as usize)
        .map(move |start| (start, step.min(n_blocks - start)))
}

/// Names block number `block` of a part.
fn no_inverse(part: &[Run], block: usize, params: WoodFisher) -> ScoreError {
    let mut before = 0;
    for run in part {
        let n_blocks = run.prunable.len().div_ceil(params.block_size);
        if block < before + n_blocks {
            return ScoreError::NoInverse {
                tensor: run.tensor.clone(),
                start: run.offset + (block - before) * params.block_size,
                damping: params.damping,
            };
        }
        before += n_blocks;
    }
    unreachable!("a part has as many blocks as its runs")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_networks::{assert_close, linear, no_buffers, probe, three_to_one};
    use sculpt_masks::Mask;

    fn run(tensor: &str, offset: usize, theta: Range<usize>, prunable: Range<usize>) -> Run {
        Run {
            tensor: tensor.into(),
            offset,
            theta,
            prunable,
        }
    }

    /// The mean of g gᵀ for (−1, 1)/4 and (3, −3)/4 is 5/16 · (1, −1; −1, 1). With λ = 3/16, F is
    /// (8, −5; −5, 8)/16 of determinant 39/256, and [F⁻¹]_jj = (8/16)/(39/256) = 128/39. Alone in its block, or
    /// beside a pruned weight, F is 1/2 and its inverse 2. 40 images, of each label half: the same F.
    #[test]
    fn by_hand() {
        let (network, theta, buffers) = (linear(), three_to_one(1.0), no_buffers());
        let labels: Vec<i64> = (0..40).map(|i| i % 2).collect();
        let probe = probe(&labels);
        let squares = [6f64.ln().powi(2), 2f64.ln().powi(2)];
        let score = |theta: &Tensor, mask: Option<&Mask>, block_size| {
            let point = Point::new(&network, theta, &buffers, mask).unwrap();
            let params = WoodFisher {
                block_size,
                damping: 3.0 / 16.0,
            };
            wood_fisher(&point, &probe, params).unwrap().values().to_vec()
        };
        let together = 39.0 / 256.0;
        assert_close(
            &score(&theta, None, 50),
            &[squares[0] * together, squares[1] * together],
        );
        assert_close(&score(&theta, None, 1), &[squares[0] / 4.0, squares[1] / 4.0]);
        let first = Mask::from_bools(vec![true, false]);
        let _ = theta.narrow(0, 1, 1).fill_(0.0);
        // Then p₀ = 6/7: gradients −1/7 and 6/7, F = 37/98 + 3/16 = 443/784.
        assert_close(
            &score(&theta, Some(&first), 50),
            &[squares[0] * 443.0 / 784.0 / 2.0, 0.0],
        );
    }

    /// Equal logits: a gradient of (−1, 1)/2, and 1/4 · (1, −1; −1, 1) + 1e-40 is of rank one in f64.
    #[test]
    fn a_matrix_without_inverse() {
        let (network, theta, buffers) = (linear(), Tensor::from_slice(&[0f64; 2]), no_buffers());
        let point = Point::new(&network, &theta, &buffers, None).unwrap();
        let params = WoodFisher {
            block_size: 2,
            damping: 1e-40,
        };
        let error = wood_fisher(&point, &probe(&[0]), params).unwrap_err();
        assert!(matches!(error, ScoreError::NoInverse { start: 0, .. }), "{error}");
    }

    /// Tensors of 7, 4 and 3 weights in blocks of 2 are 4, 2 and 2 blocks; in parts of 3 blocks: 6 of the
    /// first; its last, and 4 of the second; 3 of the third.
    #[test]
    fn parts_hold_whole_blocks() {
        let layout = Layout::builder()
            .conv("a", [7, 1, 1, 1])
            .batch_norm("bn", 1)
            .conv("b", [4, 1, 1, 1])
            .conv("c", [3, 1, 1, 1])
            .build()
            .unwrap();
        assert_eq!(
            parts(&layout, 2, 3),
            [
                vec![run("a.weight", 0, 0..6, 0..6)],
                vec![run("a.weight", 6, 6..7, 6..7), run("b.weight", 0, 9..13, 7..11)],
                vec![run("c.weight", 0, 13..16, 11..14)]
            ]
        );
    }

    #[test]
    fn bytes_are_bounded() {
        // 1 GiB / (50 · 8 · 68) = 39,475 blocks, 1.97 M weights.
        assert_eq!(max_blocks(50), 39_475);
        assert_eq!(max_blocks(1), (1 << 30) / (8 * 19));
        // 1 GiB / (2048 · 8 · 2066) = 31.
        assert_eq!(max_blocks(MAX_BLOCK_SIZE), 31);
        assert_eq!(chunks(5, 50_000).collect::<Vec<_>>(), [(0, 2), (2, 2), (4, 1)]);
    }

    #[test]
    fn a_block_is_named() {
        let part = [
            run("conv1.weight", 100, 0..70, 0..70),
            run("fc.weight", 0, 70..190, 70..190),
        ];
        // Blocks 0 and 1 are conv1's, 2 to 4 fc's.
        let error = |block| no_inverse(&part, block, WoodFisher::USUAL).to_string();
        assert!(error(1).contains(" entries 150.. of conv1.weight "));
        assert_eq!(
            error(4),
            "the Fisher matrix of entries 100.. of fc.weight has no inverse: its gradients are not finite, or the damping 1e-5 is lost beside them"
        );
    }

    #[test]
    fn ranges() {
        assert!(WoodFisher::USUAL.check().is_ok());
        let refused = |block_size, damping| {
            WoodFisher { block_size, damping }
                .check()
                .unwrap_err()
                .to_string()
        };
        assert_eq!(refused(0, 1e-5), "block_size 0 is not in 1..=2048");
        assert_eq!(refused(2049, 1e-5), "block_size 2049 is not in 1..=2048");
        assert_eq!(refused(50, 0.0), "damping 0 is not a finite number above 0");
        assert_eq!(
            refused(50, f64::NAN),
            "damping NaN is not a finite number above 0"
        );
    }
}
