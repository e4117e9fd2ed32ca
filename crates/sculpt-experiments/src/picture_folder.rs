//! Pictures of the user's own, as `--data imagenet:DIR` names them.

use crate::{DataRef, ExperimentError, counted};
use sculpt_datasets::{DataSpec, Dataset, DatasetError, Decoding, IMAGENET, Pictures};
use sculpt_pictures::{
    ClassList, Codec, Lying, Pack, Part, ShortSide, open, pictures_digest, pictures_stamp,
};
use sculpt_store::cache::{Cache, Key};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Pictures of a folder, however they lie in it, found and told apart, and not decoded yet.
#[derive(Clone, Debug)]
pub struct PictureFolder {
    folder: PathBuf,
    /// For training and for validation.
    halves: [Arc<dyn Pictures>; 2],
    decoding: Decoding,
    digest: String,
    /// By which the digest is known to be theirs.
    stamp: String,
    title: String,
}

/// What a remembered digest rests on.
#[derive(Serialize)]
struct Inputs<'a> {
    measure: &'static str,
    v: u32,
    stamp: &'a str,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    digest: String,
}

impl PictureFolder {
    /// The data set that they are of.
    pub const SPEC: &'static DataSpec = &IMAGENET;

    /// What lies in `folder`. Files that are not packed are all read once, for their digest: `progress` is told how many of how
    /// many were. The digest is remembered among the measures in `runs`, and holds as long as no file's length or time changes.
    ///
    /// # Errors
    /// A folder without pictures for training or for validation; what the file system refuses.
    pub fn find(
        folder: &Path,
        runs: &Path,
        decoding: Decoding,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Self, ExperimentError> {
        let halves = [open(folder, Part::Train)?, open(folder, Part::Val)?];
        let stamp = pictures_stamp(folder)?;
        let (digest, packed) = match Lying::of(folder)? {
            Lying::Packed => {
                let pack = Pack::open(folder)?;
                let packed = (pack.digest() != pack.source_digest()).then(|| packed_as(&pack));
                (pack.digest().to_owned(), packed.unwrap_or_default())
            }
            Lying::Folders | Lying::Tars => {
                let n = halves.iter().map(|half| half.len()).sum();
                let digest = known_digest(folder, runs, &stamp, &mut |n_read| progress(n_read, n))?;
                (digest, String::new())
            }
        };
        Ok(Self {
            folder: folder.to_owned(),
            title: format!("{}{packed}", title(&*halves[0])),
            halves,
            decoding,
            digest,
            stamp,
        })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Those that are trained on.
    pub fn training(&self) -> &dyn Pictures {
        &*self.halves[0]
    }

    /// Threads that decode, and how many pictures may be left out.
    pub fn decoding(&self) -> Decoding {
        self.decoding
    }

    /// Their digest, by [`DigestRule::Pictures`](sculpt_datasets::DigestRule::Pictures).
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What titles call them.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Classes that there are pictures of.
    pub(crate) fn n_classes(&self) -> u16 {
        u16::try_from(self.halves[0].classes().names().len()).unwrap_or(u16::MAX)
    }

    /// What nodes are made of.
    pub(crate) fn data(&self) -> DataRef {
        DataRef::found(Self::SPEC, self.digest.clone(), self.halves[0].len() as u32)
    }

    /// The same, of the first `n` classes.
    pub(crate) fn data_of_classes(&self, n: u16) -> DataRef {
        let train = &self.halves[0];
        let n_train = (0..train.len()).filter(|i| train.label(*i) < n).count();
        DataRef {
            classes: Some(n),
            train_images: Some(n_train as u32),
            ..self.data()
        }
    }

    /// That no file has another length or time than when they were found. Bytes that somebody changes without a trace in
    /// either are not noticed.
    pub(crate) fn check_unchanged(&self) -> Result<(), ExperimentError> {
        if pictures_stamp(&self.folder)? == self.stamp {
            return Ok(());
        }
        Err(ExperimentError::PicturesChanged(self.folder.clone()))
    }

    pub(crate) fn open(&self) -> Result<Dataset, DatasetError> {
        Self::SPEC.of_pictures(self.halves.clone(), self.decoding, self.digest.clone())
    }
}

fn known_digest(
    folder: &Path,
    runs: &Path,
    stamp: &str,
    progress: &mut dyn FnMut(usize),
) -> Result<String, ExperimentError> {
    let cache = Cache::new(runs);
    let key = Key::of(&Inputs {
        measure: "pictures-digest",
        v: 1,
        stamp,
    });
    if let Some(Known { digest }) = cache.get(&key) {
        return Ok(digest);
    }
    let digest = pictures_digest(folder, progress)?;
    // Files that changed while they were read have another stamp, and are read again.
    cache.put(
        &key,
        &Known {
            digest: digest.clone(),
        },
    )?;
    Ok(digest)
}

/// What they are, as far as number and classes tell: the owners' own, or some like them.
fn title(train: &dyn Pictures) -> String {
    let (n, classes) = (train.len(), train.classes());
    let said = || {
        let n_classes = classes.names().len();
        let classes = if n_classes == 1 { "class" } else { "classes" };
        format!("{} of {n_classes} {classes}", counted(n, "picture"))
    };
    match classes.list() {
        ClassList::ImageNet if n == PictureFolder::SPEC.n_train as usize => {
            PictureFolder::SPEC.title.to_owned()
        }
        ClassList::ImageNet | ClassList::WordNet => {
            format!("ImageNet, {}", said())
        }
        ClassList::Own => said(),
    }
}

/// " packed at 256, JPEG 90".
fn packed_as(pack: &Pack) -> String {
    let parameters = pack.parameters();
    let side = match parameters.side {
        ShortSide::Pixels(pixels) => format!("at {pixels}"),
        ShortSide::Full => "whole".to_owned(),
    };
    let codec = match parameters.codec {
        Codec::Jpeg => format!("JPEG {}", u8::from(parameters.quality)),
        Codec::Raw => "raw".to_owned(),
    };
    format!(" packed {side}, {codec}")
}
