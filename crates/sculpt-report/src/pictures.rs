//! Pictures of a drawing, made once.

use crate::ReportError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sculpt_figures::{EXPORT_VERSION, pdf, png};
use sculpt_store::cache::{Cache, Key};
use sculpt_store::canonical::sha256_hex;
use serde::{Deserialize, Serialize};

/// Dots per inch of PNGs: a paper's.
const DPI: f32 = 300.0;

/// A drawing as other programs take it.
pub(crate) struct Pictures {
    pub(crate) png: Vec<u8>,
    pub(crate) pdf: Vec<u8>,
}

/// What pictures rest on.
#[derive(Serialize)]
struct Inputs<'a> {
    measure: &'static str,
    v: u32,
    drawing: &'a str,
    dpi: f32,
    /// Pixels at edges may be rounded otherwise.
    architecture: &'static str,
}

/// As they are kept: base64.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    png: String,
    pdf: String,
}

impl Pictures {
    /// Of an SVG: those kept in `cache`, where it has them; else drawn, and kept there.
    ///
    /// # Errors
    /// A drawing that cannot be converted.
    pub(crate) fn of(drawing: &str, cache: Option<&Cache>) -> Result<Self, ReportError> {
        let Some(cache) = cache else {
            return Self::draw(drawing);
        };
        let key = Key::of(&Inputs {
            measure: "pictures",
            v: EXPORT_VERSION,
            drawing: &sha256_hex(drawing.as_bytes()),
            dpi: DPI,
            architecture: std::env::consts::ARCH,
        });
        if let Some(pictures) = cache.get::<Kept>(&key).and_then(|kept| kept.decoded()) {
            return Ok(pictures);
        }
        let pictures = Self::draw(drawing)?;
        let kept = Kept {
            png: BASE64.encode(&pictures.png),
            pdf: BASE64.encode(&pictures.pdf),
        };
        // A disk that has no room for them may have it for the pictures themselves, of which there is more to say.
        let _ = cache.put(&key, &kept);
        Ok(pictures)
    }

    fn draw(drawing: &str) -> Result<Self, ReportError> {
        Ok(Self {
            png: png(drawing, DPI)?,
            pdf: pdf(drawing)?,
        })
    }
}

impl Kept {
    fn decoded(&self) -> Option<Pictures> {
        Some(Pictures {
            png: BASE64.decode(&self.png).ok()?,
            pdf: BASE64.decode(&self.pdf).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWING: &str = r#"<svg xmlns="http://www.w3.org/2000/svg" width="10mm" height="5mm"><path d="M1 1H9" stroke="red"/></svg>"#;

    #[test]
    fn a_drawing_is_converted_once() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        let drawn = Pictures::of(DRAWING, None).unwrap();
        for n_found in [0, 1, 2] {
            let pictures = Pictures::of(DRAWING, Some(&cache)).unwrap();
            assert!(pictures.png == drawn.png && pictures.pdf == drawn.pdf);
            let counts = cache.counts().upgrade().unwrap();
            assert_eq!((counts.found(), counts.taken()), (n_found, 1));
        }
        // Of another drawing they are others.
        let blue = Pictures::of(&DRAWING.replace("red", "blue"), Some(&cache)).unwrap();
        assert!(blue.png != drawn.png);
        assert!(Pictures::of("no svg", Some(&cache)).is_err());
    }
}
