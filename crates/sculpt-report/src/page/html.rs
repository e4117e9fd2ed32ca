//! Text on its way into HTML. Names in frames and suites are a stranger's: nothing goes into the page but
//! through here.

use std::fmt;

/// Text as it may stand between tags and inside a quoted attribute.
pub(super) struct Text<'a>(pub(super) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' | '\t' => f.write_str(" ")?,
                // Signs that HTML forbids, and those that would turn the direction of what follows.
                c if c.is_control() || is_direction(c) => f.write_str("\u{fffd}")?,
                c => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}

/// `figure 5` as it begins a line: `Figure 5`.
pub(super) fn capital(text: &str) -> String {
    let mut signs = text.chars();
    let first = signs.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(signs).collect()
}

/// A number of a frame to three digits, with a typographic minus; text that is none as it stands.
pub(super) fn number(text: &str) -> String {
    let Some(x) = text.parse::<f64>().ok().filter(|x| x.is_finite()) else {
        return Text(text).to_string();
    };
    let short = match x.abs() {
        size if x == x.round() && size < 1e6 => format!("{x:.0}"),
        size if size < 1e-3 => format!("{x:.1e}"),
        size if size < 1.0 => {
            let decimals = 2 - size.log10().floor() as i32;
            format!("{x:.*}", decimals.clamp(3, 5) as usize)
        }
        size if size < 10.0 => format!("{x:.2}"),
        size if size < 1000.0 => format!("{x:.1}"),
        _ => format!("{x:.0}"),
    };
    short.replace('-', "\u{2212}")
}

fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        for (text, shown) in [
            ("0.123456", "0.123"),
            ("-0.0123456", "−0.0123"),
            ("1.2345", "1.23"),
            ("-12.345", "−12.3"),
            ("3", "3"),
            ("0.00001234", "1.2e−5"),
            ("0", "0"),
            ("<b>", "&lt;b&gt;"),
        ] {
            assert_eq!(number(text), shown);
        }
    }

    #[test]
    fn text_cannot_leave_its_place() {
        let hostile = "<script>alert('a')</script> \"b\" & c\u{202e}\0\nd";
        assert_eq!(
            Text(hostile).to_string(),
            "&lt;script&gt;alert(&#39;a&#39;)&lt;/script&gt; &quot;b&quot; &amp; c\u{fffd}\u{fffd} d"
        );
        assert_eq!(Text("95 % · α ≥ 0").to_string(), "95 % · α ≥ 0");
        assert_eq!(
            (capital("figure 5"), capital("")),
            ("Figure 5".to_owned(), String::new())
        );
    }
}
