use crate::runs::{checkpoints, run_on};
use sculpt_datasets::{CIFAR10, Decoding, IMAGENET};
use sculpt_experiments::{
    DataFolder, DataRef, Ended, Node, PictureFolder, Runner, Store, UserRecipe, read_user_recipe,
};
use sculpt_pictures::{Codec, PackParameters, Packing, Quality, pack};
use sculpt_store::paths;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use tch::Device;

/// (half, class, name, bytes).
type File = (&'static str, &'static str, String, Vec<u8>);

const CLASSES: [&str; 3] = ["n02100735", "n02110185", "n02119789"];

/// The pictures that sculpt-pictures tests its decoder with.
fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/sculpt-pictures/tests/goldens")
}

/// Twelve training pictures of three classes, and four for validation, of the classes that the golden development kit gives them.
fn files() -> Vec<File> {
    let golden = |i: usize| {
        let names = [
            "large.jpg",
            "progressive-420.jpg",
            "grey.jpg",
            "baseline-444.jpg",
            "restarts.jpg",
        ];
        fs::read(goldens().join(names[i % 5])).unwrap()
    };
    let train = (0..12).map(|i| {
        (
            "train",
            CLASSES[i % 3],
            format!("{}_{i}.JPEG", CLASSES[i % 3]),
            golden(i),
        )
    });
    let labels = [1, 2, 0, 2].into_iter().enumerate();
    let val = labels.map(|(i, label)| {
        let name = format!("ILSVRC2012_val_{:08}.JPEG", i + 1);
        ("val", CLASSES[label], name, golden(i + 3))
    });
    train.chain(val).collect()
}

fn write_folder(root: &Path) {
    for (half, class, name, bytes) in files() {
        let folder = root.join(half).join(class);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    }
}

/// The same as ImageNet's owners give them out.
fn write_tars(root: &Path) {
    fn tar<'a>(files: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, bytes).unwrap();
        }
        tar.into_inner().unwrap()
    }
    let files = files();
    let of = |wanted: &'static str, class: Option<&'static str>| {
        let files = files.iter();
        files
            .filter(move |(half, of, ..)| *half == wanted && class.is_none_or(|class| class == *of))
            .map(|(_, _, name, bytes)| (name.as_str(), bytes.as_slice()))
    };
    let by_class = CLASSES.map(|class| (format!("{class}.tar"), tar(of("train", Some(class)))));
    let train = tar(by_class
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
    fs::create_dir_all(root).unwrap();
    fs::write(root.join("ILSVRC2012_img_train.tar"), train).unwrap();
    fs::write(root.join("ILSVRC2012_img_val.tar"), tar(of("val", None))).unwrap();
    let devkit = root.join("ILSVRC2012_devkit_t12.tar.gz");
    fs::copy(goldens().join("devkit.tar.gz"), devkit).unwrap();
}

fn write_pack(source: &Path, out: &Path, side: &str, codec: Codec) {
    let packing = Packing {
        parameters: PackParameters {
            side: side.parse().unwrap(),
            codec,
            quality: Quality::try_from(90).unwrap(),
        },
        workers: 2,
        most_left_out: 0,
        shard_bytes: pack::SHARD_BYTES,
    };
    pack::pack(source, out, packing, &mut |_| ControlFlow::Continue(())).unwrap();
}

fn at(folder: &Path, threads: usize) -> DataFolder {
    let decoding = Decoding {
        threads,
        most_left_out: 0,
    };
    let runs = folder.with_extension("digests");
    DataFolder {
        pictures: Some(PictureFolder::find(folder, &runs, decoding, &mut |_, _| ()).unwrap()),
        ..DataFolder::default()
    }
}

