//! Which dialect a file is written in: found by its names alone, and as a whole.

use crate::dialects::{DIALECTS, Dialect, OWN};
use crate::{Form, MaskForm, Misfit};
use sculpt_layout::Layout;
use std::collections::{BTreeMap, BTreeSet};

/// A reading of a file's names.
pub(crate) struct Names {
    pub(crate) form: Form,
    /// Of each tensor, by ours.
    weights: BTreeMap<String, String>,
    /// Of each mask, by our name of its weight.
    masks: BTreeMap<String, (MaskForm, String)>,
}

/// Dictionaries that hold weights beside other things. Whatever stands beside the first ones is no part of the network.
const SURE_CONTAINERS: [&str; 4] = ["state_dict", "model_state_dict", "model_state", "net_state_dict"];
const CONTAINERS: [&str; 6] = ["model", "net", "network", "module", "weights", "params"];

/// Dictionaries of masks beside those of weights.
const MASKS: [&str; 2] = ["mask.", "masks."];

/// How words begin that name what else a training keeps, weights among it.
const BESIDE: [&str; 8] = [
    "optim",
    "ema",
    "swa",
    "best",
    "loss",
    "criterion",
    "callback",
    "mask",
];

/// The same of what has no weights: a `step_embed` that has some is a part of the network.
const RECORDS: [&str; 13] = [
    "sched", "rng", "random", "scaler", "loop", "hyper", "arg", "epoch", "step", "acc", "metric", "history",
    "config",
];

/// Dictionaries in dictionaries that are looked into.
const DEPTH: usize = 3;

/// Prefixes that are tried: one fits the whole of a file.
const PREFIXES: usize = 16;

