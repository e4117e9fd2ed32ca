use crate::{Part, PictureError};
use sculpt_store::canonical::{sha256_hex, to_canonical_json};
use sculpt_store::digest::Digest;
use sculpt_store::{paths, read, sealed};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::str::FromStr;

/// How pictures are packed.
///
/// | name | unit | range | usual |
/// | --- | --- | --- | --- |
/// | `side` | pixels of the shorter side | 16 to 4,096, or `full` | 256 |
/// | `codec` | | `jpeg`, `raw` | `jpeg` |
/// | `quality` | libjpeg's scale | 1 to 100 | 90 |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackParameters {
    /// Shorter side that larger pictures are resized to.
    pub side: ShortSide,
    /// Form of the pictures.
    pub codec: Codec,
    /// Quality of those that are encoded; 100 of pixels.
    pub quality: Quality,
}

impl PackParameters {
    /// Pixels have no quality: whatever was asked for, it is 100, so that equal packs are told by equal words.
    pub(super) fn canonical(self) -> Self {
        match self.codec {
            Codec::Jpeg => self,
            Codec::Raw => Self {
                quality: Quality(100),
                ..self
            },
        }
    }
}

/// The shorter side that larger pictures are resized to; smaller ones stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ShortSide {
    /// Pixels.
    Pixels(u32),
    /// All stay as they are.
    Full,
}

/// Shorter sides that make sense.
const SIDES: std::ops::RangeInclusive<u32> = 16..=4096;

impl FromStr for ShortSide {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        if word == "full" {
            return Ok(Self::Full);
        }
        let pixels = word.parse().ok().filter(|pixels| SIDES.contains(pixels));
        pixels.map(Self::Pixels).ok_or_else(|| {
            format!(
                "{word} is no shorter side: a number of pixels from {} to {}, or full",
                SIDES.start(),
                SIDES.end()
            )
        })
    }
}

impl TryFrom<String> for ShortSide {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        word.parse()
    }
}

impl From<ShortSide> for String {
    fn from(side: ShortSide) -> Self {
        match side {
            ShortSide::Pixels(pixels) => pixels.to_string(),
            ShortSide::Full => "full".to_owned(),
        }
    }
}

/// The form of packed pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Codec {
    /// JPEG; files that are small enough and have no black ink are kept byte by byte.
    Jpeg,
    /// Pixels: about nine times as much to keep, and nothing to decode.
    Raw,
}

impl FromStr for Codec {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "jpeg" => Ok(Self::Jpeg),
            "raw" => Ok(Self::Raw),
            _ => Err(format!("{word} is no codec: jpeg or raw")),
        }
    }
}

/// A quality of JPEG, 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Quality(u8);

impl TryFrom<u8> for Quality {
    type Error = String;

    fn try_from(quality: u8) -> Result<Self, String> {
        let is_one = (1..=100).contains(&quality);
        is_one
            .then_some(Self(quality))
            .ok_or_else(|| format!("{quality} is no quality: 1 to 100"))
    }
}

impl From<Quality> for u8 {
    fn from(Quality(quality): Quality) -> Self {
        quality
    }
}

/// A picture that nobody could read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Its name, from the root of the set.
    pub name: String,
    /// Why.
    pub because: String,
}

/// `pack.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Index {
    pub(super) format: u32,
    pub(super) parameters: PackParameters,
    pub(super) classes: Vec<String>,
    /// [`PictureDigest`](crate::PictureDigest) of the files that it was made of.
    pub(super) source: String,
    /// SHA-256 over a line for each of these files: its bytes, two spaces, its name.
    pub(super) listing: String,
    /// What training on it is to be told by.
    pub(super) digest: String,
    pub(super) train: Vec<ShardEntry>,
    pub(super) val: Vec<ShardEntry>,
    pub(super) left_out: Vec<LeftOut>,
}

/// One shard, as the index records it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShardEntry {
    /// Records in it, those that were left out too.
    pub(super) records: u32,
    /// CRC-32 of its table: what tells on opening that it is this pack's.
    pub(super) table_crc32: u32,
    #[serde(flatten)]
    pub(super) file: Digest,
}

pub(super) const FORMAT: u32 = 2;

/// `packing.json`, which stands beside the shards as long as there are not all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Begun {
    pub(super) parameters: PackParameters,
    /// SHA-256 over the names of the files, a line each. One that was mended meanwhile is packed as it is now: each record
    /// holds the length of what it was made of.
    pub(super) names: String,
}

impl Index {
    pub(super) fn shards(&self, part: Part) -> &[ShardEntry] {
        match part {
            Part::Train => &self.train,
            Part::Val => &self.val,
        }
    }

    pub(super) fn read(folder: &Path) -> Result<Self, PictureError> {
        // Says so where the pack is half made, or none.
        crate::Lying::of(folder)?;
        let path = paths::pack_index(folder);
        let wrong = |problem: String| PictureError::pack(&path, problem);
        let bytes = read(&path).map_err(crate::error::refused(&path, "read"))?;
        let (index, is_sealed): (Self, bool) = sealed::open(&bytes).map_err(|e| wrong(e.to_string()))?;
        if !is_sealed {
            return Err(wrong("it has no seal".to_owned()));
        }
        if index.format != FORMAT {
            return Err(wrong(format!(
                "format {} is not the one read here, {FORMAT}",
                index.format
            )));
        }
        Ok(index)
    }
}

/// The digest of what is trained on: that of the files where all of them are kept byte by byte and none is left out, else
/// one of the files' and of what was done to them.
pub(super) fn digest_of(source: &str, parameters: PackParameters, is_whole: bool) -> String {
    if is_whole {
        return source.to_owned();
    }
    #[derive(Serialize)]
    struct Made<'a> {
        source: &'a str,
        pack: PackParameters,
    }
    let pack = parameters;
    let made = to_canonical_json(&Made { source, pack }).expect("words and small numbers have a JSON text");
    sha256_hex(made.as_bytes())
}
