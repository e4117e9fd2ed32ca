use plotters::drawing::DrawingAreaErrorKind;
use resvg::usvg;
use sculpt_stats::StatsError;
use thiserror::Error;

/// Why a figure cannot be drawn.
#[derive(Debug, Error)]
pub enum DrawError {
    /// No panels, or more than a page takes.
    #[error("figure has {n} panels in {columns} columns, drawable are 1 to {most} in 1 to {most_columns}")]
    Panels {
        /// How many.
        n: usize,
        /// Wanted columns.
        columns: usize,
        /// The most that are drawn.
        most: usize,
        /// The most columns that are drawn.
        most_columns: usize,
    },
    /// No curves, or more than a reader tells apart.
    #[error("panel {panel:?} has {n} curves, drawable are 1 to {most}")]
    Curves {
        /// Title of the panel.
        panel: String,
        /// How many.
        n: usize,
        /// The most that are drawn.
        most: usize,
    },
    /// A curve without points.
    #[error("curve {curve:?} of panel {panel:?} has no points")]
    NoPoints {
        /// Title of the panel.
        panel: String,
        /// Label of the curve.
        curve: String,
    },
    /// A number that has no place on an axis: NaN, infinite, or a density outside (0, 1].
    #[error("{what} {value} of {curve:?} in panel {panel:?} has no place on its axis")]
    OffAxis {
        /// Title of the panel.
        panel: String,
        /// Label of the curve or reference.
        curve: String,
        /// Which number of the point.
        what: &'static str,
        /// The number.
        value: f64,
    },
    /// An interval that does not hold its mean, or ends before it starts.
    #[error("interval [{low}, {high}] of {curve:?} in panel {panel:?} does not hold {mean}")]
    Interval {
        /// Title of the panel.
        panel: String,
        /// Label of the curve or reference.
        curve: String,
        /// The mean it should hold.
        mean: f64,
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// A mean of no seed, or an interval from a single one.
    #[error("point at {x} of {curve:?} in panel {panel:?} is a mean over {n} seeds, interval: {interval}")]
    SeedCount {
        /// Title of the panel.
        panel: String,
        /// Label of the curve.
        curve: String,
        /// Place on the x axis.
        x: f64,
        /// The count.
        n: usize,
        /// Whether an interval was given.
        interval: bool,
    },
    /// Two legend entries drawn alike: no reader could tell which is which.
    #[error("{first:?} and {second:?} are drawn alike")]
    SameLook {
        /// Label of the first.
        first: String,
        /// Label of the second.
        second: String,
    },
    /// The embedded font cannot be read.
    #[error("embedded font {family} cannot be read")]
    Font {
        /// Its family.
        family: &'static str,
    },
    /// The embedded font cannot measure a text.
    #[error("text {text:?} cannot be measured")]
    Measure {
        /// The text.
        text: String,
        /// The font library's reason.
        source: plotters::style::FontError,
    },
    /// The plotting library failed.
    #[error("drawing failed")]
    Plot(#[from] DrawingAreaErrorKind<std::io::Error>),
    /// The SVG to convert is not one.
    #[error("svg cannot be read")]
    Svg(#[from] usvg::Error),
    /// A resolution that gives no picture, or one that no memory holds.
    #[error("{dpi} dots an inch give a picture of {width} x {height} pixels")]
    Resolution {
        /// Dots an inch.
        dpi: f32,
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// The PNG cannot be written.
    #[error("png cannot be encoded")]
    Png(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The PDF cannot be written.
    #[error("pdf cannot be written: {0}")]
    Pdf(svg2pdf::ConversionError),
    /// A panel that nothing is known of.
    #[error("no row of the frame is of panel {panel:?}")]
    NoRows {
        /// The panel.
        panel: String,
    },
    /// A mean or interval cannot be computed.
    #[error(transparent)]
    Stats(#[from] StatsError),
}
