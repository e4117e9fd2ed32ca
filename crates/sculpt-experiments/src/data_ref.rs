use crate::ExperimentError;
use sculpt_datasets::{DataSpec, data_set_in_id};
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
    /// The first so many training images; all of them when absent, and then as many as the registry says. Of files with
    /// fewer records it is their number, so that plans know it without the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_images: Option<u32>,
    /// What images are normalised by; the registry's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalisation: Option<Normalisation>,
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
        }
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

    /// What tells loaded data apart: the digest, and a normalisation of their own. How many of the images are used does
    /// not matter.
    pub(crate) fn loaded_as(&self) -> String {
        format!("{} {:?}", self.digest, self.normalisation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ManifestEntry, PanelName, Suite};
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

    /// The suite `cifar10-first` was published under a title: its files say the same nodes as ever, and its data are
    /// CIFAR-10's entry. (That its preset makes their ids is a test of sculpt-report.)
    #[test]
    fn a_suite_that_was_hashed_under_a_title_stays_readable() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/published/cifar10-first");
        let suite = Suite::in_folder(&folder).unwrap().unwrap();
        assert_eq!(suite.preset.title_of(PanelName::A), "CIFAR-10 (JPEG q75)");
        assert_eq!(suite.preset.data.spec().unwrap().key, "CIFAR-10");
        assert!(suite.preset.suite_name().starts_with("short-cifar-10-jpeg-q75-"));
        let text = std::fs::read_to_string(folder.join("manifest.json")).unwrap();
        let manifest: Vec<ManifestEntry> = serde_json::from_str(&text).unwrap();
        assert!(!manifest.is_empty());
        for entry in manifest {
            assert_eq!(entry.description.id(), entry.id);
        }
    }
}
