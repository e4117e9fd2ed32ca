//! The paper's claims, each judged by frames of other artefacts.
//!
//! A claim averages over its sparsities within a seed and tests the means by seed, paired, with Student's t; "matches",
//! "equivalent" and "at least" by TOST. It is supported when each of its contrasts is.

mod evidence;
mod finding;
mod list;

use crate::artefact::{Content, Needs};
use crate::{Cell, Frame, Name, ReportError, Session};
use evidence::Evidence;
use finding::{Finding, Unit, judge};
use list::{CLAIMS as LIST, Claim};
use std::collections::BTreeSet;

/// The verdicts, one a claim.
pub(crate) struct Claims {
    pub(crate) name: Name,
    pub(crate) title: &'static str,
}

pub(crate) static CLAIMS: Claims = Claims {
    name: Name::Claims,
    title: "The paper's claims, tested",
};

const COLUMNS: &[&str] = &[
    "number",
    "claim",
    "place",
    "artefacts",
    "verdict",
    "effect",
    "low",
    "high",
    "n",
    "paper",
    "unit",
    "margin",
    "p",
    "contrast",
];

impl Content for Claims {
    fn columns(&self) -> &'static [&'static str] {
        COLUMNS
    }

    fn measure(&self, session: &Session, _: &Needs) -> Result<Frame, ReportError> {
        let names: BTreeSet<Name> = LIST.iter().flat_map(|claim| claim.artefacts).copied().collect();
        frame(&Evidence::gather(session, names)?)
    }

    /// What the artefacts below may differ by on another machine, twice, since an effect is a difference; an end of an
    /// interval moves with the spread too, by at most `t / √(n − 1)` times as much: 3.04 for three seeds.
    fn tolerance(&self, published: &Frame, column: &str, row: usize) -> Option<f64> {
        let units = [
            Unit::Points,
            Unit::Nats,
            Unit::LogRatio,
            Unit::Epochs,
            Unit::PercentOfBytes,
        ];
        let own = |unit: &Unit| *published.cell(row, "unit") == Cell::from(unit.to_string().as_str());
        let effect = match units.into_iter().find(own)? {
            Unit::Points => 0.2,
            Unit::Nats => 2e-3,
            Unit::LogRatio => 2e-2,
            Unit::Epochs | Unit::PercentOfBytes => 0.0,
        };
        match column {
            "effect" => Some(effect),
            "low" | "high" => Some(5.0 * effect),
            "p" => Some(1.0),
            _ => None,
        }
    }
}

/// One row a claim.
fn frame(evidence: &Evidence<'_>) -> Result<Frame, ReportError> {
    let mut frame = Frame::new(COLUMNS);
    for claim in &LIST {
        let finding = judge(&(claim.contrasts)(evidence)?)?;
        frame.push(row(claim, finding));
    }
    Ok(frame)
}

fn row(claim: &Claim, finding: Finding) -> Vec<Cell> {
    let artefacts: Vec<_> = claim.artefacts.iter().map(Name::to_string).collect();
    let rule = finding.shown.map(|(_, rule)| rule);
    vec![
        claim.number.into(),
        claim.claim.into(),
        claim.place.into(),
        artefacts.join(", ").as_str().into(),
        finding.verdict.to_string().as_str().into(),
        finding.effect.into(),
        finding.interval.map(|(low, _)| low).into(),
        finding.interval.map(|(_, high)| high).into(),
        (finding.n as u32).into(),
        Some(claim.paper).filter(|paper| !paper.is_empty()).into(),
        finding.shown.map(|(unit, _)| unit.to_string()).as_deref().into(),
        rule.and_then(finding::Rule::margin).into(),
        finding.p.into(),
        finding.contrast.as_str().into(),
    ]
}

#[cfg(test)]
mod tests;
