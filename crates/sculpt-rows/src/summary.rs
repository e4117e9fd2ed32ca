use crate::row::row;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How the interval of a mean was computed, of 95 % each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntervalOf {
    /// Student's t about the logit of the mean, by the delta method: of fractions.
    LogitT,
    /// Student's t about the logarithm of the mean, by the delta method: of what is never negative.
    LogT,
    /// Student's t about the mean.
    StudentT,
}

row! {
    /// A point of a curve of a picture: what it is the mean of, with its interval and the number of seeds.
    pub struct SummaryRow {
        /// The panel, as the picture has it.
        panel: String,
        /// Id of the method, or name of the schedule.
        series: String,
        /// What the legend calls the curve.
        label: String,
        /// What the horizontal axis shows.
        x_is: String,
        /// Place on the horizontal axis, in its unit.
        x: f64,
        /// What the vertical axis shows, with its unit.
        y_is: String,
        /// Mean over seeds, in the unit of the axis.
        mean: f64 as "as in `y_is`",
        /// Lower end of the 95 % interval; none of a single seed.
        low: Option<f64> as "as in `y_is`",
        /// Upper end.
        high: Option<f64> as "as in `y_is`",
        /// How the interval was computed.
        interval: Option<IntervalOf>,
        /// Seeds.
        n: u32 as "seeds",
    }
}

impl IntervalOf {
    /// In the order of the words.
    pub const ALL: [Self; 3] = [Self::LogitT, Self::LogT, Self::StudentT];
}

impl fmt::Display for IntervalOf {
    /// As a picture names it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IntervalOf::LogitT => "Student's t on the logit of the mean",
            IntervalOf::LogT => "Student's t on the logarithm of the mean",
            IntervalOf::StudentT => "Student's t",
        })
    }
}
