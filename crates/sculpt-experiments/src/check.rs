//! What a node cannot be, seen before anything is trained.

use crate::limits::{self, Limit};
use crate::{Criterion, Entry, ExperimentError, Node, NodeId, Prune, ScoredOn, Scoring, Train};
use sculpt_models::ModelSpec;
use sculpt_scores::{BatchNorm, Criterion as Score};
use std::collections::BTreeMap;

/// Checks a node whose parents are among `nodes`. `model` is the network of its chain.
///
/// # Errors
/// A number out of range, data with too few images or too many classes, a mask that would grow: what would else end the node
/// once its turn has come, or spoil it.
pub(crate) fn check(
    node: &Node,
    model: &ModelSpec,
    nodes: &BTreeMap<NodeId, Entry>,
) -> Result<(), ExperimentError> {
    match node {
        Node::Init(_) | Node::Combine(_) => Ok(()),
        Node::LoadWeights(load) | Node::LoadMask(load) => {
            let n = load.model.layout().n_prunable() as u64;
            let is_in = (1..=n).contains(&load.n_kept);
            in_range(
                "n_kept",
                load.n_kept,
                is_in,
                "in 1 to the number of prunable weights",
            )
        }
        Node::Train(train) => check_train(node, train, model),
        Node::Prune(prune) => check_prune(prune, model, nodes[&prune.from.id].density),
    }
}

fn check_train(node: &Node, train: &Train, model: &ModelSpec) -> Result<(), ExperimentError> {
    in_range("lr", train.lr, train.lr > 0.0 && train.lr.is_finite(), "above 0")?;
    let below_1 = |value: f64| (0.0..1.0).contains(&value);
    in_range("momentum", train.momentum, below_1(train.momentum), "in [0, 1)")?;
    let decay = train.weight_decay;
    in_range("weight_decay", decay, below_1(decay), "in [0, 1)")?;
    within("epochs", train.epochs, &limits::EPOCHS)?;
    within("batch", train.batch, &limits::BATCH)?;
    model.check_precision(train.precision)?;
    // Of data that nobody here knows nothing more can be said.
    let Ok(spec) = train.data.spec() else {
        return Ok(());
    };
    let n_classes = train.data.n_classes()?;
    if i64::from(model.classes()) < i64::from(n_classes) {
        return Err(ExperimentError::TooFewClasses {
            id: node.id(),
            model: model.to_string(),
            classes: model.classes().into(),
            data: spec.key,
            n_classes,
        });
    }
    let (n_images, side) = train.data.shape()?;
    model.check_image([3, side, side])?;
    let n_training = train.split.n_training(n_images);
    in_range(
        "split",
        n_training,
        n_training > 0,
        "a number of training images above 0",
    )?;
    let batch = u64::from(train.batch);
    if train.drop_last && n_training < batch {
        let allowed = format!("at most the {n_training} training images, since the last batch is dropped");
        return Err(out_of_range("batch", batch, allowed));
    }
    let last_of = if train.drop_last { batch } else { n_training };
    match train.batch_norm {
        None => check_last_batch(last_of, batch, model, [3, side, side]),
        Some(norm) => check_groups(norm.groups().into(), last_of, batch, model, [3, side, side]),
    }
}

/// As [`check_last_batch`], of the groups of a batch.
fn check_groups(
    groups: u64,
    n_training: u64,
    batch: u64,
    model: &ModelSpec,
    image: [u32; 3],
) -> Result<(), ExperimentError> {
    let whole = batch.min(n_training);
    let fits = format!("in 2..={whole}: a group has an image at least");
    in_range("batch_norm.groups", groups, groups <= whole, &fits)?;
    // Groups of n images have n/groups, rounded down, or one more.
    let of_one = |n: u64| n > 0 && n < 2 * groups;
    if (of_one(whole) || of_one(n_training % batch)) && model.least_normalised(image)? == Some(1) {
        let allowed = format!(
            "a number whose groups have 2 images or more, in the last batch too: BatchNorm has no variance of the one value a channel \
             that {model} makes of one"
        );
        return Err(out_of_range("batch_norm.groups", groups, allowed));
    }
    Ok(())
}

/// Whether BatchNorm has more than one value a channel in every batch of so many training images of these channels, rows and columns: one
/// image is enough where it makes several.
///
/// # Errors
/// A last batch of one image that makes one; images that the network does not take.
pub fn check_last_batch(
    n_training: u64,
    batch: u64,
    model: &ModelSpec,
    image: [u32; 3],
) -> Result<(), ExperimentError> {
    if (batch == 1 || n_training % batch == 1) && model.least_normalised(image)? == Some(1) {
        let allowed = format!(
            "a size whose last batch has 2 images or more: of {n_training} training images one is left over, and BatchNorm \
             has no variance of the one value a channel that {model} makes of it"
        );
        return Err(out_of_range("batch", batch, allowed));
    }
    Ok(())
}

