//! The kernels that multiply all weights at once. Whole numbers: what tiles of 2 × 2 pixels make of them has two bits behind the point, sums are exact; of
//! 4 × 4 a sixth is a factor, and what is found is the whole number but for less than a tenth.

use super::{block, by_definition, inner, planes, stream, whole};
use crate::{
    Convolution, HalfLanes, Input, InputGradient, LANES, Lanes, OutputGradient, Pixel, Planes, Scratch,
    Slope, Storage, Way, Weight, WinogradTile,
};
use proptest::prelude::*;
use sculpt_random::Stream;

const CONVOLUTION: Convolution = Convolution {
    n_out: 0,
    kernel: 3,
    stride: 1,
    padding: 1,
};

/// Each with the side of what a tile makes.
const WAYS: [(Way, usize); 2] = [
    (Way::Winograd(WinogradTile::Two), 2),
    (Way::Winograd(WinogradTile::Four), 4),
];

/// A scratch that has computed with larger images and more channels, all of which were no numbers.
fn used_scratch(way: Way) -> Scratch {
    let convolution = Convolution {
        n_out: 64,
        ..CONVOLUTION
    };
    let input = planes(64, 12, 16);
    let values = vec![f32::NAN; 64 * 64 * 9];
    let all = vec![1.0; values.len()];
    let weight = Weight::<Lanes>::multiplied(way, convolution, input, &values, &all);
    let nan = vec![Lanes([f32::NAN; LANES]); input.len()];
    let mut scratch = Scratch::default();
    let mut y = nan.clone();
    weight.convolve(Input::Images(&nan), &mut scratch, &mut y);
    let slopes = super::as_it_is(64);
    let gradient = OutputGradient {
        g: &nan,
        y: &nan,
        slopes: &slopes,
        n: LANES,
    };
    weight.pull_back(
        Input::Images(&nan),
        gradient,
        &mut scratch,
        InputGradient::Write(&mut y),
        &mut Vec::new(),
    );
    scratch
}

/// The same number, or of tiles of 4 × 4 pixels so near as rounding is to a number of this `size`.
#[track_caller]
fn assert_same(way: Way, found: f64, expected: f64, size: f64) {
    let most = if way == Way::Winograd(WinogradTile::Two) {
        0.0
    } else {
        1e-5 * size
    };
    assert!((found - expected).abs() <= most, "{found}, not {expected}");
}

/// Of the sum that [`inner`] is, one of numbers as large without their signs.
fn size_of_inner(a: &[Lanes], b: &[Lanes]) -> f64 {
    let abs = |x: &[Lanes]| -> Vec<Lanes> { x.iter().map(|x| x.map(f32::abs)).collect() };
    inner(&abs(a), &abs(b))
}

/// The convolution is the definition's, both gradients are its transposes ([`assert_same`]), whatever the processor has, for the first `n` images: pruned
/// weights among the kept ones, and whatever was computed in the same room before.
#[track_caller]
#[expect(clippy::too_many_arguments, reason = "a row of a table")]
fn check(
    way: Way,
    n_in: usize,
    n_out: usize,
    height: usize,
    width: usize,
    n: usize,
    density: f64,
    seed: u64,
) {
    let convolution = Convolution { n_out, ..CONVOLUTION };
    let input = planes(n_in, height, width);
    let mut stream = stream(seed);
    let n_weights = n_out * n_in * 9;
    let kept: Vec<f32> = (0..n_weights)
        .map(|_| f32::from(u8::from(stream.uniform() < density)))
        .collect();
    // What stands at pruned places counts for nothing.
    let values = whole(n_weights, &mut stream);
    let masked: Vec<f32> = values.iter().zip(&kept).map(|(v, k)| v * k).collect();
    let weight = Weight::<Lanes>::multiplied(way, convolution, input, &values, &kept);
    let (x, g) = (block(input, &mut stream), block(weight.output(), &mut stream));
    // Other lanes have no gradient.
    let there: Vec<Lanes> = g
        .iter()
        .map(|g| Lanes(std::array::from_fn(|lane| if lane < n { g.0[lane] } else { 0.0 })))
        .collect();
    let before = block(input, &mut stream);
    let slopes = super::as_it_is(n_out);
    let all = crate::dispatch::tests::at_each_level(|| {
        let mut scratch = used_scratch(way);
        let mut y = vec![Lanes([f32::NAN; LANES]); weight.output().len()];
        weight.convolve(Input::Images(&x), &mut scratch, &mut y);
        let mut twice = y.clone();
        weight.convolve_onto(Input::Images(&x), &mut scratch, &mut twice);
        assert!(
            twice
                .iter()
                .zip(&y)
                .all(|(twice, y)| *twice == y.map(|y| 2.0 * y))
        );
        let gradient = OutputGradient {
            g: &g,
            y: &y,
            slopes: &slopes,
            n,
        };
        let (mut at_input, mut at_weight) = (vec![Lanes([f32::NAN; LANES]); input.len()], Vec::new());
        let to = InputGradient::Write(&mut at_input);
        weight.pull_back(Input::Images(&x), gradient, &mut scratch, to, &mut at_weight);
        let mut added = before.clone();
        weight.pull_back(
            Input::Images(&x),
            gradient,
            &mut scratch,
            InputGradient::Add(&mut added),
            &mut at_weight,
        );
        (y, at_input, added, at_weight)
    });
    for (y, at_input, added, at_weight) in &all {
        for lane in [0, LANES - 1] {
            let ours: Vec<f32> = y.iter().map(|y| y.0[lane]).collect();
            for (ours, expected) in ours
                .iter()
                .zip(by_definition(convolution, input, &masked, &x, lane))
            {
                // Of numbers of up to 9, of any sign, for each weight of a channel.
                let size = 81.0 * (9.0 * n_in as f64).sqrt();
                assert_same(way, f64::from(*ours), f64::from(expected), size);
            }
        }
        let size = size_of_inner(y, &there);
        assert_same(way, inner(y, &there), inner(&x, at_input), size);
        for ((added, before), own) in added.iter().zip(&before).zip(at_input) {
            assert_eq!(added, &before.zip(own, |a, b| a + b));
        }
        assert_eq!(weight.places().len(), at_weight.len());
        let along = weight.places().iter().zip(at_weight);
        let along: f64 = along
            .map(|(&place, &d)| f64::from(values[place as usize]) * f64::from(d))
            .sum();
        assert_same(way, inner(y, &there), along, size);
    }
}

