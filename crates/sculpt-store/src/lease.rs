//! Locks that hold between machines too.
//!
//! Between the processes of one machine the operating system's lock on the file decides, and is free once its holder ends, however.
//! Between machines it may decide nothing: network file systems are mounted without locks, or with locks that each machine keeps to
//! itself. So whoever holds a lease also writes into the file who it is, and counts a beat up; another machine takes it over once that
//! did not change for [`SILENCE`], by its own steady clock: what the machines' clocks show is compared nowhere.

use crate::{FileError, Lock, LockError};
use rustix::{fs::fstatfs, system::uname};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, LazyLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often a holder says that it lives.
pub const BEAT: Duration = Duration::from_secs(10);

/// A holder that said nothing for so long has died.
pub const SILENCE: Duration = Duration::from_secs(60);

/// Where the operating system's lock is not enough: longer than a written record takes to be seen by the other machines. Of two that
/// found the file empty, the one that wrote last holds it after that.
const SETTLE: Duration = Duration::from_secs(2);

/// By then whoever only looked whether a lease is held has looked.
const ONLY_LOOKS: Duration = Duration::from_millis(200);

/// How often a record is read again while it may change.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Every record is filled up to so many bytes, so that a shorter one leaves no end of a longer one.
const RECORD_BYTES: usize = 320;

/// Who holds a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Name of its machine.
    pub host: String,
    /// Its process there.
    pub pid: u32,
}

/// That a lease is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// By whom, where that is written.
    pub by: Option<Holder>,
    /// Whether the operating system says so. Else a record of another machine does, which may have died since.
    pub is_certain: bool,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {}", self.pid, self.host)
    }
}

/// What stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    #[serde(flatten)]
    holder: Holder,
    /// Of the machine since it was started; as long as it is the same, its locks tell who lives.
    boot: String,
    /// Of this one taking.
    token: String,
    beat: u64,
}

/// What the file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Empty,
    Record(Record),
    /// Half of a record, or none of ours.
    Other(Vec<u8>),
}

/// A lock on a file, held while this lives: between processes of one machine, and between machines that share the file.
#[derive(Debug)]
pub struct Lease {
    file: Arc<File>,
    token: String,
    is_lost: Arc<AtomicBool>,
    beats: Option<(Sender<()>, JoinHandle<()>)>,
    #[expect(dead_code, reason = "dropping it gives the operating system's lock back")]
    lock: Option<Lock>,
}

/// How leases behave; others than [`USUAL`] in tests alone.
#[derive(Clone, Copy)]
struct Terms {
    beat: Duration,
    silence: Duration,
    settle: Duration,
    look_every: Duration,
    /// Whether the operating system is asked for its lock.
    with_locks: bool,
    boot: Option<&'static str>,
}

const USUAL: Terms = Terms {
    beat: BEAT,
    silence: SILENCE,
    settle: SETTLE,
    look_every: LOOK_EVERY,
    with_locks: true,
    boot: None,
};

impl Lease {
    /// Takes the lease at `path`, or says that somebody else has it. Where one of another machine may have died with it, this waits for
    /// a sign of it, up to [`SILENCE`]; `goes_on` is asked meanwhile, and false ends that as if it were held.
    ///
    /// # Errors
    /// A lease that is held, or a file that cannot be opened, read or written.
    pub fn take(path: &Path, goes_on: &dyn Fn() -> bool) -> Result<Self, LockError> {
        take(path, USUAL, goes_on)
    }

    /// As [`Lease::take`], but takes none over from another machine: what may be held is.
    ///
    /// # Errors
    /// As [`Lease::take`].
    pub fn take_at_once(path: &Path) -> Result<Self, LockError> {
        take(path, USUAL, &|| false)
    }

    /// Whether somebody holds the lease at `path`, or may; none where nobody can.
    ///
    /// # Errors
    /// A file that cannot be opened or read; one that is not there is held by nobody.
    pub fn holding(path: &Path) -> Result<Option<Holding>, LockError> {
        if !path.exists() {
            return Ok(None);
        }
        let (by, is_certain) = match open(path, USUAL) {
            Ok(opened) if opened.is_over(USUAL) => return Ok(None),
            Ok(opened) => (opened.content.holder(), false),
            Err(LockError::Held { by, .. }) => (by, true),
            Err(error) => return Err(error),
        };
        Ok(Some(Holding { by, is_certain }))
    }

