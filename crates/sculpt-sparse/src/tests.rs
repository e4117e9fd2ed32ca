use crate::{
    Affine, Beside, Convolution, Input, InputGradient, LANES, Lanes, MaxPool, OutputGradient, Planes,
    Scratch, Slope, Sums, Way, Weight, add, add_subsampled, before_relu, before_relu_of_norm, block_of, gate,
    join, max_pool, max_pool_along, max_pool_transposed, means_of_pixels, moments, rectify, shift,
    subsample_transposed, sums, sums_of_channels,
};
use proptest::prelude::*;
use sculpt_random::{Purpose, Seed, Stream};

#[path = "halves_tests.rs"]
mod halves;
#[path = "winograd_tests.rs"]
mod winograd;

fn stream(seed: u64) -> Stream {
    Stream::new(Seed(seed), Purpose::TEST, 0)
}

/// Small whole numbers: sums of products of them are exact in any order.
fn whole(n: usize, stream: &mut Stream) -> Vec<f32> {
    (0..n).map(|_| stream.below(7) as f32 - 3.0).collect()
}

fn block(planes: Planes, stream: &mut Stream) -> Vec<Lanes> {
    (0..planes.len())
        .map(|_| Lanes(std::array::from_fn(|_| stream.below(7) as f32 - 3.0)))
        .collect()
}

fn planes(channels: usize, height: usize, width: usize) -> Planes {
    Planes {
        channels,
        height,
        width,
    }
}

/// `⟨a, b⟩` over all images.
fn inner(a: &[Lanes], b: &[Lanes]) -> f64 {
    let lanes = a.iter().zip(b).flat_map(|(a, b)| a.0.into_iter().zip(b.0));
    lanes.map(|(a, b)| f64::from(a) * f64::from(b)).sum()
}

/// `Σ w[o, i, r, c] · x[i, s·h + r − p, s·w + c − p]`, of one image.
fn by_definition(
    convolution: Convolution,
    input: Planes,
    weight: &[f32],
    x: &[Lanes],
    lane: usize,
) -> Vec<f32> {
    let Convolution {
        n_out,
        kernel,
        stride,
        padding,
    } = convolution;
    let output = convolution.output(input).expect("it fits");
    let mut y = Vec::new();
    for (o, row, column) in (0..n_out)
        .flat_map(|o| (0..output.height).map(move |row| (o, row)))
        .flat_map(|(o, row)| (0..output.width).map(move |column| (o, row, column)))
    {
        let mut sum = 0.0;
        for place in 0..input.channels * kernel * kernel {
            let (i, r, c) = (place / (kernel * kernel), place / kernel % kernel, place % kernel);
            let at = |n: usize, d: usize, size: usize| {
                (n * stride + d).checked_sub(padding).filter(|&at| at < size)
            };
            if let (Some(h), Some(w)) = (at(row, r, input.height), at(column, c, input.width)) {
                let x = x[(i * input.height + h) * input.width + w].0[lane];
                sum += weight[o * input.channels * kernel * kernel + place] * x;
            }
        }
        y.push(sum);
    }
    y
}

/// Slopes that leave a gradient as it is.
fn as_it_is(channels: usize) -> Vec<Slope> {
    let slope = Slope {
        scale: 1.0,
        mean: 0.0,
        mean_g: 0.0,
        slope: 0.0,
    };
    vec![slope; channels]
}

