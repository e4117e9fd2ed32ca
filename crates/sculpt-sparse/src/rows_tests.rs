use super::*;
use crate::dispatch::tests::at_each_level;
use proptest::prelude::*;
use sculpt_random::{Purpose, Seed, Stream};

fn numbers<T: Number>(n: usize, stream: &mut Stream) -> Vec<T> {
    // Some are 0, as behind a ReLU.
    let number = |stream: &mut Stream| (stream.below(4000) as f32 - 2000.0).max(-1800.0) / 700.0;
    (0..n).map(|_| T::narrow(number(stream))).collect()
}

fn affine(channels: usize, stream: &mut Stream) -> Vec<Affine> {
    let mut next = || (stream.below(400) as f32 - 200.0) / 100.0;
    let one = |_| Affine {
        scale: next(),
        shift: next(),
    };
    (0..channels).map(one).collect()
}

/// Of all numbers of a channel.
fn of_channel<T: Number>(x: &[T], channels: usize, channel: usize) -> Vec<f64> {
    let own = x.iter().skip(channel).step_by(channels);
    own.map(|x| f64::from(x.widen())).collect()
}

/// As near as this kind of number comes, and sums of f32 of this size.
#[track_caller]
fn close<T: Number>(ours: T, exact: f64, size: f64) {
    let half_a_unit = if size_of::<T>() == 2 {
        exact.abs() / 256.0
    } else {
        0.0
    };
    let ours = f64::from(ours.widen());
    assert!(
        (ours - exact).abs() <= half_a_unit + 1e-6 * size,
        "{ours} for {exact}"
    );
}

/// Everything, by its definition in f64.
fn check<T: Number + PartialEq>(rows: usize, channels: usize, seed: u64) {
    let mut stream = Stream::new(Seed(seed), Purpose::TEST, 0);
    let n = rows * channels;
    let (y, z, x): (Vec<T>, Vec<T>, Vec<T>) = (
        numbers(n, &mut stream),
        numbers(n, &mut stream),
        numbers(n, &mut stream),
    );
    let g: Vec<T> = numbers(n, &mut stream);
    let (own, its) = (affine(channels, &mut stream), affine(channels, &mut stream));
    let at = |affine: &Affine, y: T| f64::from(y.widen()) * f64::from(affine.scale) + f64::from(affine.shift);

    let moments = moments_of_rows(&y, channels);
    for (channel, moments) in moments.iter().enumerate() {
        let values = of_channel(&y, channels, channel);
        let mean = values.iter().sum::<f64>() / rows as f64;
        let squares: f64 = values.iter().map(|y| (y - mean).powi(2)).sum();
        assert_eq!(moments.n, rows as f64);
        assert!((moments.mean - mean).abs() < 1e-6, "{moments:?} for {mean}");
        assert!(
            (moments.squares - squares).abs() <= 1e-5 * squares + 1e-9,
            "{moments:?} for {squares}"
        );
    }

    for beside in [
        BesideRows::Nothing,
        BesideRows::Images(&x),
        BesideRows::Normalised(&z, &its),
    ] {
        let mut out = vec![T::default(); n];
        join_rows(&y, &own, beside, &mut out);
        for (place, out) in out.iter().enumerate() {
            let channel = place % channels;
            let beside = match beside {
                BesideRows::Nothing => 0.0,
                BesideRows::Images(x) => f64::from(x[place].widen()),
                BesideRows::Normalised(z, its) => at(&its[channel], z[place]),
            };
            close(*out, (at(&own[channel], y[place]) + beside).max(0.0), 20.0);
        }
    }

    let means: Vec<f32> = moments.iter().map(|moments| moments.mean as f32).collect();
    let slopes: Vec<Slope> = affine(channels, &mut stream)
        .iter()
        .zip(&means)
        .map(|(affine, &mean)| Slope {
            scale: affine.scale,
            mean,
            mean_g: affine.shift / 10.0,
            slope: affine.scale / 3.0,
        })
        .collect();
    let passes = |gate: Gate<'_>, place: usize| match gate {
        Gate::Open => true,
        Gate::Normalised(affine) => {
            y[place]
                .widen()
                .mul_add(affine[place % channels].scale, affine[place % channels].shift)
                > 0.0
        }
    };
    for gate in [Gate::Open, Gate::Normalised(&own)] {
        let before = |place: usize| {
            if passes(gate, place) {
                f64::from(g[place].widen())
            } else {
                0.0
            }
        };
        let sums = sums_of_rows(&g, gate, &y, &means);
        of_channels_are(&sums, channels, rows, &before, &y, &means);
        let mut at_y = vec![T::default(); n];
        before_norm_of_rows(&g, gate, &y, &slopes, &mut at_y);
        for (place, at_y) in at_y.iter().enumerate() {
            let Slope {
                scale,
                mean,
                mean_g,
                slope,
            } = slopes[place % channels];
            let [scale, mean, mean_g, slope] = [scale, mean, mean_g, slope].map(f64::from);
            let exact = scale * (before(place) - mean_g - (f64::from(y[place].widen()) - mean) * slope);
            close(*at_y, exact, 20.0);
        }
    }

    let mut gated = g.clone();
    let sums = before_relu_of_rows(&mut gated, &x, &y, &means);
    let before = |place: usize| {
        if x[place].widen() > 0.0 {
            f64::from(g[place].widen())
        } else {
            0.0
        }
    };
    for (place, gated) in gated.iter().enumerate() {
        assert_eq!(f64::from(gated.widen()), before(place));
    }
    of_channels_are(&sums, channels, rows, &before, &y, &means);
}