/// What a tensor is called that belongs to no network: a counter, or a constant of the images.
pub(crate) fn bookkeeping(name: &str) -> Option<&'static str> {
    const ALL: [&str; 10] = [
        "num_batches_tracked",
        "total_ops",
        "total_params",
        "n_averaged",
        "normalize.mean",
        "normalize.std",
        "normalizer.mean",
        "normalizer.std",
        "normalization.mean",
        "normalization.std",
    ];
    ALL.into_iter().find(|kind| {
        name.strip_suffix(kind)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

/// Whether a tensor belongs to no network.
pub(crate) fn is_bookkeeping(name: &str) -> bool {
    bookkeeping(name).is_some()
}

impl Names {
    /// The dialect that names all that is there; otherwise the nearest, and what does not fit.
    pub(crate) fn of<'a>(
        names: impl Iterator<Item = &'a str>,
        in_dictionaries: bool,
        layout: &Layout,
    ) -> (Self, Option<Misfit>) {
        let (ignored, names): (BTreeSet<_>, BTreeSet<_>) =
            names.partition(|name| is_bookkeeping(name) || is_beside(name, layout));
        let masks = find_masks(&names);
        // A pruned weight stands for itself.
        let unpruned = |name: &str| {
            let weight = name.strip_suffix("_orig")?;
            let mask = masks.get(format!("{weight}_mask").as_str())?;
            (mask.0 == MaskForm::TorchPrune).then(|| weight.to_owned())
        };
        let plain: BTreeSet<String> = names
            .iter()
            .filter(|name| !masks.contains_key(**name))
            .map(|name| unpruned(name).unwrap_or_else(|| (*name).to_owned()))
            .collect();
        let mut roots = vec![String::new()];
        if in_dictionaries {
            roots.extend(containers(&plain, true));
        }
        let mut spoken: Vec<_> = DIALECTS
            .iter()
            .map(|dialect| (dialect, dialect.names(layout)))
            .collect();
        // A network whose modules no program has another name for.
        if spoken.iter().all(|(_, names)| *names == spoken[0].1) {
            spoken.truncate(1);
            spoken[0].0 = &OWN;
        }
        let mut nearest: Option<(usize, Misfit, &BTreeMap<String, String>)> = None;
        'all: for root in &roots {
            let here: BTreeSet<&str> = plain
                .iter()
                .map(String::as_str)
                .filter(|name| name.starts_with(root.as_str()))
                .collect();
            for (dialect, ours_to_theirs) in &spoken {
                for prefix in prefixes(&here, root, ours_to_theirs) {
                    let misfit = Misfit::between(dialect, prefix, ours_to_theirs, &here);
                    let off = misfit.missing.len() + misfit.extra.len();
                    let better = match &nearest {
                        None => true,
                        Some((least, than, _)) => {
                            misfit.n_common > than.n_common
                                || misfit.n_common == than.n_common && off < *least
                        }
                    };
                    if better || off == 0 {
                        nearest = Some((off, misfit, ours_to_theirs));
                    }
                    if off == 0 {
                        break 'all;
                    }
                }
            }
        }
        let (off, misfit, ours_to_theirs) = nearest.expect("there is a dialect, and an empty prefix");
        let names = Self::under(&misfit, ours_to_theirs, &names, &masks, &ignored);
        (names, (off > 0).then_some(misfit))
    }

    fn under(
        misfit: &Misfit,
        ours_to_theirs: &BTreeMap<String, String>,
        names: &BTreeSet<&str>,
        masks: &BTreeMap<&str, (MaskForm, String)>,
        ignored: &BTreeSet<&str>,
    ) -> Self {
        let by_weight: BTreeMap<&str, (MaskForm, &str)> = masks
            .iter()
            .map(|(mask, (form, weight))| (weight.as_str(), (*form, *mask)))
            .collect();
        let (mut weights, mut found) = (BTreeMap::new(), BTreeMap::new());
        for (ours, theirs) in ours_to_theirs {
            let theirs = format!("{}{theirs}", misfit.prefix);
            let mask = by_weight.get(theirs.as_str()).copied().or_else(|| {
                in_a_dictionary(&theirs, &misfit.prefix, names).map(|mask| (MaskForm::Dictionary, mask))
            });
            if let Some((form, mask)) = mask {
                found.insert(ours.clone(), (form, mask.to_owned()));
            }
            let name = match mask {
                Some((MaskForm::TorchPrune, _)) => format!("{theirs}_orig"),
                Some(_) | None => theirs,
            };
            weights.insert(ours.clone(), name);
        }
        let read: BTreeSet<&str> = weights
            .values()
            .map(String::as_str)
            .chain(found.values().map(|(_, mask)| mask.as_str()))
            .collect();
        // What does not fit is a fault, and not ignored; what stands beside a dictionary of weights is, but for masks.
        let is_mask = |name: &str| MASKS.iter().any(|masks| name.starts_with(masks));
        let beside = names.iter().filter(|name| {
            let is_extra = misfit.extra.iter().any(|extra| name.starts_with(extra.as_str()));
            !(read.contains(**name) || is_extra || is_mask(name))
        });
        Self {
            form: Form {
                dialect: misfit.dialect,
                prefix: misfit.prefix.clone(),
                masks: found.values().map(|(form, _)| *form).min(),
                ignored: ignored
                    .iter()
                    .chain(beside)
                    .map(|&name| name.to_owned())
                    .collect(),
                other_sets: other_sets(ours_to_theirs, &read, names),
            },
            weights,
            masks: found,
        }
    }

    /// The file's name of a tensor.
    pub(crate) fn of_tensor(&self, ours: &str) -> &str {
        &self.weights[ours]
    }

    /// How the mask of a weight is kept, and its name in the file.
    pub(crate) fn of_mask(&self, ours: &str) -> Option<(MaskForm, &str)> {
        self.masks.get(ours).map(|(form, name)| (*form, name.as_str()))
    }

    /// The name that a mask of this form would have.
    pub(crate) fn mask_name(&self, ours: &str, form: MaskForm) -> String {
        let theirs = self.of_tensor(ours);
        match form {
            MaskForm::TorchPrune | MaskForm::Underscored => {
                format!("{}_mask", theirs.strip_suffix("_orig").unwrap_or(theirs))
            }
            MaskForm::TurboPrune => format!("{}.mask", theirs.strip_suffix(".weight").unwrap_or(theirs)),
            MaskForm::Dotted => format!("{theirs}.mask"),
            MaskForm::Dictionary => format!("{}{theirs}", MASKS[0]),
        }
    }
}

