use super::{NamedState, read_user_recipe};
use crate::{
    Criterion, DataFolder, Node, Overrides, PanelName, Preset, PresetName, StateRef, Store, UserRecipe,
};
use sculpt_checkpoints::write_mask;
use sculpt_masks::Mask;
use sculpt_models::ModelSpec;
use std::collections::BTreeSet;
use std::fs;
use tempfile::TempDir;

pub(super) fn read(text: &str) -> Result<UserRecipe, String> {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("r.toml");
    fs::write(&path, text).unwrap();
    let read = read_user_recipe(&path, &DataFolder::default());
    read.map_err(|e| e.to_string().replace(&format!("{}: ", path.display()), ""))
}

#[track_caller]
fn names(text: &str) -> Vec<String> {
    let read = read(text).unwrap_or_else(|error| panic!("{error}"));
    read.states.iter().map(NamedState::title).collect()
}

#[track_caller]
fn refused(text: &str, says: &str) {
    let error = read(text).map(|read| read.states).unwrap_err();
    assert!(error.contains(says), "{error}");
}

pub(super) const GRID: &str = r#"
like = "demo/a"
seeds = [1, 2]

[[node]]
name = "dense"
kind = "init"

[[node]]
name = "mask"
kind = "prune"
from = "dense"
criterion = ["random", "snip"]
density = [0.3, 0.1]

[[node]]
name = "cyclic"
kind = "train"
from = "mask"
cycles = 3
"#;

/// Every node of it is one of the preset's: a reader's grid shares what others have trained.
#[test]
fn a_grid_is_the_presets_nodes() {
    let grid = read(GRID).unwrap();
    let title =
        |criterion, density, seed| format!("cyclic[criterion={criterion},density={density},seed={seed}]");
    let all: Vec<_> = grid.states.iter().map(NamedState::title).collect();
    assert_eq!(all.len(), 2 + 2 * 2 * 2 + 3 * 2 * 2 * 2);
    assert_eq!(all[..2], ["dense[seed=1]", "dense[seed=2]"]);
    assert!(all.contains(&title("snip", 0.1, 2)));
    assert!(all.contains(&format!("{}.1", title("random", 0.3, 1))));
    let distinct: BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
    let setup = Preset::new(PresetName::Demo, Overrides::default(), &DataFolder::default())
        .and_then(|preset| preset.panel(PanelName::A))
        .unwrap();
    let state = |name: &str| {
        &grid
            .states
            .iter()
            .find(|named| named.title() == name)
            .unwrap()
            .state
    };
    let Node::Train(last) = &grid.recipe.get(&state(&title("snip", 0.1, 2)).id).unwrap().node else {
        panic!("no training");
    };
    let before = state(&format!("{}.2", title("snip", 0.1, 2)));
    assert_eq!(*last, setup.cycle(before.clone(), 2));
    let mask = state("mask[criterion=snip,density=0.1,seed=2]");
    let Node::Prune(prune) = &grid.recipe.get(&mask.id).unwrap().node else {
        panic!("no mask");
    };
    let Criterion::Scored(scored) = &prune.criterion else {
        panic!("no score");
    };
    assert_eq!(scored.by().word(), "snip");
    assert_eq!(prune.density.get(), 0.1);
}

/// The same with all said: one id.
#[test]
fn what_is_left_out_is_what_the_preset_says() {
    let short = "like = \"demo/a\"\n[[node]]\nname = \"i\"\nkind = \"init\"\n[[node]]\nname = \"t\"\nkind = \"train\"\nfrom = \"i\"\n";
    let long = "threads = 1\n[[node]]\nname = \"i\"\nkind = \"init\"\nmodel = { name = \"resnet8\", classes = 10, width = 8 }\n\
        rule = \"kaiming-normal-fan-in\"\nseed = 1\ndraw = 0\n[[node]]\nname = \"t\"\nkind = \"train\"\nfrom = \"i\"\n\
        data = { name = \"demo\" }\nsplit = \"all\"\naugmentation = \"none\"\ndrop_last = false\nschedule = \"step-warmup\"\n\
        lr = 0.1\nepochs = 8\nbatch = 64\nmomentum = 0.9\nweight_decay = 1e-4\nprecision = \"f32\"\nseed = 1\n";
    assert_eq!(read(short).unwrap().states, read(long).unwrap().states);
    let changed = short.replace("kind = \"train\"", "kind = \"train\"\nepochs = 2");
    assert_ne!(read(&changed).unwrap().states, read(long).unwrap().states);
    let defaults = format!("defaults = {{ epochs = 2 }}\n{short}");
    assert_eq!(read(&defaults).unwrap().states, read(&changed).unwrap().states);
}

