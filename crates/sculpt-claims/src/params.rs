//! What every verdict rests on (claims.md).

use sculpt_rows::Test;

/// Error rate of every contrast.
pub(crate) const ALPHA: f64 = 0.05;

/// Power of which [`smallest effects`](sculpt_stats::smallest_effect) are told.
pub(crate) const POWER: f64 = 0.8;

/// Fewer seeds decide nothing.
pub(crate) const FEWEST_SEEDS: usize = 3;

/// A deviation, or a distance from a bound, that is rounding: accuracies come in thousandths of a point at the finest.
pub(crate) const ROUNDING: f64 = 1e-9;

/// How large a difference must be to be one. The paper gives no number: each verdict is also told at half and at twice these.
///
/// | name | unit | range | paper's value | where |
/// |---|---|---|---|---|
/// | `points` | points of accuracy | > 0 | – (ours: 0.5) | claims.md |
/// | `nats` | nats of loss | > 0 | – (ours: 0.05) | claims.md |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Margins {
    /// Points of accuracy up to which two methods match.
    pub points: f64,
    /// Nats up to which a barrier counts as none. A loss that rises by 0.05 multiplies the likelihood of a label by 0.95.
    pub nats: f64,
}

impl Margins {
    /// Those of the published verdicts.
    pub const PUBLISHED: Self = Self {
        points: 0.5,
        nats: 0.05,
    };
}

/// What a part of a sentence says of the mean over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sought {
    /// More than nothing.
    Better,
    /// No worse than a margin of points.
    AtLeast,
    /// No better than a margin of points.
    NoBetter,
    /// Within a margin of points.
    Alike,
    /// A barrier above the margin of nats.
    Separated,
    /// A barrier below the margin of nats.
    Connected,
    /// Counted, not tested.
    Counted,
}

/// What must be true of the mean over seeds, in its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rule {
    /// It lies above this.
    Above(f64),
    /// It lies below this.
    Below(f64),
    /// It is nearer to 0 than this.
    Within(f64),
}

impl Sought {
    /// None of what is counted.
    pub(crate) fn rule(self, margins: &Margins) -> Option<Rule> {
        Some(match self {
            Sought::Better => Rule::Above(0.0),
            Sought::AtLeast => Rule::Above(-margins.points),
            Sought::NoBetter => Rule::Below(margins.points),
            Sought::Alike => Rule::Within(margins.points),
            Sought::Separated => Rule::Above(margins.nats),
            Sought::Connected => Rule::Below(margins.nats),
            Sought::Counted => return None,
        })
    }
}

impl Rule {
    pub(crate) fn bound(self) -> f64 {
        match self {
            Rule::Above(bound) | Rule::Below(bound) | Rule::Within(bound) => bound,
        }
    }

    /// The same at so many times the margin.
    pub(crate) fn times(self, factor: f64) -> Self {
        match self {
            Rule::Above(bound) => Rule::Above(factor * bound),
            Rule::Below(bound) => Rule::Below(factor * bound),
            Rule::Within(bound) => Rule::Within(factor * bound),
        }
    }

    pub(crate) fn test(self) -> Test {
        match self {
            Rule::Above(_) => Test::Above,
            Rule::Below(_) => Test::Below,
            Rule::Within(_) => Test::Within,
        }
    }
}