/// Whether a network's layout has this name beside its tensors, behind any prefix.
fn is_beside(name: &str, layout: &Layout) -> bool {
    layout.beside().any(|beside| {
        name.strip_suffix(beside)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

/// What stands before the names of other tensors of which each is one of the network's: averaged weights, another network's.
fn other_sets(
    ours_to_theirs: &BTreeMap<String, String>,
    read: &BTreeSet<&str>,
    names: &BTreeSet<&str>,
) -> Vec<String> {
    let Some(first) = ours_to_theirs.values().next() else {
        return Vec::new();
    };
    let others = names.iter().filter(|name| !read.contains(**name));
    let before = others.filter_map(|name| name.strip_suffix(first.as_str()));
    let whole = before.filter(|before| {
        let is_there = |theirs: &String| {
            let name = format!("{before}{theirs}");
            names.contains(name.as_str()) && !read.contains(name.as_str())
        };
        before.ends_with('.') && ours_to_theirs.values().all(is_there)
    });
    let is_mask = |before: &str| MASKS.contains(&before);
    whole
        .filter(|before| !is_mask(before))
        .map(|before| before.trim_end_matches('.').to_owned())
        .collect()
}

/// The masks that stand beside a weight: form, and the weight's name as if it had not been pruned.
pub(crate) fn find_masks<'a>(names: &BTreeSet<&'a str>) -> BTreeMap<&'a str, (MaskForm, String)> {
    let mut masks = BTreeMap::new();
    for &name in names {
        let of = if let Some(weight) = name.strip_suffix("_mask") {
            if names.contains(format!("{weight}_orig").as_str()) {
                Some((MaskForm::TorchPrune, weight.to_owned()))
            } else {
                names
                    .contains(weight)
                    .then(|| (MaskForm::Underscored, weight.to_owned()))
            }
        } else if let Some(of) = name.strip_suffix(".mask") {
            let weight = format!("{of}.weight");
            if names.contains(weight.as_str()) {
                Some((MaskForm::TurboPrune, weight))
            } else {
                names.contains(of).then(|| (MaskForm::Dotted, of.to_owned()))
            }
        } else {
            None
        };
        if let Some(of) = of {
            masks.insert(name, of);
        }
    }
    masks
}

/// The mask of a weight in a dictionary of masks, where it is called as the weight is in its own, or without the wrappers.
fn in_a_dictionary<'a>(weight: &str, prefix: &str, names: &BTreeSet<&'a str>) -> Option<&'a str> {
    let dots = prefix.match_indices('.').map(|(dot, _)| &weight[dot + 1..]);
    let mut masks = dots.flat_map(|name| MASKS.map(|masks| format!("{masks}{name}")));
    masks.find_map(|mask| names.get(mask.as_str()).copied())
}

/// Whether all names are those of masks in a dictionary of theirs.
pub(crate) fn are_of_masks<'a>(mut names: impl Iterator<Item = &'a str>) -> bool {
    names.all(|name| MASKS.iter().any(|masks| name.starts_with(masks)))
}