proptest! {
    /// The convolution is the definition's; both gradients are its transposes: `⟨Wx, g⟩ = ⟨x, Wᵀg⟩ = ⟨w, ∂⟩`, exactly.
    #[test]
    fn convolutions_and_their_transposes(
        (n_in, n_out) in (1usize..9, 1usize..5),
        (height, width) in (1usize..9, 1usize..80),
        (kernel, stride) in (1usize..4, 1usize..4),
        padding in 0usize..3,
        density in 0.0f64..1.2,
        in_fours: bool,
        seed in 0u64..1000,
    ) {
        let (way, n_out) = if in_fours { (Way::InFours, 4 * n_out) } else { (Way::Kept, n_out) };
        let convolution = Convolution { n_out, kernel, stride, padding };
        let input = planes(n_in, height, width);
        prop_assume!(padding < kernel && convolution.output(input).is_some());
        let mut stream = stream(seed);
        let n = n_out * n_in * kernel * kernel;
        let kept: Vec<f32> = (0..n).map(|_| f32::from(u8::from(stream.uniform() < density))).collect();
        // What stands at pruned places counts for nothing.
        let all = whole(n, &mut stream);
        let values: Vec<f32> = all.iter().zip(&kept).map(|(v, k)| v * k).collect();
        let weight = Weight::<Lanes>::multiplied(way, convolution, input, &all, &kept);
        let x = block(input, &mut stream);
        let mut scratch = Scratch::default();
        let mut y = vec![Lanes([f32::NAN; LANES]); weight.output().len()];
        weight.convolve(Input::Images(&x), &mut scratch, &mut y);
        for lane in [0, LANES - 1] {
            let ours: Vec<f32> = y.iter().map(|y| y.0[lane]).collect();
            prop_assert_eq!(ours, by_definition(convolution, input, &values, &x, lane));
        }

        let g = block(weight.output(), &mut stream);
        let before = block(input, &mut stream);
        let slopes = as_it_is(n_out);
        let gradient = OutputGradient { g: &g, y: &y, slopes: &slopes, n: LANES };
        let (mut at_input, mut at_weight) = (vec![Lanes([f32::NAN; LANES]); input.len()], Vec::new());
        let to = InputGradient::Write(&mut at_input);
        weight.pull_back(Input::Images(&x), gradient, &mut scratch, to, &mut at_weight);
        prop_assert_eq!(inner(&y, &g), inner(&x, &at_input));
        prop_assert_eq!(weight.places().len(), at_weight.len());
        let along: f64 = weight.places().iter().zip(&at_weight).map(|(&place, &d)| f64::from(values[place as usize] * d)).sum();
        prop_assert_eq!(inner(&y, &g), along);

        let mut added = y.clone();
        weight.convolve_onto(Input::Images(&x), &mut scratch, &mut added);
        prop_assert!(added.iter().zip(&y).all(|(twice, once)| *twice == once.map(|y| 2.0 * y)));

        let mut added = before.clone();
        let to = InputGradient::Add(&mut added);
        let mut again = Vec::new();
        weight.pull_back_unnormalised(Input::Images(&x), &g, &mut scratch, to, &mut again);
        prop_assert_eq!(&again, &at_weight);
        for ((added, before), own) in added.iter().zip(&before).zip(&at_input) {
            prop_assert_eq!(added, &before.zip(own, |a, b| a + b));
        }
    }

    /// The same bits with the instructions of every processor, by kept weights and by all of four channels: numbers that are rounded, so that the order of sums is seen.
    #[test]
    fn every_processor_gives_the_same_bits(
        (n_in, fours) in (1usize..9, 1usize..3),
        (height, width) in (1usize..12, 1usize..40),
        (kernel, stride) in (1usize..4, 1usize..4),
        density in 0.0f64..1.0,
        n in 1usize..=LANES,
        seed in 0u64..1000,
    ) {
        let n_out = 4 * fours;
        let convolution = Convolution { n_out, kernel, stride, padding: kernel / 2 };
        let input = planes(n_in, height, width);
        prop_assume!(convolution.output(input).is_some());
        let mut stream = stream(seed);
        let values: Vec<f32> = (0..n_out * n_in * kernel * kernel).map(|_| stream.normal() as f32).collect();
        let kept: Vec<f32> = values.iter().map(|_| f32::from(u8::from(stream.uniform() < density))).collect();
        let ways = [Way::Kept, Way::InFours].map(|way| Weight::<Lanes>::multiplied(way, convolution, input, &values, &kept));
        let output = ways[0].output();
        let mut block = |planes: Planes| -> Vec<Lanes> {
            (0..planes.len()).map(|_| Lanes(std::array::from_fn(|_| stream.normal() as f32))).collect()
        };
        let (x, g, beside) = (block(input), block(output), block(output));
        let affine = |channels| vec![Affine { scale: 0.9, shift: 0.1 }; channels];
        let slopes = vec![Slope { scale: 0.9, mean: 0.1, mean_g: 0.01, slope: 0.02 }; n_out];
        let means = vec![0.1; n_out];
        let run = |weight: &Weight| crate::dispatch::tests::at_each_level(|| {
            let (mut scratch, mut at_weight) = (Scratch::default(), Vec::new());
            let [mut y, mut out] = [0, 1].map(|_| vec![Lanes::ZERO; output.len()]);
            let mut at_input = vec![Lanes::ZERO; input.len()];
            let affine_in = affine(n_in);
            let from = Input::Rectified(&x, &affine_in);
            weight.convolve(from, &mut scratch, &mut y);
            join(&y, &affine(n_out), Beside::Images(&beside), output, &mut out);
            let mut behind = g.clone();
            let found = before_relu_of_norm(&mut behind, &y, &affine(n_out), &means, output.area());
            let gradient = OutputGradient { g: &behind, y: &y, slopes: &slopes, n };
            weight.pull_back(from, gradient, &mut scratch, InputGradient::Write(&mut at_input), &mut at_weight);
            let lanes = [y, out, behind, at_input].concat().into_iter().flat_map(|lanes| lanes.0);
            let bits: Vec<u32> = lanes.chain(at_weight).map(f32::to_bits).collect();
            let moments = moments(&beside, output, n);
            (bits, found, moments)
        });
        let all = ways.iter().flat_map(run).collect::<Vec<_>>();
        for level in &all[1..] {
            prop_assert_eq!(level, &all[0]);
        }
    }

    /// The largest pixels; and `⟨max(x + t·d), g⟩` moves by `⟨d, transposed g⟩`, where no two pixels are equal.
    #[test]
    fn poolings_and_their_transposes(
        (height, width) in (2usize..9, 2usize..9),
        (kernel, stride) in (1usize..4, 1usize..4),
        padding in 0usize..2,
        seed in 0u64..1000,
    ) {
        let pool = MaxPool { kernel, stride, padding };
        let input = planes(2, height, width);
        prop_assume!(2 * padding <= kernel && pool.output(input).is_some());
        let output = pool.output(input).expect("as assumed");
        let mut stream = stream(seed);
        // Distinct in each image: a permutation of 0, 1, 2, …
        let order = stream.permutation(input.len());
        let x: Vec<Lanes> = order.iter().map(|&n| Lanes([n as f32; LANES])).collect();
        let moved: Vec<Lanes> = order.iter().enumerate().map(|(i, &n)| Lanes([n as f32 + 0.25 * (i % 2) as f32; LANES])).collect();
        let d: Vec<Lanes> = (0..input.len()).map(|i| Lanes([0.25 * (i % 2) as f32; LANES])).collect();
        let [mut y, mut y_moved] = [0, 1].map(|_| vec![Lanes::ZERO; output.len()]);
        max_pool(pool, &x, input, &mut y, output);
        max_pool(pool, &moved, input, &mut y_moved, output);
        let g = block(output, &mut stream);
        let mut at_images = vec![Lanes::ZERO; input.len()];
        max_pool_transposed(pool, &x, input, &y, &g, output, &mut at_images);
        prop_assert_eq!(inner(&y_moved, &g) - inner(&y, &g), inner(&d, &at_images));
        let mut dy = vec![Lanes::ZERO; output.len()];
        max_pool_along(pool, &x, input, &y, &d, output, &mut dy);
        prop_assert_eq!(inner(&dy, &g), inner(&d, &at_images));
    }
}

