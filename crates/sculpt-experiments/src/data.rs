use crate::{DataRef, ExperimentError, PictureFolder};
use sculpt_datasets::{ALL, DataSpec, Dataset, DatasetError, Origin};
use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// Where the data of nodes are found: those made in memory are made, others read from folders of the user's.
#[derive(Clone, Debug, Default)]
pub struct DataFolder {
    /// `--data DIR`: record files, or the folders that archives make, of one data set or of several.
    pub folder: Option<PathBuf>,
    /// `--data-name S`: what titles call files that are not the original.
    pub name: Option<String>,
    /// `--data imagenet:DIR`: pictures.
    pub pictures: Option<PictureFolder>,
}

impl DataFolder {
    /// What there is of a data set, to make nodes of, and its title.
    ///
    /// # Errors
    /// No folder, no files of it there, or files that are not the original and have no title.
    pub fn find(&self, spec: &'static DataSpec) -> Result<(DataRef, String), ExperimentError> {
        match spec.origin {
            Origin::Memory(_) => Ok((DataRef::planned(spec), spec.title.to_owned())),
            Origin::Pictures { .. } => {
                let pictures = self.pictures_of(spec).ok_or_else(|| missing(spec, None))?;
                // A title is of the records, where there are any.
                let title = self.name.as_deref().filter(|_| self.folder.is_none());
                Ok((pictures.data(), title.unwrap_or(pictures.title()).to_owned()))
            }
            Origin::Records(_) => {
                let folder = self.folder.as_deref().ok_or_else(|| missing(spec, None))?;
                let found = spec.found_in(folder)?;
                let title = spec.title_of(&found, self.name.as_deref())?;
                Ok((
                    DataRef::found(spec, found.digest().to_owned(), found.n_train()),
                    title,
                ))
            }
        }
    }

    /// What a plan is made with: what there is, or the genuine data where nobody pointed at others. A folder that holds
    /// another data set of the registry is none of these.
    ///
    /// # Errors
    /// As [`DataFolder::find`], where a folder is given.
    pub fn find_or_plan(&self, spec: &'static DataSpec) -> Result<(DataRef, String), ExperimentError> {
        let planned = || (DataRef::planned(spec), spec.title.to_owned());
        if let Origin::Pictures { .. } = spec.origin {
            return self
                .pictures_of(spec)
                .map_or_else(|| Ok(planned()), |_| self.find(spec));
        }
        let Some(folder) = &self.folder else {
            return Ok(planned());
        };
        match self.find(spec) {
            Err(ExperimentError::Dataset(DatasetError::Absent { .. }))
                if self.name.is_none() && holds_another(spec, folder) =>
            {
                Ok(planned())
            }
            found => found,
        }
    }

