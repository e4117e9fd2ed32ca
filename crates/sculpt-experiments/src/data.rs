use crate::{DataRef, ExperimentError};
use sculpt_datasets::{Dataset, DatasetError, DemoSpec, cifar10, cifar100, demo};
use sculpt_store::canonical::sha256_hex;
use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// Where the data of nodes are found: the demo data are made, others read from a folder of the user's.
#[derive(Clone, Debug, Default)]
pub struct DataFolder {
    /// `--data DIR`.
    pub folder: Option<PathBuf>,
    /// `--data-name S`, for files that are not the original.
    pub name: Option<String>,
}

/// What the genuine CIFAR-10 files are called.
const ORIGINAL: &str = "CIFAR-10";

/// What the genuine CIFAR-100 files are called.
pub(crate) const CIFAR100: &str = "CIFAR-100";

/// What ImageNet is called.
pub(crate) const IMAGENET: &str = "ImageNet";

/// What the demo data of panel (a) are called.
pub const DEMO_A: &str = "demo gratings";

/// What the demo data of panel (b) are called: 20 classes.
pub(crate) const DEMO_B: &str = "demo gratings, 20 classes";

/// What the demo data of panel (c) are called: 20 other classes.
pub(crate) const DEMO_C: &str = "demo gratings, 20 other classes";

impl DataFolder {
    /// Reads CIFAR-10 files, or says what is missing.
    ///
    /// # Errors
    /// No folder given, or what [`cifar10`] refuses.
    pub fn cifar10(&self) -> Result<Dataset, ExperimentError> {
        let missing = || ExperimentError::DataMissing {
            name: "CIFAR-10".to_owned(),
        };
        let folder: &Path = self.folder.as_deref().ok_or_else(missing)?;
        if let Some(name) = self.name.as_deref().filter(|name| is_taken(name)) {
            return Err(ExperimentError::BadValue {
                what: "--data-name",
                value: name.to_owned(),
                problem: "is the name of other data; call the files otherwise",
            });
        }
        Ok(cifar10(folder, self.name.as_deref())?)
    }

    /// Whether the data that a node names can be had; the demo's always, without making them.
    ///
    /// # Errors
    /// Data that cannot be read, or that have another digest.
    pub fn is_at_hand(&self, data: &DataRef) -> Result<bool, ExperimentError> {
        if [DEMO_A, DEMO_B, DEMO_C].contains(&data.name.as_str()) {
            return Ok(true);
        }
        match self.load(data) {
            Ok(_) => Ok(true),
            Err(ExperimentError::DataMissing { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The data that a node names, whole: [`DataRef::train_images`] is applied by whoever trains.
    ///
    /// # Errors
    /// Data that are not at hand, or that have another digest.
    pub fn load(&self, data: &DataRef) -> Result<Dataset, ExperimentError> {
        if let Some(demo) = demo_named(&data.name) {
            return checked(demo.clone(), data);
        }
        let missing = || ExperimentError::DataMissing {
            name: data.name.clone(),
        };
        let folder = self.folder.as_deref().ok_or_else(missing)?;
        let dataset = match data.name.as_str() {
            // The originals need no name, any other files carry the one in the node.
            ORIGINAL => cifar10(folder, None),
            CIFAR100 => cifar100(folder, None),
            IMAGENET => return Err(missing()),
            other => cifar10(folder, Some(other)),
        };
        match dataset {
            Ok(dataset) => checked(dataset, data),
            // A folder of other data: CIFAR-10 alone is what most people have.
            Err(DatasetError::Absent { .. }) => Err(missing()),
            Err(error) => Err(error.into()),
        }
    }
}

fn checked(dataset: Dataset, data: &DataRef) -> Result<Dataset, ExperimentError> {
    if dataset.digest() == data.digest {
        return Ok(dataset);
    }
    Err(ExperimentError::DataDiffers {
        name: data.name.clone(),
        found: dataset.digest().to_owned(),
        wanted: data.digest.clone(),
    })
}

/// The demo data of panel (a), made in memory, once.
pub fn demo_a() -> &'static Dataset {
    static DATA: OnceLock<Dataset> = OnceLock::new();
    DATA.get_or_init(|| made(DemoSpec::panel_a(), DEMO_A))
}

/// The demo data of panel (b).
pub(crate) fn demo_b() -> &'static Dataset {
    static DATA: OnceLock<Dataset> = OnceLock::new();
    DATA.get_or_init(|| made(DemoSpec::panel_b(), DEMO_B))
}

/// The demo data of panel (c).
pub(crate) fn demo_c() -> &'static Dataset {
    static DATA: OnceLock<Dataset> = OnceLock::new();
    DATA.get_or_init(|| made(DemoSpec::panel_c(), DEMO_C))
}

/// The demo data of this name.
pub(crate) fn demo_named(name: &str) -> Option<&'static Dataset> {
    match name {
        DEMO_A => Some(demo_a()),
        DEMO_B => Some(demo_b()),
        DEMO_C => Some(demo_c()),
        _ => None,
    }
}

/// Names that files given for CIFAR-10 cannot have.
fn is_taken(name: &str) -> bool {
    [DEMO_A, DEMO_B, DEMO_C, CIFAR100, IMAGENET].contains(&name)
}

fn made(spec: DemoSpec, name: &str) -> Dataset {
    let mut dataset = demo(spec);
    dataset.name = name.to_owned();
    dataset
}

/// Stands for ImageNet in plans until its pictures are at hand: the SHA-256 of the names of its archives.
pub(crate) fn imagenet_digest() -> String {
    sha256_hex(b"ILSVRC2012_img_train.tar ILSVRC2012_img_val.tar")
}

/// Refers to a data set as nodes do.
pub fn data_ref(dataset: &Dataset, train_images: Option<u32>) -> DataRef {
    DataRef {
        name: dataset.name.clone(),
        digest: dataset.digest().to_owned(),
        train_images,
    }
}