/// Where dictionaries of weights lie in a file: dotted paths, with a dot behind. Of a network with a layout (`is_known`) that says what
/// belongs to it; of another, what has weights does, if its name does not speak against it.
pub(crate) fn containers(names: &BTreeSet<String>, is_known: bool) -> Vec<String> {
    let (mut found, mut level) = (Vec::new(), vec![String::new()]);
    for _ in 0..DEPTH {
        let mut next = Vec::new();
        for root in &level {
            let keys: BTreeSet<&str> = names
                .iter()
                .filter_map(|name| name.strip_prefix(root.as_str()))
                .filter_map(|name| name.split('.').next())
                .collect();
            let has_weights = |key: &str| {
                let below = names.iter().filter_map(|name| name.strip_prefix(root.as_str()));
                let mut below = below.filter_map(|name| name.strip_prefix(key)?.strip_prefix('.'));
                // Of recurrent layers, attention and parametrisations too.
                below.any(|name| {
                    let last = name.rsplit('.').next().unwrap_or(name);
                    ["weight", "bias", "running_"]
                        .iter()
                        .any(|word| last.contains(word))
                        || name.contains("parametrizations.")
                })
            };
            let is_beside = |key: &str| {
                let begins = |starts: &[&str]| {
                    key.split('_')
                        .any(|word| starts.iter().any(|start| word.starts_with(start)))
                };
                begins(&BESIDE) || begins(&RECORDS) && (is_known || !has_weights(key))
            };
            for key in SURE_CONTAINERS.into_iter().chain(CONTAINERS) {
                let is_sure = SURE_CONTAINERS.contains(&key);
                let others_are_beside = keys.iter().all(|other| *other == key || is_beside(other));
                if keys.contains(key) && (is_sure || others_are_beside) {
                    next.push(format!("{root}{key}."));
                }
            }
        }
        found.extend(next.iter().cloned());
        level = next;
    }
    found
}

/// What may stand before all names: the root itself, or what stands before a name that the dialect has.
fn prefixes(
    here: &BTreeSet<&str>,
    root: &str,
    ours_to_theirs: &BTreeMap<String, String>,
) -> BTreeSet<String> {
    let mut prefixes = BTreeSet::from([root.to_owned()]);
    // Names are sorted: what the first and the last begin with, all do.
    if let (Some(first), Some(last)) = (here.first(), here.last()) {
        let n_common = first
            .bytes()
            .zip(last.bytes())
            .take_while(|(a, b)| a == b)
            .count();
        let dots = first
            .bytes()
            .take(n_common)
            .enumerate()
            .filter(|(_, b)| *b == b'.');
        let dots = dots.filter(|(i, _)| *i >= root.len()).take(PREFIXES);
        prefixes.extend(dots.map(|(i, _)| first[..=i].to_owned()));
    }
    for theirs in ours_to_theirs.values().take(2) {
        let before = here.iter().filter_map(|name| name.strip_suffix(theirs.as_str()));
        let before = before.filter(|before| before.ends_with('.') && before.len() >= root.len());
        prefixes.extend(before.take(PREFIXES).map(str::to_owned));
    }
    prefixes
}

impl Misfit {
    fn between(
        dialect: &'static Dialect,
        prefix: String,
        ours_to_theirs: &BTreeMap<String, String>,
        here: &BTreeSet<&str>,
    ) -> Self {
        let theirs: BTreeSet<String> = ours_to_theirs
            .values()
            .map(|name| format!("{prefix}{name}"))
            .collect();
        let missing: Vec<_> = theirs
            .iter()
            .filter(|name| !here.contains(name.as_str()))
            .cloned()
            .collect();
        let n_common = theirs.len() - missing.len();
        let extra = here.iter().filter(|name| !theirs.contains(**name));
        Self {
            extra: extra.map(|&name| name.to_owned()).collect(),
            dialect,
            prefix,
            missing,
            n_common,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(names: &[&str], expected: &[&str]) {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(containers(&names, false), expected);
        assert!(!containers(&names, true).is_empty(), "{names:?}");
    }

    #[test]
    fn a_module_is_none_of_what_a_training_keeps_beside_its_network() {
        check(
            &["model.fc.weight", "step", "config.seed", "ema.fc.weight"],
            &["model."],
        );
        check(&["model.fc.weight", "step_embed.weight"], &[]);
        check(&["model.fc.weight", "random_features.0.bias"], &[]);
        check(&["model.fc.weight", "step_rnn.weight_ih_l0"], &[]);
        check(&["model.fc.weight", "step.parametrizations.w.original0"], &[]);
        check(&["model.fc.weight", "step_embed_weight"], &["model."]);
        // Whatever lies beside these is none of the network's.
        check(&["state_dict.fc.weight", "step_embed.weight"], &["state_dict."]);
        check(&["net.model.fc.weight", "net.step.bias"], &["net."]);
    }
}