/// Learning-rate rewinding, each of its masks from the warm-up's weights, and one state of it.
#[test]
fn rounds_go_on_from_each_other() {
    let text = r#"
like = "demo/a"
[[node]]
name = "init"
kind = "init"
[[node]]
name = "dense"
kind = "train"
from = "init"
[[node]]
name = "lrr"
kind = "repeat"
from = "dense"
density = [0.8, 0.5]
steps = [{ kind = "prune", criterion = "magnitude" }, { kind = "train" }]
[[node]]
name = "coupled"
kind = "combine"
mask_from = "lrr"
weights_from = "dense@1"
[[node]]
name = "sparser"
kind = "prune"
from = "lrr[density=0.5]"
criterion = "magnitude"
density = 0.1
[[node]]
name = "second"
kind = "prune"
from = "lrr"
criterion = "magnitude"
density = [0.4, 0.2]
"#;
    let names = names(text);
    let wanted = [
        "init",
        "dense",
        "lrr[density=0.8]",
        "lrr[density=0.5]",
        "coupled[density=0.8]",
    ];
    assert_eq!(names[..5], wanted);
    assert_eq!(names[6], "sparser");
    assert_eq!(names[7], "second[density=0.8,second.density=0.4]");
    assert_eq!(names.len(), 11);
    let recipe = read(text).unwrap().recipe;
    // Two rounds of a mask and a cycle, beside the dense cycle.
    let trained = recipe
        .iter()
        .filter(|(_, entry)| entry.node.kind() == "train")
        .count();
    assert_eq!((recipe.len(), trained), (1 + 1 + 4 + 2 + 1 + 4, 3));
}