/// Every kind of node, at 224 pixels: four steps an epoch.
fn recipe(folder: &Path, model: &str, data: &DataFolder) -> UserRecipe {
    let text = format!(
        r#"like = "short/c"
threads = 1
defaults = {{ model = {{ name = "{model}", classes = 3, width = 2 }}, data = {{ classes = 3 }}, precision = "f32", batch = 3, epochs = 2 }}
[[node]]
name = "dense"
kind = "init"
[[node]]
name = "warm"
kind = "train"
from = "dense"
keep = [1]
[[node]]
name = "mask"
kind = "prune"
from = "dense"
criterion = ["snip", "grasp", "random"]
density = 0.5
[[node]]
name = "coupled"
kind = "combine"
mask_from = "mask[criterion=snip]"
weights_from = "warm@1"
[[node]]
name = "noisy"
kind = "train"
from = "coupled"
label_noise = {{ rate = 0.25 }}
[[node]]
name = "sculpted"
kind = "prune"
from = "noisy"
criterion = "grasp"
density = 0.3
"#
    );
    let path = folder.join(format!("{model}.toml"));
    fs::write(&path, text).unwrap();
    read_user_recipe(&path, data).unwrap()
}

fn data_of(user: &UserRecipe) -> DataRef {
    let nodes = user.recipe.iter().map(|(_, entry)| &entry.node);
    let mut data = nodes.filter_map(|node| match node {
        Node::Train(train) => Some(train.data.clone()),
        _ => None,
    });
    data.next().unwrap()
}

/// The same nodes and the same bytes from a folder, from its tar files and from a pack of the files as they are, with one thread
/// that decodes or three, stopped in the middle of an epoch or not; from a pack of other pixels, other nodes.
#[test]
fn networks_learn_from_folders_tars_and_packs() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    write_folder(&place("folder"));
    write_tars(&place("tars"));
    write_pack(&place("folder"), &place("whole"), "full", Codec::Jpeg);
    write_pack(&place("folder"), &place("raw"), "48", Codec::Raw);
    for model in ["resnet18", "resnet50"] {
        let made = |name: &str, threads: usize, interrupt: Option<u64>| {
            let data = at(&place(name), threads);
            let user = recipe(folder.path(), model, &data);
            let runs = place(&format!("{model}-{name}"));
            run_on(&user.recipe, &runs, &data, interrupt);
            (data_of(&user), checkpoints(&user.recipe, &runs))
        };
        let (data, nodes) = made("folder", 1, None);
        assert_eq!(
            (data.name.as_str(), data.train_images, data.classes),
            ("ImageNet", Some(12), Some(3))
        );
        assert_eq!(nodes.len(), 1 + 1 + 3 + 1 + 1 + 1);
        for (name, interrupt) in [("tars", None), ("whole", Some(2))] {
            let again = made(name, 3, interrupt);
            assert!(again == (data.clone(), nodes.clone()), "{model} from {name}");
        }
        let (packed, others) = made("raw", 2, Some(3));
        assert_ne!(packed.digest, data.digest);
        let ids = |nodes: &[crate::runs::Made]| nodes.iter().map(|(id, ..)| id.clone()).collect::<Vec<_>>();
        let shared: Vec<_> = ids(&nodes)
            .into_iter()
            .filter(|id| ids(&others).contains(id))
            .collect();
        // What looks at no picture is the same node: the initialisation, and a mask that is drawn.
        assert_eq!(shared.len(), 2);
    }
}

/// A picture that changes under a command changes what its nodes are: none is kept under the id of what was.
#[test]
fn nodes_of_pictures_that_changed_meanwhile_are_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (root, runs) = (folder.path().join("pictures"), folder.path().join("runs"));
    write_folder(&root);
    let data = at(&root, 1);
    let user = recipe(folder.path(), "resnet18", &data);
    let store = Store::new(&runs);
    let picture = root
        .join("val")
        .join(CLASSES[0])
        .join("ILSVRC2012_val_00000003.JPEG");
    let genuine = fs::read(&picture).unwrap();
    fs::write(&picture, fs::read(goldens().join("turned.jpg")).unwrap()).unwrap();
    let (stop, stopped) = (AtomicBool::new(false), AtomicBool::new(true));
    let mut report = |_| ();
    let mut refused = 0;
    for (id, entry) in user.recipe.iter() {
        store.describe(id, entry).unwrap();
        let ended = Runner::new(&store, &data, Device::Cpu, &stop, &mut report).run(id);
        match &entry.node {
            Node::Init(_) => assert!(matches!(ended, Ok(Ended::Done))),
            Node::Train(train) if train.label_noise.is_none() => {
                let cut = Runner::new(&store, &data, Device::Cpu, &stopped, &mut report).run(id);
                for ended in [ended, cut] {
                    let error = ended.unwrap_err().to_string();
                    assert!(error.contains("changed while they were trained on"), "{error}");
                }
                let own = store.node_folder(id);
                assert!(!store.is_done(id, entry) && !paths::progress_folder(&own).exists());
                refused += 1;
            }
            _ => continue,
        }
    }
    assert_eq!(refused, 1);
    // As they were, and found again: nothing of the refused node is in the one that is made now.
    fs::write(&picture, genuine).unwrap();
    let data = at(&root, 1);
    run_on(&user.recipe, &folder.path().join("clean"), &data, None);
    for (id, _) in user.recipe.iter() {
        Runner::new(&store, &data, Device::Cpu, &stop, &mut report)
            .run(id)
            .unwrap();
    }
    let clean = checkpoints(&user.recipe, &folder.path().join("clean"));
    assert_eq!(checkpoints(&user.recipe, &runs), clean);
}

