use crate::Fault;
use crate::archive::Archive;
use sculpt_masks::Mask;
use sculpt_store::canonical::to_canonical_json;
use sculpt_store::paths;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The one metadata key of checkpoints.
pub(crate) const KEY: &str = "sculpt";

/// What a checkpoint says about itself, beside its numbers.
///
/// | Field | Unit | Range |
/// | --- | --- | --- |
/// | `density_target`, `density` | share of prunable weights kept | (0, 1], [0, 1] |
/// | `epochs_trained` | epochs since `Init` along the chain | any |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meta {
    format: String,
    /// SHA-256 of the node's description, if a node made the state.
    pub node_id: Option<String>,
    /// The model, as its crate describes it.
    pub model: Value,
    /// The density asked for, if one was.
    pub density_target: Option<f64>,
    density: f64,
    mask_sha256: String,
    /// Epochs trained since `Init` along the chain.
    pub epochs_trained: u32,
}

impl Meta {
    /// The format that this version writes and reads.
    pub const FORMAT: &'static str = "sculpt-checkpoint/1";

    /// Density and SHA-256 are taken from the mask.
    pub fn new(
        node_id: Option<String>,
        model: Value,
        density_target: Option<f64>,
        epochs_trained: u32,
        mask: &Mask,
    ) -> Self {
        Self {
            format: Self::FORMAT.to_owned(),
            node_id,
            model,
            density_target,
            density: mask.density(),
            mask_sha256: mask.sha256(),
            epochs_trained,
        }
    }

    /// The realised density: kept / prunable.
    pub fn density(&self) -> f64 {
        self.density
    }

    /// SHA-256 of the mask's bits, in lower-case hexadecimal.
    pub fn mask_sha256(&self) -> &str {
        &self.mask_sha256
    }

    /// The text of the metadata key.
    pub(crate) fn to_json(&self) -> Result<String, Fault> {
        self.check_values()?;
        to_canonical_json(self).map_err(|e| bad(e.to_string()))
    }

    /// Reads the metadata key.
    pub(crate) fn from_archive(archive: &Archive) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        struct Format {
            format: String,
        }
        let text = archive.metadata(KEY).ok_or(Fault::NoMetadata { key: KEY })?;
        // First alone, so that a later version is called that, and not an unknown field of this one.
        let Format { format } = serde_json::from_str(text).map_err(|e| bad(e.to_string()))?;
        if format != Self::FORMAT {
            return Err(Fault::UnknownFormat {
                format,
                expected: Self::FORMAT,
            });
        }
        let meta: Self = serde_json::from_str(text).map_err(|e| bad(e.to_string()))?;
        meta.check_values()?;
        Ok(meta)
    }

    /// Whether this is said of `mask`.
    pub(crate) fn check_mask(&self, mask: &Mask, faults: &mut Vec<Fault>) {
        let computed = mask.sha256();
        if self.mask_sha256 != computed {
            faults.push(Fault::MaskHash {
                stated: self.mask_sha256.clone(),
                computed,
            });
        }
        self.check_density(mask.density(), faults);
    }

    pub(crate) fn check_density(&self, computed: f64, faults: &mut Vec<Fault>) {
        if self.density != computed {
            faults.push(Fault::Density {
                stated: self.density,
                computed,
            });
        }
    }

    fn check_values(&self) -> Result<(), Fault> {
        if let Some(id) = self.node_id.as_deref().filter(|id| !paths::is_sha256(id)) {
            return Err(bad(format!("node_id {id:?} is no SHA-256")));
        }
        if !paths::is_sha256(&self.mask_sha256) {
            return Err(bad(format!("mask_sha256 {:?} is no SHA-256", self.mask_sha256)));
        }
        if !(0.0..=1.0).contains(&self.density) {
            return Err(bad(format!("density {} is not in [0, 1]", self.density)));
        }
        match self.density_target {
            Some(d) if !(d > 0.0 && d <= 1.0) => Err(bad(format!("density_target {d} is not in (0, 1]"))),
            Some(_) | None => Ok(()),
        }
    }
}

fn bad(message: String) -> Fault {
    Fault::Metadata { key: KEY, message }
}
