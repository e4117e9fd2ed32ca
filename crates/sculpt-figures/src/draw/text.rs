//! Text: its width in the embedded font, and where lines break.

use super::error::DrawError;
use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};
use std::sync::OnceLock;

/// The family that a picture names. It is registered with plotters under the whole list.
pub(crate) const FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";

/// plotters writes `font-size = size / 1.24`.
pub(crate) const PLOTTERS_EM: f64 = 1.24;

/// Baseline below the top anchor, in em, as plotters writes it.
pub(crate) const TOP_TO_BASELINE: f64 = 0.76;

/// ab_glyph scales by ascent minus descent, (1901 + 483) / 2048 of an em in DejaVu Sans.
const AB_GLYPH_EM: f64 = 2384.0 / 2048.0;

/// Hundredths of a millimetre in a point.
const POINT: f64 = 2540.0 / 72.0;

/// A font size in points and a weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Font {
    pub(crate) points: f64,
    pub(crate) bold: bool,
}

impl Font {
    pub(crate) const TITLE: Self = Self {
        points: 8.0,
        bold: true,
    };
    pub(crate) const SUBTITLE: Self = Self {
        points: 6.5,
        bold: false,
    };
    pub(crate) const PANEL: Self = Self {
        points: 7.0,
        bold: true,
    };
    pub(crate) const AXIS: Self = Self {
        points: 7.0,
        bold: false,
    };
    pub(crate) const TICK: Self = Self {
        points: 6.5,
        bold: false,
    };
    pub(crate) const LEGEND: Self = Self {
        points: 6.5,
        bold: false,
    };
    pub(crate) const FOOTNOTE: Self = Self {
        points: 6.0,
        bold: false,
    };

    /// Size in hundredths of a millimetre.
    pub(crate) fn em(self) -> f64 {
        self.points * POINT
    }

    /// From one baseline to the next.
    pub(crate) fn line_height(self) -> i32 {
        (self.em() * 1.28).round() as i32
    }

    pub(crate) fn style(self) -> FontStyle {
        if self.bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        }
    }

    /// Width of one line.
    pub(crate) fn width(self, text: &str) -> Result<i32, DrawError> {
        embed_font()?;
        // One em wide in ab_glyph's measure, so that the answer is in our unit.
        let font = FontDesc::new(FontFamily::Name(FAMILY), self.em() * AB_GLYPH_EM, self.style());
        let (width, _) = font.box_size(text).map_err(|source| DrawError::Measure {
            text: text.to_owned(),
            source,
        })?;
        Ok(width as i32)
    }

    /// Lines no wider than `width`, as few as can be: broken at spaces, after a comma or the like where
    /// that is possible, never before a per cent sign, and inside a word only if it is wider than a line.
    pub(crate) fn wrap(self, text: &str, width: i32) -> Result<Vec<String>, DrawError> {
        let mut best = self.wrap_greedily(text, width)?;
        if best.len() < 2 {
            return Ok(best);
        }
        let mut least = self.awkwardness(&best, width)?;
        for percent in (70..100).rev().step_by(2) {
            let lines = self.wrap_greedily(text, width * percent / 100)?;
            if lines.len() > best.len() {
                break;
            }
            let awkwardness = self.awkwardness(&lines, width)?;
            if awkwardness < least {
                (best, least) = (lines, awkwardness);
            }
        }
        Ok(best)
    }

    /// Breaks that do not follow punctuation, and a last line that is nearly empty.
    fn awkwardness(self, lines: &[String], width: i32) -> Result<usize, DrawError> {
        let Some((last, before)) = lines.split_last() else {
            return Ok(0);
        };
        let pauses = |line: &&String| line.ends_with([',', ';', ':', '.', '—']);
        let unpaused = before.len() - before.iter().filter(pauses).count();
        Ok(unpaused + if self.width(last)? < width / 4 { 2 } else { 0 })
    }

    fn wrap_greedily(self, text: &str, width: i32) -> Result<Vec<String>, DrawError> {
        let mut lines = Vec::new();
        let mut line = String::new();
        for word in words(text) {
            let longer = if line.is_empty() {
                word.to_owned()
            } else {
                format!("{line} {word}")
            };
            if self.width(&longer)? <= width {
                line = longer;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            for c in word.chars() {
                line.push(c);
                if self.width(&line)? > width && line.chars().count() > 1 {
                    line.pop();
                    lines.push(std::mem::replace(&mut line, c.to_string()));
                }
            }
        }
        if !line.is_empty() {
            lines.push(line);
        }
        Ok(lines)
    }
}

/// What stands between blanks; a number and its per cent sign are one word.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match words.last_mut() {
            Some(number) if word.starts_with('%') && number.ends_with(|c: char| c.is_ascii_digit()) => {
                number.push(' ');
                number.push_str(word);
            }
            Some(_) | None => words.push(word.to_owned()),
        }
    }
    words
}

/// Gives plotters the embedded font, once.
fn embed_font() -> Result<(), DrawError> {
    static READ: OnceLock<bool> = OnceLock::new();
    let read = *READ.get_or_init(|| {
        register_font(FAMILY, FontStyle::Normal, dejavu::sans::regular()).is_ok()
            && register_font(FAMILY, FontStyle::Bold, dejavu::sans::bold()).is_ok()
    });
    if read {
        Ok(())
    } else {
        Err(DrawError::Font {
            family: "DejaVu Sans",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A digit of DejaVu Sans is 1303 / 2048 em wide; 6 pt are 211.67 units: 10 digits, 1346.7.
    #[test]
    fn widths_are_the_fonts() {
        let font = Font {
            points: 6.0,
            bold: false,
        };
        let width = font.width("0123456789").unwrap();
        assert!((1345..=1347).contains(&width), "{width}");
    }

    #[test]
    fn a_number_keeps_its_per_cent_sign() {
        assert_eq!(
            words("from 70 % sparsity; % of 5 %, a"),
            ["from", "70 %", "sparsity;", "%", "of", "5 %,", "a"]
        );
    }

    #[test]
    fn lines_keep_every_word_and_fit() {
        let text = "coupling of masks and parameters, averyveryverylongwordwithoutanyspaceinit ends";
        let lines = Font::TITLE.wrap(text, 2000).unwrap();
        assert!(lines.iter().all(|line| Font::TITLE.width(line).unwrap() <= 2000));
        assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
        assert!(Font::TITLE.wrap("", 2000).unwrap().is_empty());
    }
}
