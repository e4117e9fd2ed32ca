use crate::SignsError;
use crate::tensors::{check_kept, check_length, tensors};
use sculpt_layout::Layout;
use sculpt_masks::Mask;
use serde::Serialize;

/// The sign overlap of two networks under one mask. Serialised as `{overlap, n, layers}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overlap {
    /// Fraction of the survivors whose signs are equal.
    pub overlap: f64,
    /// Number of survivors, at least 1.
    pub n: usize,
    /// The same for each prunable tensor, in layout order.
    pub layers: Vec<LayerOverlap>,
}

/// The sign overlap of one tensor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerOverlap {
    /// `state_dict` name.
    pub name: String,
    /// Number of survivors.
    pub n: usize,
    /// Number of survivors whose signs are equal.
    pub n_equal: usize,
    /// `n_equal / n`; `None` for a tensor without survivors.
    pub overlap: Option<f64>,
}

/// How many pairs of numbers were compared, and how many of them have equal signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignCount {
    /// Number of pairs.
    pub n: usize,
    /// Number of pairs of equal signs.
    pub n_equal: usize,
}

/// The sign overlap of `a` and `b` (both `θ`, `[n_params]`) over the survivors of `mask`, in all and by
/// tensor. [`Mask::full`] compares all prunable weights.
///
/// # Errors
/// A mask or vector that is not of this layout, a NaN among the prunable weights (pruned or not), or no
/// survivor.
pub fn overlap(layout: &Layout, mask: &Mask, a: &[f32], b: &[f32]) -> Result<Overlap, SignsError> {
    let mut total = SignCount { n: 0, n_equal: 0 };
    let mut layers = Vec::new();
    for tensor in tensors(layout, mask, &[("a", a), ("b", b)])? {
        let (a, b) = (&a[tensor.range.clone()], &b[tensor.range.clone()]);
        let count = count(a, b, Some(tensor.kept)).map_err(|nan| tensor.nan(nan.vector, nan.index))?;
        total.n += count.n;
        total.n_equal += count.n_equal;
        layers.push(LayerOverlap {
            name: tensor.name.to_owned(),
            n: count.n,
            n_equal: count.n_equal,
            overlap: count.overlap(),
        });
    }
    Ok(Overlap {
        overlap: total.overlap().ok_or(SignsError::NothingToCompare)?,
        n: total.n,
        layers,
    })
}

/// Compares the signs of `a[i]` and `b[i]`, all of them or those that are `kept`: the overlap without a
/// layout.
///
/// # Errors
/// Different lengths, or a NaN, kept or not.
pub fn compare(a: &[f32], b: &[f32], kept: Option<&[bool]>) -> Result<SignCount, SignsError> {
    check_length("b", a.len(), b.len())?;
    check_kept(a.len(), kept)?;
    count(a, b, kept).map_err(|nan| SignsError::Nan {
        vector: nan.vector,
        index: nan.index,
    })
}

impl Overlap {
    /// Number of survivors whose signs are equal.
    pub fn n_equal(&self) -> usize {
        self.layers.iter().map(|layer| layer.n_equal).sum()
    }

    /// Number of survivors whose signs differ.
    pub fn n_flips(&self) -> usize {
        self.n - self.n_equal()
    }
}

impl LayerOverlap {
    /// Number of survivors whose signs differ.
    pub fn n_flips(&self) -> usize {
        self.n - self.n_equal
    }
}

impl SignCount {
    /// `n_equal / n`; `None` where nothing was compared.
    pub fn overlap(self) -> Option<f64> {
        (self.n > 0).then(|| self.n_equal as f64 / self.n as f64)
    }

    /// Number of pairs of different signs.
    pub fn n_flips(self) -> usize {
        self.n - self.n_equal
    }
}

/// Where a number has no sign.
struct Nan {
    vector: &'static str,
    index: usize,
}

/// Numbers between two looks at whether one was NaN: few enough for the nearest cache, which the search then
/// reads from, and for 32-bit counters.
const BLOCK: usize = 1 << 12;

