//! Training steps as CUDA graphs: recorded once, launched as one.
//!
//! `graphs.cpp` is a library of its own beside the program, since this one is built on machines without CUDA; without it a GPU's
//! operations are launched one by one.

use crate::printing;
use anyhow::Context;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};
use sculpt_trainers::{RecordError, Recorded, Recorder};
use std::env;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::ptr;
use tch::Device;

/// File name of the library, in the program's folder.
const LIBRARY: &str = "libsculpt_graphs.so";

/// The variable that, at 0, has everything launched one by one.
const SWITCH: &str = "SCULPT_CUDA_GRAPHS";

/// How often work is done before it is recorded: cuDNN and cuBLAS set themselves up in the first calls, in ways that cannot be.
const WARM_UP: u32 = 3;

/// Bytes of the library's own words about an error.
const ROOM: usize = 1024;

type Step = unsafe extern "C" fn(*mut c_void, *mut c_char, usize) -> c_int;

/// What records steps on a GPU.
pub(crate) struct Graphs {
    device: c_int,
    new: Symbol<unsafe extern "C" fn(c_int, *mut *mut c_void, *mut c_char, usize) -> c_int>,
    begin: Symbol<Step>,
    end: Symbol<Step>,
    replay: Symbol<Step>,
    free: Symbol<unsafe extern "C" fn(*mut c_void)>,
}

impl Graphs {
    /// Of a GPU whose libtorch is loaded ([`super::load`]); None where there is none, or where graphs are not wanted, or cannot be had,
    /// of which the user is told.
    pub(crate) fn of(device: Device) -> Option<Self> {
        let Device::Cuda(index) = device else {
            return None;
        };
        if env::var_os(SWITCH).is_some_and(|value| value == "0") {
            return None;
        }
        let graphs = place().and_then(|library| Self::load(&library, index));
        graphs
            .inspect_err(|error| {
                printing::note(&format!(
                    "training steps are launched operation by operation, which is slower for small networks: {error:#}; {SWITCH}=0 says \
                     that this is meant"
                ));
            })
            .ok()
    }

    #[expect(
        unsafe_code,
        reason = "loading a library runs its constructors, and its symbols have no types"
    )]
    fn load(path: &PathBuf, device: usize) -> anyhow::Result<Self> {
        // SAFETY: the library is ours, has no constructors but those of its own statics, and needs of others what libtorch_cuda has
        // and what is loaded with it, globally.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }?;
        // SAFETY: the types are those of graphs.cpp, and the library stays, below.
        let graphs = unsafe {
            Self {
                device: device as c_int,
                new: library.get(b"sculpt_graph_new\0")?,
                begin: library.get(b"sculpt_graph_begin\0")?,
                end: library.get(b"sculpt_graph_end\0")?,
                replay: library.get(b"sculpt_graph_replay\0")?,
                free: library.get(b"sculpt_graph_free\0")?,
            }
        };
        // Graphs hold code of it for the life of the process.
        std::mem::forget(library);
        Ok(graphs)
    }
}

fn place() -> anyhow::Result<PathBuf> {
    let program = env::current_exe().context("this program's folder is not known")?;
    let library = program.with_file_name(LIBRARY);
    anyhow::ensure!(
        library.exists(),
        "{} is not there, which `cargo xtask setup --cuda` and `cargo xtask gpu-kit` make",
        library.display()
    );
    Ok(library)
}

/// What the library did, or why it could not.
fn said(call: impl FnOnce(*mut c_char, usize) -> c_int) -> Result<(), RecordError> {
    let mut room = [0_u8; ROOM];
    if call(room.as_mut_ptr().cast(), ROOM) == 0 {
        return Ok(());
    }
    let words = CStr::from_bytes_until_nul(&room).map_or("no reason is given".into(), CStr::to_string_lossy);
    Err(hinted(words.lines().next().unwrap_or_default()))
}

fn hinted(words: &str) -> RecordError {
    format!("{words} (with {SWITCH}=0 operations are launched one by one)").into()
}

impl Recorder for Graphs {
    #[expect(unsafe_code, reason = "calls of a C library")]
    fn start<'a>(&self, work: Box<dyn FnMut() + 'a>) -> Result<Box<dyn Recorded + 'a>, RecordError> {
        let mut recording = ptr::null_mut();
        // SAFETY: `new` writes one pointer, and at most `room` bytes.
        said(|error, room| unsafe { (self.new)(self.device, &mut recording, error, room) })?;
        Ok(Box::new(Graph {
            recording,
            begin: *self.begin,
            end: *self.end,
            replay: *self.replay,
            free: *self.free,
            work,
            n_calls: 0,
        }))
    }
}

/// Work on a stream of its own, and its graph.
struct Graph<'a> {
    recording: *mut c_void,
    begin: Step,
    end: Step,
    replay: Step,
    free: unsafe extern "C" fn(*mut c_void),
    /// Keeps the tensors that the graph reads and writes.
    work: Box<dyn FnMut() + 'a>,
    n_calls: u32,
}

