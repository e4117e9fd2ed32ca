//! Training steps as CUDA graphs: recorded once, launched as one.
//!
//! `graphs.cpp` is a library of its own beside the program, since this one is built on machines without CUDA; without it a GPU's
//! operations are launched one by one.

use crate::printing;
use anyhow::Context;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};
use sculpt_trainers::{RecordError, Recorded, Recorder};
use std::cell::Cell;
use std::env;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::PathBuf;
use std::ptr;
use std::rc::Rc;
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
    give_back: Symbol<unsafe extern "C" fn()>,
    replayed: Rc<Cell<bool>>,
}

impl Graphs {
    /// Gives what libtorch keeps of the card's memory, and nothing needs, back to it. Without the library it stays with the process.
    #[expect(unsafe_code, reason = "a call of a C library")]
    pub(crate) fn give_back(&self) {
        // SAFETY: a function of no arguments, which frees nothing that is in use.
        unsafe { (self.give_back)() };
    }

    /// Whether the device has repeated something by now.
    pub(crate) fn has_replayed(&self) -> bool {
        self.replayed.get()
    }

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
                give_back: library.get(b"sculpt_give_back\0")?,
                replayed: Rc::default(),
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
        "{} is not there, which `cargo xtask`, after `cargo xtask setup --cuda`, and `cargo xtask gpu-kit` make",
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
    let words = words.lines().next().unwrap_or_default();
    Err(format!("{words} (with {SWITCH}=0 operations are launched one by one)").into())
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
            one_by_one: false,
            replayed: Rc::clone(&self.replayed),
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
    /// That it cannot be recorded.
    one_by_one: bool,
    replayed: Rc<Cell<bool>>,
}

impl Graph<'_> {
    #[expect(unsafe_code, reason = "a call of a C library")]
    fn call(&self, step: Step) -> Result<(), RecordError> {
        // SAFETY: `recording` is what `new` gave, and is freed in `drop` alone; the functions write at most `room` bytes.
        said(|error, room| unsafe { step(self.recording, error, room) })
    }

    /// Nothing of what is recorded is done, so that nothing is lost where it fails.
    fn record(&mut self) -> Result<(), RecordError> {
        self.call(self.begin)?;
        // What cannot be recorded is refused in the middle of the work; the recording has an end all the same, and gradients are then
        // kept or not as before.
        let mode = tch::no_grad_guard();
        let worked = printing::unless_refused(|| tch::with_grad(|| (self.work)()));
        drop(mode);
        let ended = self.call(self.end);
        worked?;
        ended
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
            self.n_calls += 1;
            if let Err(why) = self.record() {
                printing::note(&format!(
                    "training steps go on operation by operation, since they cannot be recorded: {why}"
                ));
                self.one_by_one = true;
            }
        }
        if self.one_by_one {
            (self.work)();
            return Ok(());
        }
        self.call(self.replay)?;
        self.replayed.set(true);
        Ok(())
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
    use std::process::Command;

    /// The library's functions without a GPU: each notes its letter. On device 1 recordings cannot begin, and device 2 is no more.
    const STAND_IN: &str = r#"
        #include <string.h>
        char calls[64];
        static int note(const char *letter) { strcat(calls, letter); return 0; }
        int sculpt_graph_new(int device, void **out, char *error, size_t room) {
            if (device < 2) { *out = (void *)(long)(device + 1); return note("n"); }
            memset(error, 'x', room);
            memcpy(error, "the card is gone\nframe #0", 25);
            error[room - 1] = 0;
            return 1;
        }
        int sculpt_graph_begin(void *of, char *error, size_t room) { return (long)of == 1 ? note("b") : 1; }
        int sculpt_graph_end(void *of, char *error, size_t room) { return note("e"); }
        int sculpt_graph_replay(void *of, char *error, size_t room) { return note("r"); }
        void sculpt_graph_free(void *of) { note("f"); }
        void sculpt_give_back(void) { note("g"); }
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
        assert!(graphs.has_replayed());
        drop(recorded);
        graphs.give_back();
        assert_eq!(calls(&library), "nberrrfg");
    }

    /// Where a recording cannot begin, and where libtorch refuses an operation within, work is done as before: once a call.
    #[test]
    fn what_cannot_be_recorded_is_done_one_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let library = stand_in(folder.path());
        let n = Cell::new(0);
        let graphs = Graphs::load(&library, 1).unwrap();
        let mut recorded = graphs.start(Box::new(|| n.set(n.get() + 1))).unwrap();
        (0..6).for_each(|_| recorded.run().unwrap());
        drop(recorded);
        assert_eq!((n.get(), calls(&library).as_str()), (6, "nf"));
        assert!(!graphs.has_replayed());
        let graphs = Graphs::load(&library, 0).unwrap();
        assert_eq!((refused_within(&graphs), calls(&library).as_str()), (6, "nfnbef"));
    }

    /// How often work is done in six runs, of which libtorch refuses the fourth: in the middle of it, gradients not kept.
    fn refused_within(graphs: &Graphs) -> u32 {
        let (n, n_done) = (Cell::new(0), Cell::new(0));
        let work = || {
            n.set(n.get() + 1);
            let x = tch::Tensor::from(2_f32).set_requires_grad(true);
            (&x * &x).backward();
            tch::no_grad(|| assert!(n.get() != 4, "not permitted when a stream is capturing"));
            n_done.set(n_done.get() + 1);
        };
        let mut recorded = graphs.start(Box::new(work)).unwrap();
        (0..6).for_each(|_| recorded.run().unwrap());
        n_done.get()
    }

    /// As in the program, whose hook ends the process at every other panic: in a process of its own.
    #[test]
    fn a_refusal_does_not_end_the_program() {
        const CHILD: &str = "SCULPT_TEST_OF_REFUSALS";
        const NAME: &str = "cuda::graphs::tests::a_refusal_does_not_end_the_program";
        if env::var_os(CHILD).is_some() {
            printing::one_sentence_panics();
            let folder = tempfile::tempdir().unwrap();
            let graphs = Graphs::load(&stand_in(folder.path()), 0).unwrap();
            println!("done {} times", refused_within(&graphs));
            return;
        }
        let child = Command::new(env::current_exe().unwrap())
            .args([NAME, "--exact", "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let [said, noted] = [child.stdout, child.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(
            child.status.success() && said.contains("done 6 times"),
            "{said}{noted}"
        );
        assert!(
            noted.contains("they cannot be recorded: not permitted when a stream is capturing"),
            "{noted}"
        );
        assert!(!noted.contains("panicked"), "{noted}");
    }

    #[test]
    fn refusals_say_what_helps() {
        let folder = tempfile::tempdir().unwrap();
        let library = stand_in(folder.path());
        let graphs = Graphs::load(&library, 2).unwrap();
        let said = graphs.start(Box::new(|| {})).err().unwrap();
        assert_eq!(
            said.to_string(),
            "the card is gone (with SCULPT_CUDA_GRAPHS=0 operations are launched one by one)"
        );
        let missing = Graphs::load(&folder.path().join("none.so"), 0).err().unwrap();
        let missing = format!("{missing:#}");
        assert!(missing.contains("none.so"), "{missing}");
    }
}