/// Of 1, 2, 3, 4 in each of three images, and 100 in lanes that have none: mean 2.5, squares 3 · (2.25 + .25 + .25 + 2.25) = 15.
#[test]
fn moments_by_hand() {
    let mut pixels: Vec<Lanes> = [1.0, 2.0, 3.0, 4.0].map(|x| Lanes([x; LANES])).to_vec();
    for pixel in &mut pixels {
        pixel.0[3..].fill(100.0);
    }
    let found = moments(&pixels, planes(1, 2, 2), 3);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].n, found[0].mean, found[0].squares), (12.0, 2.5, 15.0));
    // Twice the same, and none: the mean stays, the squares add up.
    let twice = found[0].and(found[0]).and(crate::Moments::default());
    assert_eq!((twice.n, twice.mean, twice.squares), (24.0, 2.5, 30.0));
}

/// A mean of 10,000 with a deviation of 1: in f32, the difference of sums of squares would have lost it.
#[test]
fn moments_far_from_zero() {
    let mut stream = stream(1);
    let values: Vec<f32> = (0..400 * LANES)
        .map(|_| 10_000.0 + stream.normal() as f32)
        .collect();
    let pixels: Vec<Lanes> = values
        .chunks_exact(LANES)
        .map(|lanes| Lanes(std::array::from_fn(|i| lanes[i])))
        .collect();
    let n = values.len() as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let squares: f64 = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum();
    let found = moments(&pixels, planes(1, 20, 20), LANES)[0];
    assert!((found.mean - mean).abs() < 1e-6, "{} {mean}", found.mean);
    assert!(
        (found.squares / squares - 1.0).abs() < 1e-5,
        "{} {squares}",
        found.squares
    );
}

