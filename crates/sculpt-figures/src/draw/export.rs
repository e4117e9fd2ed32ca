//! From SVG to PNG and PDF, with the embedded font only.

use super::error::DrawError;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, fontdb};
use std::sync::{Arc, OnceLock};

/// Another wherever [`png()`] or [`pdf()`] make other bytes of a drawing than before: by it, whoever keeps their bytes knows them.
pub const EXPORT_VERSION: u32 = 1;

/// More pixels than these (400 MB) are a mistaken resolution.
const MOST_PIXELS: u64 = 100_000_000;

/// CSS pixels an inch: what svg2pdf's pages are counted in.
const CSS_DPI: f32 = 96.0;

/// The drawing as PNG with `dpi` dots an inch: 84 mm are 992 pixels at 300.
///
/// # Errors
/// Text that is no SVG; a resolution outside 1 to 10,000, or one that makes more than 100 million pixels.
pub fn png(svg: &str, dpi: f32) -> Result<Vec<u8>, DrawError> {
    let no_picture = |width, height| DrawError::Resolution { dpi, width, height };
    if !(1.0..=10_000.0).contains(&dpi) {
        return Err(no_picture(0, 0));
    }
    let tree = parse(svg, dpi)?;
    let size = tree.size().to_int_size();
    let (width, height) = (size.width(), size.height());
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(no_picture(width, height));
    }
    let mut pixels = Pixmap::new(width, height).ok_or_else(|| no_picture(width, height))?;
    resvg::render(&tree, Transform::identity(), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| DrawError::Png(error.into()))
}

/// The drawing as one PDF page of its own size, with text as text.
///
/// # Errors
/// Text that is no SVG, or one that svg2pdf cannot convert.
pub fn pdf(svg: &str) -> Result<Vec<u8>, DrawError> {
    let tree = parse(svg, CSS_DPI)?;
    let page = svg2pdf::PageOptions { dpi: CSS_DPI };
    svg2pdf::to_pdf(&tree, svg2pdf::ConversionOptions::default(), page).map_err(DrawError::Pdf)
}

pub(crate) fn parse(svg: &str, dpi: f32) -> Result<usvg::Tree, DrawError> {
    let options = usvg::Options {
        dpi,
        fontdb: fonts(),
        ..usvg::Options::default()
    };
    Ok(usvg::Tree::from_str(svg, &options)?)
}

/// DejaVu Sans, regular and bold; never the machine's fonts.
fn fonts() -> Arc<fontdb::Database> {
    static FONTS: OnceLock<Arc<fontdb::Database>> = OnceLock::new();
    let load = || {
        let mut fonts = fontdb::Database::new();
        fonts.load_font_data(dejavu::sans::regular().to_vec());
        fonts.load_font_data(dejavu::sans::bold().to_vec());
        Arc::new(fonts)
    };
    FONTS.get_or_init(load).clone()
}
