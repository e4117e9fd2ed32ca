//! From contrasts to the verdict on a claim: reads rows of the frame `contrasts` alone.

use crate::list::Claim;
use sculpt_rows::{ClaimRow, ContrastRow, Name, Test, Verdict};
use std::collections::BTreeSet;
use std::fmt::Write;

/// A part of a sentence, and the contrasts that are its replicates.
struct Part<'a> {
    name: &'a str,
    replicates: Vec<&'a ContrastRow>,
}

/// A claim as its contrasts have it; its p is adjusted when all claims are known.
pub(crate) fn claim(claim: &Claim, contrasts: &[ContrastRow]) -> ClaimRow {
    let parts = parts(contrasts.iter().filter(|row| row.claim == claim.number));
    let verdict = verdict_of(&parts, |row| row.verdict);
    let at = |margin: fn(&ContrastRow) -> Option<Verdict>| {
        let has_margin = parts
            .iter()
            .flat_map(|part| &part.replicates)
            .any(|row| row.margin.is_some());
        let verdict = || verdict_of(&parts, |row| margin(row).unwrap_or(row.verdict));
        has_margin.then(verdict)
    };
    let shown = shown(&parts, verdict);
    let artefacts: Vec<_> = claim.artefacts.iter().map(Name::to_string).collect();
    ClaimRow {
        number: claim.number,
        claim: claim.claim.to_owned(),
        place: claim.place.to_owned(),
        artefacts: artefacts.join(", "),
        verdict,
        parts: parts.iter().map(Part::words).collect::<Vec<_>>().join("; "),
        contrast: contrast_words(&parts, shown, verdict),
        effect: shown.and_then(|row| row.effect),
        low: shown.and_then(|row| row.low),
        high: shown.and_then(|row| row.high),
        image_low: shown.and_then(|row| row.image_low),
        image_high: shown.and_then(|row| row.image_high),
        unit: shown.map(|row| row.unit),
        test: shown.map(|row| row.test),
        bound: shown.and_then(|row| row.bound),
        margin: shown.and_then(|row| row.margin),
        n: match shown {
            Some(row) => row.n,
            None => Some(0),
        },
        p: shown.filter(|row| row.verdict.is_tested()).and_then(p_of),
        p_holm: None,
        verdict_half_margin: at(|row| row.verdict_half_margin),
        verdict_twice_margin: at(|row| row.verdict_twice_margin),
        smallest_effect: shown.and_then(|row| row.smallest_effect),
        n_to_decide: n_to_decide(&parts),
        paper: Some(claim.paper.to_owned()).filter(|paper| !paper.is_empty()),
    }
}

/// The verdict on the claim whose contrasts these are.
#[cfg(test)]
pub(crate) fn verdict(contrasts: &[ContrastRow]) -> Verdict {
    verdict_of(&parts(contrasts.iter()), |row| row.verdict)
}

/// The p that the largest is taken of; none where equal values hold without a test, or nothing is tested.
fn p_of(row: &ContrastRow) -> Option<f64> {
    match (row.p, row.verdict) {
        (Some(p), _) => Some(p),
        // Without spread the sign decides.
        (None, Verdict::Contradicted | Verdict::Undecided) => Some(1.0),
        (None, _) => None,
    }
}

/// In the order in which they first stand.
fn parts<'a>(rows: impl Iterator<Item = &'a ContrastRow>) -> Vec<Part<'a>> {
    let mut parts: Vec<Part<'a>> = Vec::new();
    for row in rows {
        match parts.iter_mut().find(|part| part.name == row.part) {
            Some(part) => part.replicates.push(row),
            None => parts.push(Part {
                name: &row.part,
                replicates: vec![row],
            }),
        }
    }
    parts
}

