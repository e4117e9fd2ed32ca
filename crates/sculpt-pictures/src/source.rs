//! Labelled pictures, wherever they lie.

use crate::folder::Folder;
use crate::tars::Tars;
use crate::{Classes, Pack, PictureError};
use sculpt_store::paths;
use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

/// Training or validation pictures, by their place: sorted by class, then by name.
pub trait Pictures: Debug + Send + Sync {
    /// How many.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The classes that labels are places among.
    fn classes(&self) -> &Classes;

    /// The label of one.
    ///
    /// # Panics
    /// When there is none at `i`.
    fn label(&self, i: usize) -> u16;

    /// What one is called, from the root of its set: `train/n01440764/n01440764_18.JPEG`, wherever it lies.
    ///
    /// # Errors
    /// A name that has to be read and cannot be.
    ///
    /// # Panics
    /// When there is none at `i`.
    fn name(&self, i: usize) -> Result<String, PictureError>;

    /// How many bytes [`read`](Self::read) gives, without reading them.
    ///
    /// # Errors
    /// What the operating system refuses; what is no file.
    ///
    /// # Panics
    /// When there is none at `i`.
    fn n_bytes(&self, i: usize) -> Result<u64, PictureError>;

    /// Puts the bytes of one into `bytes`, as they are to be decoded.
    ///
    /// # Errors
    /// What the operating system refuses, or damage that a checksum shows.
    ///
    /// # Panics
    /// When there is none at `i`.
    fn read(&self, i: usize, bytes: &mut Vec<u8>) -> Result<(), PictureError>;

    /// Pictures that nobody could read, and that were left out before these came to be, each with the reason: when they were packed.
    fn left_out(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Some of others.
#[derive(Clone, Debug)]
pub struct Subset {
    of: Arc<dyn Pictures>,
    places: Vec<u32>,
}

impl Subset {
    /// Those at these places.
    ///
    /// # Panics
    /// When there is none at one of them.
    pub fn new(of: Arc<dyn Pictures>, places: Vec<u32>) -> Self {
        assert!(
            places.iter().all(|place| (*place as usize) < of.len()),
            "places lie among {} pictures",
            of.len()
        );
        Self { of, places }
    }

    /// `n` of them, spread evenly over all: of as many classes as can be.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn spread(of: Arc<dyn Pictures>, n: usize) -> Self {
        let all = of.len();
        assert!(n <= all, "{n} of {all} pictures");
        let places = (0..n)
            .map(|i| (i as u64 * all as u64 / n as u64) as u32)
            .collect();
        Self::new(of, places)
    }
}

impl Subset {
    /// Those of the first so many classes, which keep their labels.
    pub fn of_classes(of: Arc<dyn Pictures>, n_classes: u16) -> Self {
        let places = 0..of.len() as u32;
        let places = places
            .filter(|place| of.label(*place as usize) < n_classes)
            .collect();
        Self { of, places }
    }
}

impl Pictures for Subset {
    fn left_out(&self) -> Vec<String> {
        self.of.left_out()
    }

    fn len(&self) -> usize {
        self.places.len()
    }

    fn classes(&self) -> &Classes {
        self.of.classes()
    }

    fn label(&self, i: usize) -> u16 {
        self.of.label(self.places[i] as usize)
    }

    fn name(&self, i: usize) -> Result<String, PictureError> {
        self.of.name(self.places[i] as usize)
    }

    fn n_bytes(&self, i: usize) -> Result<u64, PictureError> {
        self.of.n_bytes(self.places[i] as usize)
    }

    fn read(&self, i: usize, bytes: &mut Vec<u8>) -> Result<(), PictureError> {
        self.of.read(self.places[i] as usize, bytes)
    }
}

/// The same pictures under other labels (label noise).
#[derive(Clone, Debug)]
pub struct Relabelled {
    of: Arc<dyn Pictures>,
    labels: Vec<u16>,
}

impl Relabelled {
    /// With these labels, by place.
    ///
    /// # Panics
    /// When there is not one for each, or one is none of the classes.
    pub fn new(of: Arc<dyn Pictures>, labels: Vec<u16>) -> Self {
        assert_eq!(labels.len(), of.len(), "a label a picture");
        let n_classes = of.classes().names().len();
        assert!(
            labels.iter().all(|label| usize::from(*label) < n_classes),
            "labels are of {n_classes} classes"
        );
        Self { of, labels }
    }
}

impl Pictures for Relabelled {
    fn left_out(&self) -> Vec<String> {
        self.of.left_out()
    }

