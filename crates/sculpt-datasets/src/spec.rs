use crate::layout::RecordLayout;
use crate::{DataPart, Dataset, DatasetError, Decoding, Examples, Found, PictureSet, digest, records};
use sculpt_downloads::Archive;
use sculpt_pictures::Pictures;
use std::path::Path;
use std::sync::Arc;

/// What is known of a data set without having it.
#[derive(Debug)]
pub struct DataSpec {
    /// What it is called in ids. A change would change every id of a node on it.
    pub key: &'static str,
    /// What it is called in titles.
    pub title: &'static str,
    /// Size of an image as a network sees it.
    pub shape: Shape,
    /// Number of classes; labels lie below it.
    pub n_classes: u16,
    /// Training images.
    pub n_train: u32,
    /// Test images.
    pub n_test: u32,
    /// Mean of each channel, in units of the full range. Ids leave it out, so it never changes.
    pub mean: [f64; 3],
    /// Standard deviation of each channel, likewise.
    pub std: [f64; 3],
    /// Where it comes from.
    pub origin: Origin,
    /// What its digest is of.
    pub digest_rule: DigestRule,
    /// The digest of the genuine data; `None`: not known before the data are there.
    pub digest: Option<&'static str>,
    /// Digests of other data in its layout that ids know under a title of their own.
    pub titled: &'static [&'static str],
}

/// Size of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Colours: 3 throughout, which [`Examples`] and the networks are made for.
    pub channels: u32,
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
}

/// Where a data set comes from.
#[derive(Clone, Copy, Debug)]
pub enum Origin {
    /// It is made in memory: training and test examples.
    Memory(fn() -> (Examples, Examples)),
    /// Files of records, from an archive that anybody may fetch; or files of the user's own in the same layout.
    Records(&'static RecordLayout),
    /// Pictures of the user's own, in `train/<class>/` and `val/<class>/`, since their owners let nobody pass them on.
    Pictures {
        /// Where users get them.
        site: &'static str,
    },
}

/// What the digest of a data set is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestRule {
    /// The text that has one line for each record file, training files first: its SHA-256. Of images made in memory:
    /// the files that they would make (see [`Examples::records`]).
    RecordFiles,
    /// The same with one line, the SHA-256 of the archive that the files were proven to come from; of other files in
    /// the layout, as [`DigestRule::RecordFiles`].
    Archive,
    /// The text that has one line for each picture, sorted by its path: see [`PictureDigest`](crate::PictureDigest).
    Pictures,
}

impl Shape {
    /// Three channels, as many rows as columns.
    pub const fn square(side: u32) -> Self {
        Self {
            channels: 3,
            height: side,
            width: side,
        }
    }
}

impl DataSpec {
    /// The data: made, or read from `folder` or from the folder below it that the archive makes.
    ///
    /// Records in the layout are read whoever made them; the digest tells which they are.
    ///
    /// # Errors
    /// No folder, no files in it, or files that are not in the layout; pictures: see [`DataSpec::of_pictures`].
    pub fn open(&'static self, folder: Option<&Path>) -> Result<Dataset, DatasetError> {
        let (train, test, digest) = match self.origin {
            Origin::Memory(make) => {
                let (train, test) = make();
                let digest = digest::of_examples(&train, &test, self.n_classes);
                (train, test, digest)
            }
            Origin::Records(layout) => records::read(self, layout, self.folder(folder)?)?,
            Origin::Pictures { .. } => return Err(self.not_at_hand()),
        };
        Ok(Dataset {
            spec: self,
            mean: self.mean,
            std: self.std,
            n_classes: self.n_classes,
            train: train.into(),
            test: test.into(),
            digest,
        })
    }

    /// The data of an entry of pictures, from these two halves of them, which have this digest; see
    /// [`pictures_digest`](crate::pictures_digest).
    ///
    /// # Errors
    /// An entry of other data, or more classes than it has.
    pub fn of_pictures(
        &'static self,
        halves: [Arc<dyn Pictures>; 2],
        decoding: Decoding,
        digest: String,
    ) -> Result<Dataset, DatasetError> {
        let Origin::Pictures { .. } = self.origin else {
            return Err(self.not_at_hand());
        };
        let found = halves[0].classes().names().len();
        if found > usize::from(self.n_classes) {
            return Err(DatasetError::TooManyClasses {
                key: self.key,
                found,
                n_classes: self.n_classes,
            });
        }
        let [train, test] =
            halves.map(|half| DataPart::Pictures(PictureSet::new(half, self.shape.height, decoding)));
        Ok(Dataset {
            spec: self,
            mean: self.mean,
            std: self.std,
            n_classes: found as u16,
            train,
            test,
            digest,
        })
    }

    /// What record files there are in `folder`, or in the folder below it that the archive makes, without decoding
    /// them: their digest and how many records they have. A file is hashed once a process, as long as it stays as it is.
    ///
    /// # Errors
    /// As [`DataSpec::open`]; also for data that do not come in record files.
    pub fn found_in(&self, folder: &Path) -> Result<Found, DatasetError> {
        match self.origin {
            Origin::Records(layout) => records::find(self, layout, folder),
            Origin::Memory(_) | Origin::Pictures { .. } => Err(self.not_at_hand()),
        }
    }

    /// The archive that anybody may fetch.
    pub fn archive(&self) -> Option<Archive> {
        match self.origin {
            Origin::Records(layout) => Some(layout.archive(self)),
            Origin::Memory(_) | Origin::Pictures { .. } => None,
        }
    }

    /// What `data get` calls it.
    pub fn word(&self) -> Option<&'static str> {
        match self.origin {
            Origin::Records(layout) => Some(layout.word),
            Origin::Memory(_) | Origin::Pictures { .. } => None,
        }
    }

    /// How one comes by the data, in a few words.
    pub fn how(&self) -> String {
        match self.origin {
            Origin::Memory(_) => "made in memory".to_owned(),
            Origin::Records(layout) => {
                format!(
                    "`data get {} --data DIR` fetches it, --data DIR finds it",
                    layout.word
                )
            }
            Origin::Pictures { site } => {
                format!(
                    "pictures of your own from {site}; --data imagenet:DIR finds them, in folders a class, in their owners' tar files, or packed (`data pack imagenet`)"
                )
            }
        }
    }

    /// The digest that stands in plans: the genuine data's, or words that no digest can be mistaken for.
    pub fn planned_digest(&self) -> String {
        self.digest.map_or_else(
            || format!("placeholder until the pictures of {} are at hand", self.key),
            str::to_owned,
        )
    }

    fn folder<'a>(&self, folder: Option<&'a Path>) -> Result<&'a Path, DatasetError> {
        folder.ok_or_else(|| self.not_at_hand())
    }

    fn not_at_hand(&self) -> DatasetError {
        DatasetError::NotAtHand {
            key: self.key,
            how: self.how(),
        }
    }
}