/// A row of tiles longer than are worked with at once; channels of which only two tiles are.
#[test]
fn rows_are_taken_in_parts() {
    for (way, side) in WAYS {
        check(way, 16, 16, side, 20 * side, LANES, 1.0, 1);
        check(way, 16, 32, 2 * side, 19 * side, 3, 0.8, 2);
        check(way, 512, 16, side, 3 * side, LANES, 1.0, 3);
        check(way, 16, 528, side, 3 * side, LANES, 1.0, 4);
    }
}

/// Of what a convolution makes, and of both gradients, of any numbers, at each level.
fn bits<P: Pixel>(
    way: Way,
    convolution: Convolution,
    input: Planes,
    values: &[f32],
    n: usize,
    stream: &mut Stream,
) -> Vec<Vec<u32>> {
    let weight = Weight::<P>::multiplied(way, convolution, input, values, &vec![1.0; values.len()]);
    let mut block = |n: usize| -> Vec<P> {
        (0..n)
            .map(|_| P::narrow(&Lanes(std::array::from_fn(|_| stream.normal() as f32))))
            .collect()
    };
    let (x, g) = (block(input.len()), block(weight.output().len()));
    let slope = Slope {
        scale: 0.9,
        mean: 0.1,
        mean_g: 0.01,
        slope: 0.02,
    };
    let slopes = vec![slope; convolution.n_out];
    crate::dispatch::tests::at_each_level(|| {
        let (mut scratch, mut at_weight) = (Scratch::default(), Vec::new());
        let mut y = vec![P::ZERO; weight.output().len()];
        let mut at_input = vec![P::ZERO; input.len()];
        weight.convolve(Input::Images(&x), &mut scratch, &mut y);
        let gradient = OutputGradient {
            g: &g,
            y: &y,
            slopes: &slopes,
            n,
        };
        let to = InputGradient::Write(&mut at_input);
        weight.pull_back(Input::Images(&x), gradient, &mut scratch, to, &mut at_weight);
        let lanes = [y, at_input]
            .concat()
            .into_iter()
            .flat_map(|lanes| lanes.widen().0);
        lanes.chain(at_weight).map(f32::to_bits).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Also where the last tiles are fewer than are worked with at once.
    #[test]
    fn convolutions_and_their_transposes(
        (n_in, n_out) in (1usize..4, 1usize..4),
        (height, width) in (1usize..6, 1usize..7),
        four: bool,
        density in 0.8f64..1.0,
        n in 1usize..=LANES,
        seed in 0u64..1000,
    ) {
        let (way, side) = WAYS[usize::from(four)];
        check(way, n_in * LANES, n_out * LANES, side * height, side * width, n, density, seed);
    }

    /// Numbers that are rounded, and so tell in which order they were added: the same bits with the instructions of every processor.
    #[test]
    fn every_processor_gives_the_same_bits(
        (n_in, n_out) in (1usize..4, 1usize..4),
        (height, width) in (1usize..5, 1usize..7),
        four: bool,
        n in 1usize..=LANES,
        bf16: bool,
        seed in 0u64..1000,
    ) {
        let convolution = Convolution { n_out: n_out * LANES, ..CONVOLUTION };
        let (way, side) = WAYS[usize::from(four)];
        let input = planes(n_in * LANES, side * height, side * width);
        let mut stream = stream(seed);
        let values: Vec<f32> = (0..convolution.n_out * input.channels * 9).map(|_| stream.normal() as f32).collect();
        let all = if bf16 {
            bits::<HalfLanes>(way, convolution, input, &values, n, &mut stream)
        } else {
            bits::<Lanes>(way, convolution, input, &values, n, &mut stream)
        };
        for level in &all[1..] {
            prop_assert_eq!(level, &all[0]);
        }
    }
}

/// Rounding as it comes: of 64 channels, whose sums have 576 terms (and in the gradient at a weight 16 · 64) of about 1, no further from f64 than
/// twenty units in the last place of a sum's size; by tiles of 4 × 4 pixels than two hundred, a three-hundredth of a unit of bfloat16.
#[test]
fn rounding_stays_small() {
    for (way, units) in [
        (Way::Winograd(WinogradTile::Two), 20.0),
        (Way::Winograd(WinogradTile::Four), 200.0),
    ] {
        check_rounding(way, units);
    }
}

#[track_caller]
fn check_rounding(way: Way, units: f64) {
    let convolution = Convolution {
        n_out: 64,
        ..CONVOLUTION
    };
    let input = planes(64, 8, 8);
    let mut stream = stream(3);
    let mut normal = |n: usize| -> Vec<f32> { (0..n).map(|_| stream.normal() as f32).collect() };
    let values = normal(64 * 64 * 9);
    let x: Vec<Lanes> = normal(input.len() * LANES)
        .as_chunks()
        .0
        .iter()
        .map(|&lanes| Lanes(lanes))
        .collect();
    let all = vec![1.0; values.len()];
    let weight = Weight::<Lanes>::multiplied(way, convolution, input, &values, &all);
    let (mut scratch, mut y) = (Scratch::default(), vec![Lanes::ZERO; input.len()]);
    weight.convolve(Input::Images(&x), &mut scratch, &mut y);
    let at = |channel: usize, row: usize, column: usize| f64::from(x[(channel * 8 + row) * 8 + column].0[5]);
    let mut furthest = 0f64;
    for (o, row, column) in [(0, 1, 1), (7, 3, 4), (20, 6, 2), (41, 5, 5), (63, 2, 6)] {
        let mut truth = 0.0;
        for (i, place) in (0..64).flat_map(|i| (0..9).map(move |place| (i, place))) {
            let w = f64::from(values[(o * 64 + i) * 9 + place]);
            truth += w * at(i, row + place / 3 - 1, column + place % 3 - 1);
        }
        let found = f64::from(y[(o * 8 + row) * 8 + column].0[5]);
        furthest = furthest.max((found - truth).abs());
    }
    // 24 is the root of 576; one unit of the last place is 6e-8.
    assert!(furthest < 24.0 * units * 6e-8, "{furthest:e}");

    let slopes = super::as_it_is(64);
    let gradient = OutputGradient {
        g: &x,
        y: &y,
        slopes: &slopes,
        n: LANES,
    };
    let mut at_weight = Vec::new();
    weight.pull_back(
        Input::Images(&x),
        gradient,
        &mut scratch,
        InputGradient::Unwanted,
        &mut at_weight,
    );
    // Between one channel and another; of the middle, to which all pixels contribute.
    let (o, i) = (3, 40);
    let pixels = (0..64).map(|pixel| (&x[o * 64 + pixel], &x[i * 64 + pixel]));
    let truth: f64 = pixels
        .flat_map(|(g, x)| g.0.iter().zip(x.0).map(|(g, x)| f64::from(*g) * f64::from(x)))
        .sum();
    let off = (f64::from(at_weight[(o * 64 + i) * 9 + 4]) - truth).abs();
    assert!(off < 32.0 * units * 6e-8, "{off:e}");
}

/// Up to a share it is that share, above it what Winograd's algorithm takes, by the smaller number of channels; an odd tile costs as much as
/// two. It knows 3 × 3, a stride and a padding of 1, even sides, sixteens of channels; of other convolutions fours of channels are multiplied at
/// once.
#[test]
fn work_is_what_the_faster_way_takes() {
    let of = |n_in: usize, n_out: usize, height: usize, width: usize| {
        let convolution = Convolution { n_out, ..CONVOLUTION };
        (convolution, planes(n_in, height, width))
    };
    for ((convolution, input), limit) in [
        (of(16, 16, 8, 8), 0.55),
        (of(64, 16, 8, 8), 0.55),
        (of(32, 64, 8, 8), 0.43),
        (of(48, 48, 8, 8), 0.43),
        (of(64, 64, 4, 4), 0.32),
        (of(512, 256, 4, 4), 0.32),
        (of(64, 64, 2, 2), 0.64),
        (of(16, 16, 10, 10), 0.55 * 26.0 / 25.0),
        (of(64, 64, 6, 2), 0.32 * 4.0 / 3.0),
    ] {
        let (way, limit_here) = convolution.fastest(input, 1.0, Storage::F32);
        assert!(
            (limit_here - limit).abs() < 1e-12 && way == Way::Winograd(WinogradTile::Two),
            "{input:?}"
        );
        assert_eq!(convolution.fastest(input, 0.1, Storage::F32), (Way::Kept, 0.1));
        assert_ne!(convolution.fastest(input, limit_here, Storage::F32).0, way);
        assert_eq!(convolution.fastest(input, limit_here + 1e-9, Storage::F32).0, way);
    }
    // Of bfloat16 in larger tiles, where sides are multiples of four and two tiles are multiplied at once.
    for ((convolution, input), tile, limit) in [
        (of(16, 64, 8, 8), WinogradTile::Four, 0.42),
        (of(48, 32, 8, 8), WinogradTile::Four, 0.27),
        (of(512, 64, 12, 4), WinogradTile::Four, 0.2 * 4.0 / 3.0),
        (of(64, 64, 4, 4), WinogradTile::Two, 0.32),
        (of(64, 64, 6, 8), WinogradTile::Two, 0.32),
        (of(16, 16, 10, 12), WinogradTile::Two, 0.55),
    ] {
        let (way, limit_here) = convolution.fastest(input, 1.0, Storage::Bf16);
        assert_eq!(way, Way::Winograd(tile), "{input:?}");
        assert!((limit_here - limit).abs() < 1e-12, "{input:?}: {limit_here}");
        assert_eq!(convolution.fastest(input, 0.1, Storage::Bf16), (Way::Kept, 0.1));
        let n = convolution.n_out * input.channels * 9;
        let weight = Weight::<HalfLanes>::new(convolution, input, &vec![1.0; n], &vec![1.0; n]);
        assert_eq!(weight.way(), way);
    }
    let (convolution, input) = of(64, 64, 8, 8);
    let odd = planes(64, 7, 8);
    let none = planes(64, 0, 0);
    let other = |n_out: usize, kernel: usize, stride: usize, padding: usize| Convolution {
        n_out,
        kernel,
        stride,
        padding,
    };
    for (other, input, limit) in [
        (other(64, 3, 2, 1), input, 0.5),
        (other(64, 3, 1, 0), input, 0.5),
        (other(8, 3, 1, 1), input, 0.5),
        (convolution, odd, 0.5),
        (convolution, none, 1.0),
        (other(64, 3, 2, 1), planes(64, 6, 6), 1.0),
        (convolution, planes(63, 8, 8), 0.5),
        (other(64, 1, 1, 0), input, 0.5),
        (other(63, 3, 1, 1), input, 1.0),
        (other(0, 3, 1, 1), input, 1.0),
        (other(64, 3, 3, 1), input, 1.0),
    ] {
        let slower = if other.kernel == 1 { 2.0 } else { 1.0 };
        crate::dispatch::tests::at_each_level(|| {
            let limit = if crate::dispatch::has_many_registers() {
                limit
            } else {
                1.0
            };
            let of_all = if limit < 1.0 { Way::InFours } else { Way::Kept };
            assert_eq!(
                other.fastest(input, 1.0, Storage::F32),
                (of_all, slower * limit),
                "{other:?} of {input:?}"
            );
            assert_eq!(other.fastest(input, 0.1, Storage::F32), (Way::Kept, slower * 0.1));
            assert_eq!(other.fastest(input, limit, Storage::F32).0, Way::Kept);
            if let Some(n) = other
                .output(input)
                .map(|_| other.n_out * input.channels * other.kernel.pow(2))
            {
                let all = vec![1.0; n];
                let weight = Weight::<Lanes>::new(other, input, &all, &all);
                assert_eq!(weight.way(), if n > 0 { of_all } else { Way::Kept });
            }
        });
    }
}