    /// Whether the last beat found that another took it over: costs nothing, and may come a beat late.
    pub fn seems_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    /// Whether another took it over because nothing was heard of this one: what it guards may be being changed.
    pub fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
            || !matches!(read(&self.file), Ok(Content::Record(record)) if record.token == self.token)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some((stop, beats)) = self.beats.take() {
            drop(stop);
            let _ = beats.join();
        }
        // One that was lost is another's. One that cannot be emptied is taken over after the silence.
        if !self.is_lost() {
            let _ = self.file.set_len(0);
        }
    }
}

/// Whether the bytes of a lock file are what a holder leaves there.
pub fn is_record(bytes: &[u8]) -> bool {
    !matches!(content(bytes), Content::Other(_))
}

/// A lease's file, with the operating system's lock where it gives one.
struct Opened {
    file: File,
    lock: Option<Lock>,
    content: Content,
}

impl Opened {
    /// Whether nobody can be holding it.
    fn is_over(&self, terms: Terms) -> bool {
        match &self.content {
            Content::Empty => true,
            Content::Other(_) | Content::Record(_) if self.lock.is_none() => false,
            // On one machine the lock says all. What is no record was cut off, by a machine that went down.
            Content::Other(_) => !is_shared(&self.file),
            Content::Record(record) => {
                let here = machine();
                let same_boot = record.boot == terms.boot.unwrap_or(&here.boot);
                same_boot || (record.holder.host == here.host && !is_shared(&self.file))
            }
        }
    }
}

impl Content {
    fn holder(&self) -> Option<Holder> {
        match self {
            Content::Record(record) => Some(record.holder.clone()),
            Content::Empty | Content::Other(_) => None,
        }
    }
}

fn take(path: &Path, terms: Terms, goes_on: &dyn Fn() -> bool) -> Result<Lease, LockError> {
    let begun = Instant::now();
    let opened = loop {
        match open(path, terms) {
            // Whoever holds it has written who; whoever only looks has the operating system's lock for a moment.
            Err(LockError::Held { by: None, .. }) if begun.elapsed() < ONLY_LOOKS => {
                thread::sleep(Duration::from_millis(5));
            }
            opened => break opened?,
        }
    };
    let held = |content: &Content| LockError::Held {
        path: path.to_owned(),
        by: content.holder(),
    };
    let failed = |doing| move |refused| failed(path, doing, refused);
    if !opened.is_over(terms) {
        let begun = Instant::now();
        loop {
            if !goes_on() {
                return Err(held(&opened.content));
            }
            thread::sleep(terms.look_every);
            // Opened anew: a network file system shows what others wrote to whoever opens.
            let file = File::open(path).map_err(failed("open"))?;
            match read(&file).map_err(failed("read"))? {
                Content::Empty => break,
                content if content != opened.content => return Err(held(&content)),
                _ if begun.elapsed() >= terms.silence => break,
                _ => {}
            }
        }
    }
    let mut random = [0u64; 2];
    random
        .iter_mut()
        .for_each(|word| *word = RandomState::new().hash_one(std::process::id()));
    let here = machine();
    let record = Record {
        holder: Holder {
            host: here.host.clone(),
            pid: std::process::id(),
        },
        boot: terms.boot.unwrap_or(&here.boot).to_owned(),
        token: format!("{:016x}{:016x}", random[0], random[1]),
        beat: 0,
    };
    write(&opened.file, &record).map_err(failed("write"))?;
    // What stood there may have been longer than any record.
    let whole = opened.file.set_len(RECORD_BYTES as u64);
    whole.map_err(failed("write"))?;
    if opened.lock.is_none() || is_shared(&opened.file) {
        thread::sleep(terms.settle);
        let file = File::open(path).map_err(failed("open"))?;
        match read(&file).map_err(failed("read"))? {
            Content::Record(found) if found.token == record.token => {}
            content => return Err(held(&content)),
        }
    }
    Ok(Lease::beating(opened, record, terms))
}