    fn len(&self) -> usize {
        self.labels.len()
    }

    fn classes(&self) -> &Classes {
        self.of.classes()
    }

    fn label(&self, i: usize) -> u16 {
        self.labels[i]
    }

    fn name(&self, i: usize) -> Result<String, PictureError> {
        self.of.name(i)
    }

    fn n_bytes(&self, i: usize) -> Result<u64, PictureError> {
        self.of.n_bytes(i)
    }

    fn read(&self, i: usize, bytes: &mut Vec<u8>) -> Result<(), PictureError> {
        self.of.read(i, bytes)
    }
}

/// Half of a set of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// What is trained on.
    Train,
    /// What is evaluated on.
    Val,
}

impl Part {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Train, Self::Val];

    /// The name of its folder.
    pub fn word(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
        }
    }
}

/// How pictures lie in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lying {
    /// A pack, as [`pack`](crate::pack::pack) makes it.
    Packed,
    /// A folder a class, in `train/` and `val/`.
    Folders,
    /// The tar files of ILSVRC 2012 as they are given out.
    Tars,
}

impl Lying {
    /// How they lie in this folder.
    ///
    /// # Errors
    /// A folder with none of the three in it, or with a pack that is half made.
    pub fn of(folder: &Path) -> Result<Self, PictureError> {
        if paths::pack_index(folder).is_file() {
            return Ok(Self::Packed);
        }
        if paths::pack_begun(folder).is_file() {
            let problem = "this pack is half made: give the command that began it again, and it goes on";
            return Err(PictureError::pack(folder, problem));
        }
        if Part::ALL.iter().any(|part| folder.join(part.word()).is_dir()) {
            return Ok(Self::Folders);
        }
        if Tars::are_in(folder) {
            return Ok(Self::Tars);
        }
        let problem = if folder.is_dir() {
            "no pictures are here: neither train/CLASS/ and val/CLASS/, nor ILSVRC2012_img_train.tar, nor a pack"
        } else if folder.exists() {
            "it is no folder: give the one that train/ and val/, the tar files or the pack lie in"
        } else {
            "there is no such folder"
        };
        Err(PictureError::layout(folder, problem))
    }
}

/// One half of the pictures in a folder, however they lie.
///
/// # Errors
/// As [`Lying::of`]; without this half; what the operating system refuses.
pub fn open(folder: &Path, part: Part) -> Result<Arc<dyn Pictures>, PictureError> {
    let lying = Lying::of(folder)?;
    if !parts(folder, lying).contains(&part) {
        let problem = match part {
            Part::Train => {
                "the pictures to train on are not here: neither train/CLASS/ nor ILSVRC2012_img_train.tar"
            }
            Part::Val => {
                "the pictures to evaluate on are not here: neither val/CLASS/ nor ILSVRC2012_img_val.tar"
            }
        };
        return Err(PictureError::layout(folder, problem));
    }
    Ok(match lying {
        Lying::Packed => Arc::new(Pack::open(folder)?.part(part)?),
        Lying::Folders => Arc::new(Folder::open(folder, part)?),
        Lying::Tars => Arc::new(Tars::open(folder, part)?),
    })
}

/// The halves that there are of the pictures in a folder.
pub(crate) fn parts(folder: &Path, lying: Lying) -> Vec<Part> {
    let has = |part: &Part| match lying {
        Lying::Packed => true,
        Lying::Folders => folder.join(part.word()).is_dir(),
        Lying::Tars => Tars::path(folder, *part).is_file(),
    };
    Part::ALL.into_iter().filter(has).collect()
}
