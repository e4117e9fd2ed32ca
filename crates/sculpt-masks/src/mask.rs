use crate::{MaskError, pack_bits, unpack_bits};
use sculpt_layout::Layout;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::ops::Range;

/// Which prunable weights survive: one bit for each prunable coordinate of a layout, in layout order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    bits: Vec<bool>,
    n_kept: usize,
}

/// What a mask leaves of one tensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LayerCount {
    /// `state_dict` name.
    pub name: String,
    /// Number of weights.
    pub n: usize,
    /// Number of survivors.
    pub kept: usize,
}

impl Mask {
    /// The mask that keeps all of `n` weights.
    pub fn full(n: usize) -> Self {
        Self {
            bits: vec![true; n],
            n_kept: n,
        }
    }

    /// The mask with these bits; `true` survives.
    pub fn from_bools(bits: Vec<bool>) -> Self {
        let n_kept = count(&bits);
        Self { bits, n_kept }
    }

    /// The mask of `n` bits, eight a byte, the first in the lowest place, 0 behind the last.
    ///
    /// # Errors
    /// Another number of bytes than `⌈n/8⌉`, or ones behind the last bit.
    pub fn from_packed(packed: &[u8], n: usize) -> Result<Self, MaskError> {
        unpack_bits(packed, n).map(Self::from_bools)
    }

    /// The bits, eight a byte, the first in the lowest place, 0 behind the last.
    pub fn packed(&self) -> Vec<u8> {
        pack_bits(&self.bits)
    }

    /// SHA-256 over [`Mask::packed`], lower-case hexadecimal: the mask's identity.
    pub fn sha256(&self) -> String {
        let digest = Sha256::digest(self.packed());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Number of prunable weights.
    pub fn len(&self) -> usize {
        self.bits.len()
    }

    /// Whether there is nothing to prune.
    pub fn is_empty(&self) -> bool {
        self.bits.is_empty()
    }

    /// Number of survivors.
    pub fn n_kept(&self) -> usize {
        self.n_kept
    }

    /// The realised density, `n_kept / len`; 1 where there is nothing to prune.
    pub fn density(&self) -> f64 {
        if self.is_empty() {
            1.0
        } else {
            self.n_kept as f64 / self.len() as f64
        }
    }

    /// Whether prunable weight `index` survives.
    ///
    /// # Panics
    /// When there is no such weight.
    pub fn get(&self, index: usize) -> bool {
        self.bits[index]
    }

    /// The bits in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = bool> + '_ {
        self.bits.iter().copied()
    }

    /// All bits.
    pub fn as_slice(&self) -> &[bool] {
        &self.bits
    }

    /// The bits of one tensor, at its `prunable_range`.
    ///
    /// # Panics
    /// When the range reaches beyond the mask.
    pub fn slice(&self, range: Range<usize>) -> &[bool] {
        &self.bits[range]
    }

    /// Whether each survivor here survives in `other` too.
    ///
    /// # Panics
    /// When the lengths differ.
    pub fn is_subset_of(&self, other: &Mask) -> bool {
        self.assert_same_length(other);
        self.bits
            .iter()
            .zip(&other.bits)
            .all(|(here, there)| here <= there)
    }

    /// What survives in either.
    ///
    /// # Panics
    /// When the lengths differ.
    pub fn union(&self, other: &Mask) -> Mask {
        self.assert_same_length(other);
        self.bits.iter().zip(&other.bits).map(|(a, b)| a | b).collect()
    }

    /// What survives in both.
    ///
    /// # Panics
    /// When the lengths differ.
    pub fn intersect(&self, other: &Mask) -> Mask {
        self.assert_same_length(other);
        self.bits.iter().zip(&other.bits).map(|(a, b)| a & b).collect()
    }

