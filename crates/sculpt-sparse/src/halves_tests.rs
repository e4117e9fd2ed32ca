//! What is kept as bfloat16.

use super::{block, planes, stream, whole};
use crate::dispatch::tests::at_each_level;
use crate::{
    Affine, Beside, Convolution, HalfLanes, Input, InputGradient, LANES, Lanes, MaxPool, OutputGradient,
    Pixel, Planes, Scratch, Slope, Storage, Way, Weight, WinogradTile, before_relu, before_relu_of_norm,
    block_of, join, max_pool, max_pool_transposed, means_of_pixels, moments, subsample_transposed, sums,
};

/// Small quarters: what BatchNorms of a few binary places make of them bfloat16 has too.
fn quarters(planes: Planes, seed: u64) -> Vec<Lanes> {
    let mut stream = stream(seed);
    let lanes = |_| Lanes(std::array::from_fn(|_| (stream.below(31) as f32 - 15.0) / 4.0));
    (0..planes.len()).map(lanes).collect()
}

/// The same as such pixels: none of them is rounded.
fn kept<P: Pixel>(x: &[Lanes]) -> Vec<P> {
    x.iter().map(P::narrow).collect()
}

/// That pixels that f32 kept, rounded, are those that were kept as bfloat16; and the numbers that were found beside them the same.
#[track_caller]
fn assert_rounded(what: &str, wide: (Vec<Lanes>, Vec<f64>), half: (Vec<HalfLanes>, Vec<f64>)) {
    let rounded: Vec<HalfLanes> = wide.0.iter().map(HalfLanes::narrow).collect();
    assert!(half.0 == rounded, "{what}");
    assert!(
        wide.0 != half.0.iter().map(Pixel::widen).collect::<Vec<_>>() || !what.starts_with("convolution")
    );
    assert_eq!(wide.1, half.1, "{what}");
}

/// All passes but convolutions, of 16 channels of 8 × 8 pixels.
fn passes<P: Pixel>() -> (Vec<P>, Vec<f64>) {
    let (shape, small) = (planes(16, 8, 8), planes(16, 4, 4));
    let (x, z) = (kept::<P>(&quarters(shape, 1)), kept::<P>(&quarters(shape, 2)));
    let affine = [Affine {
        scale: 0.5,
        shift: 0.25,
    }; 16];
    let joined = [
        Beside::Nothing,
        Beside::Images(&z),
        Beside::Normalised(&z, &affine),
    ]
    .map(|beside| {
        let mut out = vec![P::ZERO; shape.len()];
        join(&x, &affine, beside, shape, &mut out);
        out
    });
    let mut subsampled = vec![P::ZERO; small.len()];
    join(
        &x[..small.len()],
        &affine,
        Beside::Subsampled(&z, shape),
        small,
        &mut subsampled,
    );
    let mut found: Vec<f64> = moments(&x, shape, 5)
        .iter()
        .flat_map(|m| [m.mean, m.squares])
        .collect();
    let [mut gated, mut gated_by_norm] = [0; 2].map(|_| z.clone());
    let means = [0.125; 16];
    let of_gates = [
        before_relu(&mut gated, &joined[1], &x, &means, 64),
        before_relu_of_norm(&mut gated_by_norm, &x, &affine, &means, 64),
        sums(&z, &x, &means, 64),
    ];
    found.extend(of_gates.iter().flatten().flat_map(|sums| [sums.g, sums.products]));
    let means = means_of_pixels(&x, 64);
    found.extend(means.iter().flat_map(|mean| mean.0.map(f64::from)));
    let [mut sampled, mut pooled] = [shape, small].map(|planes| vec![P::ZERO; planes.len()]);
    subsample_transposed(&z[..small.len()], small, &mut sampled, shape);
    let unpooled = [2, 3].map(|kernel| {
        let pool = MaxPool {
            kernel,
            stride: 2,
            padding: kernel / 3,
        };
        max_pool(pool, &x, shape, &mut pooled, small);
        let mut at_images = vec![P::ZERO; shape.len()];
        max_pool_transposed(pool, &x, shape, &pooled, &z[..small.len()], small, &mut at_images);
        [pooled.clone(), at_images].concat()
    });
    let pixels = [
        joined.concat(),
        subsampled,
        gated,
        gated_by_norm,
        sampled,
        unpooled.concat(),
    ];
    (pixels.concat(), found)
}

/// A convolution of 16 channels that makes 16, every way into it and out of it.
fn convolved<P: Pixel>(way: Way, convolution: Convolution) -> (Vec<P>, Vec<f64>) {
    let shape = planes(16, 8, 8);
    let values = whole(16 * 16 * convolution.kernel.pow(2), &mut stream(3));
    let weight = Weight::<P>::multiplied(way, convolution, shape, &values, &vec![1.0; values.len()]);
    let made = weight.output();
    let affine = [Affine {
        scale: 0.5,
        shift: 0.25,
    }; 16];
    let x = kept::<P>(&quarters(shape, 4));
    let (g, y) = (kept::<P>(&quarters(made, 5)), kept::<P>(&quarters(made, 6)));
    let (mut scratch, mut pixels, mut found) = (Scratch::default(), Vec::new(), Vec::new());
    let slopes = [Slope {
        scale: 0.5,
        mean: 0.25,
        mean_g: 0.5,
        slope: 0.25,
    }; 16];
    for from in [Input::Images(&x), Input::Rectified(&x, &affine)] {
        let mut out = y.clone();
        weight.convolve_onto(from, &mut scratch, &mut out);
        pixels.extend(out.clone());
        weight.convolve(from, &mut scratch, &mut out);
        pixels.extend(out);
        let mut at_weight = Vec::new();
        let [mut at_input, mut added, mut unnormalised] = [0; 3].map(|_| x.clone());
        let gradient = OutputGradient {
            g: &g,
            y: &y,
            slopes: &slopes,
            n: 9,
        };
        let to = InputGradient::Write(&mut at_input);
        weight.pull_back(from, gradient, &mut scratch, to, &mut at_weight);
        found.extend(at_weight.iter().map(|&d| f64::from(d)));
        let to = InputGradient::Add(&mut added);
        weight.pull_back(from, gradient, &mut scratch, to, &mut at_weight);
        let to = InputGradient::Write(&mut unnormalised);
        weight.pull_back_unnormalised(from, &g, &mut scratch, to, &mut at_weight);
        found.extend(at_weight.iter().map(|&d| f64::from(d)));
        pixels.extend([at_input, added, unnormalised].concat());
    }
    (pixels, found)
}

