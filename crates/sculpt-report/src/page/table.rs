//! A frame as a table of the page, from its CSV: what is shown is what the link beside it gives.

use super::html::Text;
use crate::ReportError;
use sculpt_store::paths::is_sha256;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// Longer tables are folded: they are evidence, not reading.
const OPEN_UP_TO: usize = 12;

/// Longer tables stay in the CSV: 400 rows are about 100 kB of page.
const WHOLE_UP_TO: usize = 400;

/// What the page shows of those.
const EXCERPT: usize = 50;

/// Digits of a column's largest number; the title of a cell has them all.
const DIGITS: usize = 4;

/// Longer text is broken over lines.
const ONE_LINE: usize = 40;

/// A frame, by columns.
#[derive(Debug, PartialEq)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) n_rows: usize,
}

/// A column of a frame.
#[derive(Debug, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) cells: Vec<String>,
}

/// How the cells of a column are shown.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shown {
    /// As it is, in one line.
    Word,
    /// As it is, broken over lines.
    Prose,
    /// To the right, with so many decimals.
    Number { decimals: usize },
    /// A SHA-256, of which the first digits show.
    Id,
    /// A claim's verdict.
    Verdict,
}

impl Table {
    /// Reads a CSV that a frame wrote.
    pub(super) fn read(text: &str, path: &Path) -> Result<Self, ReportError> {
        let bad = |error: csv::Error| ReportError::BadFile {
            path: path.to_owned(),
            detail: error.to_string(),
        };
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let names = reader.headers().map_err(bad)?.clone();
        let mut columns: Vec<_> = names
            .iter()
            .map(|name| Column {
                name: name.to_owned(),
                cells: Vec::new(),
            })
            .collect();
        let mut n_rows = 0;
        for record in reader.records() {
            for (column, cell) in columns.iter_mut().zip(&record.map_err(bad)?) {
                column.cells.push(cell.to_owned());
            }
            n_rows += 1;
        }
        Ok(Self { columns, n_rows })
    }

    /// A cell by the name of its column; empty where there is no such column.
    pub(super) fn cell(&self, row: usize, column: &str) -> &str {
        let found = self.columns.iter().find(|c| c.name == column);
        found.map_or("", |column| &column.cells[row])
    }

    /// The table of an artefact such as `figure 5`, folded where it is long; an excerpt where it is too long
    /// for a page, with a link to `csv`.
    pub(super) fn html(&self, artefact: &str, csv: &str) -> String {
        let rows = count(self.n_rows, "row");
        if self.n_rows > WHOLE_UP_TO {
            return format!(
                "<details><summary>Frame: the first {EXCERPT} of {rows}</summary>\n\
                 <p class=\"note\">Frames of more than {WHOLE_UP_TO} rows are not shown whole, and an excerpt is not \
                 sorted: all {rows} are in <a href=\"{csv}\">{csv}</a>.</p>\n{}</details>\n",
                self.bare(EXCERPT, false, artefact),
                csv = Text(csv)
            );
        }
        let table = self.bare(self.n_rows, true, artefact);
        if self.n_rows > OPEN_UP_TO {
            return format!("<details><summary>Frame: {rows}</summary>\n{table}</details>\n");
        }
        table
    }

    /// The table with its first rows, never folded. End tags that HTML lets go are left out: they would be a
    /// quarter of the page.
    pub(super) fn bare(&self, n_rows: usize, sortable: bool, artefact: &str) -> String {
        let shown: Vec<_> = self.columns.iter().map(Column::shown).collect();
        let mut classes = String::from(if sortable { "sortable" } else { "fixed" });
        for (number, shown) in (1..).zip(&shown) {
            if let Some(letter) = shown.letter() {
                write!(classes, " {letter}{number}").expect("a string takes what is written");
            }
        }
        let mut html = format!(
            "<div class=\"box\" role=\"region\" tabindex=\"0\" aria-label=\"frame of {}\">\n\
             <table class=\"{classes}\">\n<thead><tr>",
            Text(artefact)
        );
        for (column, shown) in self.columns.iter().zip(&shown) {
            let kind = match shown {
                Shown::Number { .. } => " data-kind=\"number\"",
                Shown::Word | Shown::Prose | Shown::Id | Shown::Verdict => "",
            };
            let name = column.name.replace('_', " ");
            write!(html, "<th scope=\"col\"{kind}>{}</th>", Text(&name))
                .expect("a string takes what is written");
        }
        html.push_str("</tr></thead>\n<tbody>\n");
        for row in 0..n_rows.min(self.n_rows) {
            html.push_str("<tr>");
            for (column, shown) in self.columns.iter().zip(&shown) {
                html.push_str(&cell(&column.cells[row], *shown));
            }
            html.push('\n');
        }
        html.push_str("</tbody></table></div>\n");
        html
    }

