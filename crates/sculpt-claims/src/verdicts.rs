use crate::evidence::Evidence;
use crate::finding::{Finding, Rule, judge};
use crate::list::{CLAIMS, Claim};
use sculpt_rows::{ClaimRow, Name};
use sculpt_stats::StatsError;
use std::collections::BTreeSet;

/// The artefacts whose rows the claims read.
pub fn artefacts() -> BTreeSet<Name> {
    CLAIMS.iter().flat_map(|claim| claim.artefacts).copied().collect()
}

/// The verdict on each claim.
///
/// # Errors
/// A mean or test that cannot be computed, from numbers that are not finite.
pub fn verdicts(evidence: &Evidence) -> Result<Vec<ClaimRow>, StatsError> {
    let row = |claim: &Claim| Ok(row(claim, judge(&(claim.contrasts)(evidence)?)?));
    CLAIMS.iter().map(row).collect()
}

fn row(claim: &Claim, finding: Finding) -> ClaimRow {
    let artefacts: Vec<_> = claim.artefacts.iter().map(Name::to_string).collect();
    ClaimRow {
        number: claim.number,
        claim: claim.claim.to_owned(),
        place: claim.place.to_owned(),
        artefacts: artefacts.join(", "),
        verdict: finding.verdict,
        effect: finding.effect,
        low: finding.interval.map(|(low, _)| low),
        high: finding.interval.map(|(_, high)| high),
        n: finding.n as u32,
        paper: Some(claim.paper.to_owned()).filter(|paper| !paper.is_empty()),
        unit: finding.shown.map(|(unit, _)| unit),
        margin: finding.shown.and_then(|(_, rule)| Rule::margin(rule)),
        p: finding.p,
        contrast: finding.contrast,
    }
}
