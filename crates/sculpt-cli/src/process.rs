//! How this process keeps memory and how it ends: what only C can be asked for.
//!
//! **Memory.** A training step takes and frees the same hundreds of megabytes again and again; by itself glibc maps each block anew and
//! gives it back to the kernel, which then clears every page of it: a third of the speed of a ResNet-20. It is set by the process
//! itself, so that a binary carried to another machine, or started by a cluster, is as fast as one that `cargo xtask` starts.
//!
//! **The end.** libtorch takes its tables of operators apart when a process exits: 0.09 s of every command and of every node's, for
//! memory that the kernel takes back anyway.

use std::io::Write;

/// Keeps freed memory in the process. Words of the user's own in the environment win.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(
    unsafe_code,
    reason = "mallopt is a C function; there is no safe way to call it"
)]
pub(crate) fn keep_large_blocks() {
    const OWN_WORDS: [&str; 3] = ["MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"];
    if OWN_WORDS.iter().any(|name| std::env::var_os(name).is_some()) {
        return;
    }
    // SAFETY: mallopt takes two numbers and changes how later blocks are taken; this is the first thing that the process
    // does, so no other thread allocates meanwhile. A value that it does not take leaves things as they are.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        // As a size, the largest one: never trimmed.
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
    }
}

/// Other systems' allocators are left as they are.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn keep_large_blocks() {}

/// Gives back to the system what freed memory the process keeps, so that one node's peak is not that of the node before, and others on the
/// machine may have it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(
    unsafe_code,
    reason = "malloc_trim is a C function; there is no safe way to call it"
)]
pub(crate) fn give_back() {
    // SAFETY: malloc_trim takes a number, holds the allocator's own locks, and frees nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Other systems' allocators are left as they are.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back() {}

/// Ends the process, with all that was said on its streams.
#[expect(
    unsafe_code,
    reason = "_exit and fflush are C functions; std's exit runs what libraries registered for it"
)]
pub(crate) fn end(code: u8) -> ! {
    // Whoever reads them may be gone; what was lost by that is said where results are printed.
    let _ = std::io::stdout().flush();
    let _ = std::io::stderr().flush();
    // SAFETY: fflush(NULL) writes out what C's streams hold, whatever their state; _exit takes a number and does not come back. Files of
    // ours are closed, renamed or locked by calls that have returned: nothing of them waits for an exit handler.
    unsafe {
        libc::fflush(std::ptr::null_mut());
        libc::_exit(i32::from(code))
    }
}
