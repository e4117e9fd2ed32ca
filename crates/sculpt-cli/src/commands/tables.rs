//! What `bench report` found, and its page: a table a comparison and machine. Those that are not measured now stay as they were.

use crate::commands::bench::median;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;

/// This product, in `speeds`.
const OURS: &str = "sculpt";

/// This product beside others.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Comparison {
    what: String,
    unit: String,
    /// Of each round, by who made them; this product is `sculpt`. More is better.
    speeds: BTreeMap<String, Vec<f64>>,
    /// How this product did it.
    ours: String,
    versions: String,
    pub(super) machine: String,
    pub(super) date: String,
}

impl Comparison {
    /// Why it is none: a script's fault must not become a number of a page.
    pub(super) fn fault(&self) -> Option<String> {
        let Some(own) = self.speeds.get(OURS) else {
            return Some(format!("no speeds of {OURS:?}"));
        };
        let uneven = |values: &Vec<f64>| values.is_empty() || values.len() != own.len();
        if let Some((name, _)) = self.speeds.iter().find(|(_, values)| uneven(values)) {
            return Some(format!("not as many rounds of {name:?} as of {OURS:?}, or none"));
        }
        let is_speed = |speed: &f64| (1e-9..1e12).contains(speed);
        if let Some((name, _)) = self
            .speeds
            .iter()
            .find(|(_, values)| !values.iter().all(is_speed))
        {
            return Some(format!("a speed of {name:?} that is not above zero"));
        }
        let words = [
            &self.what,
            &self.unit,
            &self.ours,
            &self.versions,
            &self.machine,
            &self.date,
        ];
        let bad = words
            .into_iter()
            .chain(self.speeds.keys())
            .find(|text| !are_words(text));
        bad.map(|text| {
            let begin: String = text.chars().take(40).collect();
            format!("{begin:?} are no words of a table")
        })
    }

    /// How many times as fast this product is as the fastest of the others, round by round; None without others.
    pub(super) fn to_fastest(&self) -> Option<Vec<f64>> {
        let others = self.speeds.iter().filter(|(name, _)| *name != OURS);
        let (fastest, _) = others.max_by(|a, b| spread(a.1)[0].total_cmp(&spread(b.1)[0]))?;
        let mut ratios = self.ratios();
        ratios.find_map(|(name, ratios)| (name == fastest).then_some(ratios))
    }

    /// How many times as fast this product is as each of the others, round by round.
    fn ratios(&self) -> impl Iterator<Item = (&str, Vec<f64>)> {
        let own = &self.speeds[OURS];
        let others = self.speeds.iter().filter(|(name, _)| *name != OURS);
        others.map(|(name, theirs)| {
            (
                name.as_str(),
                own.iter().zip(theirs).map(|(own, theirs)| own / theirs).collect(),
            )
        })
    }
}

#[cfg(test)]
impl Comparison {
    pub(super) fn of_speeds<const N: usize>(speeds: [(&str, Vec<f64>); N]) -> Self {
        Self {
            what: "Training".to_owned(),
            unit: "images/s".to_owned(),
            speeds: speeds.map(|(name, values)| (name.to_owned(), values)).into(),
            ours: "dense".to_owned(),
            versions: "torch".to_owned(),
            machine: "a processor".to_owned(),
            date: "2026-01-02".to_owned(),
        }
    }
}

/// Whether a text can stand in a page, in a heading and in a table's row.
fn are_words(text: &str) -> bool {
    let turns =
        |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = |c: char| c.is_control() || turns(c) || "|<".contains(c);
    !text.trim().is_empty() && text.len() <= MOST_WORDS && !text.starts_with('#') && !text.contains(breaks)
}

/// Bytes of such a text; ours are of 400.
const MOST_WORDS: usize = 2000;

/// What stands before what a table is of.
const HEADING: &str = "## ";

/// Between what was compared and where.
const ON: &str = ": ";

/// A table of a page: its heading, and all below it.
type Section = (String, String);

/// A new page of these.
pub(super) fn page<'a>(command: &str, found: impl IntoIterator<Item = &'a Comparison>) -> String {
    merged(None, command, found)
}

/// The page with these: in place of the same comparison's of the same machine, or after other machines' of it.
pub(super) fn merged<'a>(
    before: Option<&str>,
    command: &str,
    found: impl IntoIterator<Item = &'a Comparison>,
) -> String {
    let mut sections = before.map(sections).unwrap_or_default();
    for comparison in found {
        let (heading, body) = (heading(comparison), table(comparison));
        if let Some(old) = sections.iter().position(|(own, _)| *own == heading) {
            sections[old].1 = body;
            // A page that two branches wrote may have had it twice.
            let mut at = 0..;
            sections.retain(|(own, _)| at.next() == Some(old) || *own != heading);
            continue;
        }
        let what = format!("{}{ON}", comparison.what);
        let last = sections.iter().rposition(|(own, _)| own.starts_with(&what));
        let after = last.map_or(sections.len(), |last| last + 1);
        sections.insert(after, (heading, body));
    }
    as_page(command, &sections)
}

fn heading(comparison: &Comparison) -> String {
    format!("{}{ON}{}", comparison.what, comparison.machine)
        .trim()
        .to_owned()
}

fn sections(page: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix(HEADING) {
            sections.push((heading.trim_end().to_owned(), String::new()));
        } else if let Some((_, body)) = sections.last_mut() {
            body.push_str(line);
            body.push('\n');
        }
    }
    for (_, body) in &mut sections {
        *body = body.trim().to_owned();
    }
    sections
}