impl Part<'_> {
    /// Supported when every replicate with enough runs is, contradicted when one is and none is supported, else undecided.
    fn verdict(&self, of: impl Fn(&ContrastRow) -> Verdict) -> Verdict {
        let all: Vec<Verdict> = self.replicates.iter().map(|row| of(row)).collect();
        let has = |verdict| all.contains(&verdict);
        if !all.iter().any(|verdict| verdict.is_tested()) {
            let untested = [Verdict::ByConstruction, Verdict::NotEnoughRuns];
            return untested.into_iter().find(|v| has(*v)).unwrap_or(Verdict::Absent);
        }
        let mut tested = all.iter().filter(|verdict| verdict.is_tested());
        if tested.all(|verdict| *verdict == Verdict::Supported) {
            Verdict::Supported
        } else if has(Verdict::Contradicted) && !has(Verdict::Supported) {
            Verdict::Contradicted
        } else {
            Verdict::Undecided
        }
    }

    /// `name: undecided (supported on 4a; undecided on 4b; left out 4c, 1 seed)`.
    fn words(&self) -> String {
        let verdict = self.verdict(|row| row.verdict);
        let mut notes = Vec::new();
        for of in Verdict::ALL.into_iter().filter(|verdict| verdict.is_tested()) {
            let names = self.names(|row| row.verdict == of);
            if !names.is_empty() && self.replicates.len() > 1 {
                notes.push(format!("{of} on {}", names.join(", ")));
            }
        }
        let few: BTreeSet<u32> = self.of(Verdict::NotEnoughRuns).filter_map(|row| row.n).collect();
        for n in few {
            let names = self.names(|row| row.verdict == Verdict::NotEnoughRuns && row.n == Some(n));
            let seeds = if n == 1 { "seed" } else { "seeds" };
            notes.push(format!("left out {}, {n} {seeds}", names.join(", ")));
        }
        let absent = self.names(|row| row.verdict == Verdict::Absent);
        if !absent.is_empty() {
            notes.push(format!("absent {}", absent.join(", ")));
        }
        let least = self.of(Verdict::ByConstruction);
        let effect = |row: &ContrastRow| row.effect.unwrap_or(f64::INFINITY);
        if let Some(least) = least.min_by(|a, b| effect(a).total_cmp(&effect(b))) {
            notes.extend(least.note.clone());
        }
        let mut words = format!("{}: {verdict}", self.name);
        if !notes.is_empty() {
            write!(words, " ({})", notes.join("; ")).expect("a string takes what is written");
        }
        words
    }

    fn of(&self, verdict: Verdict) -> impl Iterator<Item = &ContrastRow> {
        let own = self.replicates.iter().filter(move |row| row.verdict == verdict);
        own.copied()
    }

    /// Names of these replicates by place: `4a` where they are all that is there, else `4a (20 % sparsity; 50 % sparsity)`.
    fn names(&self, wanted: impl Fn(&ContrastRow) -> bool) -> Vec<String> {
        let mut places: Vec<(&str, Vec<&str>, bool)> = Vec::new();
        for row in &self.replicates {
            let (place, rest) = row.replicate.split_once(", ").unwrap_or((&row.replicate, ""));
            let known = places.iter().position(|(known, ..)| *known == place);
            let known = known.unwrap_or_else(|| {
                places.push((place, Vec::new(), true));
                places.len() - 1
            });
            if wanted(row) {
                places[known].1.push(rest);
            } else {
                places[known].2 = false;
            }
        }
        let own = places.into_iter().filter(|(_, rest, _)| !rest.is_empty());
        own.map(|(place, rest, all)| {
            if all {
                place.to_owned()
            } else {
                format!("{place} ({})", rest.join("; "))
            }
        })
        .collect()
    }
}

/// Of the parts of a claim.
fn verdict_of(parts: &[Part<'_>], of: impl Fn(&ContrastRow) -> Verdict) -> Verdict {
    let all: Vec<Verdict> = parts.iter().map(|part| part.verdict(&of)).collect();
    let has = |verdict| all.contains(&verdict);
    if !all.is_empty() && all.iter().all(|verdict| *verdict == Verdict::Supported) {
        Verdict::Supported
    } else if has(Verdict::Supported) {
        Verdict::Partly
    } else if has(Verdict::Contradicted) {
        Verdict::Contradicted
    } else if has(Verdict::Undecided) {
        Verdict::Undecided
    } else if has(Verdict::ByConstruction) {
        Verdict::ByConstruction
    } else {
        Verdict::NotEnoughRuns
    }
}

/// The contrast that a claim is told by: of those with enough runs the one with the largest p; of counts the smallest; else
/// the one with most seeds.
fn shown<'a>(parts: &[Part<'a>], verdict: Verdict) -> Option<&'a ContrastRow> {
    let rows = || parts.iter().flat_map(|part| part.replicates.iter().copied());
    // Of equals the first.
    let first = |rows: Vec<&'a ContrastRow>, weight: fn(&ContrastRow) -> f64| {
        rows.into_iter()
            .rev()
            .max_by(|a, b| weight(a).total_cmp(&weight(b)))
    };
    match verdict {
        Verdict::NotEnoughRuns | Verdict::Absent => {
            let some = rows().filter(|row| row.effect.is_some()).collect();
            first(some, |row| f64::from(row.n.unwrap_or(0)))
        }
        Verdict::ByConstruction => {
            let counted = rows().filter(|row| row.verdict == verdict).collect();
            first(counted, |row| -row.effect.unwrap_or(f64::INFINITY))
        }
        Verdict::Supported | Verdict::Partly | Verdict::Contradicted | Verdict::Undecided => {
            let tested = rows().filter(|row| row.verdict.is_tested()).collect();
            first(tested, |row| p_of(row).unwrap_or(0.0))
        }
    }
}

