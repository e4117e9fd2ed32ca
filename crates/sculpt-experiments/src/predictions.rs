//! What states say of every image of a test set: `predictions.safetensors` of a published suite.

use crate::{ExperimentError, NodeId, StateRef};
use sculpt_checkpoints::{TensorData, Tensors, read_tensors, write_tensors};
use std::collections::BTreeMap;
use std::path::Path;

/// Classes that states give the images of their test sets, and the labels of these, each in the images' order.
///
/// In a file, `predicted/<node>/<epoch>` and `labels/<data>` are tensors U8 `[n]`, or `[n, 2]`, the low byte first, where a class
/// above 255 is among them; `<data>` is [`DataRef::loaded_as`](crate::DataRef::loaded_as) of a node's data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Predictions {
    /// By state.
    pub classes: BTreeMap<StateRef, Vec<u16>>,
    /// By what tells data apart.
    pub labels: BTreeMap<String, Vec<u16>>,
}

const CLASSES: &str = "predicted/";
const LABELS: &str = "labels/";

impl Predictions {
    /// Which images a state gets right; none where it is not known.
    pub fn correct(&self, state: &StateRef, data: &str) -> Option<Vec<bool>> {
        let (classes, labels) = (self.classes.get(state)?, self.labels.get(data)?);
        let same = |(class, label): (&u16, &u16)| class == label;
        (classes.len() == labels.len()).then(|| classes.iter().zip(labels).map(same).collect())
    }

    /// Writes them.
    pub(crate) fn write(&self, path: &Path) -> Result<(), ExperimentError> {
        let states = self.classes.iter();
        let states =
            states.map(|(state, classes)| (format!("{CLASSES}{}/{}", state.id, state.epoch), classes));
        let labels = self.labels.iter();
        let all = states.chain(labels.map(|(data, labels)| (format!("{LABELS}{data}"), labels)));
        let all: Vec<_> = all.map(|(name, classes)| (name, tensor(classes))).collect();
        let named: Vec<_> = all
            .iter()
            .map(|(name, tensor)| (name.as_str(), tensor.clone()))
            .collect();
        Ok(write_tensors(path, &named, None)?)
    }

    /// Reads what a suite has of them.
    ///
    /// # Errors
    /// A file that is none of ours: other tensors, names that are no states.
    pub fn read(path: &Path) -> Result<Self, ExperimentError> {
        let bad = |detail: String| ExperimentError::BadFile {
            path: path.to_owned(),
            detail,
        };
        let tensors = read_tensors(path)?;
        let mut found = Self::default();
        for name in tensors.names() {
            let classes = classes(&tensors, name);
            let classes =
                classes.ok_or_else(|| bad(format!("{name:?} is no list of classes, U8 [n] or [n, 2]")))?;
            if let Some(data) = name.strip_prefix(LABELS) {
                found.labels.insert(data.to_owned(), classes);
                continue;
            }
            let state = name.strip_prefix(CLASSES).and_then(state_of);
            let state = state.ok_or_else(|| bad(format!("{name:?} is no state of a node")))?;
            found.classes.insert(state, classes);
        }
        Ok(found)
    }
}

fn state_of(name: &str) -> Option<StateRef> {
    let (id, epoch) = name.split_once('/')?;
    let id: NodeId = id.parse().ok()?;
    Some(StateRef {
        id,
        epoch: epoch.parse().ok()?,
    })
}

fn tensor(classes: &[u16]) -> TensorData {
    let n = classes.len();
    match classes
        .iter()
        .map(|class| u8::try_from(*class))
        .collect::<Result<_, _>>()
    {
        Ok(bytes) => TensorData::U8(vec![n], bytes),
        Err(_) => {
            let bytes = classes.iter().flat_map(|class| class.to_le_bytes());
            TensorData::U8(vec![n, 2], bytes.collect())
        }
    }
}

fn classes(tensors: &Tensors, name: &str) -> Option<Vec<u16>> {
    let TensorData::U8(shape, bytes) = tensors.get(name)? else {
        return None;
    };
    match shape[..] {
        [_] => Some(bytes.iter().map(|byte| u16::from(*byte)).collect()),
        [_, 2] => Some(
            bytes
                .as_chunks::<2>()
                .0
                .iter()
                .map(|pair| u16::from_le_bytes(*pair))
                .collect(),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.safetensors");
        let state = |digit: &str, epoch| StateRef {
            id: digit.repeat(64).parse().unwrap(),
            epoch,
        };
        let predictions = Predictions {
            classes: [(state("a", 1), vec![0, 3, 2]), (state("a", 12), vec![1, 300, 2])].into(),
            labels: [
                ("few".to_owned(), vec![0, 3, 1]),
                ("many classes 999".to_owned(), vec![1, 300, 256]),
            ]
            .into(),
        };
        predictions.write(&path).unwrap();
        assert_eq!(Predictions::read(&path).unwrap(), predictions);
        assert_eq!(
            predictions.correct(&state("a", 1), "few"),
            Some(vec![true, true, false])
        );
        assert_eq!(predictions.correct(&state("b", 1), "few"), None);
        for (name, tensor) in [
            ("predicted/a/1", TensorData::U8(vec![1], vec![0])),
            ("labels/x", TensorData::U8(vec![1, 3], vec![0; 3])),
            ("labels/x", TensorData::I64(vec![1], vec![0])),
            ("other", TensorData::U8(vec![1], vec![0])),
        ] {
            write_tensors(&path, &[(name, tensor)], None).unwrap();
            assert!(Predictions::read(&path).unwrap_err().to_string().contains(name));
        }
    }
}
