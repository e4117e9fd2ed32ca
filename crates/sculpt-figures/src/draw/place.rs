//! From numbers to places, and which labels stand there.

use super::layout::Rect;
use super::text::Font;

/// Empty strip inside a plot, left and right of the data, that holds markers.
const INSET: i32 = 290;
/// Least space between two tick labels.
pub(super) const LABEL_GAP: i32 = 70;

/// Baseline of a line below its top, so that capitals stand in its middle.
pub(super) fn baseline_offset(font: Font) -> i32 {
    (font.em() * (1.28 + 0.73) / 2.0).round() as i32
}

/// Half the height of a digit.
pub(super) fn half_digit(font: Font) -> i32 {
    (font.em() * 0.365).round() as i32
}

/// The range that leaves a strip for markers left and right of `extent`.
pub(super) fn inset(extent: (f64, f64), plot: Rect) -> (f64, f64) {
    let inner = f64::from(plot.right - plot.left - 2 * INSET);
    let margin = (extent.1 - extent.0) * f64::from(INSET) / inner;
    (extent.0 - margin, extent.1 + margin)
}

/// Place of `x` in the picture.
pub(crate) fn horizontal(x: f64, range: (f64, f64), plot: Rect) -> i32 {
    let share = (x - range.0) / (range.1 - range.0);
    plot.left + (share * f64::from(plot.right - plot.left)).round() as i32
}

pub(super) fn vertical(y: f64, range: (f64, f64), plot: Rect) -> i32 {
    let share = (y - range.0) / (range.1 - range.0);
    plot.bottom - (share * f64::from(plot.bottom - plot.top)).round() as i32
}

/// Of labels given by middle and width, from left to right: those that can stand side by side. The
/// first and the last always do.
pub(super) fn readable(spans: &[(i32, i32)]) -> Vec<usize> {
    let apart = |a: (i32, i32), b: (i32, i32)| b.0 - a.0 >= (a.1 + b.1) / 2 + LABEL_GAP;
    let Some((&last, before)) = spans.split_last() else {
        return Vec::new();
    };
    let mut kept: Vec<usize> = Vec::new();
    for (i, &span) in before.iter().enumerate() {
        if apart(span, last) && kept.last().is_none_or(|&k| apart(spans[k], span)) {
            kept.push(i);
        }
    }
    kept.push(before.len());
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Labels 300 wide with 70 between: 370 apart or more. 0, 200 (too near), 400, 700 (too near to
    /// 400 and to 900), 900.
    #[test]
    fn labels_that_would_collide_are_dropped() {
        let spans = [0, 200, 400, 700, 900].map(|middle| (middle, 300));
        assert_eq!(readable(&spans), [0, 2, 4]);
        assert_eq!(readable(&spans[..1]), [0]);
        assert!(readable(&[]).is_empty());
    }
}