#[test]
fn errors_say_line_and_column() {
    for (field, word) in [
        ("precision", "f16"),
        ("schedule", "cosin"),
        ("split", "some"),
        ("augmentation", "much"),
    ] {
        let text = GRID.replace("cycles = 3", &format!("{field} = {word:?}"));
        refused(&text, &format!("line 20, column 1: node \"cyclic\": {field}: "));
    }
    refused(
        &GRID.replace("cycles = 3", "label_noise = { rate = 2.0 }"),
        "line 20, column 1: node \"cyclic\": label_noise: rate 2",
    );
    let many: Vec<_> = (1..1000).map(|n| format!("{}.5", n)).collect();
    let wide = format!("lr = [{0}]\nmomentum = [{0}]", many.join(","));
    refused(&GRID.replace("cycles = 3", &wide), "more than 100000 nodes");
    refused(
        &GRID.replace("[0.3, 0.1]", "[0.3, 0.30]"),
        "line 14, column 1: node \"mask\": density: has 0.3 twice",
    );
    refused(
        &GRID.replace("kind = \"prune\"", "kind = \"mask\""),
        "line 11, column 1: node \"mask\": kind: is none of init",
    );
    refused("threads = 1\nnode = 3", "line 1, column 1: missing field `node`");
    refused(
        "threads = 1\n  lke = \"demo/a\"",
        "line 2, column 3: unknown field `lke`",
    );
    refused("threads = [", "line 1, column");
    refused(&GRID.replace("demo/a", "demo/z"), "line 2, column 1: `like` is");
    refused(
        &GRID.replace("like = \"demo/a\"\n", ""),
        "missing field `threads`",
    );
    refused(
        &GRID.replace("like = \"demo/a\"", "threads = 0"),
        "threads is 0, not in 1..=256",
    );
    refused(
        &GRID.replace("[1, 2]", "[]"),
        "line 3, column 1: `seeds` is a list",
    );
    refused(
        &GRID.replace("from = \"dense\"", "from = \"dnse\""),
        "line 12, column 1: node \"mask\": from: no earlier node is called \"dnse\" (there are: dense)",
    );
    refused(
        &GRID.replace("from = \"mask\"", "from = \"mask[axis=1]\""),
        "has no axis \"axis\"",
    );
    refused(
        &GRID.replace("from = \"mask\"", "from = \"mask.2\""),
        "has no cycle 2, but 1",
    );
    refused(
        &GRID.replace("from = \"mask\"", "from = \"mask@7\""),
        "\"mask[criterion=random,density=0.3,seed=1]\" has no state after epoch 7, but up to 0",
    );
    refused(
        &GRID.replace("cycles = 3", "cycles = 0"),
        "line 20, column 1: node \"cyclic\": cycles: is 0",
    );
    refused(
        &GRID.replace("cycles = 3", "epoch = 3"),
        "line 20, column 1: node \"cyclic\": unknown field `epoch`",
    );
    refused(
        &GRID.replace("cycles = 3", "epochs = \"3\""),
        "line 20, column 1: node \"cyclic\": epochs: invalid type",
    );
    refused(
        &GRID.replace("cycles = 3", "lr = -1"),
        "line 20, column 1: node \"cyclic\": lr is -1, not above 0",
    );
    refused(
        &GRID.replace("cycles = 3", "batch = nan"),
        "line 20, column 9: nan is not a finite number",
    );
    refused(
        &GRID.replace("[0.3, 0.1]", "[0.3, 7]"),
        "line 14, column 1: node \"mask\": density",
    );
    refused(
        &GRID.replace("\"snip\"]", "\"snap\"]"),
        "line 13, column 1: node \"mask\": criterion",
    );
    refused(
        &GRID.replace("name = \"mask\"", "name = \"a@b\""),
        "line 10, column 1",
    );
    refused(
        &format!("defaults = {{ epoch = 1 }}\n{GRID}"),
        "line 1, column 1: no node has a field `epoch`",
    );
    let seeds: Vec<_> = (0..60_000).map(|seed: u32| seed.to_string()).collect();
    refused(
        &GRID.replace("[1, 2]", &format!("[{}]", seeds.join(","))),
        "more than 100000 nodes",
    );
}

