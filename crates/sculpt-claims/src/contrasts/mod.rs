//! What each claim comes down to, and what counts as a difference.

pub(crate) mod coupling;
pub(crate) mod masks;
pub(crate) mod sculpting;
pub(crate) mod training;

use crate::evidence::{Evidence, Id, Stage, Way, last};
use crate::finding::{Contrast, Rule};
use crate::methods;
use sculpt_rows::{BatchNorm, ImageSet, Name, Unit};
use sculpt_stats::StatsError;

/// Points of accuracy that count as no difference (claims.md).
const MARGIN: f64 = 0.5;

/// Nats up to which a barrier counts as none. The paper gives no number; a loss that rises by this multiplies the
/// likelihood of a label by 0.95.
const BARRIER: f64 = 0.05;

const BETTER: Rule = Rule::Above(0.0);
const AT_LEAST: Rule = Rule::Above(-MARGIN);
const NO_BETTER: Rule = Rule::Below(MARGIN);
const ALIKE: Rule = Rule::Within(MARGIN);
const SEPARATED: Rule = Rule::Above(BARRIER);
const CONNECTED: Rule = Rule::Below(BARRIER);

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

/// Barriers on one set, under both BatchNorm rules.
fn barriers(
    evidence: &Evidence,
    figure: u32,
    method: Id,
    set: ImageSet,
    stage: Stage,
    rule: Rule,
) -> Contrasts {
    let late = match stage {
        Stage::All => "",
        Stage::Late => "late ",
    };
    let one = |batch_norm: BatchNorm| {
        Ok(Contrast {
            what: format!("{late}barriers of {method}, {set} loss, {batch_norm} BatchNorm"),
            place: Name::Figure(figure).to_string(),
            unit: Unit::Nats,
            rule,
            values: evidence.barriers(figure, method, (set, batch_norm), stage)?,
        })
    };
    BatchNorm::ALL.into_iter().map(one).collect()
}
