//! `sculpt data probe`: images of a data set, or of what a node was trained on, as a probe of single commands.

use crate::commands::address;
use crate::commands::pictures::{Counter, PictureData, or_leave_out, tell_of_left_out, warn_if_slow};
use crate::commands::preset::{DataWord, DataWords};
use crate::words::{BadUsage, Global};
use crate::{places, printing};
use anyhow::{bail, ensure};
use clap::{Args, ValueEnum};
use sculpt_checkpoints::{Listing, TensorData, write_tensors};
use sculpt_datasets::{ALL, DataPart, DataSpec, Dataset, DatasetError, EvaluationSet, Origin, data_set};
use sculpt_experiments::{DataFolder, Node, NodeId, Train, counted, data_key, evaluation_set};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use tch::{Device, Tensor};

/// The file has tensors `images` F32 [n, 3, h, w], not augmented and normalised as networks of these data see them, and `labels`
/// I64 [n]. Of a node's id, images are those that it was trained on, or its test images: as few pixels, as few classes, and of training images
/// with the labels that label noise left.
#[derive(Args)]
pub(crate) struct Words {
    /// cifar10, cifar100, imagenet, demo, the name of another data set in recipes, or the id of a node that trains
    #[arg(value_name = "DATA|ID")]
    what: String,
    /// File to write: safetensors
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Which of its images
    #[arg(long, value_name = "PART", value_enum, default_value_t = Part::Test)]
    part: Part,
    /// Only this many of them, spread evenly over all
    #[arg(long, value_name = "N")]
    images: Option<NonZeroU32>,
    #[command(flatten)]
    data: DataWords,
}

#[derive(Clone, Copy, ValueEnum)]
enum Part {
    /// Those that accuracies are measured on
    Test,
    /// Those that networks are trained on
    Train,
}

/// Bytes of images at most: readers of a probe hold all of it, and whoever writes one three times as much.
const MOST: u64 = 4 << 30;

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    places::spare_inputs(("--out", &words.out), [])?;
    spare_others(words)?;
    let folder = words.data.folder(global, 1)?;
    let (dataset, train) = match spec(&words.what) {
        Some(spec) => (of_spec(spec, folder)?, None),
        None => {
            let (id, train) = trained(&words.what, global)?;
            (folder.load(&train.data)?, Some((id, train)))
        }
    };
    let whole = match (words.part, &train) {
        (Part::Test, _) => dataset.test.clone(),
        (Part::Train, None) => dataset.train.clone(),
        (Part::Train, Some((_, train))) => train.examples(&dataset)?,
    };
    let part = match words.images {
        None => whole,
        Some(n) => spread(&whole, n)?,
    };
    let (height, width) = part.size();
    let bytes = part.len() as u64 * 12 * height as u64 * width as u64;
    ensure!(
        bytes <= MOST,
        "{} of {height} x {width} pixels are {:.0} GiB, and a probe is held in memory as a whole: --images N takes fewer",
        counted(part.len(), "image"),
        bytes as f64 / f64::from(1 << 30)
    );
    let set = evaluation_set(&dataset, &part, Device::Cpu)?;
    let (images, labels) = match &set {
        EvaluationSet::Memory { .. } => set.first(part.len())?,
        EvaluationSet::Pictures(_) => decoded(&set, words)?,
    };
    tell_of_left_out(&set.left_out());
    let shape: Vec<usize> = images.size().iter().map(|&dim| dim as usize).collect();
    let tensors = [
        (
            "images",
            TensorData::F32(shape.clone(), Vec::try_from(images.contiguous().view(-1))?),
        ),
        (
            "labels",
            TensorData::I64(vec![shape[0]], Vec::<i64>::try_from(&labels as &Tensor)?),
        ),
    ];
    write_tensors(&words.out, &tensors, None)?;
    let what = match words.part {
        Part::Test => "test",
        Part::Train => "training",
    };
    printing::line(&format!(
        "{}: {} of {} x {} x {}, of the {what} images of {}",
        words.out.display(),
        counted(shape[0], "image"),
        shape[1],
        shape[2],
        shape[3],
        match (&train, &words.data.data_name) {
            (Some((id, _)), _) => format!("node {}", id.short()),
            (None, Some(name)) => name.clone(),
            (None, None) => title(&dataset),
        }
    ));
    Ok(())
}