/// [`compare`] of slices of one length.
fn count(a: &[f32], b: &[f32], kept: Option<&[bool]>) -> Result<SignCount, Nan> {
    let mut total = SignCount { n: 0, n_equal: 0 };
    for start in (0..a.len()).step_by(BLOCK) {
        let range = start..(start + BLOCK).min(a.len());
        let (a, b) = (&a[range.clone()], &b[range.clone()]);
        let block = match kept {
            None => count_all(a, b),
            Some(kept) => count_kept(a, b, &kept[range]),
        };
        if block.has_nan {
            return Err(first_nan(a, b, start));
        }
        total.n += block.n as usize;
        total.n_equal += block.n_equal as usize;
    }
    Ok(total)
}

/// What a block amounts to. Sums of comparisons and no branch, so that the loops are vectorised.
struct Block {
    n: u32,
    n_equal: u32,
    has_nan: bool,
}

fn count_all(a: &[f32], b: &[f32]) -> Block {
    let (mut n_equal, mut has_nan) = (0, false);
    for (&a, &b) in a.iter().zip(b) {
        n_equal += u32::from(equal_signs(a, b));
        has_nan |= a.is_nan() | b.is_nan();
    }
    let n = a.len() as u32;
    Block { n, n_equal, has_nan }
}

fn count_kept(a: &[f32], b: &[f32], kept: &[bool]) -> Block {
    let (mut n, mut n_equal, mut has_nan) = (0, 0, false);
    for ((&a, &b), &kept) in a.iter().zip(b).zip(kept) {
        n += u32::from(kept);
        n_equal += u32::from(equal_signs(a, b) & kept);
        has_nan |= a.is_nan() | b.is_nan();
    }
    Block { n, n_equal, has_nan }
}

/// Both positive, both negative, or both 0 of either sign.
fn equal_signs(a: f32, b: f32) -> bool {
    ((a > 0.0) == (b > 0.0)) & ((a < 0.0) == (b < 0.0))
}

