//! What programs call the modules of a network: one table, one row each. Ours are torchvision's names.

use sculpt_layout::{Layout, ParamKind};
use std::collections::BTreeMap;
use std::fmt;

/// A program's names: a bijection of the tensors' names of one network, whole.
pub struct Dialect {
    /// What `--as` calls it; where several programs use the same names, each.
    pub words: &'static [&'static str],
    /// What a sentence calls it.
    pub title: &'static str,
    /// The name of a module; none where torchvision's stands.
    name: fn(&Module) -> Option<String>,
}

/// All that is known. The first that fits a file whole is taken; those with equal names for a network agree about it.
pub static DIALECTS: [Dialect; 4] = [
    // torchvision, timm (plain ResNets), chenyaofo/pytorch-cifar-models, TurboPrune.
    Dialect {
        words: &["torchvision", "timm", "chenyaofo", "turboprune"],
        title: "torchvision's names",
        name: |_| None,
    },
    // kuangliu/pytorch-cifar, akamaster/pytorch_resnet_cifar10 (which by default has no shortcuts with tensors).
    Dialect {
        words: &["kuangliu", "akamaster"],
        title: "kuangliu's and akamaster's names",
        name: kuangliu,
    },
    // facebookresearch/open_lth, CIFAR family.
    Dialect {
        words: &["open_lth"],
        title: "open_lth's names",
        name: open_lth,
    },
    // weiaicunzai/pytorch-cifar100.
    Dialect {
        words: &["weiaicunzai"],
        title: "weiaicunzai's names",
        name: weiaicunzai,
    },
];

/// Of a network that no program names otherwise than itself, such as one of a user's.
pub(crate) static OWN: Dialect = Dialect {
    words: &[],
    title: "the network's own names",
    name: |_| None,
};

/// A module by its part in the network. Stages count from 1, as in torchvision, all else but convolutions in a block from 0.
enum Module {
    Stem,
    StemNorm,
    /// `i`, from 1, within the block.
    Conv(Block, usize),
    /// Behind that convolution.
    Norm(Block, usize),
    /// 0 is a convolution, 1 what normalises it.
    Shortcut(Block, usize),
    Feature(Feature),
    FeatureNorm(Feature),
    Head,
    /// Of a network that nobody else has.
    Other,
}

#[derive(Clone, Copy)]
struct Block {
    stage: usize,
    in_stage: usize,
    in_all: usize,
}

/// A convolution of VGG: how many there are before it, and how many poolings.
#[derive(Clone, Copy)]
struct Feature {
    nth: usize,
    n_pools: usize,
}

fn kuangliu(module: &Module) -> Option<String> {
    match module {
        Module::Shortcut(b, part) => Some(format!("layer{}.{}.shortcut.{part}", b.stage, b.in_stage)),
        // Its VGG has torchvision's features, and our classifier.
        Module::Head => Some("linear".to_owned()),
        Module::Stem
        | Module::StemNorm
        | Module::Conv(..)
        | Module::Norm(..)
        | Module::Feature(_)
        | Module::FeatureNorm(_)
        | Module::Other => None,
    }
}

fn open_lth(module: &Module) -> Option<String> {
    Some(match module {
        Module::Stem => "conv".to_owned(),
        Module::StemNorm => "bn".to_owned(),
        Module::Conv(b, i) => format!("blocks.{}.conv{i}", b.in_all),
        Module::Norm(b, i) => format!("blocks.{}.bn{i}", b.in_all),
        Module::Shortcut(b, part) => format!("blocks.{}.shortcut.{part}", b.in_all),
        // A convolution and its BatchNorm are one layer, and a pooling is one.
        Module::Feature(f) => format!("layers.{}.conv", f.nth + f.n_pools),
        Module::FeatureNorm(f) => format!("layers.{}.bn", f.nth + f.n_pools),
        Module::Head => "fc".to_owned(),
        Module::Other => return None,
    })
}

