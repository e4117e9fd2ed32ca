use crate::ExperimentError;
use sculpt_datasets::{DataSpec, Origin, data_set_in_id};
use serde::{Deserialize, Serialize};

/// Which images a node is trained on, as its id tells it: nothing of how they are called in titles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRef {
    /// The registry's key. Ids of published suites from before there was one have a title here, and are known by their
    /// digest.
    pub name: String,
    /// SHA-256 of the data, by the digest rule of their entry in the registry.
    pub digest: String,
    /// The first so many training images, of pictures on disk as many spread evenly over them, which are sorted by class; all
    /// of them when absent, and then as many as the registry says. Of fewer records or pictures it is their number, so
    /// that plans know it without the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_images: Option<u32>,
    /// What images are normalised by; the registry's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalisation: Option<Normalisation>,
    /// Training and test images reduced to means of k × k pixels before anything else is done to them; as they are when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_pool: Option<AveragePool>,
    /// The first so many classes alone, of which the training images are then counted; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<u16>,
}

/// Rows and columns k of the blocks whose mean becomes one pixel, rounded half up to a byte; an average pool of kernel and
/// stride k.
///
/// | Name | Unit | Range | Paper's value | Where |
/// | --- | --- | --- | --- | --- |
/// | k | pixels | 2..=16, a divisor of the side | none | preset `quarter` |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32")]
pub struct AveragePool(u32);

impl AveragePool {
    /// Checks the range; whether k divides the side is seen where the data are known.
    ///
    /// # Errors
    /// A k outside 2..=16.
    pub fn new(k: u32) -> Result<Self, ExperimentError> {
        if !(2..=16).contains(&k) {
            return Err(ExperimentError::BadValue {
                what: "average_pool",
                value: k.to_string(),
                problem: "is not in 2..=16",
            });
        }
        Ok(Self(k))
    }