/// y = −2, −1, 1, 2 with scale 2 and shift 1: −3, −1, 3, 5. Beside −1, 2, −4, 1: −4, 1, −1, 6, of which a ReLU leaves 0, 1, 0, 6. A gradient
/// of 1 is left where that is not 0; with the mean .5, its products are −1.5 and 1.5.
#[test]
fn a_block_by_hand() {
    let shape = planes(1, 2, 2);
    let of = |values: [f32; 4]| values.map(|v| Lanes([v; LANES])).to_vec();
    let (y, x) = (of([-2.0, -1.0, 1.0, 2.0]), of([-1.0, 2.0, -4.0, 1.0]));
    let affine = [Affine {
        scale: 2.0,
        shift: 1.0,
    }];
    let mut out = of([9.0; 4]);
    join(&y, &affine, Beside::Nothing, shape, &mut out);
    assert_eq!(out, of([0.0, 0.0, 3.0, 5.0]));
    join(&y, &affine, Beside::Images(&x), shape, &mut out);
    assert_eq!(out, of([0.0, 1.0, 0.0, 6.0]));
    let mut g = of([1.0; 4]);
    let found = before_relu(&mut g, &out, &y, &[0.5], 4);
    let lanes = LANES as f64;
    let expected = Sums {
        g: 2.0 * lanes,
        products: 0.0,
    };
    assert_eq!((g.clone(), found), (of([0.0, 1.0, 0.0, 1.0]), vec![expected]));
    assert_eq!(sums(&g, &y, &[0.5], 4), vec![expected]);
    // Without what is beside it: left where 3 and 5 are; .5 + 1.5 = 2.
    let mut g = of([1.0; 4]);
    let found = before_relu_of_norm(&mut g, &y, &affine, &[0.5], 4);
    let expected = Sums {
        g: 2.0 * lanes,
        products: 2.0 * lanes,
    };
    assert_eq!((g, found), (of([0.0, 0.0, 1.0, 1.0]), vec![expected]));
    // Normalised itself, by −1 and 0: 1, −2, 4, −1 are added.
    let other = [Affine {
        scale: -1.0,
        shift: 0.0,
    }];
    join(&y, &affine, Beside::Normalised(&x, &other), shape, &mut out);
    assert_eq!(out, of([0.0, 0.0, 7.0, 4.0]));
    let means: Vec<f32> = means_of_pixels(&out, 4).iter().map(|mean| mean.0[5]).collect();
    assert_eq!(means, [2.75]);
    let nan = of([f32::NAN, 1.0, 1.0, 1.0]);
    join(&nan, &affine, Beside::Nothing, shape, &mut out);
    assert!(out[0].0[0].is_nan(), "what is no number does not vanish");
}

