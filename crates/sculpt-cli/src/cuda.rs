//! Loads libtorch's CUDA half. The linker drops `libtorch_cuda` as unneeded, and a binary without it says that
//! there is no GPU on any machine (design §8); so it is loaded when a GPU is asked for. It must happen before
//! libtorch is first asked for CUDA, because the answer is kept.
//!
//! `unsafe` stands here, in `graphs`, and in `process`.

mod card;
mod graphs;
mod mps;

use anyhow::{Context, bail};
pub(crate) use card::jobs_that_fit;
pub(crate) use graphs::Graphs;
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
pub(crate) use mps::Mps;

/// File name of the library, found through the binary's rpath or `LD_LIBRARY_PATH`.
const LIBRARY: &str = "libtorch_cuda.so";

/// Makes CUDA devices visible to libtorch.
#[expect(
    unsafe_code,
    reason = "loading a library runs its constructors; there is no safe way to load one"
)]
pub(crate) fn load() -> anyhow::Result<()> {
    // SAFETY: this is the first thing that commands with a device do, before any thread of theirs or of libtorch's is
    // started. cuDNN would otherwise compute f32 convolutions in TF32, and f32 is part of what a number means here.
    unsafe { std::env::set_var("NVIDIA_TF32_OVERRIDE", "0") };
    // SAFETY: libtorch_cuda's constructors register kernels and hooks in libtorch_cpu, which is loaded already
    // and of the same release, being found on the same path; PyTorch itself loads the library in this way. Globally, since `graphs` is
    // made of its symbols and of those of what it needs.
    let library = unsafe { Library::open(Some(LIBRARY), RTLD_NOW | RTLD_GLOBAL) };
    let library = library.with_context(|| {
        format!(
            "{LIBRARY} cannot be loaded; `cargo xtask setup --cuda` installs it, or point LD_LIBRARY_PATH at a \
             libtorch 2.11.0 with CUDA"
        )
    })?;
    // Kernels stay registered for the life of the process, so the library must stay too.
    std::mem::forget(library);
    if !tch::Cuda::is_available() {
        bail!("{LIBRARY} is loaded but sees no GPU; `nvidia-smi` says whether the driver does");
    }
    Ok(())
}