    /// Rules that the table's columns need, once a page: no cell carries a class.
    pub(super) fn rules(&self, rules: &mut BTreeSet<String>) {
        for (number, column) in (1..).zip(&self.columns) {
            let shown = column.shown();
            let (Some(letter), Some((cells, style))) = (shown.letter(), shown.style()) else {
                continue;
            };
            rules.insert(format!(
                ".{letter}{number} {cells}:nth-child({number}){{{style}}}"
            ));
        }
    }
}

impl Column {
    fn shown(&self) -> Shown {
        let mut there = self.cells.iter().filter(|cell| !cell.is_empty()).peekable();
        if there.peek().is_none() {
            return Shown::Word;
        }
        if self.name == super::claims::VERDICT {
            return Shown::Verdict;
        }
        if there.clone().all(|cell| is_number(cell)) {
            return Shown::Number {
                decimals: decimals(there.map(String::as_str)),
            };
        }
        if there.clone().all(|cell| is_sha256(cell)) {
            return Shown::Id;
        }
        if there.any(|cell| cell.chars().count() > ONE_LINE) {
            return Shown::Prose;
        }
        Shown::Word
    }
}

impl Shown {
    /// The class of a table whose n-th column is shown so starts with it.
    fn letter(self) -> Option<char> {
        match self {
            Shown::Word | Shown::Verdict => None,
            Shown::Prose => Some('p'),
            Shown::Number { .. } => Some('r'),
            Shown::Id => Some('i'),
        }
    }

    /// (cells, style) of such a column.
    fn style(self) -> Option<(&'static str, &'static str)> {
        match self {
            Shown::Word | Shown::Verdict => None,
            Shown::Prose => Some(("td", "white-space:normal;min-width:18em")),
            Shown::Number { .. } => Some((":is(th,td)", "text-align:right")),
            Shown::Id => Some((
                "td",
                "max-width:12ch;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;font-family:var(--mono)",
            )),
        }
    }
}

/// `1 row`, `2 rows`.
pub(super) fn count(n: usize, thing: &str) -> String {
    match n {
        1 => format!("1 {thing}"),
        n => format!("{} {thing}s", thousands(n)),
    }
}

/// `5,000`.
fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn cell(text: &str, shown: Shown) -> String {
    match shown {
        Shown::Word | Shown::Prose | Shown::Id => format!("<td>{}", Text(text)),
        Shown::Verdict => format!("<td>{}", super::claims::verdict(text)),
        Shown::Number { decimals } => {
            let short = rounded(text, decimals);
            // The typographic minus is for the eye; the title and the script keep to the CSV's.
            let seen = short.replace('-', "\u{2212}");
            if short == text {
                format!("<td>{seen}")
            } else {
                format!("<td title=\"{text}\">{seen}")
            }
        }
    }
}

/// Whether a frame writes a number so: decimal digits without an exponent, or one of the three words.
fn is_number(cell: &str) -> bool {
    if matches!(cell, "NaN" | "inf" | "-inf") {
        return true;
    }
    let (whole, part) = split(cell);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits(whole) && part.is_none_or(digits)
}

/// Digits before and after the point, without the sign.
fn split(number: &str) -> (&str, Option<&str>) {
    let number = number.strip_prefix('-').unwrap_or(number);
    match number.split_once('.') {
        None => (number, None),
        Some((whole, part)) => (whole, Some(part)),
    }
}

/// As many as leave the largest number [`DIGITS`] digits, and no more than any cell has.
fn decimals<'a>(cells: impl Iterator<Item = &'a str>) -> usize {
    let (mut n_whole, mut n_part) = (0, 0);
    for cell in cells {
        let (whole, part) = split(cell);
        if whole.bytes().all(|b| b.is_ascii_digit()) {
            n_whole = n_whole.max(whole.trim_start_matches('0').len());
            n_part = n_part.max(part.map_or(0, str::len));
        }
    }
    n_part.min(DIGITS.saturating_sub(n_whole))
}