/// What is shown, and what it is the weakest of.
fn contrast_words(parts: &[Part<'_>], shown: Option<&ContrastRow>, verdict: Verdict) -> String {
    let Some(shown) = shown else {
        return "nothing of it is in the suite".to_owned();
    };
    let mut words = format!("{}, {}", shown.contrast, shown.replicate);
    let among = |row: &ContrastRow| match verdict {
        Verdict::ByConstruction => row.verdict == verdict,
        Verdict::NotEnoughRuns | Verdict::Absent => false,
        Verdict::Supported | Verdict::Partly | Verdict::Contradicted | Verdict::Undecided => {
            row.verdict.is_tested()
        }
    };
    let rows = || {
        parts
            .iter()
            .flat_map(|part| &part.replicates)
            .filter(|row| among(row))
    };
    let n = rows().count();
    if n > 1 {
        let own = parts
            .iter()
            .filter(|part| part.replicates.iter().any(|row| among(row)));
        let names: Vec<&str> = own.map(|part| part.name).collect();
        let places: BTreeSet<String> = rows()
            .map(|row| format!("{}{}", row.artefact, row.panel))
            .collect();
        let places: Vec<String> = places.into_iter().collect();
        let weakest = if shown.test == Test::Counted {
            "least"
        } else {
            "weakest"
        };
        write!(
            words,
            "; {weakest} of {n} contrasts on {}: {}",
            places.join(", "),
            names.join(" | ")
        )
        .expect("a string takes what is written");
    }
    words
}

/// Seeds that would decide all that is undecided; none where nothing is, or where no number below 10,000 would.
fn n_to_decide(parts: &[Part<'_>]) -> Option<u32> {
    let open = parts
        .iter()
        .filter(|part| part.verdict(|row| row.verdict) == Verdict::Undecided);
    let rows: Vec<_> = open
        .flat_map(|part| &part.replicates)
        .filter(|row| row.verdict == Verdict::Undecided)
        .collect();
    let needed: Option<Vec<u32>> = rows.iter().map(|row| row.n_to_decide).collect();
    needed?.into_iter().max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contrast::{Contrast, Origin};
    use crate::params::{Margins, Sought};
    use sculpt_rows::{Quantity, Unit};
    use std::collections::BTreeMap;

    fn row(part: &str, place: &str, sought: Sought, values: &[f64]) -> ContrastRow {
        let values = (1..).zip(values.iter().copied()).collect();
        let origin = Origin::new(Name::Figure(4), "a", Quantity::Accuracy, "a").versus("b");
        Contrast::new(
            (part, place.to_owned(), "a − b".to_owned()),
            origin,
            (Unit::Points, sought),
            values,
        )
        .row(9, &Margins::PUBLISHED, &BTreeMap::new())
        .unwrap()
    }

    const YES: &[f64] = &[1.0, 1.1, 1.2];
    const NO: &[f64] = &[-1.0, -1.1, -1.2];
    const OPEN: &[f64] = &[-1.0, 0.0, 1.5];

    fn judged(rows: &[ContrastRow]) -> ClaimRow {
        let claim = crate::list::CLAIMS
            .iter()
            .find(|claim| claim.number == 9)
            .unwrap();
        super::claim(claim, rows)
    }

    /// Replicates of one part, then parts of one replicate.
    #[track_caller]
    fn check(values: &[&[f64]], replicates: Verdict, conjuncts: Verdict) {
        let as_replicates: Vec<_> = values
            .iter()
            .map(|v| row("all", "4a", Sought::Better, v))
            .collect();
        let as_parts = (0..)
            .zip(values)
            .map(|(i, v): (u32, _)| row(&i.to_string(), "4a", Sought::Better, v));
        let found = (
            judged(&as_replicates).verdict,
            judged(&as_parts.collect::<Vec<_>>()).verdict,
        );
        assert_eq!(found, (replicates, conjuncts));
    }

    /// The table of claims.md.
    #[test]
    fn replicates_and_conjuncts() {
        use Verdict::{Contradicted, NotEnoughRuns, Partly, Supported, Undecided};
        check(&[YES, YES], Supported, Supported);
        check(&[NO, NO], Contradicted, Contradicted);
        check(&[OPEN, OPEN], Undecided, Undecided);
        check(&[NO, OPEN], Contradicted, Contradicted);
        check(&[YES, OPEN], Undecided, Partly);
        check(&[YES, NO], Undecided, Partly);
        check(&[YES, NO, OPEN], Undecided, Partly);
        // What has too few seeds is left out of a part, and leaves a sentence of parts in part.
        check(&[YES, &[1.0]], Supported, Partly);
        check(&[YES, &[]], Supported, Partly);
        check(&[NO, &[]], Contradicted, Contradicted);
        check(&[OPEN, &[1.0, 2.0]], Undecided, Undecided);
        check(&[&[1.0, 2.0], &[]], NotEnoughRuns, NotEnoughRuns);
        check(&[&[], &[]], NotEnoughRuns, NotEnoughRuns);
    }

    #[test]
    fn nothing_is_left_out_in_silence() {
        let found = judged(&[
            row("gains", "2a", Sought::Better, YES),
            row("gains", "2b", Sought::Better, &[3.0]),
            row("plateaus", "2a", Sought::Alike, OPEN),
            row("plateaus", "2b", Sought::Alike, &[]),
        ]);
        assert_eq!(found.verdict, Verdict::Partly);
        assert_eq!(
            found.parts,
            "gains: supported (supported on 2a; left out 2b, 1 seed); plateaus: undecided (undecided on 2a; absent 2b)"
        );
        assert_eq!(
            found.contrast,
            "a − b, 2a; weakest of 2 contrasts on figure 4a: gains | plateaus"
        );
        // The largest p, not that of what is supported.
        assert!(found.p.unwrap() > 0.05);
        assert!(found.n_to_decide.unwrap() > 3);
        let nothing = judged(&[row("gains", "2a", Sought::Better, &[])]);
        assert_eq!(nothing.contrast, "nothing of it is in the suite");
        assert_eq!((nothing.n, nothing.effect, nothing.p), (Some(0), None, None));
    }

    /// 0.6 ± 0.01 is beyond half a point, and beyond a quarter; within a whole one.
    #[test]
    fn a_margin_is_told_at_half_and_twice() {
        let found = judged(&[row("all", "4a", Sought::Alike, &[0.6, 0.61, 0.59])]);
        assert_eq!(
            (
                found.verdict,
                found.verdict_half_margin,
                found.verdict_twice_margin
            ),
            (
                Verdict::Contradicted,
                Some(Verdict::Contradicted),
                Some(Verdict::Supported)
            )
        );
        let plain = judged(&[row("all", "4a", Sought::Better, YES)]);
        assert_eq!((plain.verdict_half_margin, plain.margin), (None, None));
    }

    /// Equal values that hold weigh nothing, those that do not weigh most.
    #[test]
    fn without_spread_the_sign_decides() {
        let holds = judged(&[
            row("all", "4a", Sought::Better, &[1.0; 3]),
            row("all", "4b", Sought::Better, YES),
        ]);
        assert!(holds.verdict == Verdict::Supported && holds.p.is_some_and(|p| p < 0.05));
        let fails = judged(&[
            row("all", "4a", Sought::Better, &[0.0; 3]),
            row("all", "4b", Sought::Better, OPEN),
        ]);
        assert_eq!((fails.verdict, fails.p), (Verdict::Undecided, Some(1.0)));
    }
}