/// A digest that took a pass over all files is remembered, until one of them changes.
#[test]
fn pictures_are_read_for_their_digest_once() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("pictures");
    write_folder(&root);
    let find = || {
        let mut n_read = Vec::new();
        let decoding = Decoding {
            threads: 1,
            most_left_out: 0,
        };
        let found = PictureFolder::find(&root, folder.path(), decoding, &mut |read, of| {
            n_read.push((read, of));
        });
        (found.unwrap(), n_read)
    };
    let (first, n_read) = find();
    assert_eq!(n_read, [(12, 16), (16, 16)]);
    assert_eq!(first.title(), "ImageNet, 12 pictures of 3 classes");
    let (again, n_read) = find();
    assert_eq!((again.digest(), n_read), (first.digest(), vec![]));
    fs::copy(
        goldens().join("turned.jpg"),
        root.join("val")
            .join(CLASSES[0])
            .join("ILSVRC2012_val_00000003.JPEG"),
    )
    .unwrap();
    let (other, n_read) = find();
    assert_ne!(other.digest(), first.digest());
    assert_eq!(n_read.len(), 2);
}

/// Pictures are known by their digest, and a choice of classes by how many pictures they have.
#[test]
fn pictures_are_the_data_of_the_nodes_that_name_them() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("pictures");
    write_folder(&root);
    let data = at(&root, 1);
    let (whole, title) = data.find(&IMAGENET).unwrap();
    assert_eq!(
        (title.as_str(), whole.train_images),
        ("ImageNet, 12 pictures of 3 classes", Some(12))
    );
    assert!(data.is_at_hand(&whole).unwrap());
    let loaded = data.load(&whole).unwrap();
    assert_eq!(
        (loaded.train.len(), loaded.test.len(), loaded.n_classes),
        (12, 4, 3)
    );
    let two = data.of_classes(&whole, 2).unwrap();
    assert_eq!((two.classes, two.train_images), (Some(2), Some(8)));
    assert_ne!(two.loaded_as(), whole.loaded_as());
    let loaded = data.load(&two).unwrap();
    assert_eq!(
        (loaded.train.len(), loaded.test.len(), loaded.n_classes),
        (8, 2, 2)
    );
    // Plans that were made without pictures, and other pictures.
    let planned = DataRef::planned(&IMAGENET);
    assert!(!data.is_at_hand(&planned).unwrap());
    assert!(!DataFolder::default().is_at_hand(&whole).unwrap());
    let other = DataRef {
        digest: "0".repeat(64),
        ..whole.clone()
    };
    let error = data.is_at_hand(&other).unwrap_err().to_string();
    assert!(error.contains("the node wants 0000"), "{error}");
    for refused in [
        data.of_classes(&whole, 0),
        data.of_classes(&DataRef::planned(&CIFAR10), 2),
        DataFolder::default().of_classes(&planned, 2),
    ] {
        assert!(refused.is_err());
    }
    let named = DataFolder {
        name: Some("mine".to_owned()),
        ..data
    };
    assert_eq!(named.find(&IMAGENET).unwrap().1, "mine");
}