fn weiaicunzai(module: &Module) -> Option<String> {
    let within = |b: &Block, name: &str| format!("conv{}_x.{}.{name}", b.stage + 1, b.in_stage);
    // Convolution, BatchNorm, ReLU.
    let place = |i: usize| 3 * (i - 1);
    Some(match module {
        Module::Stem => "conv1.0".to_owned(),
        Module::StemNorm => "conv1.1".to_owned(),
        Module::Conv(b, i) => within(b, &format!("residual_function.{}", place(*i))),
        Module::Norm(b, i) => within(b, &format!("residual_function.{}", place(*i) + 1)),
        Module::Shortcut(b, part) => within(b, &format!("shortcut.{part}")),
        Module::Feature(_) | Module::FeatureNorm(_) | Module::Head | Module::Other => return None,
    })
}

impl Dialect {
    /// The dialect that `--as` names.
    pub fn named(word: &str) -> Option<&'static Dialect> {
        DIALECTS.iter().find(|dialect| dialect.words.contains(&word))
    }

    /// Every word that [`Dialect::named`] takes.
    pub fn all_words() -> impl Iterator<Item = &'static str> {
        DIALECTS.iter().flat_map(|dialect| dialect.words).copied()
    }

    /// This dialect's name of every tensor of the layout, by ours.
    pub(crate) fn names(&self, layout: &Layout) -> BTreeMap<String, String> {
        let modules = modules(layout);
        let params = layout.params().iter().map(|param| param.name());
        let buffers = layout.buffers().iter().map(|buffer| buffer.name());
        let name = |ours: &str| {
            let (module, leaf) = ours.rsplit_once('.')?;
            Some(format!("{}.{leaf}", (self.name)(modules.get(module)?)?))
        };
        let names = params.chain(buffers);
        names
            .map(|ours| (ours.to_owned(), name(ours).unwrap_or_else(|| ours.to_owned())))
            .collect()
    }
}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title)
    }
}

impl PartialEq for Dialect {
    fn eq(&self, other: &Self) -> bool {
        self.words == other.words
    }
}

/// The modules of a layout by their names.
fn modules(layout: &Layout) -> BTreeMap<String, Module> {
    let mut modules = BTreeMap::new();
    let (mut blocks, mut n_features) = (BTreeMap::new(), 0);
    for param in layout.params() {
        let Some((name, _)) = param.name().rsplit_once('.') else {
            continue;
        };
        if modules.contains_key(name) {
            continue;
        }
        let in_all = blocks.len();
        let mut block = |stage, in_stage| {
            *blocks.entry((stage, in_stage)).or_insert(Block {
                stage,
                in_stage,
                in_all,
            })
        };
        let parts: Vec<_> = name.split('.').collect();
        let module = match parts[..] {
            ["conv1"] => Module::Stem,
            ["bn1"] => Module::StemNorm,
            ["fc" | "classifier"] => Module::Head,
            [layer, in_stage, part] => match (number_behind("layer", layer), in_stage.parse()) {
                (Some(stage), Ok(in_stage)) => {
                    match (number_behind("conv", part), number_behind("bn", part)) {
                        (Some(i), _) if i > 0 => Module::Conv(block(stage, in_stage), i),
                        (_, Some(i)) if i > 0 => Module::Norm(block(stage, in_stage), i),
                        _ => Module::Other,
                    }
                }
                _ => Module::Other,
            },
            [layer, in_stage, "downsample", part] => {
                match (number_behind("layer", layer), in_stage.parse(), part.parse()) {
                    (Some(stage), Ok(in_stage), Ok(part)) => Module::Shortcut(block(stage, in_stage), part),
                    _ => Module::Other,
                }
            }
            ["features", place] => match (place.parse::<usize>(), param.kind()) {
                (Ok(place), ParamKind::Conv) => {
                    n_features += 1;
                    Module::Feature(feature(n_features - 1, place))
                }
                // Right behind its convolution.
                (Ok(place), ParamKind::NormScale) if n_features > 0 && place > 0 => {
                    Module::FeatureNorm(feature(n_features - 1, place - 1))
                }
                _ => Module::Other,
            },
            _ => Module::Other,
        };
        modules.insert(name.to_owned(), module);
    }
    modules
}

