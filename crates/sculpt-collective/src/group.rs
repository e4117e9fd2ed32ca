use crate::ffi::{Handle, Normalised};
use crate::{CollectiveError, Rendezvous};
use std::net::TcpListener;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tch::{Kind, Tensor};

/// Processes that work on one training: each calls the same methods in the same order, with tensors of the same sizes.
///
/// A method that fails leaves the group failed: every later one fails at once, with the same reason.
#[derive(Debug)]
pub struct Group {
    rank: usize,
    world: usize,
    timeout: Duration,
    handle: Mutex<Handle>,
}

impl Group {
    /// Waits up to `to_meet` for all processes. One that *ends* later is noticed at once, one that is silent after `timeout`.
    ///
    /// # Errors
    /// Some that did not come, or an address that cannot be reached.
    pub fn join(at: &Rendezvous, to_meet: Duration, timeout: Duration) -> Result<Self, CollectiveError> {
        Self::meet(at, None, to_meet, timeout)
    }

    /// The same for rank 0 of processes that it started itself, at a port that the system chose: `listener` listens there, so that nobody
    /// else can be given it.
    ///
    /// # Errors
    /// As [`Group::join`].
    pub fn join_at(
        listener: TcpListener,
        at: &Rendezvous,
        to_meet: Duration,
        timeout: Duration,
    ) -> Result<Self, CollectiveError> {
        Self::meet(at, Some(listener), to_meet, timeout)
    }

    fn meet(
        at: &Rendezvous,
        listener: Option<TcpListener>,
        to_meet: Duration,
        timeout: Duration,
    ) -> Result<Self, CollectiveError> {
        let not_met = |reason: String| CollectiveError::NotMet {
            rank: at.rank,
            world: at.world,
            address: at.address(),
            seconds: to_meet.as_secs(),
            reason,
        };
        let own_address = at.own_address().map_err(|error| not_met(error.to_string()))?;
        let handle = Handle::open(at, own_address, listener, to_meet, timeout).map_err(not_met)?;
        Ok(Self {
            rank: at.rank,
            world: at.world,
            timeout,
            handle: Mutex::new(handle),
        })
    }

    /// This process, counted from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many there are.
    pub fn world(&self) -> usize {
        self.world
    }

    /// Adds the processes' tensors up, in place: all have the same bits afterwards. f32 or f64, on the host by Gloo, on a GPU by NCCL,
    /// there queued as libtorch's own operations are: [`Group::wait`] says whether it came to an end.
    ///
    /// # Errors
    /// Another kind of tensor, or a process that was lost.
    pub fn sum(&self, tensor: &mut Tensor) -> Result<(), CollectiveError> {
        let kind = tensor.kind();
        if !matches!(kind, Kind::Float | Kind::Double) || !tensor.is_contiguous() {
            return Err(CollectiveError::Kind {
                kind: format!("{kind:?}"),
            });
        }
        let mut handle = self.handle();
        let done = handle.sum(tensor);
        self.checked(&handle, done)
    }

    /// Adds numbers of the host up, in place. Whole numbers below 2⁵³ exactly.
    ///
    /// # Errors
    /// A process that was lost.
    pub fn sum_numbers(&self, numbers: &mut [f64]) -> Result<(), CollectiveError> {
        let mut tensor = Tensor::from_slice(numbers);
        self.sum(&mut tensor)?;
        tensor.copy_data(numbers, numbers.len());
        Ok(())
    }

    /// Gives all the tensor of rank `root`, in place, bit for bit; over the host, wherever it lies.
    ///
    /// # Errors
    /// A process that was lost.
    ///
    /// # Panics
    /// When there is no such rank.
    pub fn broadcast(&self, tensor: &mut Tensor, root: usize) -> Result<(), CollectiveError> {
        assert!(root < self.world, "rank {root} of {}", self.world);
        let mut handle = self.handle();
        let done = handle.broadcast(tensor, root);
        self.checked(&handle, done)
    }

    /// Gives all the bytes of rank `root`, however many they are.
    ///
    /// # Errors
    /// A process that was lost.
    ///
    /// # Panics
    /// When there is no such rank.
    pub fn broadcast_bytes(&self, bytes: &[u8], root: usize) -> Result<Vec<u8>, CollectiveError> {
        let mut length = Tensor::from_slice(&[bytes.len() as i64]);
        self.broadcast(&mut length, root)?;
        let length = length.int64_value(&[0]) as usize;
        let mut all = bytes.to_vec();
        all.resize(length, 0);
        if length > 0 {
            let mut tensor = Tensor::from_slice(&all);
            self.broadcast(&mut tensor, root)?;
            tensor.copy_data(&mut all, length);
        }
        Ok(all)
    }

    /// Returns once all processes have come here.
    ///
    /// # Errors
    /// A process that was lost.
    pub fn barrier(&self) -> Result<(), CollectiveError> {
        self.sum_numbers(&mut [0.0])
    }

    /// Waits until what was queued on the GPU is done; nothing is on the host.
    ///
    /// # Errors
    /// A process that was lost, or a sum that takes longer than the group waits.
    pub fn wait(&self) -> Result<(), CollectiveError> {
        let mut handle = self.handle();
        let done = handle.wait();
        self.checked(&handle, done)
    }

    /// `libtorch`'s `batch_norm` of images `[n, c, h, w]` in training, whose statistics are those of all processes' images: one sum over the
    /// group here, and one when it is differentiated. The running statistics `[c]` move towards them by `momentum`, in place. A process
    /// may have no image. Gradients of `scale` and `shift` are those of this process's images, as are those of all other
    /// parameters: their sum over the group is the gradient.
    ///
    /// When a process is lost, here or in the backward pass, the numbers mean nothing and [`Group::check`] fails from then on: ask it, or
    /// for any sum, before they are used.
    ///
    /// # Panics
    /// When libtorch refuses tensors of other shapes.
    #[expect(clippy::too_many_arguments, reason = "libtorch's own, in its order")]
    pub fn batch_norm(
        &self,
        images: &Tensor,
        scale: &Tensor,
        shift: &Tensor,
        running_mean: &Tensor,
        running_variance: &Tensor,
        momentum: f64,
        epsilon: f64,
    ) -> Tensor {
        let mut handle = self.handle();
        let made = handle.batch_norm(&Normalised {
            x: images,
            scale,
            shift,
            running_mean,
            running_variance,
            momentum,
            epsilon,
        });
        made.unwrap_or_else(|| panic!("batch_norm over processes: {}", handle.failure()))
    }

    /// Whether all that was asked for so far could be done.
    ///
    /// # Errors
    /// What failed.
    pub fn check(&self) -> Result<(), CollectiveError> {
        let handle = self.handle();
        let whole = handle.failure().is_empty();
        self.checked(&handle, whole)
    }

    fn handle(&self) -> MutexGuard<'_, Handle> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn checked(&self, handle: &Handle, done: bool) -> Result<(), CollectiveError> {
        if done {
            return Ok(());
        }
        Err(CollectiveError::Lost {
            rank: self.rank,
            world: self.world,
            seconds: self.timeout.as_secs(),
            reason: handle.failure(),
        })
    }
}