fn of_channels_are<T: Number>(
    sums: &[Sums],
    channels: usize,
    rows: usize,
    g: &dyn Fn(usize) -> f64,
    y: &[T],
    means: &[f32],
) {
    for (channel, sums) in sums.iter().enumerate() {
        let places = (0..rows).map(|row| row * channels + channel);
        let products = |place: usize| g(place) * (f64::from(y[place].widen()) - f64::from(means[channel]));
        let exact = [
            places.clone().map(g).sum::<f64>(),
            places.clone().map(products).sum(),
        ];
        let size: f64 = places.map(|place| g(place).abs() * 4.0).sum::<f64>() + 1e-9;
        for (ours, exact) in [sums.g, sums.products].into_iter().zip(exact) {
            assert!((ours - exact).abs() <= 1e-6 * size, "{ours} for {exact}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    /// Sixteens of channels, eights and rests; more rows than are worked with at once.
    #[test]
    fn passes_over_rows_are_their_definitions(rows in 2usize..200, channels in 1usize..45, seed in any::<u64>()) {
        check::<f32>(rows, channels, seed);
        check::<Bf16>(rows, channels, seed);
    }
}

/// As of a processor without vectors.
#[test]
fn every_kind_of_instructions_gives_the_same_bits() {
    let mut stream = Stream::new(Seed(3), Purpose::TEST, 0);
    let (rows, channels) = (130, 27);
    let n = rows * channels;
    let (g, y, x): (Vec<Bf16>, Vec<Bf16>, Vec<Bf16>) = (
        numbers(n, &mut stream),
        numbers(n, &mut stream),
        numbers(n, &mut stream),
    );
    let own = affine(channels, &mut stream);
    let all = at_each_level(|| {
        let moments = moments_of_rows(&y, channels);
        let means: Vec<f32> = moments.iter().map(|moments| moments.mean as f32).collect();
        let mut out = vec![Bf16::default(); n];
        join_rows(&y, &own, BesideRows::Normalised(&x, &own), &mut out);
        let mut before = g.clone();
        let sums = before_relu_of_rows(&mut before, &out, &y, &means);
        let gate = Gate::Normalised(&own);
        let others = sums_of_rows(&g, gate, &y, &means);
        let slope = |mean: &f32| Slope {
            scale: 0.3,
            mean: *mean,
            mean_g: 0.01,
            slope: 0.2,
        };
        let slopes: Vec<Slope> = means.iter().map(slope).collect();
        let mut at_y = vec![Bf16::default(); n];
        before_norm_of_rows(&g, gate, &y, &slopes, &mut at_y);
        (moments, out, before, sums, others, at_y)
    });
    for one in &all {
        assert_eq!(one, &all[0]);
    }
}

/// To the nearest, ties to even; what is no number stays so.
#[test]
fn bfloat16_is_rounded() {
    for (x, bits) in [
        (1.0, 0x3f80),
        (1.0 + 1.0 / 256.0, 0x3f80),
        (1.0 + 3.0 / 256.0, 0x3f82),
        (-1.004, 0xbf81),
        (3.4e38, 0x7f80),
        (f32::NEG_INFINITY, 0xff80),
        (0.0, 0),
    ] {
        assert_eq!(Bf16::narrow(x).0, bits, "{x}");
    }
    assert!(Bf16::narrow(f32::NAN).widen().is_nan());
    assert_eq!(Bf16(0x3fc0).widen(), 1.5);
}
