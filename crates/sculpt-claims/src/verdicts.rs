use crate::derive;
use crate::evidence::Evidence;
use crate::list::CLAIMS;
use crate::params::Margins;
use crate::question::adjusted;
use sculpt_rows::{ClaimRow, ContrastRow, Name};
use sculpt_stats::StatsError;
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
            rows.push(contrast.row(claim.number, margins, &evidence.correct)?);
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
    let is_tested = |row: &ClaimRow| row.verdict.is_tested();
    let p: Vec<_> = rows
        .iter()
        .filter(|row| is_tested(row))
        .map(|row| row.p)
        .collect();
    for (row, p_holm) in rows.iter_mut().filter(|row| is_tested(row)).zip(adjusted(&p)) {
        row.p_holm = p_holm;
    }
    rows
}
