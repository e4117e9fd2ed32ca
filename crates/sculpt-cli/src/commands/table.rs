//! `table N…`, and how a frame looks on a terminal.

use super::figure::{ShowWords, show};
use crate::words::Global;
use clap::Args;
use sculpt_report::{Cell, Frame, Name};
use sculpt_store::paths;

#[derive(Args)]
pub(crate) struct Words {
    /// Numbers of the tables: 1 and 2 are the paper's, the others ours
    #[arg(required = true, value_name = "N")]
    numbers: Vec<String>,
    #[command(flatten)]
    show: ShowWords,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    show("table", &words.numbers, &words.show, global)
}

/// A frame as aligned columns: all of it, or of the claims what their verdicts say.
pub(crate) fn text(name: Name, frame: &Frame) -> String {
    match name {
        Name::Claims => aligned(&claims(frame)),
        Name::Figure(_) | Name::Table(_) | Name::Differences => {
            let header = frame.columns().iter().map(|c| (*c).to_owned()).collect();
            let row = |row| {
                let columns = frame.columns().iter();
                columns.map(|column| short(frame.cell(row, column))).collect()
            };
            let rows = (0..frame.len()).map(row);
            aligned(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
        }
    }
}

/// Number, verdict, effect with its interval, n and the claim itself.
fn claims(frame: &Frame) -> Vec<Vec<String>> {
    let header = ["number", "verdict", "effect", "n", "claim"].map(str::to_owned);
    let row = |row| {
        let cell = |column| short(frame.cell(row, column));
        let effect = match (cell("effect"), cell("low"), cell("high")) {
            (effect, low, high) if low.is_empty() && high.is_empty() => effect,
            (effect, low, high) => format!("{effect} [{low}, {high}]"),
        };
        vec![cell("number"), cell("verdict"), effect, cell("n"), cell("claim")]
    };
    let rows = (0..frame.len()).map(row);
    std::iter::once(header.to_vec()).chain(rows).collect()
}

/// A cell for people: four decimals, or three digits of what is smaller than those show.
fn short(cell: &Cell) -> String {
    match cell {
        Cell::Number(value) if *value != 0.0 && value.abs() < 1e-3 => {
            let text = format!("{value:.2e}");
            let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
            format!("{}e{power}", without_zeros(digits))
        }
        Cell::Number(value) => without_zeros(&format!("{value:.4}")).to_owned(),
        // As everywhere else, twelve digits of an id.
        Cell::Text(text) if paths::is_sha256(text) => text[..12].to_owned(),
        Cell::Text(_) | Cell::Count(_) | Cell::Flag(_) | Cell::Missing => cell.to_string(),
    }
}

fn without_zeros(number: &str) -> &str {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    }
}

/// Rows of as many cells each, in columns as wide as their widest cell.
fn aligned(rows: &[Vec<String>]) -> String {
    let n_columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..n_columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned_and_numbers_short() {
        let mut frame = Frame::new(&["method", "n", "value", "kept"]);
        frame.push(vec!["SCULPT".into(), 3.into(), (0.1 + 0.2).into(), true.into()]);
        frame.push(vec!["β".into(), 12.into(), 1e-4.into(), false.into()]);
        frame.push(vec!["".into(), 0.into(), 0.0.into(), Cell::Missing]);
        frame.push(vec![
            "0f".repeat(32).as_str().into(),
            1.into(),
            Cell::Missing,
            true.into(),
        ]);
        frame.push(vec!["wd".into(), 1.into(), 160.0.into(), true.into()]);
        frame.push(vec!["lr".into(), 1.into(), 1.25e-5.into(), true.into()]);
        let lines = [
            "method        n   value    kept",
            "SCULPT        3   0.3      true",
            "β             12  1e-4     false",
            "              0   0",
            "0f0f0f0f0f0f  1            true",
            "wd            1   160      true",
            "lr            1   1.25e-5  true",
        ];
        assert_eq!(text(Name::Table(1), &frame), lines.join("\n"));
        assert_eq!(text(Name::Differences, &Frame::new(&["field"])), "field");
    }

    #[test]
    fn claims_show_their_verdicts() {
        let mut frame = Frame::new(&["number", "claim", "n", "effect", "low", "high", "verdict"]);
        let (first, second) = ("it pays".into(), "it grows".into());
        let (yes, open) = ("supported".into(), "not enough runs".into());
        frame.push(vec![
            1.into(),
            first,
            6.into(),
            0.5.into(),
            0.25.into(),
            0.75.into(),
            yes,
        ]);
        let no = Cell::Missing;
        frame.push(vec![
            12.into(),
            second,
            1.into(),
            0.5.into(),
            no.clone(),
            no,
            open,
        ]);
        let lines = [
            "number  verdict          effect            n  claim",
            "1       supported        0.5 [0.25, 0.75]  6  it pays",
            "12      not enough runs  0.5               1  it grows",
        ];
        assert_eq!(text(Name::Claims, &frame), lines.join("\n"));
    }
}