fn check_prune(prune: &Prune, model: &ModelSpec, before: f64) -> Result<(), ExperimentError> {
    let after = prune.density.get();
    if after > before {
        let allowed = format!("at most {before}, the density of the state that it prunes");
        return Err(out_of_range("density", after, allowed));
    }
    prune.density.n_kept(model.layout().n_prunable())?;
    if let (Criterion::Random { .. }, true) = (&prune.criterion, before < 1.0) {
        return Err(ExperimentError::AlreadyMasked {
            id: Node::Prune(prune.clone()).id(),
        });
    }
    let Criterion::Scored(scored) = &prune.criterion else {
        return Ok(());
    };
    match scored.on() {
        ScoredOn::Images(on) => check_scoring(on, model),
        ScoredOn::Size { side } => {
            in_range("side", *side, (1..=1024).contains(side), "in 1..=1024")?;
            check_one_image(scored.by(), model, [3, *side, *side])
        }
    }
}

/// Whether a score of one image of ones can be had: BatchNorm in training mode makes 0 of one value a channel, and so all scores 0.
///
/// # Errors
/// A network in which that happens, or that does not take such an image.
pub fn check_one_image(score: &Score, model: &ModelSpec, image: [u32; 3]) -> Result<(), ExperimentError> {
    let in_training = matches!(score, Score::SynFlow(synflow) if synflow.batch_norm == BatchNorm::Train);
    if model.least_normalised(image)? == Some(1) && in_training {
        let allowed = format!(
            "\"eval\" (without --rule turboprune): synflow shows {model} one image, of which a BatchNorm has one value a channel, and \
             in training mode makes it 0"
        );
        return Err(out_of_range("batch_norm", "\"train\"", allowed));
    }
    Ok(())
}

fn check_scoring(on: &Scoring, model: &ModelSpec) -> Result<(), ExperimentError> {
    if on.data.spec().is_err() {
        return in_range("images", on.images, on.images > 0, "above 0");
    }
    let (n_images, side) = on.data.shape()?;
    model.check_image([3, side, side])?;
    let available = on.split.n_training(n_images);
    if !(1..=available).contains(&u64::from(on.images)) {
        return Err(ExperimentError::ScoringImages {
            asked: on.images as usize,
            available: available as usize,
        });
    }
    Ok(())
}

fn in_range(
    field: &'static str,
    value: impl ToString,
    is_in: bool,
    allowed: &str,
) -> Result<(), ExperimentError> {
    if is_in {
        return Ok(());
    }
    Err(out_of_range(field, value, allowed.to_owned()))
}

/// A number against its limit.
pub(crate) fn within(field: &'static str, n: u32, limit: &Limit) -> Result<(), ExperimentError> {
    in_range(field, n, limit.contains(n.into()), &format!("in {limit}"))
}

fn out_of_range(field: &'static str, value: impl ToString, allowed: String) -> ExperimentError {
    ExperimentError::OutOfRange {
        field,
        value: value.to_string(),
        allowed,
    }
}

#[cfg(test)]
mod tests {
    use crate::{DataRef, Init, Node, Prune, Recipe, StateRef, Train, Version};
    use sculpt_datasets::{Augmentation, CIFAR10, DEMO_A, Split};
    use sculpt_masks::Density;
    use sculpt_models::{InitRule, ModelSpec, Precision};
    use sculpt_schedules::Kind;

    /// A recipe that holds the initialisation of a network.
    fn begun(model: &str, classes: u32) -> (Recipe, StateRef) {
        let mut recipe = Recipe::default();
        let init = Init {
            v: Version,
            model: ModelSpec::named(model, classes, Some(4), None).unwrap(),
            rule: InitRule::KaimingNormalFanIn,
            seed: 1,
            draw: 0,
        };
        let from = recipe.try_add(Node::Init(init), 1).unwrap();
        (recipe, from)
    }

    /// On 1,280 gratings of 16 × 16.
    fn plain(from: StateRef) -> Train {
        Train {
            v: Version,
            from,
            data: DataRef::planned(&DEMO_A),
            split: Split::All,
            augmentation: Augmentation::None,
            drop_last: false,
            schedule: Kind::Constant,
            lr: 0.1,
            epochs: 1,
            batch: 64,
            momentum: 0.9,
            weight_decay: 0.0,
            precision: Precision::F32,
            batch_norm: None,
            label_noise: None,
            seed: 1,
        }
    }