/// The number with so many decimals; in powers of ten where those would leave it fewer than two digits, or
/// where it has more digits before the point than anybody reads.
fn rounded(number: &str, decimals: usize) -> String {
    let (whole, part) = split(number);
    let Some(value) = number.parse::<f64>().ok().filter(|v| v.is_finite()) else {
        return number.to_owned();
    };
    let n_part = part.map_or(0, str::len);
    let least = 10f64.powi(1 - decimals as i32);
    if value != 0.0 && value.abs() < least && n_part > decimals {
        return format!("{value:.1e}");
    }
    if whole.len() > 12 {
        return format!("{value:.3e}");
    }
    match part {
        // Counts are exact whatever their column holds besides.
        None if decimals == 0 => number.to_owned(),
        None | Some(_) => format!("{value:.decimals$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn table(text: &str) -> Table {
        Table::read(text, Path::new("f.csv")).unwrap()
    }

    #[track_caller]
    fn check_column(cells: &[&str], shown: &[&str]) {
        let text: String = cells.iter().map(|c| format!("{c}\n")).collect();
        let decimals = match table(&format!("x\n{text}")).columns[0].shown() {
            Shown::Number { decimals } => decimals,
            other => panic!("{cells:?} is {other:?}"),
        };
        let seen: Vec<_> = cells.iter().map(|c| rounded(c, decimals)).collect();
        assert_eq!(seen, shown);
    }

    #[test]
    fn numbers_keep_four_digits_and_small_ones_two() {
        check_column(&["1", "0.7999796001631987", "0.02"], &["1.000", "0.800", "0.020"]);
        check_column(&["0.91", "0.919"], &["0.910", "0.919"]);
        check_column(&["910", "1000"], &["910", "1000"]);
        // Three decimals are left beside 1.5; 0.00042 would be 0.000.
        check_column(&["1.5", "-0.00042", "0"], &["1.500", "-4.2e-4", "0.000"]);
        check_column(&["272474", "1200000000000000"], &["272474", "1.200e15"]);
        check_column(&["0.25", "NaN", "-inf"], &["0.25", "NaN", "-inf"]);
        check_column(&["12345.678"], &["12346"]);
    }

    #[test]
    fn columns_are_told_apart_by_what_they_hold() {
        let id = "0f".repeat(32);
        let long = "a claim that needs more than forty signs to be said";
        let read = table(&format!(
            "word,id,prose,empty,mixed\na1,{id},{long},,1\nb,{id},x,,1e\n"
        ));
        let shown: Vec<_> = read.columns.iter().map(Column::shown).collect();
        assert_eq!(
            shown,
            [Shown::Word, Shown::Id, Shown::Prose, Shown::Word, Shown::Word]
        );
    }

    #[test]
    fn cells_are_escaped_and_carry_their_full_number() {
        let html = table("<b>,\"x_\"\"y\"\n<i>,1.23456\n\"a\"\"b\",-2\n").html("figure 5", "figure-5.csv");
        for part in [
            "<th scope=\"col\">&lt;b&gt;</th><th scope=\"col\" data-kind=\"number\">x &quot;y</th>",
            "<tr><td>&lt;i&gt;<td title=\"1.23456\">1.235\n",
            "<tr><td>a&quot;b<td title=\"-2\">\u{2212}2.000\n",
            "<table class=\"sortable r2\">",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(!html.contains("<details"));
    }

    #[test]
    fn long_tables_fold_and_longer_ones_stay_in_the_csv() {
        let rows = |n: usize| (0..n).fold(String::from("x\n"), |text, i| text + &format!("{i}\n"));
        let html = |n| table(&rows(n)).html("figure 5", "figure-5.csv");
        let n_rows = |html: &str| html.matches("<tr><td>").count();
        assert!(html(OPEN_UP_TO).starts_with("<div class=\"box\""));
        let folded = html(OPEN_UP_TO + 1);
        assert!(folded.starts_with("<details><summary>Frame: 13 rows</summary>"));
        assert_eq!((n_rows(&folded), n_rows(&html(WHOLE_UP_TO))), (13, 400));
        let excerpt = html(5000);
        assert!(excerpt.contains("<summary>Frame: the first 50 of 5,000 rows</summary>"));
        assert!(excerpt.contains("all 5,000 rows are in <a href=\"figure-5.csv\">figure-5.csv</a>"));
        assert!(excerpt.contains("<table class=\"fixed r1\">"));
        assert_eq!(n_rows(&excerpt), EXCERPT);
        assert!(excerpt.len() < 5_000, "{}", excerpt.len());
    }

    #[test]
    fn rules_are_written_once() {
        let mut rules = BTreeSet::new();
        table("x,y\n1,a\n").rules(&mut rules);
        table("x,y\n2,b\n").rules(&mut rules);
        assert_eq!(
            rules.into_iter().collect::<Vec<_>>(),
            [".r1 :is(th,td):nth-child(1){text-align:right}"]
        );
    }

    #[test]
    fn a_torn_csv_is_named() {
        let error = Table::read("a,b\n1\n", Path::new("reports/f.csv")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "reports/f.csv: CSV error: record 1 (line: 2, byte: 4): found record with 1 fields, but the previous record has 2 fields"
        );
    }
}
