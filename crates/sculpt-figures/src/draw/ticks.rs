//! Ranges of axes, and where their ticks stand.

use super::figure::{Panel, Point, XAxis};

/// Share of the range of means by which intervals may stretch an axis, below and above each: beyond,
/// an interval ends in an arrow.
const MOST_STRETCH: f64 = 0.5;

/// A tick and its text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) at: f64,
    pub(crate) text: String,
}

/// A density present: its place on the axis, and how it is read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DensityTick {
    pub(crate) at: f64,
    pub(crate) sparsity: String,
    pub(crate) density: String,
}

/// Place of x on the drawn axis: to the right is larger.
pub(crate) fn place(axis: &XAxis, x: f64) -> f64 {
    match axis {
        XAxis::Linear { .. } | XAxis::Count { .. } | XAxis::Shared { .. } => x,
        XAxis::Doubling { .. } => x.log2(),
        XAxis::Density => -x.log10(),
    }
}

/// Round numbers in [low, high], about `wanted` of them: steps of 1, 2, 2.5 or 5 times a power of ten.
pub(crate) fn round_ticks(low: f64, high: f64, wanted: usize) -> Vec<Tick> {
    let raw = (high - low) / wanted as f64;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * power);
    let off = |step: &f64| (step / raw).ln().abs();
    let step = step
        .into_iter()
        .min_by(|a, b| off(a).total_cmp(&off(b)))
        .unwrap_or(power);
    let decimals = (0..12).find(|&d| {
        let scaled = step * 10f64.powi(d);
        (scaled - scaled.round()).abs() < 1e-6 * scaled
    });
    let (first, last) = (
        (low / step - 1e-9).ceil() as i64,
        (high / step + 1e-9).floor() as i64,
    );
    let tick = |i: i64| {
        let at = i as f64 * step;
        let text = format!("{:.*}", decimals.unwrap_or(12) as usize, at.abs());
        Tick {
            at,
            text: if i < 0 { format!("−{text}") } else { text },
        }
    };
    (first..=last).map(tick).collect()
}

/// Those of [`round_ticks`] that are whole numbers.
pub(crate) fn whole_ticks(low: f64, high: f64, wanted: usize) -> Vec<Tick> {
    let whole = |tick: &Tick| (tick.at - tick.at.round()).abs() < 1e-9;
    let ticks = round_ticks(low, high, wanted).into_iter().filter(whole);
    let unpadded = |tick: Tick| Tick {
        text: tick.text.split('.').next().unwrap_or_default().to_owned(),
        ..tick
    };
    ticks.map(unpadded).collect()
}

/// The values present, from the lowest.
pub(crate) fn ticks_of_values(panel: &Panel) -> Vec<Tick> {
    let points = panel.curves.iter().flat_map(|curve| &curve.points);
    let mut values: Vec<f64> = points.map(|point| point.x).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let tick = |value: f64| Tick {
        at: place(&panel.x, value),
        text: value.to_string(),
    };
    values.into_iter().map(tick).collect()
}

/// Densities of the panel from 1 down; those that read the same are one tick.
pub(crate) fn density_ticks(panel: &Panel) -> Vec<DensityTick> {
    let mut densities: Vec<f64> = panel
        .curves
        .iter()
        .flat_map(|curve| &curve.points)
        .map(|point| point.x)
        .collect();
    densities.sort_by(|a, b| b.total_cmp(a));
    let mut ticks: Vec<DensityTick> = Vec::new();
    for density in densities {
        let (sparsity, text) = (sparsity_text(density), density_text(density));
        if ticks.last().is_none_or(|tick| tick.density != text) {
            ticks.push(DensityTick {
                at: place(&XAxis::Density, density),
                sparsity,
                density: text,
            });
        }
    }
    ticks
}

/// Lowest and highest place on the x axis.
pub(crate) fn x_extent(panel: &Panel) -> (f64, f64) {
    let means = panel.curves.iter().flat_map(|curve| &curve.points);
    // A seed need not stand where the mean does: each has its own wall time.
    let seeds = panel.curves.iter().flat_map(|curve| curve.seeds.iter().flatten());
    let xs = means.map(|point| point.x).chain(seeds.map(|(x, _)| *x));
    let (mut low, mut high) = extent(xs.map(|x| place(&panel.x, x)));
    if let XAxis::Shared { end, .. } = panel.x {
        (low, high) = (low.min(0.0), high.max(f64::from(end)));
    }
    if low < high {
        return (low, high);
    }
    let half = match panel.x {
        XAxis::Linear { .. } | XAxis::Count { .. } | XAxis::Shared { .. } => (0.05 * low.abs()).max(0.5),
        XAxis::Doubling { .. } => 1.0,
        XAxis::Density => 0.2,
    };
    (low - half, high + half)
}