/// All pictures of a set, as one batch.
fn decoded(set: &EvaluationSet, words: &Words) -> anyhow::Result<(Tensor, Tensor)> {
    warn_if_slow();
    let (mut images, mut labels, mut n) = (Vec::new(), Vec::new(), 0);
    let mut counter = Counter::new("decoding", set.len());
    for batch in set.batches() {
        let (some, of_some) = batch.map_err(|error| match (error, pictures(words)) {
            (DatasetError::Pictures(error), Some(folder)) => {
                or_leave_out(error, &PictureData(folder.clone()))
            }
            (error, _) => error.into(),
        })?;
        n += of_some.size()[0] as usize;
        images.push(some);
        labels.push(of_some);
        counter.show(n, 0);
    }
    counter.end();
    ensure!(n > 0, "no picture of them can be read");
    Ok((Tensor::f_cat(&images, 0)?, Tensor::f_cat(&labels, 0)?))
}

/// The folder of pictures that the command names.
fn pictures(words: &Words) -> Option<&PathBuf> {
    words.data.data.iter().find_map(|data| match data {
        DataWord::Pictures(folder) => Some(folder),
        DataWord::Records(_) => None,
    })
}

/// Nothing but an older probe is written over, whatever a name leads to, and nothing is put among pictures.
fn spare_others(words: &Words) -> anyhow::Result<()> {
    let out = words.out.display();
    if words.out.is_file() && !is_probe(&words.out) {
        return Err(BadUsage(format!("--out {out} is there, and is no probe; give another")).into());
    }
    let parent = words.out.parent().filter(|parent| *parent != Path::new(""));
    let Ok(parent) = parent.unwrap_or(Path::new(".")).canonicalize() else {
        return Ok(());
    };
    if let Some(folder) = pictures(words) {
        for half in ["train", "val"] {
            if folder
                .join(half)
                .canonicalize()
                .is_ok_and(|half| parent.starts_with(half))
            {
                return Err(BadUsage(format!(
                    "--out {out} lies among the pictures of {}",
                    folder.display()
                ))
                .into());
            }
        }
    }
    Ok(())
}

/// Whether its tensors are those of a probe, and no others.
fn is_probe(path: &Path) -> bool {
    Listing::read(path).is_ok_and(|listing| listing.names().eq(["images", "labels"]))
}

/// What may be called as the original is.
fn title(dataset: &Dataset) -> String {
    let spec = dataset.spec;
    match spec.digest {
        Some(digest) if digest == dataset.digest() => spec.title.to_owned(),
        Some(_) => format!("files in the layout of {}", spec.title),
        None => "pictures of your own".to_owned(),
    }
}

/// What the command line calls a data set, in small letters: the word of `data get`, or the key.
fn word(spec: &DataSpec) -> String {
    spec.word().unwrap_or(spec.key).to_lowercase()
}

/// A data set by its word, or as recipes call it.
fn spec(text: &str) -> Option<&'static DataSpec> {
    let text = text.to_lowercase();
    let by_word = ALL
        .into_iter()
        .find(|spec| [word(spec), spec.key.to_lowercase()].contains(&text));
    by_word.or_else(|| data_set(data_key(&text)).ok())
}

/// Records are read whoever made them: nobody's accuracy on them gets a title here.
fn of_spec(spec: &'static DataSpec, folder: DataFolder) -> anyhow::Result<Dataset> {
    match (spec.origin, &folder.folder) {
        (Origin::Records(_), Some(records)) => Ok(spec.open(Some(records))?),
        _ => Ok(folder.load(&folder.find(spec)?.0)?),
    }
}

fn trained(text: &str, global: &Global) -> anyhow::Result<(NodeId, Train)> {
    let store = places::store(global);
    if !address::is_address(text) {
        let words = ALL.map(|spec| format!("{:?}", word(spec)));
        let text = format!(
            "{text:?} is no data set, and no node's id; there are demo, {}",
            words.join(", ")
        );
        return Err(BadUsage(text).into());
    }
    let (id, epoch) = address::find(&store, text)?;
    if epoch.is_some() {
        return Err(BadUsage(format!(
            "{text:?} names a state, and data are of a node, whatever its epoch: {}",
            id.short()
        ))
        .into());
    }
    match store.node(&id) {
        Some(Node::Train(train)) => Ok((id, train)),
        Some(other) => bail!(
            "node {} does not train, it is of kind {}: `sculpt ls` lists those of kind train, which have data",
            id.short(),
            other.kind()
        ),
        None => bail!(
            "node {} has no description that can be read; `sculpt verify` says more",
            id.short()
        ),
    }
}

/// As many of them, evenly over all.
fn spread(part: &DataPart, n: NonZeroU32) -> anyhow::Result<DataPart> {
    let (n, all) = (u64::from(n.get()), part.len() as u64);
    ensure!(n <= all, "--images {n}: there are {all} of this part");
    let places: Vec<u32> = (0..n).map(|i| (i * all / n) as u32).collect();
    Ok(part.select(&places))
}
