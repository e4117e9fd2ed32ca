//! Colours, markers and dashes.

/// An sRGB colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rgb(pub u8, pub u8, pub u8);

/// The palette of Okabe and Ito, which colour-blind readers tell apart, with grey for its yellow:
/// a yellow line of 0.4 mm cannot be seen on white (contrast 1.3 to 1).
impl Rgb {
    /// Black.
    pub const BLACK: Self = Self(0, 0, 0);
    /// Orange.
    pub const ORANGE: Self = Self(230, 159, 0);
    /// Sky blue.
    pub const SKY_BLUE: Self = Self(86, 180, 233);
    /// Bluish green.
    pub const BLUISH_GREEN: Self = Self(0, 158, 115);
    /// Blue.
    pub const BLUE: Self = Self(0, 114, 178);
    /// Vermillion.
    pub const VERMILLION: Self = Self(213, 94, 0);
    /// Reddish purple.
    pub const REDDISH_PURPLE: Self = Self(204, 121, 167);
    /// Grey, in the place of yellow.
    pub const GREY: Self = Self(119, 119, 119);

    /// The colour `t` of the way to `other`.
    pub(crate) fn towards(self, other: Self, t: f64) -> Self {
        let mix = |a: u8, b: u8| (f64::from(a) + t * (f64::from(b) - f64::from(a))).round() as u8;
        Self(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }
}

/// Outline of a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MarkerShape {
    /// ●
    Circle,
    /// ■
    Square,
    /// ▲
    TriangleUp,
    /// ▼
    TriangleDown,
    /// ◆
    Diamond,
    /// +
    Plus,
    /// ×
    Cross,
    /// Six strokes from the centre.
    Star,
    /// Nothing: the line says it all.
    None,
}

/// What stands at a point of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Marker {
    /// Its outline.
    pub shape: MarkerShape,
    /// Whether it is filled with the curve's colour, or with white. Shapes made of strokes have no
    /// inside: false.
    pub filled: bool,
}

impl Marker {
    /// A marker filled with the curve's colour.
    pub(crate) const fn filled(shape: MarkerShape) -> Self {
        Self { shape, filled: true }
    }

    /// A marker filled with white, or one made of strokes.
    pub(crate) const fn open(shape: MarkerShape) -> Self {
        Self { shape, filled: false }
    }
}

/// How a line is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dash {
    /// Unbroken.
    Solid,
    /// Dashes.
    Dashed,
    /// Long dashes.
    LongDashed,
    /// Dash, dot.
    DashDot,
    /// Dash, dot, dot.
    DashDotDot,
    /// Dots. No method's own: it means "standard training" wherever both are drawn (figure 4).
    Dotted,
}

impl Dash {
    /// Lengths of strokes and gaps by turns, in hundredths of a millimetre; empty if unbroken.
    pub(crate) fn pattern(self) -> &'static [f64] {
        match self {
            Self::Solid => &[],
            Self::Dashed => &[150.0, 75.0],
            Self::LongDashed => &[300.0, 90.0],
            Self::DashDot => &[200.0, 70.0, 45.0, 70.0],
            Self::DashDotDot => &[200.0, 65.0, 45.0, 65.0, 45.0, 65.0],
            Self::Dotted => &[45.0, 60.0],
        }
    }

    /// The strokes of the broken line along `path`: each is a polyline.
    pub(crate) fn strokes(self, path: &[(f64, f64)]) -> Vec<Vec<(f64, f64)>> {
        let pattern = self.pattern();
        if pattern.is_empty() {
            return vec![path.to_vec()];
        }
        let mut strokes = Vec::new();
        let mut stroke: Vec<(f64, f64)> = path.first().copied().into_iter().collect();
        let (mut place, mut left) = (0, pattern[0]);
        for pair in path.windows(2) {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            let length = (x1 - x0).hypot(y1 - y0);
            let mut done = 0.0;
            while length - done > left {
                done += left;
                let at = (x0 + (x1 - x0) * done / length, y0 + (y1 - y0) * done / length);
                if place % 2 == 0 {
                    stroke.push(at);
                    strokes.push(std::mem::take(&mut stroke));
                } else {
                    stroke = vec![at];
                }
                place = (place + 1) % pattern.len();
                left = pattern[place];
            }
            left -= length - done;
            if place % 2 == 0 {
                stroke.push((x1, y1));
            }
        }
        if stroke.len() > 1 {
            strokes.push(stroke);
        }
        strokes
    }
}

/// How a curve is drawn: the same in every figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Look {
    /// Colour of line, interval and marker.
    pub colour: Rgb,
    /// The marker.
    pub marker: Marker,
    /// The line.
    pub dash: Dash,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pattern 1.5 mm on, 0.75 mm off along 4 mm with a bend at 1 mm: strokes [0, 1.5], [2.25, 3.75].
    #[test]
    fn dashes_run_around_bends() {
        let path = [(0.0, 0.0), (100.0, 0.0), (100.0, 300.0)];
        let strokes = Dash::Dashed.strokes(&path);
        assert_eq!(
            strokes,
            vec![
                vec![(0.0, 0.0), (100.0, 0.0), (100.0, 50.0)],
                vec![(100.0, 125.0), (100.0, 275.0)]
            ]
        );
    }

    #[test]
    fn an_unbroken_line_is_one_stroke() {
        let path = [(0.0, 0.0), (1.0, 1.0), (5.0, 1.0)];
        assert_eq!(Dash::Solid.strokes(&path), vec![path.to_vec()]);
    }
}