impl Lease {
    fn beating(opened: Opened, mut record: Record, terms: Terms) -> Self {
        let file = Arc::new(opened.file);
        let is_lost = Arc::new(AtomicBool::new(false));
        let token = record.token.clone();
        let (stop, stopped) = mpsc::channel::<()>();
        let beats = thread::spawn({
            let (file, is_lost) = (Arc::clone(&file), Arc::clone(&is_lost));
            move || {
                while stopped.recv_timeout(terms.beat) == Err(RecvTimeoutError::Timeout) {
                    match read(&file) {
                        Ok(Content::Record(found)) if found.token == record.token => {}
                        // A file server that is away is asked again.
                        Err(_) => continue,
                        Ok(_) => {
                            is_lost.store(true, Ordering::Relaxed);
                            return;
                        }
                    }
                    record.beat += 1;
                    let _ = write(&file, &record);
                }
            }
        });
        Self {
            file,
            token,
            is_lost,
            beats: Some((stop, beats)),
            lock: opened.lock,
        }
    }
}

fn failed(path: &Path, doing: &'static str, refused: io::Error) -> LockError {
    LockError::File(FileError {
        path: path.to_owned(),
        doing,
        refused,
    })
}

fn open(path: &Path, terms: Terms) -> Result<Opened, LockError> {
    let lock = match Lock::exclusive(path) {
        Ok(lock) => terms.with_locks.then_some(lock),
        Err(LockError::NoLocks { .. }) => None,
        Err(LockError::Held { path, .. }) if terms.with_locks => {
            let content = File::open(&path).and_then(|file| read(&file));
            let by = content.ok().and_then(|content| content.holder());
            return Err(LockError::Held { path, by });
        }
        Err(LockError::Held { .. }) => None,
        Err(error) => return Err(error),
    };
    let file = File::options().read(true).write(true).open(path);
    let file = file.map_err(|refused| failed(path, "open", refused))?;
    let content = read(&file).map_err(|refused| failed(path, "read", refused))?;
    Ok(Opened { file, lock, content })
}

fn read(file: &File) -> io::Result<Content> {
    let mut bytes = vec![0; RECORD_BYTES + 1];
    let mut n = 0;
    while n < bytes.len() {
        match file.read_at(&mut bytes[n..], n as u64)? {
            0 => break,
            read => n += read,
        }
    }
    bytes.truncate(n);
    Ok(content(&bytes))
}

fn content(bytes: &[u8]) -> Content {
    if bytes.is_empty() {
        return Content::Empty;
    }
    let record = (bytes.len() <= RECORD_BYTES)
        .then(|| serde_json::from_slice(bytes).ok())
        .flatten();
    record.map_or_else(|| Content::Other(bytes.to_vec()), Content::Record)
}

/// In one write, over what stands there: a file that is replaced would lose its lock.
fn write(file: &File, record: &Record) -> io::Result<()> {
    let mut text = serde_json::to_vec(record)?;
    text.resize(RECORD_BYTES, b' ');
    text[RECORD_BYTES - 1] = b'\n';
    file.write_all_at(&text, 0)
}

struct Machine {
    host: String,
    boot: String,
}

/// The machine that this is.
fn machine() -> &'static Machine {
    static HERE: LazyLock<Machine> = LazyLock::new(|| {
        // Names are shorter than that; one that is not must not spoil the record.
        let system = uname();
        let host = system.nodename().to_string_lossy();
        let host = host.chars().filter(char::is_ascii_graphic).take(64).collect();
        // Where nothing tells one start of the machine from another, its name does.
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Machine {
            host,
            boot: boot.trim().to_owned(),
        }
    });
    &HERE
}

/// Whether other machines may see the file: their locks, or ours, may then not be seen.
pub(crate) fn is_shared(file: &File) -> bool {
    // NFS, SMB, CIFS, SMB 2 and 3, Lustre, GPFS, BeeGFS, Ceph, AFS, 9p, FUSE (sshfs, s3fs, virtiofs).
    const SHARED: [u32; 11] = [
        0x6969,
        0x517B,
        0xFF53_4D42,
        0xFE53_4D42,
        0x0BD0_0BD0,
        0x4750_4653,
        0x1983_0326,
        0x00C3_6400,
        0x5346_414F,
        0x0102_1997,
        0x6573_5546,
    ];
    // Kernels give the number with or without a sign.
    fstatfs(file).is_ok_and(|found| SHARED.contains(&(found.f_type as u32)))
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;
