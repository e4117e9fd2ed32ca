//! SCULPT (§6).

use super::{Contrasts, LRR, RANDOM};
use crate::contrast::{BySeed, Contrast, Origin};
use crate::evidence::{Evidence, Id};
use crate::methods;
use crate::panel::{Sparsities, last};
use crate::params::Sought::{self, Alike, Better, Counted};
use sculpt_rows::Name::Table;
use sculpt_rows::{CostRow, Over, Quantity, Unit, sparsity};
use std::collections::BTreeSet;

/// Table 2's row of §6's example.
const RESNET_50_ON_IMAGENET: &str = "8c";

pub(crate) fn sculpt_by_start(evidence: &Evidence) -> Contrasts {
    let (sculpt_20, sculpt_50, sculpt_70) = (
        last(methods::SCULPT_20),
        last(methods::SCULPT_50),
        last(methods::SCULPT_70),
    );
    let one = |(letter, part), a, b, sought: Sought| {
        evidence.at(&[(7, letter)], |panel| {
            vec![panel.contrast(part, a, b, Sparsities::All, sought)]
        })
    };
    let all = [
        one(("b", "CIFAR-100: 50 % matches LRR"), sculpt_50, LRR, Alike),
        one(("c", "ImageNet: 20 % matches LRR"), sculpt_20, LRR, Alike),
        one(
            ("a", "CIFAR-10: 70 % beats cyclic random"),
            sculpt_70,
            RANDOM,
            Better,
        ),
        one(("a", "CIFAR-10: 70 % stays below LRR"), LRR, sculpt_70, Better),
    ];
    Ok(all.concat())
}

pub(crate) fn sculpt_on_large_networks(evidence: &Evidence) -> Contrasts {
    let one = |(letter, part), sought: Sought| {
        evidence.at(&[(8, letter)], |panel| {
            vec![panel.contrast(part, last(methods::SCULPT_50), LRR, Sparsities::All, sought)]
        })
    };
    let all = [
        one(("b", "CIFAR-100: matches LRR"), Alike),
        one(("c", "ImageNet: beats LRR"), Better),
    ];
    Ok(all.concat())
}

/// The paper's example is ResNet-50 on ImageNet. Its LRR has ten prunings and does not count the dense network's training; table 2's
/// epochs are those from the initialisation.
pub(crate) fn sculpt_needs_half_the_epochs(evidence: &Evidence) -> Contrasts {
    let density = evidence.panel(8, "c").sparse_90;
    let epochs = |method: Id| {
        let mut rows = evidence.epochs.iter();
        let own = rows
            .find(|row| row.panel == RESNET_50_ON_IMAGENET && row.method == method && row.density == density);
        own.map(|row| f64::from(row.epochs))
    };
    let both = epochs(methods::LRR).zip(epochs(methods::SCULPT_50));
    let origin = Origin {
        densities: both.iter().map(|_| density).collect(),
        versus_densities: both.iter().map(|_| density).collect(),
        ..Origin::new(
            Table(2),
            RESNET_50_ON_IMAGENET,
            Quantity::Epochs,
            methods::SCULPT_50,
        )
        .versus(methods::LRR)
    };
    let words = (
        "half of the epochs",
        Table(2).to_string(),
        "epochs of lrr − twice those of sculpt-50".to_owned(),
    );
    let note = both.map(|(lrr, sculpt)| {
        let says = if 2.0 * sculpt <= lrr { "at most" } else { "more than" };
        format!(
            "lrr {lrr}, sculpt-50 {sculpt} epochs at {}: {lrr} − 2 · {sculpt} = {}; {sculpt} is {:.0} % of {lrr}, {says} half",
            sparsity(density),
            (lrr - 2.0 * sculpt).to_string().replace('-', "−"),
            100.0 * sculpt / lrr
        )
    });
    Ok(vec![Contrast {
        count: both.map(|(lrr, sculpt)| lrr - 2.0 * sculpt),
        // 900 − 2 · 450.
        paper: Some(0.0),
        note,
        ..Contrast::new(words, origin, (Unit::Epochs, Counted), BySeed::new())
    }])
}