/// Of 3 × 3 pixels every second one, in the second of four channels; the others are zero.
#[test]
fn subsampled_images_by_hand() {
    let (small, large) = (planes(4, 2, 2), planes(2, 3, 3));
    let x: Vec<Lanes> = (1..=18).map(|n| Lanes([n as f32; LANES])).collect();
    let y = vec![Lanes::ZERO; small.len()];
    let affine = [Affine {
        scale: 1.0,
        shift: 0.0,
    }; 4];
    let mut out = y.clone();
    join(&y, &affine, Beside::Subsampled(&x, large), small, &mut out);
    let found: Vec<f32> = out.iter().map(|lanes| lanes.0[0]).collect();
    let expected = [0., 0., 0., 0., 1., 3., 7., 9., 10., 12., 16., 18., 0., 0., 0., 0.];
    assert_eq!(found, expected);
    let mut added = vec![Lanes([100.0; LANES]); small.len()];
    add_subsampled(&mut added, small, &x, large);
    let found: Vec<f32> = added.iter().map(|lanes| lanes.0[15] - 100.0).collect();
    assert_eq!(found, expected);
    let mut stream = stream(2);
    let g = block(small, &mut stream);
    let mut back = vec![Lanes::ZERO; large.len()];
    subsample_transposed(&g, small, &mut back, large);
    assert_eq!(inner(&out, &g), inner(&x, &back));
}

/// Two channels of two pixels: −1, 2 and 3, −4, the same in all images.
#[test]
fn plain_passes_by_hand() {
    let of = |values: [f32; 4]| values.map(|v| Lanes([v; LANES])).to_vec();
    let mut x = of([-1.0, 2.0, 3.0, -4.0]);
    shift(&mut x, &[1.0, -1.0], 2);
    assert_eq!(x, of([0.0, 3.0, 2.0, -5.0]));
    add(&mut x, &of([1.0, -4.0, 0.0, 6.0]));
    assert_eq!(x, of([1.0, -1.0, 2.0, 1.0]));
    rectify(&mut x);
    assert_eq!(x, of([1.0, 0.0, 2.0, 1.0]));
    let mut g = of([5.0, 6.0, -7.0, 8.0]);
    gate(&mut g, &x);
    assert_eq!(g, of([5.0, 0.0, -7.0, 8.0]));
    assert_eq!(sums_of_channels(&g, 2), [80.0, 16.0]);
    let mut nan = of([f32::NAN; 4]);
    rectify(&mut nan);
    assert!(nan[0].0[0].is_nan(), "what is no number does not vanish");
}

/// Two pixels of two channels, eighteen images: two in the second block, zeros behind them.
#[test]
fn batches_become_blocks() {
    // 20 numbers an image, of which 16 are laid at once; with the instructions of each level.
    let shape = planes(2, 2, 5);
    let batch: Vec<f32> = (0..18 * 20).map(|n| n as f32).collect();
    for (whole, part) in crate::dispatch::tests::at_each_level(|| {
        let [mut whole, mut part] = [0, 1].map(|_| vec![Lanes([f32::NAN; LANES]); 20]);
        assert_eq!(block_of(&batch, shape, 0, &mut whole), 16);
        assert_eq!(block_of(&batch, shape, 16, &mut part), 2);
        (whole, part)
    }) {
        for pixel in 0..20 {
            let expected: [f32; LANES] = std::array::from_fn(|image| (20 * image + pixel) as f32);
            assert_eq!(whole[pixel].0, expected);
            assert_eq!(
                part[pixel].0[..3],
                [(320 + pixel) as f32, (340 + pixel) as f32, 0.0]
            );
            assert_eq!(part[pixel].0[3..], [0.0; 13]);
        }
    }
}

#[test]
#[should_panic(expected = "a batch of whole images")]
fn a_batch_that_ends_inside_an_image_is_refused() {
    block_of(&[0.0; 41], planes(2, 2, 5), 0, &mut vec![Lanes([0.0; LANES]); 20]);
}
