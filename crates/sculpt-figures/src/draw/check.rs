//! What cannot be drawn honestly is refused.

use super::error::DrawError;
use super::figure::{Curve, Figure, Interval, Panel, Point, Reference, XAxis};

/// More curves in a panel than these are not told apart.
const MOST_CURVES: usize = 10;
const MOST_PANELS: usize = 60;
const MOST_COLUMNS: usize = 3;

impl Figure {
    /// Rejects what cannot be drawn honestly.
    pub(crate) fn check(&self) -> Result<(), DrawError> {
        let n = self.panels.len();
        if !(1..=MOST_PANELS).contains(&n) || !(1..=MOST_COLUMNS).contains(&self.columns) {
            return Err(DrawError::Panels {
                n,
                columns: self.columns,
                most: MOST_PANELS,
                most_columns: MOST_COLUMNS,
            });
        }
        self.panels.iter().try_for_each(Panel::check)
    }
}

impl XAxis {
    /// Whether a value has a place on it.
    fn has(&self, x: f64) -> bool {
        match self {
            Self::Linear { .. } | Self::Count { .. } | Self::Shared { .. } => x.is_finite(),
            Self::Doubling { .. } => x > 0.0 && x.is_finite(),
            // A smaller density is no network; it would also stretch the axis without end.
            Self::Density => (1e-9..=1.0).contains(&x),
        }
    }
}

impl Panel {
    fn check(&self) -> Result<(), DrawError> {
        let n = self.curves.len();
        if !(1..=MOST_CURVES).contains(&n) {
            return Err(DrawError::Curves {
                panel: self.title.clone(),
                n,
                most: MOST_CURVES,
            });
        }
        for (i, curve) in self.curves.iter().enumerate() {
            self.check_curve(curve)?;
            if let Some(other) = self.curves[..i].iter().find(|other| other.look() == curve.look()) {
                return Err(DrawError::SameLook {
                    first: other.label(),
                    second: curve.label(),
                });
            }
        }
        let seeds = self
            .curves
            .iter()
            .flat_map(|c| c.seeds.iter().map(move |s| (c, s)));
        for (curve, seed) in seeds {
            if let Some((_, value)) = seed.iter().find(|(x, y)| !self.x.has(*x) || !y.is_finite()) {
                return Err(DrawError::OffAxis {
                    panel: self.title.clone(),
                    curve: curve.label(),
                    what: "a seed's value",
                    value: *value,
                });
            }
        }
        self.references
            .iter()
            .try_for_each(|reference| self.check_reference(reference))
    }

    fn check_curve(&self, curve: &Curve) -> Result<(), DrawError> {
        let off_axis = |what, value| DrawError::OffAxis {
            panel: self.title.clone(),
            curve: curve.label(),
            what,
            value,
        };
        if curve.points.is_empty() {
            return Err(DrawError::NoPoints {
                panel: self.title.clone(),
                curve: curve.label(),
            });
        }
        for &Point {
            x, mean, interval, n, ..
        } in &curve.points
        {
            if !self.x.has(x) {
                return Err(off_axis("x", x));
            }
            if !mean.is_finite() {
                return Err(off_axis("mean", mean));
            }
            if n == 0 || (n == 1 && interval.is_some()) {
                let (panel, curve, interval) = (self.title.clone(), curve.label(), interval.is_some());
                return Err(DrawError::SeedCount {
                    panel,
                    curve,
                    x,
                    n,
                    interval,
                });
            }
            if let Some(interval) = interval {
                self.check_interval(interval, mean, curve.label())?;
            }
        }
        Ok(())
    }

    fn check_reference(&self, reference: &Reference) -> Result<(), DrawError> {
        let [low, high] = reference.values();
        self.check_interval(Interval { low, high }, low, reference.label().to_owned())
    }

    fn check_interval(&self, interval: Interval, mean: f64, curve: String) -> Result<(), DrawError> {
        let Interval { low, high } = interval;
        if low.is_finite() && high.is_finite() && (low..=high).contains(&mean) {
            return Ok(());
        }
        Err(DrawError::Interval {
            panel: self.title.clone(),
            curve,
            mean,
            low,
            high,
        })
    }
}
