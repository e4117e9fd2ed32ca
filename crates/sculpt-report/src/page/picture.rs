//! A picture inside the page: an image of its own, so that nothing in it can act on the page.

use super::html::Text;
use std::fmt::Write;

/// CSS pixels a millimetre.
const PIXELS: f64 = 96.0 / 25.4;

/// On a screen pictures are drawn this much larger than on paper, where there is room.
const ENLARGED: f64 = 1.35;

/// Wider pictures than this many millimetres, more than a panel, get a line of their own.
const ONE_PANEL: f64 = 100.0;

/// The `img` of a drawing, in its box.
pub(super) fn picture(svg: &str, alt: &str) -> String {
    let source = data_uri(&compact(svg));
    let alt = Text(alt);
    // A drawing without a size in millimetres is none of ours: the browser decides.
    let Some((width, height)) = size(svg) else {
        return format!("<div class=\"picture\"><img alt=\"{alt}\" src=\"{source}\"></div>\n");
    };
    let (least, full) = (width * PIXELS, width * PIXELS * ENLARGED);
    // A wide picture keeps the paper's size on a phone: it scrolls in its box, by keyboard too.
    let (scrolls, style) = if width > ONE_PANEL {
        (
            " wide\" role=\"region\" tabindex=\"0\" aria-label=\"picture",
            format!(" style=\"min-width:{least:.0}px\""),
        )
    } else {
        ("", String::new())
    };
    format!(
        "<div class=\"picture{scrolls}\"><img alt=\"{alt}\" width=\"{full:.0}\" height=\"{:.0}\"{style} \
         src=\"{source}\"></div>\n",
        height * PIXELS * ENLARGED
    )
}

/// Width and height in millimetres, as our drawings open with them.
fn size(svg: &str) -> Option<(f64, f64)> {
    let (head, _) = svg.strip_prefix("<svg ")?.split_once('>')?;
    let millimetres = |name: &str| -> Option<f64> {
        let (_, rest) = head.split_once(&format!(" {name}=\""))?;
        let value: f64 = rest.split_once("mm\"")?.0.parse().ok()?;
        (value > 0.0 && value < 10_000.0).then_some(value)
    };
    Some((millimetres("width")?, millimetres("height")?))
}

/// The same drawing in about half the bytes: neighbouring opaque lines of one stroke become one path.
/// plotters writes each dash as an element, an element a line; what is not such a line stays as it is.
fn compact(svg: &str) -> String {
    let mut shorter = String::with_capacity(svg.len());
    let mut open = None;
    for line in svg.lines() {
        let stroke = opaque_line(line);
        if open.is_some() && open != stroke.map(|(stroke, _)| stroke) {
            shorter.push_str("\"/>\n");
            open = None;
        }
        let Some((stroke, points)) = stroke else {
            shorter.push_str(line);
            shorter.push('\n');
            continue;
        };
        if open.is_none() {
            shorter.push_str("<path fill=\"none\" ");
            shorter.push_str(stroke);
            shorter.push_str(" d=\"");
            open = Some(stroke);
        }
        shorter.push('M');
        shorter.push_str(&points.trim().replace(' ', "L"));
    }
    if open.is_some() {
        shorter.push_str("\"/>\n");
    }
    shorter
}

/// (stroke attributes, points) of a polyline as plotters writes an opaque one.
fn opaque_line(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("<polyline fill=\"none\" opacity=\"1\" ")?;
    let (stroke, points) = rest.strip_suffix("\"/>")?.split_once(" points=\"")?;
    let plain = |b: u8| b.is_ascii_digit() || b", -.".contains(&b);
    (!points.trim().is_empty() && points.bytes().all(plain)).then_some((stroke, points))
}

/// As a URL that may stand in a quoted attribute. Shorter than base64, and git compresses it better.
fn data_uri(svg: &str) -> String {
    let mut uri = String::from("data:image/svg+xml,");
    for byte in svg.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~!*();:@=+$,/?".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            write!(uri, "%{byte:02X}").expect("a string takes what is written");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two dashes of one stroke, then a marker, then a third dash: the marker must stay above the first two.
    const DRAWING: &str = "<svg xmlns=\"s\" width=\"84mm\" height=\"42mm\" viewBox=\"0 0 8400 4200\">\n\
        <polyline fill=\"none\" opacity=\"1\" stroke=\"#FF0000\" stroke-width=\"9\" points=\"1,2 3,4 \"/>\n\
        <polyline fill=\"none\" opacity=\"1\" stroke=\"#FF0000\" stroke-width=\"9\" points=\"5,6 7,-8 \"/>\n\
        <circle r=\"2\"/>\n\
        <polyline fill=\"none\" opacity=\"1\" stroke=\"#FF0000\" stroke-width=\"9\" points=\"9,9 1,1 \"/>\n\
        <polyline fill=\"none\" opacity=\"0.5\" stroke=\"#FF0000\" stroke-width=\"9\" points=\"9,9 1,1 \"/>\n\
        </svg>\n";

    #[test]
    fn neighbouring_lines_join_and_the_rest_stays() {
        assert_eq!(
            compact(DRAWING),
            "<svg xmlns=\"s\" width=\"84mm\" height=\"42mm\" viewBox=\"0 0 8400 4200\">\n\
            <path fill=\"none\" stroke=\"#FF0000\" stroke-width=\"9\" d=\"M1,2L3,4M5,6L7,-8\"/>\n\
            <circle r=\"2\"/>\n\
            <path fill=\"none\" stroke=\"#FF0000\" stroke-width=\"9\" d=\"M9,9L1,1\"/>\n\
            <polyline fill=\"none\" opacity=\"0.5\" stroke=\"#FF0000\" stroke-width=\"9\" points=\"9,9 1,1 \"/>\n\
            </svg>\n"
        );
    }

    #[test]
    fn the_shorter_drawing_shows_the_same() {
        let drawing = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"8mm\" height=\"8mm\" viewBox=\"0 0 80 80\">\n\
            <polyline fill=\"none\" opacity=\"1\" stroke=\"#000000\" stroke-width=\"4\" points=\"5,5 30,5 \"/>\n\
            <polyline fill=\"none\" opacity=\"1\" stroke=\"#000000\" stroke-width=\"4\" points=\"40,5 75,60 20,70 \"/>\n\
            </svg>\n";
        let pixels = |svg: &str| sculpt_figures::png(svg, 300.0).unwrap();
        assert_ne!(compact(drawing), drawing);
        assert_eq!(pixels(&compact(drawing)), pixels(drawing));
    }

    #[test]
    fn the_url_holds_no_sign_that_ends_it() {
        assert_eq!(
            data_uri("<a b=\"#é\">\n"),
            "data:image/svg+xml,%3Ca%20b=%22%23%C3%A9%22%3E%0A"
        );
    }

    #[test]
    fn sizes_are_read_or_left_to_the_browser() {
        assert_eq!(size(DRAWING), Some((84.0, 42.0)));
        for other in [
            "",
            "<svg>",
            "<svg width=\"84px\" height=\"1mm\">",
            "<svg width=\"NaNmm\" height=\"1mm\">",
        ] {
            assert_eq!(size(other), None, "{other}");
        }
        // 84 mm are 317.48 pixels, 1.35 of them 428.6.
        let shown = picture(DRAWING, "a \"b\"");
        assert!(shown.starts_with(
            "<div class=\"picture\"><img alt=\"a &quot;b&quot;\" width=\"429\" height=\"214\" src="
        ));
        assert!(
            picture(&DRAWING.replace("84mm", "168mm"), "").contains("wide\" role=\"region\" tabindex=\"0\"")
        );
    }
}
