//! `table N…`, and how a frame looks on a terminal.

use super::figure::{ShowWords, show};
use crate::words::Global;
use clap::Args;
use sculpt_report::{Cell, ClaimRow, Frame, Name, OwnContrastRow, SummaryRow};
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
pub(crate) fn text(name: Name, frame: &Frame) -> anyhow::Result<String> {
    Ok(match name {
        Name::Claims => aligned(&claims(&frame.rows()?)),
        Name::Figure(_) | Name::Table(_) | Name::Contrasts | Name::Differences => {
            let header = frame.columns().iter().map(|c| (*c).to_owned()).collect();
            let rows = frame.cells().iter().map(|row| row.iter().map(short).collect());
            aligned(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
        }
    })
}

/// Places on the horizontal axis that a terminal has room for.
const MOST_PLACES: usize = 8;

/// A picture as tables: of each panel a row a curve, its means at some places of the horizontal axis, both ends among them.
pub(crate) fn of_picture(points: &[SummaryRow]) -> String {
    let mut tables = Vec::new();
    for panel in points.chunk_by(|a, b| (&a.panel, &a.y_is, &a.x_is) == (&b.panel, &b.y_is, &b.x_is)) {
        let mut places: Vec<f64> = panel.iter().map(|point| point.x).collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        let last = places.len() - 1;
        if last >= MOST_PLACES {
            let kept: Vec<f64> = (0..MOST_PLACES)
                .map(|i| places[i * last / (MOST_PLACES - 1)])
                .collect();
            places = kept;
        }
        let number = |value: f64| short(&Cell::Number(value));
        let header = std::iter::once(panel[0].x_is.clone()).chain(places.iter().map(|&x| number(x)));
        let mut rows = vec![header.collect::<Vec<_>>()];
        for curve in panel.chunk_by(|a, b| a.label == b.label) {
            let at = |&x: &f64| {
                let point = curve.iter().find(|point| point.x == x);
                point.map_or_else(String::new, |point| number(point.mean))
            };
            rows.push(
                std::iter::once(curve[0].label.clone())
                    .chain(places.iter().map(at))
                    .collect(),
            );
        }
        let seeds = |n: u32| {
            if n == 1 {
                "1 seed".to_owned()
            } else {
                format!("{n} seeds")
            }
        };
        let (least, most) = panel
            .iter()
            .fold((u32::MAX, 0), |(a, b), point| (a.min(point.n), b.max(point.n)));
        let seeds = if least == most {
            seeds(most)
        } else {
            format!("{least} to {most} seeds")
        };
        tables.push(format!(
            "{}\n{}, mean of {seeds}\n{}",
            panel[0].panel,
            panel[0].y_is,
            aligned(&rows)
        ));
    }
    tables.join("\n\n")
}

/// What a claim's verdict rests on: its weakest contrast with the interval that decides, margin, p, and p adjusted over all claims.
fn claims(rows: &[ClaimRow]) -> Vec<Vec<String>> {
    let header = [
        "number", "verdict", "effect", "unit", "margin", "p", "p (Holm)", "n", "claim", "contrast",
    ];
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| short(&Cell::Number(value)));
    let row = |row: &ClaimRow| {
        let effect = match (number(row.effect), row.low, row.high) {
            (effect, None, None) => effect,
            (effect, low, high) => format!("{effect} [{}, {}]", number(low), number(high)),
        };
        vec![
            row.number.to_string(),
            row.verdict.to_string(),
            effect,
            row.unit.map(|unit| unit.to_string()).unwrap_or_default(),
            number(row.margin),
            number(row.p),
            number(row.p_holm),
            row.n.map(|n| n.to_string()).unwrap_or_default(),
            row.claim.clone(),
            row.contrast.clone(),
        ]
    };
    std::iter::once(header.map(str::to_owned).to_vec())
        .chain(rows.iter().map(row))
        .collect()
}