fn as_page(command: &str, sections: &[Section]) -> String {
    let mut text = format!(
        "# Benchmarks\n\nGenerated by `cargo xtask {command}`, do not edit. Each table is one run, in which all took turns on one machine: the \
         median of the rounds (three where nothing else is said), and in brackets their range. A ratio is that of the same round. From run to run, and from one \
         machine of a kind to the next, speeds differ by more than ratios do.\n"
    );
    for (heading, body) in sections {
        write!(text, "\n{HEADING}{heading}\n\n{body}\n").expect("a string takes all");
    }
    text
}

fn table(comparison: &Comparison) -> String {
    let Comparison {
        unit,
        speeds,
        ours,
        versions,
        date,
        ..
    } = comparison;
    let n_rounds = speeds[OURS].len();
    let [own, low, high] = spread(&speeds[OURS]).map(speed);
    let rounds = if n_rounds == 1 { "round" } else { "rounds" };
    let mut text = format!(
        "{date}, {n_rounds} {rounds}; {versions}. Sculpt's convolutions: {ours}.\n\n| | {unit} | sculpt is |\n| --- | ---: | ---: |\n\
         | **sculpt** | **{own}** ({low} to {high}) | |"
    );
    let ratios: BTreeMap<_, _> = comparison.ratios().collect();
    let mut others: Vec<_> = speeds.iter().filter(|(name, _)| *name != OURS).collect();
    others.sort_by(|a, b| spread(b.1)[0].total_cmp(&spread(a.1)[0]));
    for (name, theirs) in others {
        let ([median, low, high], [ratio, least, most]) =
            (spread(theirs).map(speed), spread(&ratios[name.as_str()]));
        write!(
            text,
            "\n| {name} | {median} ({low} to {high}) | {ratio:.2} × ({least:.2} to {most:.2}) |"
        )
        .expect("a string takes all");
    }
    text
}

/// Median and both ends.
pub(super) fn spread(values: &[f64]) -> [f64; 3] {
    let ends = values
        .iter()
        .fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], &v| {
            [low.min(v), high.max(v)]
        });
    [median(values), ends[0], ends[1]]
}

/// Whole, or where little is left of that with a few digits.
fn speed(value: f64) -> String {
    match value {
        10.0.. => format!("{value:.0}"),
        0.1.. => format!("{value:.2}"),
        _ => format!("{value:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 200, 100, 300 against 100, 100, 100: the median 200, 2 times as fast, from 1 to 3.
    #[test]
    fn pages_give_medians_and_ranges() {
        let speeds = [
            (OURS, [200.0, 100.0, 300.0]),
            ("another", [100.0; 3]),
            ("a third", [400.0; 3]),
        ];
        let comparison = Comparison::of_speeds(speeds.map(|(name, values)| (name, values.to_vec())));
        let page = page("bench report", &[comparison]);
        assert!(page.contains("\n## Training: a processor\n\n2026-01-02, 3 rounds; torch."));
        let table: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
        assert_eq!(
            table[2..],
            [
                "| **sculpt** | **200** (100 to 300) | |",
                "| a third | 400 (400 to 400) | 0.50 × (0.25 to 0.75) |",
                "| another | 100 (100 to 100) | 2.00 × (1.00 to 3.00) |",
            ]
        );
        assert_eq!(spread(&[1.0, 4.0, 2.0, 3.0]), [2.5, 1.0, 4.0]);
        assert_eq!(
            [1234.5, 10.0, 9.876, 0.1, 0.0123].map(speed),
            ["1234", "10", "9.88", "0.10", "1.2e-2"]
        );
    }

    #[test]
    fn a_page_keeps_what_is_not_measured_anew() {
        let of = |what: &str, machine: &str, own: f64| Comparison {
            what: what.to_owned(),
            machine: machine.to_owned(),
            ..Comparison::of_speeds([(OURS, vec![own]), ("another", vec![1.0])])
        };
        let first = page(
            "x",
            &[of("A", "one", 1.0), of("A, B", "one", 2.0), of("C", "one", 3.0)],
        );
        // Measured anew; of another machine, which comes after the first; and something else.
        let second = merged(
            Some(&first),
            "x",
            &[of("A", "one", 4.0), of("A", "two", 5.0), of("D", "two", 6.0)],
        );
        let lines = |start: &str| {
            let lines = second.lines().filter(|line| line.starts_with(start));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(
            lines("## "),
            ["## A: one", "## A: two", "## A, B: one", "## C: one", "## D: two"]
        );
        let own: Vec<_> = lines("| **sculpt** | ")
            .iter()
            .map(|line| line.split("**").nth(3).unwrap().to_owned())
            .collect();
        assert_eq!(own, ["4.00", "5.00", "2.00", "3.00", "6.00"]);
        // A page of another system's line ends, and of an older head.
        let strange = second
            .split_once("## ")
            .map(|(_, rest)| format!("## {rest}").replace('\n', "\r\n"));
        assert_eq!(merged(strange.as_deref(), "x", []), second);
        // Twice in the page: once after it is measured.
        let (_, tables) = second.split_once("\n## ").unwrap();
        let twice = format!("{second}\n## {tables}");
        let once = merged(Some(&twice), "x", &[of("A", "one", 4.0)]);
        assert_eq!(once.matches("## A: one\n").count(), 1);
        assert_eq!(once.matches("## A: two\n").count(), 2);
        // And again the same, byte for byte.
        assert_eq!(merged(Some(&second), "x", &[of("A", "one", 4.0)]), second);
        assert_eq!(merged(Some(&second), "x", []), second);
    }
}
