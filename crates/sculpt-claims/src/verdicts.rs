use crate::derive;
use crate::evidence::Evidence;
use crate::list::CLAIMS;
use crate::params::Margins;
use sculpt_rows::{ClaimRow, ContrastRow, Name};
use sculpt_stats::{StatsError, holm};
use std::collections::BTreeSet;

/// The artefacts whose rows the claims read.
pub fn artefacts() -> BTreeSet<Name> {
    CLAIMS.iter().flat_map(|claim| claim.artefacts).copied().collect()
}

/// What the claims come down to: one row a contrast, those of absent panels too, claim by claim.
///
/// # Errors
/// A mean or test that cannot be computed, from numbers that are not finite.
pub fn contrasts(evidence: &Evidence, margins: &Margins) -> Result<Vec<ContrastRow>, StatsError> {
    let mut rows = Vec::new();
    for claim in &CLAIMS {
        for contrast in (claim.contrasts)(evidence)? {
            rows.push(contrast.row(claim.number, margins)?);
        }
    }
    Ok(rows)
}

/// The verdict on each claim, from the rows of [`contrasts`] alone.
pub fn claims(contrasts: &[ContrastRow]) -> Vec<ClaimRow> {
    let mut rows: Vec<ClaimRow> = CLAIMS
        .iter()
        .map(|claim| derive::claim(claim, contrasts))
        .collect();
    // A claim that holds without a test counts as one of those that are adjusted for, and is not shown.
    let tested = |row: &ClaimRow| row.verdict.is_tested();
    let p: Vec<f64> = rows
        .iter()
        .filter(|row| tested(row))
        .map(|row| row.p.unwrap_or(0.0))
        .collect();
    let adjusted = holm(&p);
    for (row, adjusted) in rows.iter_mut().filter(|row| tested(row)).zip(adjusted) {
        row.p_holm = row.p.map(|_| adjusted);
    }
    rows
}