    /// What survives of each prunable tensor, in layout order.
    ///
    /// # Panics
    /// When the mask is not over this layout's prunable weights.
    pub fn layers(&self, layout: &Layout) -> Vec<LayerCount> {
        self.tensors(layout)
            .map(|(name, _, bits)| LayerCount {
                name: name.to_owned(),
                n: bits.len(),
                kept: count(bits),
            })
            .collect()
    }

    /// The mask over all of `θ`, as the numbers 0 and 1: 1 at every coordinate that is not prunable.
    ///
    /// # Panics
    /// When the mask is not over this layout's prunable weights.
    pub fn expand(&self, layout: &Layout) -> Vec<f32> {
        let mut expanded = vec![1.0; layout.n_params()];
        self.apply(layout, &mut expanded);
        expanded
    }

    /// Sets the pruned coordinates of `theta` to `+0.0`.
    ///
    /// # Panics
    /// When the mask or `theta` is not of this layout.
    pub fn apply(&self, layout: &Layout, theta: &mut [f32]) {
        assert_theta(layout, theta);
        for (_, range, bits) in self.tensors(layout) {
            for (weight, &kept) in theta[range].iter_mut().zip(bits) {
                *weight = if kept { *weight } else { 0.0 };
            }
        }
    }

    /// Sets the pruned ones of these weights to `+0.0`: [`Mask::apply`] to a bare slice, one weight a bit.
    ///
    /// # Panics
    /// When there are not as many weights as bits.
    pub fn apply_to(&self, weights: &mut [f32]) {
        assert_eq!(
            weights.len(),
            self.len(),
            "there must be one weight for each bit of the mask"
        );
        for (weight, &kept) in weights.iter_mut().zip(&self.bits) {
            *weight = if kept { *weight } else { 0.0 };
        }
    }

    /// The first place in `theta` that is pruned, and yet not `+0.0` bit for bit.
    ///
    /// # Panics
    /// When the mask or `theta` is not of this layout.
    pub fn first_violation(&self, layout: &Layout, theta: &[f32]) -> Option<usize> {
        assert_theta(layout, theta);
        self.tensors(layout).find_map(|(_, range, bits)| {
            let start = range.start;
            let mut weights = theta[range].iter().zip(bits);
            weights
                .position(|(weight, &kept)| !kept && weight.to_bits() != 0)
                .map(|offset| start + offset)
        })
    }

    /// (name, place in `θ`, bits) of each prunable tensor, in layout order.
    fn tensors<'a>(
        &'a self,
        layout: &'a Layout,
    ) -> impl Iterator<Item = (&'a str, Range<usize>, &'a [bool])> + 'a {
        assert_eq!(
            self.len(),
            layout.n_prunable(),
            "the mask must have one bit for each prunable weight of the layout"
        );
        layout.prunable().filter_map(|param| {
            let prunable_range = param.prunable_range()?;
            Some((param.name(), param.range(), &self.bits[prunable_range]))
        })
    }

    fn assert_same_length(&self, other: &Mask) {
        assert_eq!(
            self.len(),
            other.len(),
            "two masks are compared over the same prunable weights"
        );
    }
}

impl FromIterator<bool> for Mask {
    fn from_iter<I: IntoIterator<Item = bool>>(bits: I) -> Self {
        Self::from_bools(bits.into_iter().collect())
    }
}

fn count(bits: &[bool]) -> usize {
    bits.iter().filter(|&&kept| kept).count()
}

