use crate::{Criterion, DataRef, ExperimentError};
use sculpt_datasets::{Augmentation, Split};
use sculpt_label_noise::Rate;
use sculpt_masks::Density;
use sculpt_models::{InitRule, ModelSpec, Precision};
use sculpt_schedules::Kind;
use sculpt_signs::Fraction;
use sculpt_store::canonical::{sha256_hex, to_canonical_json};
use sculpt_trainers::BatchNorm;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// SHA-256 of a node's canonical JSON: the identity of its result.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeId(String);

/// One step of a chain. What changes its numbers is in it, and nothing else (design §2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Node {
    /// Draws θ: no mask, fresh buffers.
    Init(Init),
    /// Trains a cycle.
    Train(Train),
    /// Removes weights.
    Prune(Prune),
    /// Joins the mask of one state with the weights of another: rewinding, re-initialisation, coupling.
    Combine(Combine),
    /// Anybody's weights, with the mask that they carry, from a file of the user's.
    LoadWeights(Load),
    /// A mask from a file of the user's, over weights that are all 0: what Combine takes a mask from.
    LoadMask(Load),
}

/// The address of a state: that of node `id` after `epoch` epochs of it (0 for kinds that do not train).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateRef {
    /// The node.
    pub id: NodeId,
    /// Epochs of it, from 1 for a Train node.
    pub epoch: u32,
}

/// See [`Node::Init`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Init {
    /// Version of what the kind means.
    pub v: Version<1>,
    /// The network.
    pub model: ModelSpec,
    /// How weights are drawn.
    pub rule: InitRule,
    /// Seed of the run, below 2³².
    #[serde(deserialize_with = "seed")]
    pub seed: u64,
    /// 0 for the run's own initialisation, 1 for an independent second one ("random init", reference §2.6).
    pub draw: u32,
}

/// See [`Node::Train`].
///
/// | Name | Unit | Paper's value | Where |
/// | --- | --- | --- | --- |
/// | epochs | epochs of a cycle | 150 (CIFAR), 90 (ImageNet) | Table 1 |
/// | lr | – | 0.1 | Table 1 |
/// | batch | images | 512 | Table 1 |
/// | schedule | – | step-warmup | Table 1 |
/// | momentum | – | 0.9 | Table 1 |
/// | weight_decay | – | 1e-4; 1e-3 on CIFAR-100 | Table 1 |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Version of what the kind means.
    pub v: Version<1>,
    /// The state to start from; momentum starts at zero, the schedule at its beginning.
    pub from: StateRef,
    /// The training set.
    pub data: DataRef,
    /// What of it is held out.
    pub split: Split,
    /// What is done to each image.
    pub augmentation: Augmentation,
    /// Whether an epoch leaves out the images that fill no batch.
    pub drop_last: bool,
    /// Shape of the learning rate over the cycle.
    pub schedule: Kind,
    /// Its largest value.
    pub lr: f64,
    /// Length of the cycle.
    pub epochs: u32,
    /// Images a step.
    pub batch: u32,
    /// Momentum of SGD.
    pub momentum: f64,
    /// Weight decay of SGD, on all of θ.
    pub weight_decay: f64,
    /// In which numbers convolutions compute.
    pub precision: Precision,
    /// Groups of a batch that BatchNorm sees one by one; absent where the whole batch is one, on however many processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_norm: Option<BatchNorm>,
    /// Corrupted labels of the training images; the test set stays clean (A.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_noise: Option<LabelNoise>,
    /// Seed of data order, augmentation and split, below 2³².
    #[serde(deserialize_with = "seed")]
    pub seed: u64,
}

/// Labels corrupted before training, the same ones in every cycle of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelNoise {
    /// What happens to a chosen label.
    pub rule: sculpt_label_noise::Rule,
    /// Fraction of the training images chosen, exact to one.
    pub rate: Rate,
    /// Seed of the choice, below 2³².
    #[serde(deserialize_with = "seed")]
    pub seed: u64,
}

/// See [`Node::Prune`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prune {
    /// Version of what the kind means.
    pub v: Version<1>,
    /// The state to prune; its mask is respected.
    pub from: StateRef,
    /// What decides.
    pub criterion: Criterion,
    /// Fraction of all prunable weights that survives.
    pub density: Density,
}