/// Against each other criterion.
pub(crate) fn magnitude_is_best(evidence: &Evidence) -> Contrasts {
    let others = [
        ("beats random", methods::SCULPT_BY_RANDOM),
        ("beats SNIP", methods::SCULPT_BY_SNIP),
        ("beats SynFlow", methods::SCULPT_BY_SYNFLOW),
        ("beats GraSP", methods::SCULPT_BY_GRASP),
        ("beats Fisher", methods::SCULPT_BY_FISHER),
        ("beats WoodFisher", methods::SCULPT_BY_WOODFISHER),
    ];
    let magnitude = last(methods::SCULPT_70);
    Ok(evidence.at(&[(9, "a")], |panel| {
        others
            .map(|(part, other)| panel.contrast(part, magnitude, last(other), Sparsities::All, Better))
            .to_vec()
    }))
}

const FROM_SCRATCH: [Id; 6] = [
    methods::RANDOM_CYCLIC,
    methods::SNIP_CYCLIC,
    methods::SYNFLOW_CYCLIC,
    methods::SCULPT_20,
    methods::SCULPT_50,
    methods::SCULPT_70,
];

/// What starts sparse, at its densest, against the dense network that LRR starts from: one count a panel and method, none
/// averaged. The measured peak stands beside it.
pub(crate) fn sparse_needs_less_memory(evidence: &Evidence) -> Contrasts {
    let sparse = |row: &&CostRow| FROM_SCRATCH.contains(&row.method.as_str()) && row.density_target < 1.0;
    let own: Vec<&CostRow> = evidence.costs.iter().filter(sparse).collect();
    let places: BTreeSet<(&str, usize)> = own
        .iter()
        .filter_map(|row| {
            Some((
                row.panel.as_str(),
                FROM_SCRATCH.iter().position(|id| *id == row.method)?,
            ))
        })
        .collect();
    let mut all: Vec<Contrast> = Vec::new();
    for (panel, method) in places {
        let method = FROM_SCRATCH[method];
        let rows = own
            .iter()
            .filter(|row| row.panel == panel && row.method == method);
        let share = |row: &CostRow| row.sparse_ideal_bytes / row.dense_bytes;
        // Of equals the densest.
        let mut rows: Vec<&&CostRow> = rows.collect();
        rows.sort_by(|a, b| a.density_target.total_cmp(&b.density_target));
        let Some(worst) = rows.into_iter().max_by(|a, b| share(a).total_cmp(&share(b))) else {
            continue;
        };
        all.push(memory(panel, method, Some((worst, dense_peak(evidence, worst)))));
    }
    if all.is_empty() {
        all.push(memory("", methods::RANDOM_CYCLIC, None));
    }
    Ok(all)
}

/// The measured peak of the dense network of a row's panel and seed.
fn dense_peak(evidence: &Evidence, row: &CostRow) -> Option<f64> {
    let mut rows = evidence.costs.iter();
    let dense = rows.find(|dense| {
        dense.method == methods::DENSE_CYCLIC && dense.panel == row.panel && dense.seed == row.seed
    });
    dense?.peak_memory_bytes
}

fn memory(panel: &str, method: Id, worst: Option<(&CostRow, Option<f64>)>) -> Contrast {
    let densities: Vec<f64> = worst.iter().map(|(row, _)| row.density_target).collect();
    let origin = Origin {
        densities,
        over: Some(Over::Worst),
        ..Origin::new(Table(4), panel, Quantity::Bytes, method)
    };
    let replicate = if panel.is_empty() {
        Table(4).to_string()
    } else {
        format!("{} panel {panel}, {method}", Table(4))
    };
    let saved = |row: &CostRow| 100.0 * (1.0 - row.sparse_ideal_bytes / row.dense_bytes);
    let note = worst.map(|(row, dense_peak)| {
        let mut words = format!(
            "{} of {} ideal bytes at its densest: 1 − {0} / {1} = {:.1} % less",
            row.sparse_ideal_bytes,
            row.dense_bytes,
            saved(row)
        );
        if let Some((own, dense)) = row.peak_memory_bytes.zip(dense_peak) {
            words.push_str(&format!(
                "; measured peak of masked dense tensors {:.0} MB, dense network {:.0} MB",
                own / 1e6,
                dense / 1e6
            ));
        }
        words
    });
    Contrast {
        count: worst.map(|(row, _)| saved(row)),
        note,
        ..Contrast::new(
            (
                "less memory",
                replicate,
                format!("bytes of the dense network − ideal sparse bytes of {method}"),
            ),
            origin,
            (Unit::PercentOfBytes, Counted),
            BySeed::new(),
        )
    }
}