/// The y axis: means and references with a margin; intervals as far as they do not squeeze the means.
pub(crate) fn y_range(panel: &Panel) -> (f64, f64) {
    let points = || panel.curves.iter().flat_map(|curve| &curve.points);
    let references = panel.references.iter().flat_map(|reference| reference.values());
    let seeds = panel.curves.iter().flat_map(|curve| curve.seeds.iter().flatten());
    let shown = points().map(|point| point.mean).chain(seeds.map(|(_, y)| *y));
    let (low, high) = extent(shown.chain(references));
    let ends = |point: &Point| point.interval.map_or([point.mean; 2], |i| [i.low, i.high]);
    let with_intervals = panel.curves.iter().filter(|curve| curve.seeds.is_empty());
    let drawn = with_intervals.flat_map(|curve| &curve.points).flat_map(ends);
    let (lowest, highest) = extent(drawn.chain([low, high]));
    let span = if high > low { high - low } else { highest - lowest };
    let stretch = if high > low { MOST_STRETCH * span } else { span };
    let (least_mean, most_mean) = (low, high);
    let (low, high) = (
        low.min(lowest.max(low - stretch)),
        high.max(highest.min(high + stretch)),
    );
    let margin = if high > low {
        0.05 * (high - low)
    } else {
        (0.02 * high.abs()).max(1e-6)
    };
    let (mut from, mut to) = (low - margin, high + margin);
    if let Some((least, most)) = panel.y.within {
        // A sliver beyond, so that a marker on the limit is whole.
        let sliver = 0.02 * (to - from);
        from = from.max((least - sliver).min(least_mean));
        to = to.min((most + sliver).max(most_mean));
    }
    (from, to)
}

fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    })
}

/// Three significant digits, such as "1", "0.5", "0.0687".
fn density_text(density: f64) -> String {
    let decimals = (2.0 - density.log10().floor()).max(0.0) as usize;
    trimmed(density, decimals)
}

/// In per cent: one decimal, and more when little is left, such as "0", "93.1", "99.95".
fn sparsity_text(density: f64) -> String {
    let decimals = (-1.0 - (density * 1.000_001).log10().floor()).max(1.0) as usize;
    trimmed(100.0 * (1.0 - density), decimals)
}

fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::figure::{Curve, Interval, YAxis};
    use super::super::method::examples::LRR;
    use super::*;
    use sculpt_rows::IntervalOf;

    #[track_caller]
    fn check_ticks(low: f64, high: f64, want: &[&str]) {
        let texts: Vec<String> = round_ticks(low, high, 7)
            .into_iter()
            .map(|tick| tick.text)
            .collect();
        assert_eq!(texts, want);
    }

    /// Range over 7, then the nearest of 1, 2, 2.5, 5, 10 in ratio: 39 / 7 = 5.6 → 5; 1 / 7 = 0.143 → 0.2
    /// (the border is √2 / 10); 1.1 / 7 = 0.157 → 0.2; 16 / 7 = 2.29 → 2.5.
    #[test]
    fn ticks_are_round() {
        check_ticks(59.0, 98.0, &["60", "65", "70", "75", "80", "85", "90", "95"]);
        check_ticks(0.0, 1.0, &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        check_ticks(-0.6, 0.5, &["−0.6", "−0.4", "−0.2", "0.0", "0.2", "0.4"]);
        check_ticks(83.0, 99.0, &["85.0", "87.5", "90.0", "92.5", "95.0", "97.5"]);
    }

    #[test]
    fn densities_read_as_written() {
        for (density, sparsity, text) in [
            (1.0, "0", "1"),
            (0.8, "20", "0.8"),
            (0.512, "48.8", "0.512"),
            (0.02, "98", "0.02"),
            (0.068_719, "93.1", "0.0687"),
            (0.01, "99", "0.01"),
            (0.001, "99.9", "0.001"),
            (0.000_5, "99.95", "0.0005"),
        ] {
            assert_eq!(
                (sparsity_text(density), density_text(density)),
                (sparsity.into(), text.into())
            );
        }
    }

    fn panel(points: Vec<Point>) -> Panel {
        let y = YAxis {
            label: "accuracy (%)".into(),
            within: Some((0.0, 100.0)),
        };
        let curves = vec![Curve::new(LRR, points)];
        Panel::new("", XAxis::Density, y, curves, IntervalOf::LogitT)
    }

    fn point(x: f64, mean: f64, half: f64) -> Point {
        Point {
            x,
            mean,
            interval: Some(Interval {
                low: mean - half,
                high: mean + half,
            }),
            n: 3,
            converged: true,
        }
    }

    /// Means 30 to 50: intervals stretch by at most 0.5 · 20 = 10, then 5 % of 40 as margin: 18 to 62.
    #[test]
    fn absurd_intervals_do_not_squeeze_the_means() {
        let (low, high) = y_range(&panel(vec![point(1.0, 50.0, 50.0), point(0.5, 30.0, 50.0)]));
        assert!(
            (low - 18.0).abs() < 1e-9 && (high - 62.0).abs() < 1e-9,
            "{low} {high}"
        );
    }

    /// Means 90 and 99, ends as far as 80 and 109: 90 − 4.5 and 99 + 4.5, with 5 % of 18 as margin 84.6 and 104.4.
    /// Above 100 is nothing: the axis ends there, but for a sliver, 2 % of 19.8.
    #[test]
    fn an_axis_ends_where_values_end() {
        let (low, high) = y_range(&panel(vec![point(1.0, 99.0, 10.0), point(0.5, 90.0, 10.0)]));
        assert!((low - 84.6).abs() < 1e-9, "{low}");
        assert!((high - 100.396).abs() < 1e-9, "{high}");
    }

    #[test]
    fn one_value_has_a_range() {
        let single = Point {
            x: 0.5,
            mean: 50.0,
            interval: None,
            n: 1,
            converged: true,
        };
        let panel = panel(vec![single]);
        let ((low, high), (left, right)) = (y_range(&panel), x_extent(&panel));
        assert!(low < 50.0 && 50.0 < high && left < right);
    }

    /// 18.7 in 7 steps are steps of 2.5, of which every second ends at a whole number.
    #[test]
    fn counts_have_whole_ticks() {
        let texts = |low, high| -> Vec<String> {
            let ticks = whole_ticks(low, high, 7).into_iter();
            ticks.map(|tick| tick.text).collect()
        };
        assert_eq!(texts(0.9, 4.1), ["1", "2", "3", "4"]);
        assert_eq!(texts(1.0, 2.0), ["1", "2"]);
        assert_eq!(texts(-0.5, 18.2), ["0", "5", "10", "15"]);
    }

    /// A run of 2 to 8 on an axis of 0 to 40, which a run to 50 would stretch.
    #[test]
    fn panels_share_an_axis() {
        let ends = |last| {
            let mut panel = panel(vec![point(2.0, 1.0, 1.0), point(last, 1.0, 1.0)]);
            panel.x = XAxis::Shared {
                label: "epochs".into(),
                end: 40,
            };
            x_extent(&panel)
        };
        assert_eq!((ends(8.0), ends(50.0)), ((0.0, 40.0), (0.0, 50.0)));
    }

    /// Means at 2 and 8, but a seed that ran from 1 to 9: all of it is on the axis.
    #[test]
    fn seeds_stand_on_the_axis_too() {
        let mut panel = panel(vec![point(2.0, 1.0, 1.0), point(8.0, 1.0, 1.0)]);
        panel.x = XAxis::Linear { label: "s".into() };
        panel.curves[0].seeds = vec![vec![(1.0, 1.0), (9.0, 1.0)], vec![(3.0, 1.0), (7.0, 1.0)]];
        assert_eq!(x_extent(&panel), (1.0, 9.0));
    }

    #[test]
    fn densities_that_read_the_same_are_one_tick() {
        let ticks = density_ticks(&panel(vec![
            point(0.5, 1.0, 1.0),
            point(1.0, 1.0, 1.0),
            point(0.499_99, 1.0, 1.0),
        ]));
        let texts: Vec<&str> = ticks.iter().map(|tick| tick.density.as_str()).collect();
        assert_eq!(texts, ["1", "0.5"]);
    }

    /// 64, 512 and 4,096 are three doublings apart each.
    #[test]
    fn doublings_stand_at_the_values_present() {
        let x = XAxis::Doubling {
            label: "batch".into(),
        };
        let points = [4096.0, 64.0, 512.0, 64.0].map(|x| point(x, 50.0, 1.0)).to_vec();
        let panel = Panel { x, ..panel(points) };
        let ticks: Vec<_> = ticks_of_values(&panel)
            .into_iter()
            .map(|tick| (tick.at, tick.text))
            .collect();
        let expected = [(6.0, "64"), (9.0, "512"), (12.0, "4096")].map(|(at, text)| (at, text.to_owned()));
        assert_eq!(ticks, expected);
        assert_eq!(x_extent(&panel), (6.0, 12.0));
    }
}
