use crate::checkpoint::tensors;
use crate::parts::{self, Data, Part, refused};
use crate::state::check_vectors;
use crate::{CheckpointError, Dialect, torch_write};
use sculpt_layout::{BufferKind, Layout};
use std::path::Path;

/// Writes a plain `state_dict` as torchvision names it, `num_batches_tracked` (0) included, so that
/// `load_state_dict(strict=True)` takes what `safetensors.torch.load_file` reads.
///
/// # Errors
/// Vectors that do not fit the layout or are not finite, or what the operating system refuses; then nothing
/// was written.
pub fn write_state_dict(
    path: &Path,
    layout: &Layout,
    theta: &[f32],
    buffers: &[f32],
) -> Result<(), CheckpointError> {
    write_state_dict_as(path, layout, theta, buffers, &crate::DIALECTS[0])
}

/// As [`write_state_dict`], with the names of a dialect. A path that ends in `.pt`, `.pth`, `.th`, `.ckpt` or `.bin` becomes a
/// file that `torch.load(weights_only=True)` reads; any other is safetensors.
///
/// # Errors
/// As there.
pub fn write_state_dict_as(
    path: &Path,
    layout: &Layout,
    theta: &[f32],
    buffers: &[f32],
    dialect: &Dialect,
) -> Result<(), CheckpointError> {
    check_vectors(layout, theta, buffers).map_err(refused(path))?;
    let names = dialect.names(layout);
    let mut parts = tensors(layout, theta, buffers);
    for part in &mut parts {
        part.name.clone_from(&names[&part.name]);
    }
    for buffer in layout.buffers() {
        let name = &names[buffer.name()];
        let batch_norm = match buffer.kind() {
            BufferKind::RunningMean => name.strip_suffix(".running_mean"),
            BufferKind::RunningVar => None,
        };
        parts.extend(batch_norm.map(|name| Part {
            name: format!("{name}.num_batches_tracked"),
            shape: vec![],
            data: Data::I64(&[0]),
        }));
    }
    if torch_write::is_torch_name(path) {
        return torch_write::write(path, &parts);
    }
    // The key and value by which the Python libraries know such a file.
    parts::write(path, Some(("format", "pt".to_owned())), parts)
}