/// See [`Node::Combine`]. First the weights, then norm parameters, then signs, then flips; the mask last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Combine {
    /// Version of what the kind means.
    pub v: Version<1>,
    /// Whose mask.
    pub mask_from: StateRef,
    /// Whose θ, BatchNorm parameters and buffers. Its training is the chain that data order counts.
    pub weights_from: StateRef,
    /// Whose signs the surviving weights take; their magnitudes stay `weights_from`'s (§5, figure 8a).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signs_from: Option<StateRef>,
    /// Whose γ, β, biases and buffers, if not `weights_from`'s. The paper does not say (reference §2.6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm_from: Option<StateRef>,
    /// Surviving signs flipped (A.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perturb: Option<Perturb>,
}

/// See [`Node::LoadWeights`] and [`Node::LoadMask`]. The content is the identity; where it came from is not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Version of what the kind means.
    pub v: Version<1>,
    /// The network.
    pub model: ModelSpec,
    /// Prunable weights that survive, at least 1.
    pub n_kept: u64,
    /// Of a mask [`Mask::sha256`](sculpt_masks::Mask::sha256); of weights, over θ and buffers as little-endian f32 and the
    /// mask's bits, each in layout order.
    pub sha256: String,
}

/// Signs flipped at random, exact to one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Perturb {
    /// Fraction of the surviving signs; the paper's 0.2 (A.1).
    pub fraction: Fraction,
    /// Seed of the choice, below 2³².
    #[serde(deserialize_with = "seed")]
    pub seed: u64,
}

/// The version of a kind's meaning: the number `V` and no other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Version<const V: u32>;

impl Node {
    /// The node's identity.
    ///
    /// # Panics
    /// As [`Node::canonical_json`].
    pub fn id(&self) -> NodeId {
        NodeId(sha256_hex(self.canonical_json().as_bytes()))
    }

    /// RFC 8785 JSON, the text that the id is the hash of.
    ///
    /// # Panics
    /// When a number of the node is not finite, or is an integer above 2⁵³ − 1.
    pub fn canonical_json(&self) -> String {
        to_canonical_json(self).expect("nodes hold finite numbers and string keys only")
    }

    /// The states that the node reads.
    pub fn parents(&self) -> Vec<&StateRef> {
        match self {
            Node::Init(_) | Node::LoadWeights(_) | Node::LoadMask(_) => vec![],
            Node::Train(train) => vec![&train.from],
            Node::Prune(prune) => vec![&prune.from],
            Node::Combine(combine) => {
                let others = combine.signs_from.iter().chain(&combine.norm_from);
                [&combine.mask_from, &combine.weights_from]
                    .into_iter()
                    .chain(others)
                    .collect()
            }
        }
    }

    /// The data that it reads: what it trains on, or scores on.
    pub fn data(&self) -> Option<&DataRef> {
        match self {
            Node::Train(train) => Some(&train.data),
            Node::Prune(prune) => prune.criterion.data(),
            Node::Init(_) | Node::Combine(_) | Node::LoadWeights(_) | Node::LoadMask(_) => None,
        }
    }

    /// The network, of kinds that a chain begins with.
    pub fn model(&self) -> Option<&ModelSpec> {
        match self {
            Node::Init(init) => Some(&init.model),
            Node::LoadWeights(load) | Node::LoadMask(load) => Some(&load.model),
            Node::Train(_) | Node::Prune(_) | Node::Combine(_) => None,
        }
    }

    /// The parent whose training goes on: what epochs are counted along.
    pub fn trunk(&self) -> Option<&StateRef> {
        match self {
            Node::Init(_) | Node::LoadWeights(_) | Node::LoadMask(_) => None,
            Node::Train(train) => Some(&train.from),
            Node::Prune(prune) => Some(&prune.from),
            Node::Combine(combine) => Some(&combine.weights_from),
        }
    }

    /// The epoch of the node's last state: its epochs, or 0 for kinds that do not train.
    pub fn last_epoch(&self) -> u32 {
        match self {
            Node::Train(train) => train.epochs,
            Node::Init(_) | Node::Prune(_) | Node::Combine(_) | Node::LoadWeights(_) | Node::LoadMask(_) => 0,
        }
    }