/// The first NaN of a block that has one, its place counted from `start` places before the block.
fn first_nan(a: &[f32], b: &[f32], start: usize) -> Nan {
    let offset = a.iter().zip(b).position(|(a, b)| a.is_nan() | b.is_nan());
    let offset = offset.expect("the block has a NaN");
    Nan {
        vector: if a[offset].is_nan() { "a" } else { "b" },
        index: start + offset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f32; 8] = [1.0, -2.0, 0.0, -0.0, 0.0, f32::INFINITY, -1e-45, 3.0];
    const B: [f32; 8] = [5.0, -1.0, -0.0, 1e-45, -3.0, 1.0, 1e-45, -3.0];

    /// Equal at 0, 1, 2 (0 equals −0) and 5. Kept are 0, 2, 3, 7: equal at 0 and 2.
    #[test]
    fn zero_equals_only_zero() {
        let all = compare(&A, &B, None).unwrap();
        assert_eq!(all, SignCount { n: 8, n_equal: 4 });
        assert_eq!((all.overlap(), all.n_flips()), (Some(0.5), 4));
        let kept = [0, 2, 3, 7].iter().fold([false; 8], |mut kept, &i| {
            kept[i] = true;
            kept
        });
        assert_eq!(compare(&A, &B, Some(&kept)), Ok(SignCount { n: 4, n_equal: 2 }));
        assert_eq!(compare(&[], &[], None).unwrap().overlap(), None);
    }

    /// Signs agree but at every third place: of 10,000 numbers 3,334, from 0 on. More than two blocks.
    #[test]
    fn blocks_add_up() {
        let a: Vec<f32> = (0..10_000).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let b: Vec<f32> = a
            .iter()
            .enumerate()
            .map(|(i, x)| if i % 3 == 0 { -x } else { *x })
            .collect();
        let n_equal = 10_000 - 3_334;
        assert_eq!(compare(&a, &b, None), Ok(SignCount { n: 10_000, n_equal }));
        let kept: Vec<bool> = (0..10_000).map(|i| i % 3 == 0).collect();
        assert_eq!(
            compare(&a, &b, Some(&kept)),
            Ok(SignCount { n: 3_334, n_equal: 0 })
        );
    }

    #[test]
    fn nan_has_no_sign() {
        let mut b = vec![1.0; 9_000];
        let a = b.clone();
        b[8_500] = f32::NAN;
        let kept = vec![false; 9_000];
        for refused in [compare(&a, &b, None), compare(&a, &b, Some(&kept))] {
            assert_eq!(refused.unwrap_err().to_string(), "number 8500 of b is NaN");
        }
        assert_eq!(
            compare(&b, &a, None).unwrap_err().to_string(),
            "number 8500 of a is NaN"
        );
    }

    /// θ: conv1 0..2, bn1 2..4, conv2 4..6, fc weight 6..8, fc bias 8. Prunable: 0..2, 2..4, 4..6.
    fn layout() -> Layout {
        Layout::builder()
            .conv("conv1", [1, 2, 1, 1])
            .batch_norm("bn1", 1)
            .conv("conv2", [2, 1, 1, 1])
            .linear("fc", 1, 2)
            .build()
            .unwrap()
    }

    fn mask(bits: &[u8]) -> Mask {
        bits.iter().map(|&bit| bit == 1).collect()
    }

    /// conv1 keeps both, one equal; conv2 none; fc its first, which is equal. Neither BatchNorm nor bias
    /// count.
    #[test]
    fn by_layer() {
        let a = [1.0, -1.0, 1.0, 1.0, 1.0, 1.0, -2.0, 1.0, 1.0];
        let b = [2.0, 1.0, -1.0, -1.0, -1.0, -1.0, -3.0, -1.0, -1.0];
        let result = overlap(&layout(), &mask(&[1, 1, 0, 0, 1, 0]), &a, &b).unwrap();
        assert_eq!((result.n, result.n_equal(), result.n_flips()), (3, 2, 1));
        assert_eq!(result.overlap, 2.0 / 3.0);
        assert_eq!(result.layers[0].n_flips(), 1);
        assert_eq!(
            serde_json::to_string(&result).unwrap(),
            r#"{"overlap":0.6666666666666666,"n":3,"layers":[{"name":"conv1.weight","n":2,"n_equal":1,"overlap":0.5},{"name":"conv2.weight","n":0,"n_equal":0,"overlap":null},{"name":"fc.weight","n":1,"n_equal":1,"overlap":1.0}]}"#
        );
    }

    #[test]
    fn refusals() {
        let (layout, full) = (layout(), Mask::full(6));
        let ones = [1.0; 9];
        let refused =
            |mask: &Mask, a: &[f32], b: &[f32]| overlap(&layout, mask, a, b).unwrap_err().to_string();
        assert_eq!(
            refused(&Mask::full(5), &ones, &ones),
            "the mask has 5 bits, not 6"
        );
        assert_eq!(refused(&full, &ones[1..], &ones), "a has 8 numbers, not 9");
        assert_eq!(refused(&full, &ones, &ones[1..]), "b has 8 numbers, not 9");
        let mut nan = ones;
        nan[5] = f32::NAN;
        assert_eq!(
            refused(&full, &ones, &nan),
            "weight 1 of conv2.weight in b is NaN"
        );
        assert_eq!(
            refused(&mask(&[0; 6]), &ones, &ones),
            "no weight survives, so there are no signs to compare"
        );
        assert_eq!(
            compare(&ones, &ones[1..], None).unwrap_err().to_string(),
            "b has 8 numbers, not 9"
        );
        assert_eq!(
            compare(&ones, &ones, Some(&[true])).unwrap_err().to_string(),
            "the mask has 1 bits, not 9"
        );
        // A BatchNorm parameter is not compared.
        let mut nan = ones;
        nan[2] = f32::NAN;
        assert_eq!(overlap(&layout, &full, &ones, &nan).unwrap().overlap, 1.0);
    }
}
