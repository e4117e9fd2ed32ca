use crate::{Purpose, Seed};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use std::f64::consts::TAU;

/// A sequence of random numbers, wholly given by (seed, purpose, index).
#[derive(Clone, Debug)]
pub struct Stream {
    words: ChaCha8Rng,
    /// Second half of the last Box-Muller pair.
    spare_normal: Option<f64>,
}

impl Stream {
    /// The stream of `purpose` number `index` under `seed`, at its beginning.
    pub fn new(seed: Seed, purpose: Purpose, index: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.0.to_le_bytes());
        key[8..16].copy_from_slice(&purpose.tag());
        let mut words = ChaCha8Rng::from_seed(key);
        words.set_stream(index);
        Self {
            words,
            spare_normal: None,
        }
    }

    /// A uniform 64-bit word.
    pub fn word(&mut self) -> u64 {
        self.words.next_u64()
    }

    /// Uniform in `[0, 1)`: a multiple of 2⁻⁵³.
    pub fn uniform(&mut self) -> f64 {
        (self.word() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform integer in `0..n`, without bias.
    ///
    /// # Panics
    /// When `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "no integer lies below 0");
        // Lemire 2019: the high word of word · n, rejecting the low words that would favour some results.
        let rejected = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.word()) * u128::from(n);
            if product as u64 >= rejected {
                return (product >> 64) as u64;
            }
        }
    }

    /// `true` with probability `p` (always for `p ≥ 1`, never for `p ≤ 0`).
    pub fn bernoulli(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        if let Some(z) = self.spare_normal.take() {
            return z;
        }
        // 1 − u lies in (0, 1], so the logarithm is finite.
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform()));
        let angle = TAU * self.uniform();
        self.spare_normal = Some(radius * libm::sin(angle));
        radius * libm::cos(angle)
    }

    /// Puts `items` into a uniformly random order (Fisher-Yates, from the end).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }

    /// A uniformly random permutation of `0..n`.
    ///
    /// # Panics
    /// When `n` exceeds `u32::MAX`.
    pub fn permutation(&mut self, n: usize) -> Vec<u32> {
        let n = u32::try_from(n).expect("permutations are of at most 2³² elements");
        let mut order: Vec<u32> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }

    /// A uniformly random set of `k` of `0..n`, ascending.
    ///
    /// # Panics
    /// When `k > n`, or `n` exceeds `u32::MAX`.
    pub fn choose(&mut self, k: usize, n: usize) -> Vec<u32> {
        assert!(k <= n, "{k} of {n} cannot be chosen");
        let mut items: Vec<u32> = (0..u32::try_from(n).expect("sets are of at most 2³² elements")).collect();
        for i in 0..k {
            items.swap(i, i + self.below((n - i) as u64) as usize);
        }
        items.truncate(k);
        items.sort_unstable();
        items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        Stream::new(Seed(42), Purpose::TEST, 3)
    }

    /// The answers are from `crates/sculpt-random/goldens.py`, an implementation of ChaCha8 by the letter of
    /// its specification in plain Python.
    #[test]
    fn known_answers() {
        let mut words = stream();
        assert_eq!([words.word(), words.word(), words.word()], GOLDEN_WORDS);
        assert_eq!(stream().permutation(8), GOLDEN_PERMUTATION);
        let mut normals = stream();
        for (from_python, frozen) in GOLDEN_NORMALS.into_iter().zip(FROZEN_NORMALS) {
            let z = normals.normal();
            // The C library that Python calls may round its last bit another way than libm does.
            assert!((z - from_python).abs() <= 4.0 * f64::EPSILON, "{z} {from_python}");
            assert_eq!(z.to_bits(), frozen, "{:#x}", z.to_bits());
        }
    }

    const GOLDEN_WORDS: [u64; 3] = [
        0xda23_0557_6faf_47ee,
        0xa66b_8cdb_57be_cf3d,
        0x2566_434c_c53e_848d,
    ];
    const GOLDEN_PERMUTATION: [u32; 8] = [1, 2, 7, 5, 3, 0, 4, 6];
    const GOLDEN_NORMALS: [f64; 4] = [
        -1.1483947342147172,
        -1.5822721348179138,
        -0.3678644353538001,
        -0.42489833436071295,
    ];
    const FROZEN_NORMALS: [u64; 4] = [
        0xbff2_5fd3_2825_9cf8,
        0xbff9_50fc_9606_a404,
        0xbfd7_8b17_45cd_3060,
        0xbfdb_3188_c88d_108e,
    ];

    #[test]
    fn seed_purpose_and_index_all_matter() {
        let words = [
            Stream::new(Seed(1), Purpose::new(b"init----"), 0).word(),
            Stream::new(Seed(2), Purpose::new(b"init----"), 0).word(),
            Stream::new(Seed(1), Purpose::new(b"split---"), 0).word(),
            Stream::new(Seed(1), Purpose::new(b"init----"), 1).word(),
        ];
        for (i, a) in words.iter().enumerate() {
            assert!(words[..i].iter().all(|b| a != b));
        }
    }

    /// Mean and variance of 100,000 draws: the standard errors are 0.0009 and 0.0032 (uniform, normal mean),
    /// so the bounds are at five of them or more.
    #[test]
    fn moments() {
        let (n, mut s) = (100_000, stream());
        let uniform: f64 = (0..n).map(|_| s.uniform()).sum::<f64>() / n as f64;
        assert!((uniform - 0.5).abs() < 0.005, "{uniform}");
        let normals: Vec<f64> = (0..n).map(|_| s.normal()).collect();
        let mean = normals.iter().sum::<f64>() / n as f64;
        let variance = normals.iter().map(|z| z * z).sum::<f64>() / n as f64;
        assert!(
            mean.abs() < 0.016 && (variance - 1.0).abs() < 0.025,
            "{mean} {variance}"
        );
    }

    /// Each of the 10 pairs of 5 appears; each of 6 values of a die about 10,000 times (sd 91).
    #[test]
    fn choices_are_even() {
        let mut s = stream();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let pair = s.choose(2, 5);
            assert!(pair[0] < pair[1] && pair[1] < 5);
            seen.insert(pair);
        }
        assert_eq!(seen.len(), 10);
        let mut counts = [0; 6];
        for _ in 0..60_000 {
            counts[s.below(6) as usize] += 1;
        }
        assert!(counts.iter().all(|c| (9_500..10_500).contains(c)), "{counts:?}");
    }
}