/// Masks and weights of two files of the same content are one node, whatever the files are called; a train goes on from them.
#[test]
fn files_are_their_content() {
    let dir = TempDir::new().unwrap();
    let model = ModelSpec::named("resnet8", 10, Some(8), None).unwrap();
    let layout = model.layout();
    let n = layout.n_prunable();
    let mask = Mask::from_bools((0..n).map(|i| i % 4 == 0).collect());
    write_mask(&dir.path().join("a.safetensors"), &layout, &mask).unwrap();
    write_mask(&dir.path().join("b.safetensors"), &layout, &mask).unwrap();
    write_mask(&dir.path().join("full.safetensors"), &layout, &Mask::full(n)).unwrap();
    write_mask(
        &dir.path().join("none.safetensors"),
        &layout,
        &Mask::from_bools(vec![false; n]),
    )
    .unwrap();
    let text = r#"
like = "demo/a"
seeds = [1, 2]
[[node]]
name = "dense"
kind = "init"
[[node]]
name = "mine"
kind = "load-mask"
file = ["a.safetensors", "b.safetensors", "full.safetensors"]
[[node]]
name = "start"
kind = "combine"
mask_from = "mine"
weights_from = "dense"
[[node]]
name = "cyclic"
kind = "train"
from = "start"
epochs = 1
"#;
    let path = dir.path().join("r.toml");
    let read = |text: &str| {
        fs::write(&path, text).unwrap();
        read_user_recipe(&path, &DataFolder::default())
    };
    let user = read(text).unwrap();
    // Two seeds of an init, two masks in three files, and two seeds of a combination and a cycle of each mask.
    assert_eq!((user.recipe.len(), user.loaded.len()), (2 + 2 + 2 * 2 * 2, 2));
    let state = |name: &str| {
        &user
            .states
            .iter()
            .find(|named| named.title() == name)
            .unwrap()
            .state
    };
    let last = state("cyclic[file=a.safetensors,seed=2]");
    assert_eq!(last, state("cyclic[file=b.safetensors,seed=2]"));
    let entry = user.recipe.get(&last.id).unwrap();
    assert_eq!(
        (entry.density, &entry.model),
        (n.div_ceil(4) as f64 / n as f64, &model)
    );
    let store = Store::new(dir.path().join("runs"));
    for (id, state) in &user.loaded {
        let entry = user.recipe.get(id).unwrap();
        for _ in 0..2 {
            store.keep_loaded(id, entry, state).unwrap();
        }
        let at = StateRef {
            id: id.clone(),
            epoch: 0,
        };
        assert_eq!(store.load(&at).unwrap().state, *state);
    }
    // Weights: the state that a mask loaded is a checkpoint like any other.
    let (id, _) = user.loaded.first_key_value().unwrap();
    let file = sculpt_store::paths::checkpoint_at(&store.node_folder(id), 0);
    let weights = format!(
        "like = \"demo/a\"\n[[node]]\nname = \"w\"\nkind = \"load-weights\"\nfile = {:?}\n",
        file
    );
    let loaded = read(&weights).unwrap();
    assert_eq!(loaded.loaded.values().next().unwrap(), &user.loaded[id]);
    let refused = |text: String, says: &str| {
        let error = read(&text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    };
    refused(
        text.replace("a.safetensors", "none.safetensors"),
        "keeps no weight",
    );
    refused(
        text.replace("a.safetensors", "absent.safetensors"),
        "line 10, column 1: node \"mine\": file: ",
    );
    refused(
        text.replace("load-mask\"", "load-mask\"\nseed = 1"),
        "unknown field `seed`",
    );
    refused(
        weights.replace("like = \"demo/a\"", "threads = 1"),
        "missing field `model`",
    );
}

/// As many images as there are is nothing said.
#[test]
fn all_images_are_the_usual_ones() {
    let with = |n: u32| {
        let text = GRID.replace("cycles = 3", &format!("data = {{ train_images = {n} }}"));
        read(&text).unwrap().states.pop().unwrap().state
    };
    let usual = read(&GRID.replace("cycles = 3\n", ""))
        .unwrap()
        .states
        .pop()
        .unwrap()
        .state;
    assert_eq!(with(1280), usual);
    assert_ne!(with(1279), usual);
}

/// What a recipe may leave out are the node's own fields, so that a field that is added to a node is one that recipes know.
#[test]
fn the_fields_of_a_kind_are_the_nodes() {
    let user = read(GRID).unwrap();
    let node = |kind: &str| {
        let mut all = user.recipe.iter().map(|(_, entry)| &entry.node);
        serde_json::to_value(all.find(|node| node.kind() == kind).unwrap()).unwrap()
    };
    let check = |kind: &str, also: &[&str]| {
        let not = ["kind", "v", "from"];
        let node = node(kind);
        let own = node
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .filter(|field| !not.contains(field));
        let own: BTreeSet<&str> = own.chain(also.iter().copied()).collect();
        assert_eq!(
            own,
            super::fields::fields_of(kind).iter().copied().collect(),
            "{kind}"
        );
    };
    check("init", &[]);
    check("train", &["batch_norm", "label_noise"]);
    check("prune", &[]);
}

/// A preset that uses the first images is no bound, and a folder with fewer is all used.
#[test]
fn a_recipe_may_use_more_images_than_its_preset() {
    let quarter = |n: &str| {
        let text = GRID
            .replace("demo/a", "quarter/a")
            .replace("cycles = 3", &format!("data = {{ {n} }}"));
        let user = read(&text).unwrap();
        let state = &user.states.last().unwrap().state;
        let Node::Train(train) = &user.recipe.get(&state.id).unwrap().node else {
            panic!("no training");
        };
        (
            train.data.train_images,
            train.data.average_pool.map(|pool| pool.k()),
        )
    };
    assert_eq!(quarter(""), (Some(25_000), Some(2)));
    assert_eq!(quarter("train_images = 30000"), (Some(30_000), Some(2)));
    assert_eq!(quarter("train_images = 50000"), (None, Some(2)));
    assert_eq!(quarter("average_pool = 1"), (Some(25_000), None));
    assert_eq!(quarter("average_pool = 4"), (Some(25_000), Some(4)));
}