/// What the comparisons of two curves say, a row a place.
pub(crate) fn of_contrasts(rows: &[OwnContrastRow]) -> String {
    let header = ["contrast", "verdict", "points", "test", "p", "p (Holm)", "n"];
    let number = |value: f64| short(&Cell::Number(value));
    let some = |value: Option<f64>| value.map_or_else(String::new, number);
    let row = |row: &OwnContrastRow| {
        let effect = match (row.low, row.high) {
            (Some(low), Some(high)) => {
                format!("{} [{}, {}]", number(row.effect), number(low), number(high))
            }
            (None, _) | (_, None) => number(row.effect),
        };
        vec![
            row.contrast.clone(),
            row.verdict.to_string(),
            effect,
            format!("{} {}", row.test, number(row.bound)),
            some(row.p),
            some(row.p_holm),
            row.n.to_string(),
        ]
    };
    let rows = std::iter::once(header.map(str::to_owned).to_vec()).chain(rows.iter().map(row));
    aligned(&rows.collect::<Vec<_>>())
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
    use sculpt_report::{Unit, Verdict};

    #[test]
    fn pictures_are_tables_too() {
        let point = |label: &str, x: f64, mean, n| SummaryRow {
            panel: "(a) demo".to_owned(),
            series: label.to_lowercase(),
            label: label.to_owned(),
            x_is: "density".to_owned(),
            x,
            y_is: "accuracy".to_owned(),
            mean,
            low: None,
            high: None,
            interval: None,
            n,
        };
        let points = [
            point("LRR", 0.5, 0.91, 3),
            point("LRR", 0.1, 0.9, 3),
            point("IMP", 0.1, 0.85, 1),
        ];
        assert_eq!(
            of_picture(&points),
            "(a) demo\naccuracy, mean of 1 to 3 seeds\ndensity  0.1   0.5\nLRR      0.9   0.91\nIMP      0.85"
        );
        let many: Vec<_> = (0..100).map(|i| point("LRR", f64::from(i), 1.0, 3)).collect();
        let first = of_picture(&many);
        assert!(
            first.contains("density  0  14  28  42  56  70  84  99"),
            "{first}"
        );
        assert_eq!(of_picture(&[]), "");
    }

    #[test]
    fn tables_are_aligned_and_numbers_short() {
        let text = |text: &str| Cell::Text(text.to_owned());
        let row = |name, n, value, kept| vec![name, Cell::Count(n), value, kept];
        let (yes, no) = (Cell::Flag(true), Cell::Flag(false));
        let cells = vec![
            row(text("SCULPT"), 3, Cell::Number(0.1 + 0.2), yes.clone()),
            row(text("β"), 12, Cell::Number(1e-4), no),
            row(text(""), 0, Cell::Number(0.0), Cell::Missing),
            row(text(&"0f".repeat(32)), 1, Cell::Missing, yes.clone()),
            row(text("wd"), 1, Cell::Number(160.0), yes.clone()),
            row(text("lr"), 1, Cell::Number(1.25e-5), yes),
        ];
        let frame = Frame::from_cells(vec!["method", "n", "value", "kept"], cells);
        let lines = [
            "method        n   value    kept",
            "SCULPT        3   0.3      true",
            "β             12  1e-4     false",
            "              0   0",
            "0f0f0f0f0f0f  1            true",
            "wd            1   160      true",
            "lr            1   1.25e-5  true",
        ];
        assert_eq!(super::text(Name::Table(1), &frame).unwrap(), lines.join("\n"));
        let empty = Frame::from_cells(vec!["field"], Vec::new());
        assert_eq!(super::text(Name::Differences, &empty).unwrap(), "field");
    }

    #[test]
    fn claims_show_what_their_verdicts_rest_on() {
        let row = |number, claim: &str, n, interval: Option<(f64, f64)>, verdict| ClaimRow {
            number,
            claim: claim.to_owned(),
            place: String::new(),
            artefacts: String::new(),
            verdict,
            parts: String::new(),
            contrast: "a − b, 2a".to_owned(),
            effect: Some(0.5),
            low: interval.map(|(low, _)| low),
            high: interval.map(|(_, high)| high),
            image_low: None,
            image_high: None,
            unit: Some(Unit::Points),
            test: None,
            bound: Some(-0.5),
            margin: Some(0.5),
            n,
            p: interval.map(|_| 0.01),
            p_holm: interval.map(|_| 0.27),
            verdict_half_margin: None,
            verdict_twice_margin: None,
            smallest_effect: None,
            n_to_decide: None,
            paper: None,
        };
        let frame = Frame::of(&[
            row(1, "it pays", Some(6), Some((0.25, 0.75)), Verdict::Supported),
            row(12, "it grows", Some(1), None, Verdict::NotEnoughRuns),
            row(23, "it counts", None, None, Verdict::ByConstruction),
        ]);
        let lines = [
            "number  verdict          effect            unit    margin  p     p (Holm)  n  claim      contrast",
            "1       supported        0.5 [0.25, 0.75]  points  0.5     0.01  0.27      6  it pays    a − b, 2a",
            "12      not enough runs  0.5               points  0.5                     1  it grows   a − b, 2a",
            "23      by construction  0.5               points  0.5                        it counts  a − b, 2a",
        ];
        assert_eq!(text(Name::Claims, &frame).unwrap(), lines.join("\n"));
    }
}
