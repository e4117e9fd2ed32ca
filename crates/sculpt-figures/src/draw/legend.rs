//! What a legend says: one entry a look, with its number of seeds where they differ.

use super::error::DrawError;
use super::figure::{Curve, Figure, Panel, Reference, Step};
use super::look::Look;

/// Width of a sample: two periods of the longest dashes, and a marker.
pub(crate) const SAMPLE_WIDTH: i32 = 850;

/// What a sample shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sample {
    Curve(Look),
    Band,
    Line,
    Block(Step),
}

/// One entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) sample: Sample,
    pub(crate) text: String,
}

/// The subtitle, completed by the statistic and the number of seeds, and the entries of all panels.
pub(crate) fn read(figure: &Figure) -> Result<(String, Vec<Entry>), DrawError> {
    let mut entries: Vec<(Entry, Seeds)> = Vec::new();
    let mut all = Seeds::NONE;
    for panel in &figure.panels {
        for curve in &panel.curves {
            let seeds = Seeds::of(curve);
            all = all.and(seeds);
            add(&mut entries, Sample::Curve(curve.look()), &curve.label(), seeds)?;
        }
    }
    for reference in figure.panels.iter().flat_map(|panel| &panel.references) {
        let sample = match reference {
            Reference::Band { .. } => Sample::Band,
            Reference::Line { .. } => Sample::Line,
            Reference::Block { step, .. } => Sample::Block(*step),
        };
        add(&mut entries, sample, reference.label(), Seeds::NONE)?;
    }

    let statistic = figure
        .statistic
        .as_ref()
        .map(|statistic| match (all.least, all.most) {
            (1, 1) => "one seed (n = 1), no interval".to_owned(),
            (least, most) if least == most => format!("{statistic}, n = {least}"),
            _ => format!("{statistic}; {}", by_panel(&figure.panels)),
        });
    let parts = [Some(figure.subtitle.clone()), statistic];
    let parts: Vec<String> = parts
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect();

    let even = |panel: &Panel| Seeds::of_panel(panel).is_one_number();
    let shown = figure.statistic.is_some() && !figure.panels.iter().all(even);
    let finished = |(entry, seeds): (Entry, Seeds)| match seeds.text() {
        Some(n) if shown => Entry {
            text: format!("{} ({n})", entry.text),
            ..entry
        },
        Some(_) | None => entry,
    };
    Ok((parts.join("; "), entries.into_iter().map(finished).collect()))
}

/// `n = 3 in (a) and (b), n = 1 in (c), a single seed without interval`.
fn by_panel(panels: &[Panel]) -> String {
    let mut groups: Vec<(Seeds, Vec<&str>)> = Vec::new();
    for panel in panels {
        let seeds = Seeds::of_panel(panel);
        // What belongs to a panel has its letter, or none.
        let letter = panel.title.split(' ').next().filter(|word| word.starts_with('('));
        match groups.iter_mut().find(|(own, _)| *own == seeds) {
            Some((_, letters)) => letters.extend(letter.filter(|letter| !letters.contains(letter))),
            None => groups.push((seeds, letter.into_iter().collect())),
        }
    }
    let group = |(seeds, letters): &(Seeds, Vec<&str>)| {
        let n = seeds.text()?;
        Some(match letters.split_last() {
            None => n,
            Some((last, [])) => format!("{n} in {last}"),
            Some((last, others)) => format!("{n} in {} and {last}", others.join(", ")),
        })
    };
    let mut text = groups.iter().filter_map(group).collect::<Vec<_>>().join(", ");
    let mut curves = panels.iter().flat_map(|panel| &panel.curves);
    let has_intervals = curves
        .any(|curve| curve.seeds.is_empty() && curve.points.iter().any(|point| point.interval.is_some()));
    if has_intervals && groups.iter().any(|(seeds, _)| seeds.least == 1) {
        text.push_str(" (a single seed has no interval)");
    }
    text
}

fn add(entries: &mut Vec<(Entry, Seeds)>, sample: Sample, text: &str, seeds: Seeds) -> Result<(), DrawError> {
    match entries.iter_mut().find(|(entry, _)| entry.sample == sample) {
        None => entries.push((
            Entry {
                sample,
                text: text.to_owned(),
            },
            seeds,
        )),
        Some((entry, all)) if entry.text == text => *all = all.and(seeds),
        Some((entry, _)) => {
            return Err(DrawError::SameLook {
                first: entry.text.clone(),
                second: text.to_owned(),
            });
        }
    }
    Ok(())
}

