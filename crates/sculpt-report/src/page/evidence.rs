//! Where an artefact comes from, out of the `.json` beside its frame. Files of older versions lack keys: what
//! is not there is not shown.

use super::html::{Text, capital};
use super::table::count;
use crate::ReportError;
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// Digits of a node's id that the page shows; the `.json` has them all.
const ID_DIGITS: usize = 12;

/// A provenance file.
pub(super) struct Evidence(Value);

impl Evidence {
    pub(super) fn read(text: &str, path: &Path) -> Result<Self, ReportError> {
        let value = serde_json::from_str(text).map_err(|error| ReportError::BadFile {
            path: path.to_owned(),
            detail: error.to_string(),
        })?;
        Ok(Self(value))
    }

    /// What its picture says on top.
    pub(super) fn title(&self) -> Option<String> {
        self.text("/title")
    }

    /// What points and intervals are, how many runs stand behind them, how accuracies came about.
    pub(super) fn statistic(&self) -> String {
        let mut sentences = Vec::new();
        let statistic = self.text("/statistic");
        match (self.n(), statistic) {
            (Some((1, 1)), _) => sentences.push("a single run without an interval, n = 1".to_owned()),
            (Some((low, high)), statistic) if high > 0 => {
                let n = if low == high {
                    format!("n = {low}")
                } else {
                    format!("n = {low} to {high}")
                };
                let words = statistic.into_iter().chain([n]);
                sentences.push(words.collect::<Vec<_>>().join(", "));
            }
            (Some(_) | None, _) => {}
        }
        if let Some(rows) = self.0.pointer("/rows").and_then(Value::as_u64) {
            sentences.push(count(rows as usize, "observation"));
        }
        match self.text("/accuracies").as_deref() {
            Some("measured") => sentences.push("accuracies measured from the checkpoints".to_owned()),
            Some("recorded") => {
                sentences
                    .push("accuracies as training recorded them, since the data were not at hand".to_owned());
            }
            Some("measured and recorded") => sentences.push(
                "accuracies measured from the checkpoints, but as training recorded them where the data were not at hand"
                    .to_owned(),
            ),
            Some(_) | None => {}
        }
        if let Some(left_out @ 1..) = self
            .0
            .pointer("/left_out")
            .and_then(Value::as_array)
            .map(Vec::len)
        {
            let pictures = count(left_out, "picture");
            sentences.push(format!(
                "made without {pictures} that nobody can read (the JSON names them)"
            ));
        }
        match sentences.as_slice() {
            [] => String::new(),
            sentences => format!("<p>{}.</p>\n", Text(&capital(&sentences.join("; ")))),
        }
    }

    /// Command, revision, machine; the nodes folded.
    pub(super) fn provenance(&self) -> String {
        let mut html = String::from("<dl>\n");
        for (name, pointer) in [
            ("command", "/command"),
            ("git revision", "/git_revision"),
            ("libtorch", "/libtorch"),
            ("device", "/device"),
            ("trained on", "/suite/environment/instruction_set"),
        ] {
            if let Some(text) = self.text(pointer) {
                writeln!(html, "<div><dt>{name}</dt><dd>{}</dd></div>", Text(&text))
                    .expect("a string takes what is written");
            }
        }
        html.push_str("</dl>\n");
        let nodes = self.0.pointer("/nodes").and_then(Value::as_array);
        let ids: Vec<_> = nodes.into_iter().flatten().filter_map(Value::as_str).collect();
        if !ids.is_empty() {
            let short: Vec<String> = ids
                .iter()
                .map(|id| id.chars().take(ID_DIGITS).collect())
                .collect();
            writeln!(
                html,
                "<details><summary>{}, by the first {ID_DIGITS} digits of their ids</summary>\
                 <p class=\"ids\">{}</p></details>",
                count(ids.len(), "node"),
                Text(&short.join(" "))
            )
            .expect("a string takes what is written");
        }
        html
    }

    /// Fewest and most runs behind a point.
    fn n(&self) -> Option<(u64, u64)> {
        let at = |pointer: &str| self.0.pointer(pointer).and_then(Value::as_u64);
        Some((at("/n/0")?, at("/n/1")?))
    }

    fn text(&self, pointer: &str) -> Option<String> {
        self.0.pointer(pointer)?.as_str().map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Evidence {
        Evidence::read(text, Path::new("f.json")).unwrap()
    }

    #[test]
    fn the_line_says_n_and_the_statistic() {
        let text = |n: &str| format!("{{\"statistic\": \"mean & t\", \"rows\": 1200, \"n\": {n}}}");
        assert_eq!(
            read(&text("[3, 3]")).statistic(),
            "<p>Mean &amp; t, n = 3; 1,200 observations.</p>\n"
        );
        assert!(read(&text("[1, 3]")).statistic().contains("n = 1 to 3"));
        assert!(
            read(&text("[1, 1]"))
                .statistic()
                .starts_with("<p>A single run without an interval, n = 1;")
        );
        assert_eq!(read("{\"n\": [0, 0]}").statistic(), "");
        let recorded = read("{\"accuracies\": \"recorded\"}").statistic();
        assert!(recorded.contains("as training recorded them"));
        let without = read("{\"left_out\": [\"a\", \"b\"]}").statistic();
        assert_eq!(
            without,
            "<p>Made without 2 pictures that nobody can read (the JSON names them).</p>\n"
        );
        let both = read("{\"accuracies\": \"measured and recorded\"}").statistic();
        assert!(both.contains("measured from the checkpoints, but as training recorded them"));
    }

    #[test]
    fn provenance_is_escaped_and_lacks_what_the_file_lacks() {
        let html = read(
            "{\"command\": \"sculpt '<i>'\", \"device\": 3, \"nodes\": [\"0123456789abcdef\", \"<b>\"]}",
        )
        .provenance();
        assert!(html.contains("<dt>command</dt><dd>sculpt &#39;&lt;i&gt;&#39;</dd>"));
        assert!(!html.contains("device") && !html.contains("libtorch"));
        assert!(html.contains("<summary>2 nodes, by the first 12 digits of their ids</summary>"));
        assert!(html.contains("<p class=\"ids\">0123456789ab &lt;b&gt;</p>"));
        assert_eq!(read("[]").provenance(), "<dl>\n</dl>\n");
    }

    #[test]
    fn a_broken_file_is_named() {
        let error = Evidence::read("{", Path::new("reports/f.json")).err().unwrap();
        assert_eq!(
            error.to_string(),
            "reports/f.json: EOF while parsing an object at line 1 column 1"
        );
    }
}
