use crate::{DataRef, ExperimentError};
use sculpt_datasets::{Dataset, DemoSpec, cifar10, demo};
use std::path::{Path, PathBuf};

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

/// What the demo data of panel (a) are called.
pub const DEMO_A: &str = "demo gratings";

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
        if self.name.as_deref() == Some(DEMO_A) {
            return Err(ExperimentError::BadValue {
                what: "--data-name",
                value: DEMO_A.to_owned(),
                problem: "is the name of the demo data; call the files otherwise",
            });
        }
        Ok(cifar10(folder, self.name.as_deref())?)
    }

    /// The data that a node names, whole: [`DataRef::train_images`] is applied by whoever trains.
    ///
    /// # Errors
    /// Data that are not at hand, or that have another digest.
    pub fn load(&self, data: &DataRef) -> Result<Dataset, ExperimentError> {
        let dataset = if data.name == DEMO_A {
            demo_a()
        } else {
            match &self.folder {
                None => {
                    return Err(ExperimentError::DataMissing {
                        name: data.name.clone(),
                    });
                }
                // The original needs no name, any other files carry the one in the node.
                Some(folder) if data.name == ORIGINAL => cifar10(folder, None)?,
                Some(folder) => cifar10(folder, Some(&data.name))?,
            }
        };
        if dataset.digest() != data.digest {
            return Err(ExperimentError::DataDiffers {
                name: data.name.clone(),
                found: dataset.digest().to_owned(),
                wanted: data.digest.clone(),
            });
        }
        Ok(dataset)
    }
}

/// The demo data of panel (a), made in memory.
pub fn demo_a() -> Dataset {
    let mut dataset = demo(DemoSpec::panel_a());
    dataset.name = DEMO_A.to_owned();
    dataset
}

/// Refers to a data set as nodes do.
pub fn data_ref(dataset: &Dataset, train_images: Option<u32>) -> DataRef {
    DataRef {
        name: dataset.name.clone(),
        digest: dataset.digest().to_owned(),
        train_images,
    }
}