/// Least and most seeds of some points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seeds {
    least: usize,
    most: usize,
}

impl Seeds {
    const NONE: Self = Self {
        least: usize::MAX,
        most: 0,
    };

    fn of(curve: &Curve) -> Self {
        curve.points.iter().fold(Self::NONE, |all, point| {
            all.and(Self {
                least: point.n,
                most: point.n,
            })
        })
    }

    fn of_panel(panel: &Panel) -> Self {
        panel
            .curves
            .iter()
            .fold(Self::NONE, |all, curve| all.and(Self::of(curve)))
    }

    fn is_one_number(self) -> bool {
        self == Self::NONE || self.least == self.most
    }

    fn and(self, other: Self) -> Self {
        Self {
            least: self.least.min(other.least),
            most: self.most.max(other.most),
        }
    }

    fn text(self) -> Option<String> {
        if self == Self::NONE {
            return None;
        }
        let Self { least, most } = self;
        Some(if least == most {
            format!("n = {least}")
        } else {
            format!("n = {least} to {most}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::figure::{Interval, Point, XAxis, YAxis};
    use super::super::method::Named;
    use super::super::method::examples::{LRR, WR};
    use super::*;
    use sculpt_rows::IntervalOf;

    fn figure(seeds: &[(Named, &[usize])]) -> Figure {
        let curve = |&(method, ns): &(Named, &[usize])| {
            let point = |&n| Point {
                x: 0.5,
                mean: 90.0,
                interval: (n > 1).then_some(Interval {
                    low: 89.0,
                    high: 91.0,
                }),
                n,
                converged: true,
            };
            Curve::new(method, ns.iter().map(point).collect())
        };
        let y = YAxis {
            label: "accuracy (%)".into(),
            within: None,
        };
        let curves = seeds.iter().map(curve).collect();
        let panel = Panel::new("(a) CIFAR-10", XAxis::Density, y, curves, IntervalOf::LogitT);
        Figure {
            title: "Figure 5".into(),
            subtitle: "CIFAR-10".into(),
            statistic: Some("mean".into()),
            panels: vec![panel],
            columns: 1,
            footnote: String::new(),
            comment: String::new(),
        }
    }

    #[track_caller]
    fn check(seeds: &[(Named, &[usize])], subtitle: &str, entries: &[&str]) {
        let (text, got) = read(&figure(seeds)).unwrap();
        assert_eq!(text, subtitle);
        let got: Vec<&str> = got.iter().map(|entry| entry.text.as_str()).collect();
        assert_eq!(got, entries);
    }

    #[test]
    fn seeds_are_named_once_or_for_each() {
        check(
            &[(LRR, &[3, 3]), (WR, &[3])],
            "CIFAR-10; mean, n = 3",
            &["LRR", "WR"],
        );
        check(
            &[(LRR, &[1])],
            "CIFAR-10; one seed (n = 1), no interval",
            &["LRR"],
        );
        check(
            &[(LRR, &[2, 3]), (WR, &[1])],
            "CIFAR-10; mean; n = 1 to 3 in (a) (a single seed has no interval)",
            &["LRR (n = 2 to 3)", "WR (n = 1)"],
        );
    }

    #[test]
    fn panels_of_other_numbers_are_named() {
        let mut three = figure(&[(LRR, &[3]), (WR, &[3])]);
        let one = |title: &str| Panel {
            title: title.into(),
            ..figure(&[(LRR, &[1])]).panels[0].clone()
        };
        let second = Panel {
            title: "(b) too".into(),
            ..three.panels[0].clone()
        };
        three
            .panels
            .extend([second, one("(c) CIFAR-100"), one("below it")]);
        let (text, entries) = read(&three).unwrap();
        assert_eq!(
            text,
            "CIFAR-10; mean; n = 3 in (a) and (b), n = 1 in (c) (a single seed has no interval)"
        );
        let entries: Vec<_> = entries.iter().map(|entry| entry.text.as_str()).collect();
        assert_eq!(entries, ["LRR", "WR"]);
    }

    #[test]
    fn panels_share_entries_and_two_names_for_a_look_are_an_error() {
        let mut figure = figure(&[(LRR, &[3])]);
        figure.panels.push(figure.panels[0].clone());
        assert_eq!(read(&figure).unwrap().1.len(), 1);
        figure.panels[1].curves[0].label = Some("other".into());
        assert!(matches!(read(&figure), Err(DrawError::SameLook { .. })));
    }
}