    /// The word for the kind in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Node::Init(_) => "init",
            Node::Train(_) => "train",
            Node::Prune(_) => "prune",
            Node::Combine(_) => "combine",
            Node::LoadWeights(_) => "load-weights",
            Node::LoadMask(_) => "load-mask",
        }
    }
}

/// JSON numbers are exact below 2⁵³ only, and an Init node's draw takes a seed's upper half.
pub(crate) fn seed<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    u32::deserialize(deserializer)
        .map(u64::from)
        .map_err(|_| serde::de::Error::custom("a seed is an integer in 0..4294967296"))
}

impl NodeId {
    /// 64 lower-case hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for NodeId {
    type Err = ExperimentError;

    fn from_str(text: &str) -> Result<Self, ExperimentError> {
        let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 64 && text.bytes().all(lower_hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ExperimentError::BadId {
                text: text.to_owned(),
            })
        }
    }
}

impl TryFrom<String> for NodeId {
    type Error = ExperimentError;

    fn try_from(text: String) -> Result<Self, ExperimentError> {
        text.parse()
    }
}

impl From<NodeId> for String {
    fn from(id: NodeId) -> Self {
        id.0
    }
}

impl<const V: u32> Serialize for Version<V> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(V)
    }
}

impl<'de, const V: u32> Deserialize<'de> for Version<V> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = u32::deserialize(deserializer)?;
        if found == V {
            Ok(Self)
        } else {
            Err(serde::de::Error::custom(format!(
                "version {found} of the node kind is not the version {V} of this program"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn init() -> Node {
        let model = ModelSpec::named("resnet8", 10, Some(8), None).unwrap();
        Node::Init(Init {
            v: Version,
            model,
            rule: InitRule::KaimingNormalFanIn,
            seed: 1,
            draw: 0,
        })
    }

    /// The text is RFC 8785 (sorted keys, no spaces) and the id is `sha256sum` of it.
    #[test]
    fn the_id_is_the_hash_of_canonical_json() {
        let text = r#"{"draw":0,"kind":"init","model":{"architecture":{"cifar-resnet":{"depth":8,"shortcut":"projection"}},"classes":10,"width":8},"rule":"kaiming-normal-fan-in","seed":1,"v":1}"#;
        assert_eq!(init().canonical_json(), text);
        assert_eq!(init().id().as_str(), sha256_hex(text.as_bytes()));
        let back: Node = serde_json::from_str(text).unwrap();
        assert_eq!(back, init());
    }

    /// Fields that came later are not in the text where they are not used: older ids stay.
    #[test]
    fn optional_fields_leave_ids_alone() {
        let state = || StateRef {
            id: init().id(),
            epoch: 0,
        };
        let plain = Combine {
            v: Version,
            mask_from: state(),
            weights_from: state(),
            signs_from: None,
            norm_from: None,
            perturb: None,
        };
        let id = init().id();
        let text = format!(
            r#"{{"kind":"combine","mask_from":{{"epoch":0,"id":"{id}"}},"v":1,"weights_from":{{"epoch":0,"id":"{id}"}}}}"#
        );
        assert_eq!(Node::Combine(plain.clone()).canonical_json(), text);
        let perturbed = Node::Combine(Combine {
            signs_from: Some(state()),
            perturb: Some(Perturb {
                fraction: Fraction::new(0.2).unwrap(),
                seed: 3,
            }),
            ..plain
        });
        assert!(
            perturbed
                .canonical_json()
                .contains(r#""perturb":{"fraction":0.2,"seed":3}"#)
        );
        assert_eq!(perturbed.parents().len(), 3);
        let back: Node = serde_json::from_str(&perturbed.canonical_json()).unwrap();
        assert_eq!(back, perturbed);
    }

    #[test]
    fn unknown_fields_versions_and_ids_are_refused() {
        let text = init().canonical_json();
        for (old, new) in [
            ("\"v\":1", "\"v\":2"),
            ("\"seed\":1", "\"seed\":1,\"extra\":0"),
            ("init", "inti"),
            ("\"seed\":1", "\"seed\":4294967296"),
        ] {
            assert!(
                serde_json::from_str::<Node>(&text.replacen(old, new, 1)).is_err(),
                "{old} -> {new}"
            );
        }
        for id in ["", "abc", &"g".repeat(64), &"A".repeat(64)] {
            assert!(id.parse::<NodeId>().is_err());
        }
    }
}