/// torchvision counts convolution, BatchNorm, ReLU, and each pooling.
fn feature(nth: usize, place: usize) -> Feature {
    Feature {
        nth,
        n_pools: place.saturating_sub(3 * nth),
    }
}

fn number_behind(word: &str, text: &str) -> Option<usize> {
    text.strip_prefix(word)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Two stages of one block, the second with a shortcut.
    fn resnet() -> Layout {
        let mut builder = Layout::builder().conv("conv1", [1, 1, 1, 1]).batch_norm("bn1", 1);
        for block in ["layer1.0", "layer2.0"] {
            for i in [1, 2] {
                builder = builder
                    .conv(&format!("{block}.conv{i}"), [1, 1, 1, 1])
                    .batch_norm(&format!("{block}.bn{i}"), 1);
            }
        }
        builder
            .conv("layer2.0.downsample.0", [1, 1, 1, 1])
            .batch_norm("layer2.0.downsample.1", 1)
            .linear("fc", 1, 1)
            .build()
            .unwrap()
    }

    /// Two convolutions, a pooling, and one more.
    fn vgg() -> Layout {
        let mut builder = Layout::builder();
        for place in [0, 3, 7] {
            builder = builder
                .conv_with_bias(&format!("features.{place}"), [1, 1, 1, 1])
                .batch_norm(&format!("features.{}", place + 1), 1);
        }
        builder.linear("classifier", 1, 1).build().unwrap()
    }

    #[track_caller]
    fn check(word: &str, layout: &Layout, names: &[(&str, &str)]) {
        let all = Dialect::named(word).unwrap().names(layout);
        for (ours, theirs) in names {
            assert_eq!(all[*ours], *theirs);
        }
    }

    #[test]
    fn names_are_those_of_the_programs() {
        let of_all = |names: &[[&str; 4]]| {
            for (i, word) in ["torchvision", "kuangliu", "open_lth", "weiaicunzai"]
                .iter()
                .enumerate()
            {
                let pairs: Vec<_> = names.iter().map(|row| (row[0], row[i])).collect();
                check(word, &resnet(), &pairs);
            }
        };
        of_all(&[
            ["conv1.weight", "conv1.weight", "conv.weight", "conv1.0.weight"],
            [
                "bn1.running_var",
                "bn1.running_var",
                "bn.running_var",
                "conv1.1.running_var",
            ],
            [
                "layer2.0.conv2.weight",
                "layer2.0.conv2.weight",
                "blocks.1.conv2.weight",
                "conv3_x.0.residual_function.3.weight",
            ],
            [
                "layer2.0.bn1.bias",
                "layer2.0.bn1.bias",
                "blocks.1.bn1.bias",
                "conv3_x.0.residual_function.1.bias",
            ],
            [
                "layer2.0.downsample.1.running_mean",
                "layer2.0.shortcut.1.running_mean",
                "blocks.1.shortcut.1.running_mean",
                "conv3_x.0.shortcut.1.running_mean",
            ],
            ["fc.bias", "linear.bias", "fc.bias", "fc.bias"],
        ]);
        check(
            "open_lth",
            &vgg(),
            &[
                ("features.0.bias", "layers.0.conv.bias"),
                ("features.4.running_mean", "layers.1.bn.running_mean"),
                ("features.7.weight", "layers.3.conv.weight"),
                ("classifier.weight", "fc.weight"),
            ],
        );
    }

    /// A bijection each; and where two give a network the same set of names, each name means the same.
    #[test]
    fn no_file_can_be_read_in_two_ways() {
        for layout in [resnet(), vgg()] {
            let all: Vec<_> = DIALECTS.iter().map(|dialect| dialect.names(&layout)).collect();
            let sets: Vec<BTreeSet<_>> = all.iter().map(|names| names.values().collect()).collect();
            for (names, set) in all.iter().zip(&sets) {
                assert_eq!(names.len(), set.len());
                for (other, other_set) in all.iter().zip(&sets) {
                    assert!(set != other_set || names == other);
                }
            }
        }
        let words: Vec<_> = Dialect::all_words().collect();
        assert_eq!(words.len(), words.iter().collect::<BTreeSet<_>>().len());
    }
}
