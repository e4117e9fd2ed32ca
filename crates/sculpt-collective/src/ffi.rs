//! The one place of this crate's `unsafe`: the C interface of `shim/collective.cpp`, as safe functions over tensors.

#![expect(unsafe_code, reason = "calls into C++; each call says why it may be made")]

use crate::Rendezvous;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::net::{IpAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::ptr::NonNull;
use std::time::Duration;
use tch::Tensor;

/// Bytes for a sentence, the last of which is 0.
const ROOM: usize = 2048;

unsafe extern "C" {
    fn sculpt_collective_open(
        host: *const c_char,
        port: u16,
        own_address: *const c_char,
        prefix: *const c_char,
        hosts_store: c_int,
        listener: c_int,
        rank: c_int,
        world: c_int,
        to_meet_ms: i64,
        timeout_ms: i64,
        error: *mut c_char,
        room: usize,
    ) -> *mut c_void;
    fn sculpt_collective_sum(group: *mut c_void, tensor: *mut c_void) -> c_int;
    fn sculpt_collective_broadcast(group: *mut c_void, tensor: *mut c_void, root: c_int) -> c_int;
    fn sculpt_collective_wait(group: *mut c_void) -> c_int;
    fn sculpt_collective_batch_norm(
        group: *mut c_void,
        x: *const c_void,
        scale: *const c_void,
        shift: *const c_void,
        running_mean: *const c_void,
        running_variance: *const c_void,
        momentum: f64,
        epsilon: f64,
    ) -> *mut c_void;
    fn sculpt_collective_failure(group: *mut c_void, error: *mut c_char, room: usize);
    fn sculpt_collective_close(group: *mut c_void);
}

/// A group of the shim's, closed when it is dropped.
#[derive(Debug)]
pub(crate) struct Handle(NonNull<c_void>);

// SAFETY: a group is no thread's: whatever changes in it is behind locks of its own, since autograd calls it from threads of libtorch's.
unsafe impl Send for Handle {}

/// What BatchNorm is of: `[n, c, h, w]`, and `[c]` four times.
pub(crate) struct Normalised<'a> {
    pub(crate) x: &'a Tensor,
    pub(crate) scale: &'a Tensor,
    pub(crate) shift: &'a Tensor,
    pub(crate) running_mean: &'a Tensor,
    pub(crate) running_variance: &'a Tensor,
    pub(crate) momentum: f64,
    pub(crate) epsilon: f64,
}

impl Handle {
    /// Waits `to_meet` for the others. The error is libtorch's sentence.
    pub(crate) fn open(
        at: &Rendezvous,
        own_address: IpAddr,
        listener: Option<TcpListener>,
        to_meet: Duration,
        timeout: Duration,
    ) -> Result<Self, String> {
        let text = |text: String| CString::new(text).map_err(|_| "a name with a zero in it".to_owned());
        let (host, own) = (text(at.host.clone())?, text(own_address.to_string())?);
        // A launcher keeps things of its own in its store.
        let prefix = text(match at.launcher_listens {
            true => format!("sculpt/{}", at.attempt),
            false => String::new(),
        })?;
        let number = |n: usize| c_int::try_from(n).expect("ranks are below 65536");
        let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let mut error = [0; ROOM];
        // SAFETY: the strings end with 0 and live until the call returns, which writes at most `ROOM` bytes to `error`; the socket is the
        // store's from here on.
        let group = unsafe {
            sculpt_collective_open(
                host.as_ptr(),
                at.port,
                own.as_ptr(),
                prefix.as_ptr(),
                c_int::from(at.rank == 0 && !at.launcher_listens),
                listener.map_or(-1, IntoRawFd::into_raw_fd),
                number(at.rank),
                number(at.world),
                ms(to_meet),
                ms(timeout),
                error.as_mut_ptr(),
                ROOM,
            )
        };
        NonNull::new(group).map(Self).ok_or_else(|| sentence(&error))
    }

    /// Adds up, in place. False where the group failed, now or before.
    pub(crate) fn sum(&mut self, tensor: &mut Tensor) -> bool {
        // SAFETY: tch's pointer is that of an `at::Tensor`, alive as long as `tensor` is; the group is alive.
        unsafe { sculpt_collective_sum(self.0.as_ptr(), tensor.as_mut_ptr().cast()) != 0 }
    }

    pub(crate) fn broadcast(&mut self, tensor: &mut Tensor, root: usize) -> bool {
        let root = c_int::try_from(root).expect("ranks are below 65536");
        // SAFETY: as in `sum`.
        unsafe { sculpt_collective_broadcast(self.0.as_ptr(), tensor.as_mut_ptr().cast(), root) != 0 }
    }

    pub(crate) fn wait(&mut self) -> bool {
        // SAFETY: the group is alive.
        unsafe { sculpt_collective_wait(self.0.as_ptr()) != 0 }
    }

    /// None where libtorch refuses.
    pub(crate) fn batch_norm(&mut self, of: &Normalised<'_>) -> Option<Tensor> {
        // SAFETY: as in `sum`; the running statistics are changed in place, as libtorch's own `batch_norm` changes them behind `&Tensor`.
        // What comes back is null or an `at::Tensor` made with `new`, which tch's tensor deletes; the graph in it holds the group.
        unsafe {
            let made = sculpt_collective_batch_norm(
                self.0.as_ptr(),
                of.x.as_ptr().cast(),
                of.scale.as_ptr().cast(),
                of.shift.as_ptr().cast(),
                of.running_mean.as_ptr().cast(),
                of.running_variance.as_ptr().cast(),
                of.momentum,
                of.epsilon,
            );
            (!made.is_null()).then(|| Tensor::from_ptr(made.cast()))
        }
    }

    /// Why it failed, in libtorch's words; empty where it did not.
    pub(crate) fn failure(&self) -> String {
        let mut error = [0; ROOM];
        // SAFETY: the group is alive; at most `ROOM` bytes are written.
        unsafe { sculpt_collective_failure(self.0.as_ptr(), error.as_mut_ptr(), ROOM) };
        sentence(&error)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: it was made by `sculpt_collective_open`, and nobody has it any more.
        unsafe { sculpt_collective_close(self.0.as_ptr()) };
    }
}

/// The first line of what the shim wrote.
fn sentence(text: &[c_char; ROOM]) -> String {
    let bytes = text.map(|byte| byte as u8);
    let text = CStr::from_bytes_until_nul(&bytes)
        .unwrap_or(c"")
        .to_string_lossy();
    text.lines().next().unwrap_or_default().trim().to_owned()
}
