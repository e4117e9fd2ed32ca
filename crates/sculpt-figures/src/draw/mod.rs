//! From a figure's numbers to SVG, PNG and PDF.
//!
//! A [`Figure`] holds panels of curves, already aggregated; [`svg`] draws it, [`png`] and [`pdf`] convert the drawing.
//! Coordinates are hundredths of a millimetre, since plotters draws on integers. `layout` decides where everything stands and
//! draws nothing; `paint` draws and decides nothing.

mod check;
mod error;
mod export;
mod figure;
mod layout;
mod legend;
mod look;
mod marks;
mod method;
mod paint;
mod place;
mod placed;
#[cfg(test)]
mod tests;
mod text;
mod ticks;

pub use error::DrawError;
pub use export::{EXPORT_VERSION, pdf, png};
pub use figure::{Curve, Figure, Height, Interval, Panel, Point, Reference, Step, Stroke, XAxis, YAxis};
pub use look::{Dash, Look, Marker, MarkerShape, Rgb};
pub use method::{Named, Series, look_of};
pub use paint::svg;
