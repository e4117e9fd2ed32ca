//! SCULPT (§6).

use super::{ALIKE, AT_LEAST, BETTER, Contrasts, LRR, RANDOM};
use crate::evidence::{Evidence, Id, Sparsities, last, means};
use crate::finding::{Contrast, Rule};
use crate::methods;
use sculpt_rows::Name::Table;
use sculpt_rows::Unit;

/// Table 2's row of §6's example.
const RESNET_50_ON_IMAGENET: &str = "ImageNet, ResNet-50";

pub(crate) fn sculpt_by_start(evidence: &Evidence) -> Contrasts {
    let (sculpt_20, sculpt_50, sculpt_70) = (
        last(methods::SCULPT_20),
        last(methods::SCULPT_50),
        last(methods::SCULPT_70),
    );
    let one = |letter, a, b, rule| {
        evidence.at(&[(7, letter)], |panel| {
            vec![panel.contrast(a, b, Sparsities::All, rule)]
        })
    };
    let all = [
        one("b", sculpt_50, LRR, ALIKE),
        one("c", sculpt_20, LRR, ALIKE),
        one("a", sculpt_70, RANDOM, BETTER),
        one("a", LRR, sculpt_70, BETTER),
    ];
    Ok(all.concat())
}

pub(crate) fn sculpt_on_large_networks(evidence: &Evidence) -> Contrasts {
    let one = |letter, rule| {
        evidence.at(&[(8, letter)], |panel| {
            vec![panel.contrast(last(methods::SCULPT_50), LRR, Sparsities::All, rule)]
        })
    };
    Ok([one("b", ALIKE), one("c", BETTER)].concat())
}

/// Half of the epochs, and no less accuracy for it: the paper's example is ResNet-50 on ImageNet.
pub(crate) fn sculpt_needs_half_the_epochs(evidence: &Evidence) -> Contrasts {
    let panel = evidence.panel(8, "c");
    let at = Sparsities::Only(panel.sparse_90);
    let epochs = |method: Id| {
        let mut rows = evidence.epochs.iter();
        let own = rows.find(|row| {
            row.panel == RESNET_50_ON_IMAGENET && row.method == method && row.density == panel.sparse_90
        });
        own.map(|row| f64::from(row.epochs))
    };
    let both = epochs(methods::LRR).zip(epochs(methods::SCULPT_50));
    // Counts have no seed.
    let spared = both.map(|(lrr, sculpt)| (0, lrr - 2.0 * sculpt));
    Ok(vec![
        Contrast {
            what: "epochs of lrr − twice those of sculpt-50".to_owned(),
            place: Table(2).to_string(),
            unit: Unit::Epochs,
            rule: Rule::Exact,
            values: spared.into_iter().collect(),
        },
        panel.contrast(last(methods::SCULPT_50), LRR, at, AT_LEAST),
    ])
}

/// Against each other criterion.
pub(crate) fn magnitude_is_best(evidence: &Evidence) -> Contrasts {
    let others = [
        methods::SCULPT_BY_RANDOM,
        methods::SCULPT_BY_SNIP,
        methods::SCULPT_BY_SYNFLOW,
        methods::SCULPT_BY_GRASP,
        methods::SCULPT_BY_FISHER,
        methods::SCULPT_BY_WOODFISHER,
    ];
    let magnitude = last(methods::SCULPT_70);
    Ok(evidence.at(&[(9, "a")], |panel| {
        others
            .map(|other| panel.contrast(magnitude, last(other), Sparsities::All, BETTER))
            .to_vec()
    }))
}

/// Of what starts sparse, against the dense network that LRR starts from. Both are counted, not measured.
pub(crate) fn sparse_needs_less_memory(evidence: &Evidence) -> Contrasts {
    let from_scratch = [
        methods::RANDOM_CYCLIC,
        methods::SNIP_CYCLIC,
        methods::SYNFLOW_CYCLIC,
        methods::SCULPT_20,
        methods::SCULPT_50,
        methods::SCULPT_70,
    ];
    let own = evidence
        .costs
        .iter()
        .filter(|row| from_scratch.contains(&row.method.as_str()) && row.density_target < 1.0);
    let saved = means(own.map(|row| (row.seed, 100.0 * (1.0 - row.sparse_ideal_bytes / row.dense_bytes))))?;
    Ok(vec![Contrast {
        what: "bytes of a dense network − ideal sparse bytes".to_owned(),
        place: Table(4).to_string(),
        unit: Unit::PercentOfBytes,
        rule: BETTER,
        values: saved,
    }])
}
