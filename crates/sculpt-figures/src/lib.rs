#![doc = include_str!("../README.md")]

mod accuracies;
mod caption;
mod draw;
mod landscapes;
mod own;
mod schedules;
mod schematic;
mod summary;
mod tradeoffs;

pub use accuracies::{Guide, Over, Plot, Shown, accuracy_panels};
pub use caption::{Caption, STATISTIC};
pub use draw::{
    Curve, Dash, DrawError, EXPORT_VERSION, Figure, Height, Interval, Look, Marker, MarkerShape, Named,
    Panel, Point, Reference, Rgb, Series, Step, Stroke, XAxis, YAxis, look_of, pdf, png, svg,
};
pub use landscapes::{PanelRows, curvature_panel, letter, line_panels};
pub use own::{Observed, Scale, own_panel};
pub use schedules::schedule_panel;
pub use schematic::schematic_panel;
pub use summary::summary_rows;
pub use tradeoffs::tradeoff_panel;