    /// Whether the data that a node names can be had; without making or decoding them.
    ///
    /// # Errors
    /// Data that cannot be read, or that have another digest.
    pub fn is_at_hand(&self, data: &DataRef) -> Result<bool, ExperimentError> {
        match self.found(data) {
            Ok(_) => Ok(true),
            Err(ExperimentError::DataMissing { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The data that a node names, whole: [`DataRef::train_images`] is applied by whoever trains. They are reduced and
    /// normalised as the node says.
    ///
    /// # Errors
    /// Data that are not at hand, or that have another digest.
    pub fn load(&self, data: &DataRef) -> Result<Dataset, ExperimentError> {
        let spec = data.spec()?;
        let mut dataset = match spec.origin {
            Origin::Memory(_) => made(spec).clone(),
            Origin::Pictures { .. } => self.pictures_for(spec, data)?.open()?,
            Origin::Records(_) => {
                let folder = self.folder.as_deref().ok_or_else(|| missing(spec, Some(data)))?;
                let opened = spec.open(Some(folder));
                opened.map_err(|error| unread(error, spec, data))?
            }
        };
        if dataset.digest() != data.digest {
            return Err(differs(spec, data, dataset.digest()));
        }
        if let Some(n) = data.classes {
            dataset = dataset.of_classes(n);
        }
        if let Some(pool) = data.average_pool {
            dataset = dataset.averaged(pool.k() as usize)?;
        }
        if let Some(normalisation) = &data.normalisation {
            (dataset.mean, dataset.std) = (normalisation.mean(), normalisation.std());
        }
        Ok(dataset)
    }

    /// That what a node has read is what its data were when they were found: pictures are read whenever a batch needs them, and all
    /// else was read at once, and its digest with it.
    ///
    /// # Errors
    /// Pictures that changed since; what the file system refuses.
    pub fn check_unchanged(&self, data: &DataRef) -> Result<(), ExperimentError> {
        let pictures = self.pictures_of(data.spec()?);
        pictures.map_or(Ok(()), PictureFolder::check_unchanged)
    }

    /// The same data, but of the first `n` classes alone, which keep their labels: of pictures, whose number is known then.
    ///
    /// # Errors
    /// Data that are no pictures, or not those at hand; classes that there are not, or that have no training picture.
    pub fn of_classes(&self, data: &DataRef, n: u16) -> Result<DataRef, ExperimentError> {
        let refused = |problem| ExperimentError::BadValue {
            what: "classes",
            value: n.to_string(),
            problem,
        };
        let spec = data.spec()?;
        let pictures = self
            .pictures_of(spec)
            .filter(|pictures| pictures.digest() == data.digest);
        let pictures = pictures.ok_or_else(|| {
            if self.pictures_of(spec).is_none() && self.pictures.is_some() {
                return ExperimentError::OutOfRange {
                    field: "classes",
                    value: n.to_string(),
                    allowed: format!(
                        "given for {}, which is no set of pictures: of {} it can be, panels (c) and `data = {{ name = \"{}\" }}`",
                        data.name,
                        PictureFolder::SPEC.title,
                        PictureFolder::SPEC.key
                    ),
                };
            }
            refused("chooses among pictures at hand: --data imagenet:DIR")
        })?;
        let found = pictures.n_classes();
        if n == 0 || n > found {
            return Err(ExperimentError::OutOfRange {
                field: "classes",
                value: n.to_string(),
                allowed: format!("in 1..={found}, the classes of these pictures"),
            });
        }
        let of_classes = pictures.data_of_classes(n);
        if of_classes.train_images == Some(0) {
            return Err(refused("first classes have no training picture"));
        }
        Ok(DataRef {
            classes: of_classes.classes,
            train_images: of_classes.train_images,
            ..data.clone()
        })
    }

    /// The pictures that the user pointed at, where an entry is of such.
    fn pictures_of(&self, spec: &DataSpec) -> Option<&PictureFolder> {
        let is_theirs = spec.key == PictureFolder::SPEC.key;
        self.pictures.as_ref().filter(|_| is_theirs)
    }

    /// The same for the data that a node names; a plan without pictures names none.
    fn pictures_for(&self, spec: &DataSpec, data: &DataRef) -> Result<&PictureFolder, ExperimentError> {
        let is_planned = data.digest == spec.planned_digest();
        let pictures = self.pictures_of(spec).filter(|_| !is_planned);
        pictures.ok_or_else(|| missing(spec, Some(data)))
    }

    /// The entry of the data that a node names, if they are at hand.
    fn found(&self, data: &DataRef) -> Result<&'static DataSpec, ExperimentError> {
        let spec = data.spec()?;
        match spec.origin {
            Origin::Memory(_) if spec.digest == Some(data.digest.as_str()) => Ok(spec),
            Origin::Memory(_) => Err(differs(spec, data, spec.digest.unwrap_or_default())),
            Origin::Pictures { .. } => {
                let pictures = self.pictures_for(spec, data)?;
                if pictures.digest() == data.digest {
                    return Ok(spec);
                }
                Err(differs(spec, data, pictures.digest()))
            }
            Origin::Records(_) => {
                let folder = self.folder.as_deref().ok_or_else(|| missing(spec, Some(data)))?;
                let found = spec.found_in(folder).map_err(|error| unread(error, spec, data))?;
                if found.digest() == data.digest {
                    return Ok(spec);
                }
                Err(differs(spec, data, found.digest()))
            }
        }
    }
}

fn differs(spec: &DataSpec, data: &DataRef, found: &str) -> ExperimentError {
    ExperimentError::DataDiffers {
        name: data.name.clone(),
        found: found.to_owned(),
        wanted: data.digest.clone(),
        how: how(spec, data),
    }
}

/// A folder of other data, which is what most people have, is none of these.
fn unread(error: DatasetError, spec: &DataSpec, data: &DataRef) -> ExperimentError {
    if matches!(
        error,
        DatasetError::Absent { .. } | DatasetError::NotAtHand { .. }
    ) {
        return missing(spec, Some(data));
    }
    error.into()
}

/// Says which data are not there and how one comes by them.
fn missing(spec: &DataSpec, data: Option<&DataRef>) -> ExperimentError {
    ExperimentError::DataMissing {
        name: data.map_or(spec.key, |data| data.name.as_str()).to_owned(),
        how: data.map_or_else(|| spec.how(), |data| how(spec, data)),
    }
}

impl DataRef {
    /// How one comes by these data: the genuine ones, or somebody's own.
    ///
    /// # Errors
    /// Data that the registry does not know.
    pub fn how(&self) -> Result<String, ExperimentError> {
        Ok(how(self.spec()?, self))
    }
}

fn how(spec: &DataSpec, data: &DataRef) -> String {
    if spec.digest.is_none_or(|digest| digest == data.digest) {
        return spec.how();
    }
    format!(
        "they are files of somebody's own in the layout of {:?}, with digest {}; --data DIR finds them",
        spec.key, data.digest
    )
}

/// Whether files of a data set other than this one are in the folder.
fn holds_another(spec: &DataSpec, folder: &Path) -> bool {
    let others = ALL.into_iter().filter(|other| other.key != spec.key);
    others.into_iter().any(|other| other.found_in(folder).is_ok())
}

/// Data made in memory, once a process.
fn made(spec: &'static DataSpec) -> &'static Dataset {
    static MADE: [OnceLock<Dataset>; ALL.len()] = [const { OnceLock::new() }; ALL.len()];
    let place = ALL.iter().position(|other| other.key == spec.key);
    MADE[place.expect("nodes name data of the registry")].get_or_init(|| {
        spec.open(None)
            .expect("what is made in memory needs nothing of the user's")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AveragePool, Normalisation};
    use sculpt_datasets::{CIFAR10, CIFAR100, DEMO_A, IMAGENET};
    use std::fs;
    use tempfile::TempDir;

    /// CIFAR-10's files with `n` records each, of all classes in turn.
    fn small(dir: &Path, n: usize) {
        let folder = dir.join("cifar-10-batches-bin");
        fs::create_dir_all(&folder).unwrap();
        let names = (1..=5).map(|i| format!("data_batch_{i}.bin"));
        for name in names.chain(["test_batch.bin".to_owned()]) {
            let record = |i: usize| [vec![(i % 10) as u8], vec![i as u8; 3072]].concat();
            fs::write(folder.join(name), (0..n).flat_map(record).collect::<Vec<u8>>()).unwrap();
        }
    }

    fn at(dir: &Path, name: Option<&str>) -> DataFolder {
        DataFolder {
            folder: Some(dir.to_owned()),
            name: name.map(str::to_owned),
            pictures: None,
        }
    }

    /// A title is asked for and leaves the id alone; the number of images is known without the files.
    #[test]
    fn files_of_ones_own_are_their_layouts_key_with_a_digest_of_their_own() {
        let dir = TempDir::new().unwrap();
        small(dir.path(), 3);
        let error = at(dir.path(), None).find(&CIFAR10).unwrap_err().to_string();
        assert!(error.contains("--data-name"), "{error}");
        let (data, title) = at(dir.path(), Some("mine")).find(&CIFAR10).unwrap();
        let (again, other) = at(dir.path(), Some("yours")).find_or_plan(&CIFAR10).unwrap();
        assert_eq!((title.as_str(), other.as_str(), &data), ("mine", "yours", &again));
        assert_eq!((data.name.as_str(), data.train_images), ("CIFAR-10", Some(15)));
        // Whoever loads it needs no title.
        let folder = at(dir.path(), None);
        assert!(folder.is_at_hand(&data).unwrap());
        let loaded = folder.load(&data).unwrap();
        assert_eq!(
            (loaded.train.len(), loaded.test.len(), loaded.std),
            (15, 3, CIFAR10.std)
        );
        let halves = Normalisation::new([0.5; 3], [0.25; 3]).unwrap();
        let loaded = folder.load(&data.clone().normalised(halves).unwrap()).unwrap();
        assert_eq!((loaded.mean, loaded.std), ([0.5; 3], [0.25; 3]));
        let half = data.clone().averaged(AveragePool::new(2).unwrap()).unwrap();
        let loaded = folder.load(&half).unwrap();
        assert_eq!(
            (loaded.train.size(), loaded.test.size(), loaded.digest()),
            ((16, 16), (16, 16), data.digest.as_str())
        );
        // A title in an id is no way to any data, and a digest is.
        let titled = DataRef {
            name: "mine".to_owned(),
            ..data.clone()
        };
        let error = folder.load(&titled).unwrap_err().to_string();
        assert!(error.contains("no data set is called \"mine\""), "{error}");
        small(dir.path(), 2);
        let error = folder.load(&data).unwrap_err().to_string();
        assert!(error.contains("the node wants"), "{error}");
    }

    /// `data/published/cifar10-first` is hashed under its title.
    #[test]
    fn the_data_of_an_older_id_are_known_by_their_digest() {
        let digest = "b0e5019c1b486ede0290ee5533b213498a1b8123c1f46eec98a650049070ed1f";
        let text = format!(r#"{{"name":"CIFAR-10 (JPEG q75)","digest":"{digest}","train_images":5000}}"#);
        let data: DataRef = serde_json::from_str(&text).unwrap();
        assert_eq!(data.spec().unwrap().key, "CIFAR-10");
        let missing = DataFolder::default().load(&data).unwrap_err().to_string();
        assert!(
            missing.contains(digest) && missing.contains("--data DIR finds them"),
            "{missing}"
        );
        let dir = TempDir::new().unwrap();
        small(dir.path(), 1);
        let error = at(dir.path(), None).load(&data).unwrap_err().to_string();
        assert!(error.contains("the node wants b0e5"), "{error}");
    }

    /// Which data, and how to get them; never "give --data-name" for what no name can bring.
    #[test]
    fn advice_leads_somewhere() {
        let dir = TempDir::new().unwrap();
        small(dir.path(), 1);
        let none = DataFolder::default();
        for (folder, spec, parts) in [
            (&none, &CIFAR10, ["\"CIFAR-10\"", "data get cifar10"]),
            (&none, &CIFAR100, ["\"CIFAR-100\"", "data get cifar100"]),
            (
                &at(dir.path(), None),
                &CIFAR100,
                ["\"CIFAR-100\"", "data get cifar100"],
            ),
            (&none, &IMAGENET, ["\"ImageNet\"", "image-net.org"]),
        ] {
            let data = DataRef::planned(spec);
            assert!(!folder.is_at_hand(&data).unwrap());
            let error = folder.load(&data).unwrap_err().to_string();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
            assert!(!error.contains("--data-name"), "{error}");
        }
        assert!(none.is_at_hand(&DataRef::planned(&DEMO_A)).unwrap());
        let error = at(dir.path(), None)
            .is_at_hand(&DataRef::planned(&CIFAR10))
            .unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("data get cifar10") && !error.contains("--data-name"),
            "{error}"
        );
    }

    /// A folder of other data is a folder of other data; an empty one is a mistake.
    #[test]
    fn a_plan_falls_back_to_the_genuine_data_only_for_another_set() {
        let dir = TempDir::new().unwrap();
        let find = || at(dir.path(), None).find_or_plan(&CIFAR100);
        assert!(
            find()
                .unwrap_err()
                .to_string()
                .contains("holds none of the files")
        );
        small(dir.path(), 1);
        assert_eq!(find().unwrap().0, DataRef::planned(&CIFAR100));
        assert!(at(dir.path(), Some("mine")).find_or_plan(&CIFAR100).is_err());
    }
}