fn assert_theta(layout: &Layout, theta: &[f32]) {
    assert_eq!(
        theta.len(),
        layout.n_params(),
        "theta must have one number for each parameter of the layout"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// θ: conv 0..2, BatchNorm 2..4, fc weight 4..6, fc bias 6. Prunable: conv 0..2, fc 2..4.
    fn layout() -> Layout {
        Layout::builder()
            .conv("conv1", [1, 2, 1, 1])
            .batch_norm("bn1", 1)
            .linear("fc", 1, 2)
            .build()
            .unwrap()
    }

    fn mask(bits: &[u8]) -> Mask {
        bits.iter().map(|&bit| bit == 1).collect()
    }

    #[test]
    fn pruned_coordinates_are_plus_zero() {
        let (layout, mask) = (layout(), mask(&[0, 1, 1, 0]));
        let mut theta = [-1.0, 2.0, 3.0, 4.0, 5.0, -0.0, 7.0];
        assert_eq!(mask.first_violation(&layout, &theta), Some(0));
        theta[0] = 0.0;
        // −0.0 is a violation.
        assert_eq!(mask.first_violation(&layout, &theta), Some(5));
        mask.apply(&layout, &mut theta);
        assert_eq!(mask.first_violation(&layout, &theta), None);
        assert_eq!(
            theta.map(f32::to_bits),
            [0.0, 2.0, 3.0, 4.0, 5.0, 0.0, 7.0].map(f32::to_bits)
        );
        assert_eq!(mask.expand(&layout), [0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0]);
    }

    /// A product would leave NaN where an infinite weight is pruned.
    #[test]
    fn apply_removes_what_a_product_cannot() {
        let (layout, mask) = (layout(), mask(&[0, 0, 0, 1]));
        let mut theta = [f32::NAN, f32::INFINITY, 1.0, 1.0, f32::NEG_INFINITY, 1.0, 1.0];
        mask.apply(&layout, &mut theta);
        assert_eq!(theta, [0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
        let mut weights = [f32::NAN, -f32::INFINITY, -2.0, -3.0];
        mask.apply_to(&mut weights);
        assert_eq!(
            weights.map(f32::to_bits),
            [0.0f32, 0.0, 0.0, -3.0].map(f32::to_bits)
        );
    }

    #[test]
    fn counts() {
        let mask = mask(&[0, 1, 1, 1]);
        let layer = |name: &str, kept| LayerCount {
            name: name.into(),
            n: 2,
            kept,
        };
        assert_eq!(
            mask.layers(&layout()),
            [layer("conv1.weight", 1), layer("fc.weight", 2)]
        );
        assert_eq!((mask.len(), mask.n_kept(), mask.density()), (4, 3, 0.75));
        assert_eq!(mask.slice(2..4), [true, true]);
        assert_eq!(
            serde_json::to_string(&mask.layers(&layout())[0]).unwrap(),
            r#"{"name":"conv1.weight","n":2,"kept":1}"#
        );
        assert_eq!(Mask::full(0).density(), 1.0);
    }

    #[test]
    fn sets() {
        let (a, b) = (mask(&[0, 1, 1, 0]), mask(&[0, 0, 1, 1]));
        assert_eq!(a.union(&b), mask(&[0, 1, 1, 1]));
        assert_eq!(a.intersect(&b), mask(&[0, 0, 1, 0]));
        assert!(a.intersect(&b).is_subset_of(&a) && a.is_subset_of(&a));
        assert!(!a.is_subset_of(&b) && a.is_subset_of(&Mask::full(4)));
    }

    /// `printf '\x0d' | sha256sum` and `printf '' | sha256sum`.
    #[test]
    fn identity() {
        assert_eq!(
            mask(&[1, 0, 1, 1]).sha256(),
            "9d1e0e2d9459d06523ad13e28a4093c2316baafe7aec5b25f30eba2e113599c4"
        );
        assert_eq!(
            Mask::full(0).sha256(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    proptest! {
        #[test]
        fn packed_round_trip(bits in proptest::collection::vec(any::<bool>(), 0..100)) {
            let mask = Mask::from_bools(bits);
            prop_assert_eq!(mask.n_kept(), mask.iter().filter(|&kept| kept).count());
            let packed = mask.packed();
            prop_assert_eq!(packed.iter().map(|byte| byte.count_ones() as usize).sum::<usize>(), mask.n_kept());
            prop_assert_eq!(Mask::from_packed(&packed, mask.len()), Ok(mask));
        }
    }
}