    /// Rows and columns of a block.
    pub fn k(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for AveragePool {
    type Error = ExperimentError;

    fn try_from(k: u32) -> Result<Self, ExperimentError> {
        Self::new(k)
    }
}

/// Mean and standard deviation of each channel, in units of the full range: an image is `(byte / 255 − mean) / std`.
///
/// | Name | Unit | Range | Paper's value | Where |
/// | --- | --- | --- | --- | --- |
/// | mean | full range | [0, 1] | not given; the registry's | reference §2.10 |
/// | std | full range | (0, 1] | not given; the registry's | reference §2.10 |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawNormalisation")]
pub struct Normalisation {
    mean: [f64; 3],
    std: [f64; 3],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNormalisation {
    mean: [f64; 3],
    std: [f64; 3],
}

impl Normalisation {
    /// Checks the ranges.
    ///
    /// # Errors
    /// A mean outside [0, 1], a standard deviation outside (0, 1].
    pub fn new(mean: [f64; 3], std: [f64; 3]) -> Result<Self, ExperimentError> {
        let refused = |what, value: f64, problem| ExperimentError::BadValue {
            what,
            value: value.to_string(),
            problem,
        };
        if let Some(&value) = mean.iter().find(|value| !(0.0..=1.0).contains(*value)) {
            return Err(refused("mean", value, "is not in [0, 1]"));
        }
        let is_std = |value: f64| value > 0.0 && value <= 1.0;
        if let Some(&value) = std.iter().find(|value| !is_std(**value)) {
            return Err(refused("std", value, "is not in (0, 1]"));
        }
        Ok(Self { mean, std })
    }

    /// Mean of each channel.
    pub fn mean(&self) -> [f64; 3] {
        self.mean
    }

    /// Standard deviation of each channel.
    pub fn std(&self) -> [f64; 3] {
        self.std
    }
}

impl TryFrom<RawNormalisation> for Normalisation {
    type Error = ExperimentError;

    fn try_from(raw: RawNormalisation) -> Result<Self, ExperimentError> {
        Self::new(raw.mean, raw.std)
    }
}

impl DataRef {
    /// The genuine data of an entry, whole, as they can be planned with before they are at hand.
    pub fn planned(spec: &DataSpec) -> Self {
        Self::found(spec, spec.planned_digest(), spec.n_train)
    }

    /// Data in the layout of an entry, with so many training images.
    pub(crate) fn found(spec: &DataSpec, digest: String, n_train: u32) -> Self {
        Self {
            name: spec.key.to_owned(),
            digest,
            train_images: (n_train != spec.n_train).then_some(n_train),
            normalisation: None,
            average_pool: None,
            classes: None,
        }
    }

    /// The same data at a k-th of their side.
    ///
    /// # Errors
    /// Data that the registry does not know, or whose side k does not divide.
    pub fn averaged(mut self, pool: AveragePool) -> Result<Self, ExperimentError> {
        let shape = self.spec()?.shape;
        let is_of_one_size = !matches!(self.spec()?.origin, Origin::Pictures { .. });
        if !is_of_one_size {
            return Err(ExperimentError::BadValue {
                what: "average_pool",
                value: pool.k().to_string(),
                problem: "is for images of one size, and pictures are of many",
            });
        }
        if !shape.height.is_multiple_of(pool.k()) || !shape.width.is_multiple_of(pool.k()) {
            return Err(ExperimentError::BadValue {
                what: "average_pool",
                value: pool.k().to_string(),
                problem: "does not divide the side of the images",
            });
        }
        self.average_pool = Some(pool);
        Ok(self)
    }

    /// (training images, side) of data, which need not be at hand.
    ///
    /// # Errors
    /// Data that the registry does not know.
    pub fn shape(&self) -> Result<(u64, u32), ExperimentError> {
        let spec = self.spec()?;
        let n_train = self.train_images.unwrap_or(spec.n_train);
        let k = self.average_pool.map_or(1, AveragePool::k);
        Ok((u64::from(n_train), spec.shape.height / k))
    }

    /// Classes of data, which need not be at hand: a network tells as many apart.
    pub(crate) fn n_classes(&self) -> Result<u16, ExperimentError> {
        let spec = self.spec()?;
        Ok(self.classes.unwrap_or(spec.n_classes))
    }

    /// The same data, normalised otherwise. The registry's own values are left out, as ids have always left them out.
    ///
    /// # Errors
    /// Data that the registry does not know.
    pub fn normalised(mut self, normalisation: Normalisation) -> Result<Self, ExperimentError> {
        let spec = self.spec()?;
        let own = (normalisation.mean, normalisation.std) == (spec.mean, spec.std);
        self.normalisation = (!own).then_some(normalisation);
        Ok(self)
    }

    /// The registry's entry.
    ///
    /// # Errors
    /// A name and digest that the registry does not know; the error lists what it knows.
    pub fn spec(&self) -> Result<&'static DataSpec, ExperimentError> {
        Ok(data_set_in_id(&self.name, &self.digest)?)
    }

    /// What tells loaded data apart: the digest, and what is done to the images of it that is not the registry's. How
    /// many of them are used matters only where they are spread over all.
    pub fn loaded_as(&self) -> String {
        let mut words = self.digest.clone();
        if let Some(Normalisation { mean, std }) = self.normalisation {
            words.push_str(&format!(" mean {mean:?} std {std:?}"));
        }
        if let Some(AveragePool(k)) = self.average_pool {
            words.push_str(&format!(" average_pool {k}"));
        }
        if let Some(n) = self.classes {
            words.push_str(&format!(" classes {n}"));
        }
        if let (Some(n), Ok(spec)) = (self.train_images, self.spec())
            && matches!(spec.origin, Origin::Pictures { .. })
        {
            words.push_str(&format!(" train_images {n}"));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Manifest, PanelName, Suite};
    use sculpt_datasets::{ALL, CIFAR10};
    use sculpt_store::canonical::to_canonical_json;
    use std::path::Path;

    fn json(data: &DataRef) -> String {
        to_canonical_json(data).unwrap()
    }

    /// The text in a node, and so every id on these data, is what it was before there was a registry.
    #[test]
    fn what_ids_hold_is_frozen() {
        for spec in ALL {
            let text = format!(
                r#"{{"digest":"{}","name":"{}"}}"#,
                spec.planned_digest(),
                spec.key
            );
            assert_eq!(json(&DataRef::planned(spec)), text);
        }
    }

    #[test]
    fn another_normalisation_is_in_the_id_and_the_usual_one_is_not() {
        let plain = DataRef::planned(&CIFAR10);
        let with = |mean, std| {
            let normalisation = Normalisation::new(mean, std).unwrap();
            plain.clone().normalised(normalisation).unwrap()
        };
        assert_eq!(with(CIFAR10.mean, CIFAR10.std), plain);
        let widespread = with(CIFAR10.mean, [0.2023, 0.1994, 0.2010]);
        let part = r#""normalisation":{"mean":[0.4914,0.4822,0.4465],"std":[0.2023,0.1994,0.201]}"#;
        assert!(json(&widespread).contains(part), "{}", json(&widespread));
        assert_ne!(widespread.loaded_as(), plain.loaded_as());
        let back: DataRef = serde_json::from_str(&json(&widespread)).unwrap();
        assert_eq!(back, widespread);
        for bad in [
            r#"{"mean":[0,0,2],"std":[1,1,1]}"#,
            r#"{"mean":[0,0,0],"std":[1,0,1]}"#,
            r#"{"mean":[0,0,0],"std":[1,1,1],"x":0}"#,
        ] {
            assert!(serde_json::from_str::<Normalisation>(bad).is_err(), "{bad}");
        }
        assert!(Normalisation::new([f64::NAN; 3], [1.0; 3]).is_err());
        assert!(Normalisation::new([0.0; 3], [f64::NAN; 3]).is_err());
    }

    /// Means of blocks are another set of images: the id, what is loaded and the side say so.
    #[test]
    fn averaged_pictures_are_other_data() {
        let plain = DataRef::planned(&CIFAR10);
        let half = plain.clone().averaged(AveragePool::new(2).unwrap()).unwrap();
        assert!(
            json(&half).starts_with(r#"{"average_pool":2,"digest""#),
            "{}",
            json(&half)
        );
        assert_ne!(half.loaded_as(), plain.loaded_as());
        assert_eq!(
            (plain.shape().unwrap(), half.shape().unwrap()),
            ((50_000, 32), (50_000, 16))
        );
        assert_eq!(serde_json::from_str::<DataRef>(&json(&half)).unwrap(), half);
        let error = plain
            .averaged(AveragePool::new(3).unwrap())
            .unwrap_err()
            .to_string();
        assert!(error.contains("does not divide the side"), "{error}");
        for bad in ["0", "1", "17", "-2"] {
            assert!(serde_json::from_str::<AveragePool>(bad).is_err(), "{bad}");
        }
    }

    /// The suite `cifar10-first` was published under a title: its files say the same nodes as ever, and its data are
    /// CIFAR-10's entry. (That its preset makes their ids is a test of sculpt-report.)
    #[test]
    fn a_suite_that_was_hashed_under_a_title_stays_readable() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/published/cifar10-first");
        let suite = Suite::in_folder(&folder).unwrap().unwrap();
        assert_eq!(suite.preset.title_of(PanelName::A), "CIFAR-10 (JPEG q75)");
        assert_eq!(suite.preset.data.spec().unwrap().key, "CIFAR-10");
        assert!(suite.preset.suite_name().starts_with("short-cifar-10-jpeg-q75-"));
        let manifest = Manifest::read(&folder).unwrap();
        assert!(!manifest.checkpoints().is_empty());
        for entry in manifest.checkpoints() {
            assert_eq!(entry.description.id(), entry.id);
        }
    }
}