impl Graph<'_> {
    #[expect(unsafe_code, reason = "a call of a C library")]
    fn call(&self, step: Step) -> Result<(), RecordError> {
        // SAFETY: `recording` is what `new` gave, and is freed in `drop` alone; the functions write at most `room` bytes.
        said(|error, room| unsafe { step(self.recording, error, room) })
    }
}

impl Recorded for Graph<'_> {
    fn run(&mut self) -> Result<(), RecordError> {
        if self.n_calls < WARM_UP {
            (self.work)();
            self.n_calls += 1;
            return Ok(());
        }
        if self.n_calls == WARM_UP {
            self.call(self.begin)?;
            // What cannot be recorded, libtorch refuses in its own way; the recording has an end all the same.
            let worked = panic::catch_unwind(AssertUnwindSafe(|| (self.work)()));
            let ended = self.call(self.end);
            worked.map_err(|_| hinted("an operation cannot be recorded; libtorch's own words are above"))?;
            ended?;
            self.n_calls += 1;
        }
        self.call(self.replay)
    }
}

impl Drop for Graph<'_> {
    #[expect(unsafe_code, reason = "a call of a C library")]
    fn drop(&mut self) {
        // SAFETY: of `new`, once.
        unsafe { (self.free)(self.recording) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::process::Command;

    /// The library's functions without a GPU: of device 0 each notes its letter, of device 1 recordings cannot begin.
    const STAND_IN: &str = r#"
        #include <string.h>
        char calls[64];
        static int note(const char *letter) { strcat(calls, letter); return 0; }
        int sculpt_graph_new(int device, void **out, char *error, size_t room) { *out = (void *)(long)(device + 1); return note("n"); }
        int sculpt_graph_begin(void *of, char *error, size_t room) {
            if ((long)of == 1) return note("b");
            memset(error, 'x', room);
            memcpy(error, "the stream is busy\nframe #0", 27);
            error[room - 1] = 0;
            return 1;
        }
        int sculpt_graph_end(void *of, char *error, size_t room) { return note("e"); }
        int sculpt_graph_replay(void *of, char *error, size_t room) { return note("r"); }
        void sculpt_graph_free(void *of) { note("f"); }
    "#;

    fn stand_in(folder: &std::path::Path) -> PathBuf {
        let (source, library) = (folder.join("graphs.c"), folder.join(LIBRARY));
        std::fs::write(&source, STAND_IN).unwrap();
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-w", "-o"])
            .args([&library, &source])
            .status();
        assert!(compiled.unwrap().success());
        library
    }

    #[expect(unsafe_code, reason = "the stand-in's own list")]
    fn calls(library: &PathBuf) -> String {
        // SAFETY: a string that the stand-in never lets grow over its room, and that nobody changes meanwhile.
        unsafe {
            let library = Library::open(Some(library), RTLD_NOW).unwrap();
            let calls: Symbol<*const c_char> = library.get(b"calls\0").unwrap();
            CStr::from_ptr(calls.into_raw().cast())
                .to_str()
                .unwrap()
                .to_owned()
        }
    }

    /// Three times the work itself, the fourth time recorded and repeated, then repeated; freed once.
    #[test]
    fn work_is_recorded_once_and_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let library = stand_in(folder.path());
        let graphs = Graphs::load(&library, 0).unwrap();
        let n = Cell::new(0);
        let mut recorded = graphs.start(Box::new(|| n.set(n.get() + 1))).unwrap();
        for _ in 0..6 {
            recorded.run().unwrap();
        }
        assert_eq!((n.get(), calls(&library).as_str()), (4, "nberrr"));
        drop(recorded);
        assert_eq!(calls(&library), "nberrrf");
    }

    #[test]
    fn refusals_say_what_helps() {
        let folder = tempfile::tempdir().unwrap();
        let library = stand_in(folder.path());
        let graphs = Graphs::load(&library, 1).unwrap();
        let mut recorded = graphs.start(Box::new(|| {})).unwrap();
        let said = (0..4).find_map(|_| recorded.run().err()).unwrap();
        assert_eq!(
            said.to_string(),
            "the stream is busy (with SCULPT_CUDA_GRAPHS=0 operations are launched one by one)"
        );
        drop(recorded);
        // What libtorch refuses while it is recorded.
        let graphs = Graphs::load(&library, 0).unwrap();
        let n = Cell::new(0);
        let work = || {
            n.set(n.get() + 1);
            assert!(n.get() < 4, "not permitted when a stream is capturing");
        };
        let mut recorded = graphs.start(Box::new(work)).unwrap();
        let said = (0..4).find_map(|_| recorded.run().err()).unwrap();
        assert!(said.to_string().contains("cannot be recorded"), "{said}");
        drop(recorded);
        assert_eq!(calls(&library), "nfnbef");
        let missing = Graphs::load(&folder.path().join("none.so"), 0).err().unwrap();
        assert!(missing.to_string().contains("none.so"), "{missing}");
    }
}
