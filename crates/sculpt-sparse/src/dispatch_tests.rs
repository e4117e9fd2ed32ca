use super::*;
use crate::registers::{Plain, Registers};
use crate::{HalfLanes, LANES, Lanes, Pixel};
use std::cell::Cell;

thread_local! {
    /// The highest level that this thread may use; none: the processor's own.
    pub(super) static AT_MOST: Cell<Option<Level>> = const { Cell::new(None) };
}

/// What something gives with the instructions of each level that this processor has.
pub(crate) fn at_each_level<T>(mut run: impl FnMut() -> T) -> Vec<T> {
    let levels = [
        Level::Any,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2,
        #[cfg(target_arch = "x86_64")]
        Level::Avx512,
    ];
    let all = levels
        .into_iter()
        .filter(|&level| level <= Level::found())
        .map(|level| {
            AT_MOST.set(Some(level));
            run()
        });
    let all = all.collect();
    AT_MOST.set(None);
    all
}

/// Of a·b + c, a + b, a·b, ReLU of a, b gated by a, a − b, and a and b rounded to bfloat16, the one as it is, the other written and read.
fn all(registers: impl Registers, [a, b, c]: [&Lanes; 3]) -> [[u32; LANES]; 8] {
    let [a, b, c] = [a, b, c].map(|x| registers.load(x));
    let mut half = HalfLanes::ZERO;
    registers.store_half(b, &mut half);
    let of_all = [
        registers.mul_add(a, b, c),
        registers.add(a, b),
        registers.mul(a, b),
        registers.rectified(a),
        registers.gated(b, a),
        registers.sub(a, b),
        registers.rounded(a),
        registers.load_half(&half),
    ];
    of_all.map(|x| {
        let mut out = Lanes::ZERO;
        registers.store(x, &mut out);
        out.0.map(f32::to_bits)
    })
}

for_this_processor! {
    fn here[registers](a: &Lanes, b: &Lanes, c: &Lanes) -> [[u32; LANES]; 8] {
        let _ = TILE;
        all(registers, [a, b, c])
    }
}

/// Both zeros, infinities, numbers that only one rounding gives, and what is no number: by hand where it is not arithmetic.
#[test]
fn every_kind_of_registers_gives_the_same_bits() {
    let (inf, tiny) = (f32::INFINITY, f32::MIN_POSITIVE / 2.0);
    let a = Lanes([
        0.0,
        -0.0,
        1.0,
        -1.0,
        inf,
        -inf,
        tiny,
        -tiny,
        1.1,
        -1.1,
        3e38,
        -3e38,
        0.1,
        1e-30,
        -7.0,
        f32::NAN,
    ]);
    let b = Lanes([
        2.0, 3.0, -0.0, 0.0, 1.0, -2.0, 0.5, 4.0, 1.1, 1.3, 2.0, 2.0, 0.1, 1e-30, -0.0, 5.0,
    ]);
    let c = Lanes([
        -0.0, 0.0, 5.0, -0.0, 1.0, 1.0, tiny, tiny, -1.21, 1.43, -3e38, 3e38, -0.01, 0.0, 0.0, 1.0,
    ]);
    let plain = all(Plain, [&a, &b, &c]);
    let numbers = plain.map(|bits| bits.map(f32::from_bits));
    assert_eq!(
        numbers[3][..15],
        [
            0.0, -0.0, 1.0, 0.0, inf, 0.0, tiny, 0.0, 1.1, 0.0, 3e38, 0.0, 0.1, 1e-30, 0.0
        ]
    );
    assert!(numbers[3][1].is_sign_negative() && numbers[3][15].is_nan());
    assert_eq!(
        numbers[4],
        [
            0.0, 0.0, -0.0, 0.0, 1.0, 0.0, 0.5, 0.0, 1.1, 0.0, 2.0, 0.0, 0.1, 1e-30, 0.0, 0.0
        ]
    );
    // What the rounded product would lose.
    assert!(numbers[0][8] != 0.0 && 1.1f32 * 1.1 == 1.21);
    for bits in at_each_level(|| here(&a, &b, &c)) {
        assert_eq!(bits, plain);
    }
}

for_this_processor! {
    fn transposed[registers](from: &[Lanes], step: usize) -> [Lanes; LANES] {
        let _ = TILE;
        let mut to = [Lanes::ZERO; LANES];
        registers.transpose(from, step, &mut to);
        to
    }
}

/// 16 r + c becomes 16 c + r; what lies between is not looked at.
#[test]
fn squares_are_transposed() {
    let number = |row: usize, column: usize| (LANES * row + column) as f32;
    for step in [1, 3] {
        let mut from = vec![Lanes([f32::NAN; LANES]); (LANES - 1) * step + 1];
        for row in 0..LANES {
            from[row * step] = Lanes(std::array::from_fn(|column| number(row, column)));
        }
        let expected: [Lanes; LANES] =
            std::array::from_fn(|row| Lanes(std::array::from_fn(|column| number(column, row))));
        for to in at_each_level(|| transposed(&from, step)) {
            assert_eq!(to, expected);
        }
    }
}
