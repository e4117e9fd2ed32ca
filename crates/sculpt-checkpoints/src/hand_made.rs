//! Files for tests, read by the safetensors crate and written by hand, so that anything can be wrong.

use crate::{Meta, State};
use safetensors::SafeTensors;
use sculpt_layout::Layout;
use sculpt_masks::Mask;
use serde_json::json;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A file's tensors in order of name, and its metadata.
#[derive(Clone, Default)]
pub(crate) struct HandMade {
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) tensors: Vec<Tensor>,
}

/// (name, type, shape, bytes)
pub(crate) type Tensor = (String, &'static str, Vec<usize>, Vec<u8>);

impl HandMade {
    /// A file that is in order, as the safetensors crate reads it.
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().clone().unwrap_or_default();
        let mut tensors: Vec<Tensor> = SafeTensors::deserialize(&bytes)
            .unwrap()
            .iter()
            .map(|(name, view)| {
                let dtype = &*format!("{:?}", view.dtype()).leak();
                (
                    name.to_owned(),
                    dtype,
                    view.shape().to_vec(),
                    view.data().to_vec(),
                )
            })
            .collect();
        tensors.sort();
        Self {
            metadata: metadata.into_iter().collect(),
            tensors,
        }
    }

    pub(crate) fn add_f32(mut self, name: &str, shape: &[usize], values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensors.push((name.into(), "F32", shape.to_vec(), bytes));
        self
    }

    pub(crate) fn add(mut self, name: &str, dtype: &'static str, shape: &[usize], bytes: &[u8]) -> Self {
        self.tensors
            .push((name.into(), dtype, shape.to_vec(), bytes.to_vec()));
        self
    }

    pub(crate) fn tensor(&mut self, name: &str) -> &mut Tensor {
        self.tensors.iter_mut().find(|t| t.0 == name).unwrap()
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.tensors.retain(|t| t.0 != name);
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.tensors.iter().map(|t| t.0.as_str()).collect()
    }

    pub(crate) fn write(&self, path: &Path) {
        let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
        if !self.metadata.is_empty() {
            let pairs = self.metadata.iter().map(|(k, v)| (k.clone(), json!(v)));
            header.insert("__metadata__".into(), serde_json::Value::Object(pairs.collect()));
        }
        for (name, dtype, shape, bytes) in &self.tensors {
            let start = data.len();
            data.extend_from_slice(bytes);
            let offsets = [start, data.len()];
            header.insert(
                name.clone(),
                json!({"dtype": dtype, "shape": shape, "data_offsets": offsets}),
            );
        }
        let header = serde_json::to_vec(&header).unwrap();
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        bytes.extend(data);
        std::fs::write(path, bytes).unwrap();
    }
}

/// A network with every kind of tensor, a state of it, and a folder for its files.
///
/// Prunable: conv 2·1·1·3 = 6, keeping 1 0 1 1 0 1 (bits 45), and fc 3·2 = 6, keeping 0 1 0 0 1 0 (bits 18);
/// joined 101101 010010: bytes 173, 4. Density 6/12.
pub(crate) struct Example {
    pub(crate) layout: Layout,
    pub(crate) state: State,
    pub(crate) meta: Meta,
    folder: TempDir,
}

impl Example {
    pub(crate) fn new() -> Self {
        let layout = Layout::builder()
            .conv("conv1", [2, 1, 1, 3])
            .batch_norm("bn1", 2)
            .linear("fc", 3, 2)
            .build()
            .unwrap();
        let bits = [1, 0, 1, 1, 0, 1, 0, 1, 0, 0, 1, 0];
        let mask = Mask::from_bools(bits.map(|bit| bit == 1).to_vec());
        let theta = vec![
            0.5,
            0.0,
            -0.0,
            1.0,
            0.0,
            1e-45, // conv1, a survivor of −0.0 and a subnormal one
            1.0,
            1.5,
            0.0,
            -0.0, // bn1
            0.0,
            -3.0,
            0.0,
            0.0,
            f32::MAX,
            0.0, // fc.weight
            0.1,
            0.2,
            0.3, // fc.bias
        ];
        let meta = Meta::new(
            Some("0123456789abcdef".repeat(4)),
            json!({"name": "tiny", "width": 2}),
            Some(0.5),
            24,
            &mask,
        );
        Self {
            layout,
            state: State {
                theta,
                buffers: vec![-0.5, 0.0, 1.0, 2.0],
                mask,
            },
            meta,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("file.safetensors")
    }

    /// Names in the folder, to see that nothing is left behind.
    pub(crate) fn left_behind(&self) -> Vec<String> {
        std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    pub(crate) fn theta_bits(state: &State) -> Vec<u32> {
        state.theta.iter().map(|v| v.to_bits()).collect()
    }
}
