//! The registry: one file a data set, and one line for each of its entries.

mod cifar10;
mod cifar100;
mod demo;
mod imagenet;

use crate::{DataSpec, DatasetError};

/// Every data set that there is.
pub static ALL: [&DataSpec; 6] = [
    &cifar10::CIFAR10,
    &cifar100::CIFAR100,
    &imagenet::IMAGENET,
    &demo::TEN,
    &demo::TWENTY,
    &demo::OTHER_TWENTY,
];

pub use cifar10::CIFAR10;
pub use cifar100::CIFAR100;
pub use demo::{OTHER_TWENTY as DEMO_C, TEN as DEMO_A, TWENTY as DEMO_B};
pub use imagenet::IMAGENET;

/// The data set of this key.
///
/// # Errors
/// A key that no data set has; the error lists those that there are.
pub fn data_set(key: &str) -> Result<&'static DataSpec, DatasetError> {
    let found = ALL.into_iter().find(|spec| spec.key == key);
    found.ok_or_else(|| DatasetError::Unknown {
        name: key.to_owned(),
        known: ALL
            .map(|spec| format!("{:?} ({})", spec.key, spec.how()))
            .join(", "),
    })
}

/// The data set that an id names: by its key, or by its digest where the id is of the time when a title stood in the
/// key's place.
///
/// # Errors
/// As [`data_set`].
pub fn data_set_in_id(name: &str, digest: &str) -> Result<&'static DataSpec, DatasetError> {
    data_set(name).or_else(|unknown| {
        let has = |spec: &DataSpec| spec.digest == Some(digest) || spec.titled.contains(&digest);
        ALL.into_iter().find(|spec| has(spec)).ok_or(unknown)
    })
}

#[cfg(test)]
mod tests;