    /// What the recipe says to a Train node that is plain but for one thing; empty: it takes it.
    #[track_caller]
    fn train(model: &str, change: impl Fn(&mut Train), says: &str) {
        let (mut recipe, from) = begun(model, 10);
        let mut train = plain(from);
        change(&mut train);
        match recipe.try_add(Node::Train(train), 1) {
            Ok(_) => assert_eq!(says, ""),
            Err(error) => assert!(!says.is_empty() && error.to_string().contains(says), "{error}"),
        }
    }

    #[test]
    fn training_that_cannot_be_is_refused_when_it_is_planned() {
        train("resnet8", |_| (), "");
        // Diverging is a result, and is told when it happens.
        train("resnet8", |t| t.lr = 1e6, "");
        train("resnet8", |t| t.lr = 0.0, "lr is 0, not above 0");
        train("resnet8", |t| t.momentum = 1.0, "momentum is 1, not in [0, 1)");
        train("resnet8", |t| t.weight_decay = 1e300, "weight_decay is 1");
        train("resnet8", |t| t.epochs = 0, "epochs is 0, not in 1..=100000");
        train("resnet8", |t| t.batch = 0, "batch is 0, not in 1..=1000000");
        train(
            "resnet8",
            |t| t.split = Split::HeldOut { n_validation: 1280 },
            "split is 0",
        );
        let whole = |t: &mut Train| (t.drop_last, t.batch) = (true, 1281);
        train(
            "resnet8",
            whole,
            "batch is 1281, not at most the 1280 training images",
        );
        train(
            "resnet8",
            |t| t.data = DataRef::planned(&sculpt_datasets::CIFAR100),
            "100 classes",
        );
        train("vgg16", |_| (), "16");
    }

    /// 1,280 = 9 · 142 + 2 = 1,279 + 1. ResNet-18's last stage makes 1 × 1 of 16 × 16 and of 32 × 32,
    /// ResNet-8's 4 × 4.
    #[test]
    fn one_value_a_channel_has_no_variance() {
        train("resnet18", |t| t.batch = 142, "");
        train("resnet18", |t| t.batch = 1279, "one is left over");
        train("resnet18", |t| (t.batch, t.drop_last) = (1279, true), "");
        train("resnet18", |t| t.batch = 1, "batch is 1");
        train("resnet8", |t| t.batch = 1279, "");
        train("resnet18-cifar", |t| t.batch = 1279, "");
    }

    #[test]
    fn masks_do_not_grow_and_scores_have_their_images() {
        let prune = |recipe: &mut Recipe, from: &StateRef, density: f64, criterion: &str| {
            let data = serde_json::to_string(&DataRef::planned(&CIFAR10)).unwrap();
            let criterion: Result<_, serde_json::Error> =
                serde_json::from_str(&criterion.replace("DATA", &data));
            let criterion = criterion.map_err(|e| e.to_string())?;
            let (from, density) = (from.clone(), Density::new(density).unwrap());
            let v = Version;
            recipe
                .try_add(
                    Node::Prune(Prune {
                        v,
                        from,
                        criterion,
                        density,
                    }),
                    1,
                )
                .map_err(|e| e.to_string())
        };
        let (mut recipe, init) = begun("resnet8", 10);
        let half = prune(&mut recipe, &init, 0.5, r#""magnitude""#).unwrap();
        let mut refused = |density, criterion: &str, says: &str| {
            let error = prune(&mut recipe, &half, density, criterion).unwrap_err();
            assert!(error.contains(says), "{error}");
        };
        refused(0.6, r#""magnitude""#, "density is 0.6, not at most 0.5");
        let random = r#"{"random":{"allocation":"balanced","rule":"exact","seed":1}}"#;
        refused(0.1, random, "draws a random mask for a state that has a mask");
        refused(1e-9, r#""magnitude""#, "0.000000001");
        let snip = |n| format!(r#"{{"snip":{{"data":DATA,"split":"all","images":{n},"seed":1}}}}"#);
        refused(0.1, &snip("0"), "0");
        refused(0.1, &snip("50001"), "50001");
        refused(
            0.1,
            r#"{"synflow":{"iterations":1,"side":1000000000}}"#,
            "side is 1000000000",
        );
        refused(
            0.1,
            r#"{"synflow":{"iterations":4294967295,"side":32}}"#,
            "iterations is 4294967295",
        );
        prune(&mut recipe, &half, 0.5, &snip("50000")).unwrap();
    }
}