/// What is kept as bfloat16 is what f32 would have been, rounded as it is written: every pass, with the instructions of every processor, of numbers
/// such that nothing else is rounded.
#[test]
fn halves_are_rounded_as_they_are_written() {
    let of = |kernel: usize, stride: usize| Convolution {
        n_out: 16,
        kernel,
        stride,
        padding: kernel / 2,
    };
    at_each_level(|| {
        assert_rounded("passes", passes::<Lanes>(), passes::<HalfLanes>());
        for (way, convolution) in [
            (Way::Kept, of(3, 1)),
            (Way::Kept, of(3, 2)),
            (Way::Kept, of(1, 1)),
            (Way::Kept, of(1, 2)),
            (Way::InFours, of(3, 1)),
            (Way::InFours, of(3, 2)),
            (Way::InFours, of(1, 1)),
            (Way::Winograd(WinogradTile::Two), of(3, 1)),
        ] {
            assert_rounded(
                &format!("convolution {way:?} {convolution:?}"),
                convolved::<Lanes>(way, convolution),
                convolved::<HalfLanes>(way, convolution),
            );
        }
    });
}

/// Tiles of 4 × 4 pixels multiply by sixths: what they make of whole numbers times 576, of one channel in sixteen, is exact.
#[test]
fn larger_tiles_are_rounded_as_they_are_written() {
    fn all<P: Pixel>() -> (Vec<P>, Vec<f64>) {
        let shape = planes(16, 8, 8);
        let mut stream = stream(7);
        let convolution = Convolution {
            n_out: 16,
            kernel: 3,
            stride: 1,
            padding: 1,
        };
        let values: Vec<f32> = whole(16 * 16 * 9, &mut stream)
            .iter()
            .enumerate()
            .map(|(place, value)| if place / 9 % 16 == 5 { 576.0 * value } else { 0.0 })
            .collect();
        let way = Way::Winograd(WinogradTile::Four);
        let weight = Weight::<P>::multiplied(way, convolution, shape, &values, &vec![1.0; values.len()]);
        let (x, mut y) = (kept::<P>(&block(shape, &mut stream)), vec![P::ZERO; shape.len()]);
        weight.convolve(Input::Images(&x), &mut Scratch::default(), &mut y);
        (y, Vec::new())
    }
    at_each_level(|| assert_rounded("convolution", all::<Lanes>(), all::<HalfLanes>()));
}

/// 1 + 2⁻⁸ lies in the middle between 1 and 1 + 2⁻⁷: to the even one, 1; 1 + 3·2⁻⁸ likewise, up to 1 + 2⁻⁶. What is no number stays so, whatever its
/// bits: a card's has all of them.
#[test]
fn bfloat16_is_to_the_nearest() {
    let rounded = |x: f32| {
        let all = at_each_level(|| {
            let (x, mut out) = (Lanes([x; LANES]), [HalfLanes::ZERO]);
            block_of(&x.0, planes(1, 1, 1), 0, &mut out);
            assert_eq!(HalfLanes::narrow(&x), out[0]);
            // As it is written where it is not kept, and found again.
            let affine = [Affine {
                scale: 1.0,
                shift: 0.0,
            }];
            let mut joined = [HalfLanes::ZERO];
            join(&out, &affine, Beside::Nothing, planes(1, 1, 1), &mut joined);
            let here = out[0].widen().0[7];
            if here > 0.0 || here.is_nan() {
                assert_eq!(joined, out);
            }
            here
        });
        assert!(all.iter().all(|x| x.to_bits() == all[0].to_bits()));
        all[0]
    };
    let eps = 2f32.powi(-8);
    assert_eq!(rounded(1.0 + eps), 1.0);
    assert_eq!(rounded(1.0 + 3.0 * eps), 1.0 + 4.0 * eps);
    assert_eq!(rounded(1.0 + 1.5 * eps), 1.0 + 2.0 * eps);
    assert_eq!(rounded(-1.0 - 1.5 * eps), -1.0 - 2.0 * eps);
    assert_eq!(rounded(-1.0 - eps), -1.0);
    assert_eq!(rounded(f32::MAX), f32::INFINITY);
    for itself in [f32::INFINITY, f32::NEG_INFINITY, 0.0, f32::from_bits(0x0001_0000)] {
        assert_eq!(rounded(itself), itself);
    }
    assert_eq!(rounded(-0.0).to_bits(), (-0f32).to_bits());
    for nan in [
        0x7fff_ffff,
        0xffff_ffff,
        0x7fff_8000,
        0xffff_8000,
        0x7f80_0001,
        0xff80_0001,
        0x7fc0_0000,
    ] {
        assert!(rounded(f32::from_bits(nan)).is_nan(), "{nan:x}");
    }
    assert_eq!(Storage::Bf16.weight(1.0 + eps), 1.0);
    assert_eq!(Storage::F32.weight(1.0 + eps), 1.0 + eps);
}
