//! What each claim comes down to. Contrasts of one part are replicates, parts are conjuncts (claims.md).

pub(crate) mod coupling;
pub(crate) mod masks;
pub(crate) mod sculpting;
pub(crate) mod training;

use crate::contrast::{Contrast, Origin};
use crate::evidence::{Evidence, Id, Stage};
use crate::methods;
use crate::panel::{Way, last};
use crate::params::Sought;
use sculpt_rows::{BatchNorm, ImageSet, Name, Quantity, Unit};
use sculpt_stats::StatsError;

const ITERATIVE: &[(u32, &str)] = &[(2, "a"), (2, "b")];
const PAI: &[(u32, &str)] = &[(4, "a"), (4, "b"), (4, "c")];
const COUPLING: &[(u32, &str)] = &[(5, "a"), (5, "b"), (5, "c")];

const LRR: Way = last(methods::LRR);
const RANDOM: Way = last(methods::RANDOM_CYCLIC);
const PAI_MASKS: [Id; 3] = [
    methods::RANDOM_CYCLIC,
    methods::SNIP_CYCLIC,
    methods::SYNFLOW_CYCLIC,
];

/// What a claim finds.
pub(crate) type Contrasts = Result<Vec<Contrast>, StatsError>;

/// Barriers on these sets, under both BatchNorm rules, by the chord.
fn barriers(
    evidence: &Evidence,
    part: &str,
    (figure, method): (u32, Id),
    sets: &[ImageSet],
    stage: Stage,
    sought: Sought,
) -> Contrasts {
    let late = match stage {
        Stage::All => "",
        Stage::Late => "late ",
    };
    let mut all = Vec::new();
    for set in sets {
        for batch_norm in BatchNorm::ALL {
            let found = evidence.barriers(figure, method, (*set, batch_norm), stage)?;
            let ends: Vec<f64> = found.mean_of_ends.values().copied().collect();
            let origin = Origin {
                set: Some(*set),
                batch_norm: Some(batch_norm),
                pairs: found.pairs,
                ..Origin::new(Name::Figure(figure), "", Quantity::Chord, method)
            };
            let replicate = format!("{}, {set} loss, BatchNorm {batch_norm}", Name::Figure(figure));
            let what = format!("{late}barriers of {method} above the chord");
            all.push(Contrast {
                mean_of_ends: (!ends.is_empty())
                    .then(|| sculpt_stats::mean(&ends))
                    .transpose()?,
                ..Contrast::new((part, replicate, what), origin, (Unit::Nats, sought), found.chord)
            });
        }
    }
    Ok(all)
}
