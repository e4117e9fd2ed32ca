//! Pictures of the artefacts: from numbers to SVG, PNG and PDF.
//!
//! A [`Figure`] holds panels of curves, already aggregated; [`svg`] draws it, [`png`] and [`pdf`]
//! convert the drawing. Input: means and intervals in the axes' units; output: one self-contained
//! document, 84 mm a panel, text at least 6 pt, the same bytes for the same figure (but for a PDF, whose two
//! fonts svg2pdf writes in either order).
//!
//! Deliberately absent: no statistics (an interval is given, never computed), no files, no tch, no
//! system fonts (DejaVu Sans is embedded; its widths decide every line break).
//!
//! Coordinates are hundredths of a millimetre, since plotters draws on integers. `layout` decides
//! where everything stands and draws nothing; `paint` draws and decides nothing.

mod error;
mod export;
mod figure;
mod layout;
mod legend;
mod look;
mod method;
mod paint;
#[cfg(test)]
mod tests;
mod text;
mod ticks;

pub use error::DrawError;
pub use export::{pdf, png};
pub use figure::{Curve, Figure, Interval, Panel, Point, Reference, Stroke, XAxis, YAxis};
pub use look::{Dash, Look, Marker, MarkerShape, Rgb};
pub use method::{Named, Series, look_of};
pub use paint::svg;
