//! Batches of transformed pictures, made ahead of whoever asks for them.

use crate::crew::{Crew, Hand, no_threads};
use crate::{PictureError, Pictures, Transform, order};
use rayon::prelude::*;
use sculpt_random::Seed;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// Pictures in batches that are functions of (seed, epoch, step) alone, whoever makes them and in whichever order.
#[derive(Clone, Debug)]
pub struct Loader {
    pictures: Arc<dyn Pictures>,
    loading: Loading,
    left_out: Arc<Mutex<BTreeMap<u32, String>>>,
}

/// How a [`Loader`] makes batches.
#[derive(Clone, Copy, Debug)]
pub struct Loading {
    /// How a picture becomes a square.
    pub transform: Transform,
    /// In which order they come.
    pub sequence: Sequence,
    /// Pictures a batch.
    pub batch: usize,
    /// Whether an incomplete last batch is left out.
    pub drop_last: bool,
    /// Threads that decode; at least 1.
    pub workers: usize,
    /// How many pictures that nobody can read may be left out of the batches that they would be in.
    pub most_left_out: usize,
}

/// In which order pictures come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// Their own, in every epoch.
    Sorted,
    /// Another one every epoch: [`order`].
    Shuffled(Seed),
}

impl Loader {
    /// Batches of these pictures.
    ///
    /// # Errors
    /// A batch of 0, or of which the pictures fill none with `drop_last`.
    pub fn new(pictures: Arc<dyn Pictures>, loading: Loading) -> Result<Self, PictureError> {
        let Loading { batch, drop_last, .. } = loading;
        let n = pictures.len();
        let least = if drop_last { batch } else { 1 };
        if batch == 0 || n < least {
            return Err(PictureError::NoBatch { batch, n, drop_last });
        }
        Ok(Self {
            pictures,
            loading,
            left_out: Arc::default(),
        })
    }

    /// The pictures.
    pub fn pictures(&self) -> &Arc<dyn Pictures> {
        &self.pictures
    }

    /// Number of batches in an epoch.
    pub fn steps_per_epoch(&self) -> usize {
        let (n, batch) = (self.pictures.len(), self.loading.batch);
        if self.loading.drop_last {
            n / batch
        } else {
            n.div_ceil(batch)
        }
    }

    /// Rows and columns of what a picture becomes.
    pub fn side(&self) -> usize {
        self.loading.transform.side()
    }

    /// Bytes of what a picture becomes.
    pub fn n_bytes_of_one(&self) -> usize {
        self.loading.transform.n_bytes()
    }

    /// Pictures of one of the epoch's batches, those that nobody can read too.
    pub fn n_of_batch(&self, step: usize) -> usize {
        let rest = self.pictures.len().saturating_sub(step * self.loading.batch);
        rest.min(self.loading.batch)
    }

    /// Whether a picture that nobody can read is left out, rather than an error.
    pub fn may_leave_out(&self) -> bool {
        self.loading.most_left_out > 0
    }

    /// Bytes of the buffer that a batch needs.
    pub fn n_bytes(&self) -> usize {
        self.loading.batch * self.loading.transform.n_bytes()
    }

    /// Pictures that were left out until now, or when these were packed, each with the reason.
    pub fn left_out(&self) -> Vec<String> {
        let left_out = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.pictures.left_out().into_iter();
        before.chain(left_out.values().cloned()).collect()
    }

    /// The batches of an epoch from `first` on. Threads begin at once; they fill these buffers, decode into nothing else,
    /// and wait while none is free: as many as there are bound how far they go ahead and what memory is taken.
    ///
    /// # Errors
    /// Threads that the operating system refuses.
    ///
    /// # Panics
    /// Without a buffer, or when one is shorter than [`Self::n_bytes`].
    pub fn read<B>(&self, epoch: u64, first: usize, buffers: Vec<B>) -> Result<Reading<B>, PictureError>
    where
        B: AsMut<[u8]> + Send + 'static,
    {
        self.read_some(epoch, first, buffers, |n| 0..n)
    }

    /// As [`Self::read`], but of each batch those pictures alone that stand at the places that `own` picks of as many as the
    /// batch has: what one of several processes has of it. No others are read.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// As there; a worker does where `own` picks places that the batch does not have.
    pub fn read_some<B>(
        &self,
        epoch: u64,
        first: usize,
        mut buffers: Vec<B>,
        own: impl Fn(usize) -> Range<usize> + Send + 'static,
    ) -> Result<Reading<B>, PictureError>
    where
        B: AsMut<[u8]> + Send + 'static,
    {
        assert!(!buffers.is_empty(), "batches are read into at least one buffer");
        for buffer in &mut buffers {
            let n = buffer.as_mut().len();
            assert!(
                n >= self.n_bytes(),
                "a buffer of {n} bytes for batches of {}",
                self.n_bytes()
            );
        }
        let (give_back, free) = channel();
        let n_buffers = buffers.len();
        for buffer in buffers {
            give_back.send(Some(buffer)).expect("the other end is here");
        }
        let (found, ready) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let crew = Crew::new(self.loading.workers.max(1), Arc::clone(&stop))?;
        let loader = self.clone();
        let head = thread::Builder::new().name("pictures".into()).spawn(move || {
            loader.fill(epoch, first, &own, &crew, &free, &found);
            free
        });
        let head = head.map_err(no_threads)?;
        Ok(Reading {
            give_back,
            ready,
            held: Arc::new(()),
            n_buffers,
            stop,
            head: Some(head),
            free: None,
        })
    }

    /// Makes batch after batch, as long as there are buffers and anybody wants them.
    fn fill<B: AsMut<[u8]> + Send>(
        &self,
        epoch: u64,
        first: usize,
        own: &dyn Fn(usize) -> Range<usize>,
        crew: &Crew,
        free: &Receiver<Option<B>>,
        found: &Sender<Filled<B>>,
    ) {
        let n = self.pictures.len();
        let order: Vec<u32> = match self.loading.sequence {
            Sequence::Sorted => (0..n as u32).collect(),
            Sequence::Shuffled(seed) => order(seed, epoch, n),
        };
        for step in first..self.steps_per_epoch() {
            let Ok(Some(mut buffer)) = free.recv() else { return };
            let start = step * self.loading.batch;
            let whole = &order[start..(start + self.loading.batch).min(n)];
            let made = self.batch(epoch, &whole[own(whole.len())], crew, buffer.as_mut());
            let failed = made.is_err();
            let sent = found.send(made.map(|labels| (step, labels, buffer)));
            if failed || sent.is_err() {
                return;
            }
        }
    }

    /// Fills the beginning of `buffer` with the pictures at these places; returns their labels.
    fn batch(
        &self,
        epoch: u64,
        places: &[u32],
        crew: &Crew,
        buffer: &mut [u8],
    ) -> Result<Vec<u16>, PictureError> {
        let transform = &self.loading.transform;
        let n_bytes = transform.n_bytes();
        let slots = buffer[..n_bytes * places.len()].par_chunks_exact_mut(n_bytes);
        let one = |(slot, &i): (&mut [u8], &u32)| {
            // What is then in the buffer goes to nobody.
            if crew.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            crew.with(|hand| self.one(epoch, i, hand, slot))
        };
        let made: Vec<Result<(), PictureError>> =
            crew.install(|| slots.zip(places).with_max_len(MOST_AT_ONCE).map(one).collect());
        let mut labels = Vec::with_capacity(places.len());
        for (slot, (result, &i)) in made.into_iter().zip(places).enumerate() {
            match result {
                Ok(()) => {
                    // Those behind one that is left out move up.
                    if labels.len() < slot {
                        buffer.copy_within(slot * n_bytes..(slot + 1) * n_bytes, labels.len() * n_bytes);
                    }
                    labels.push(self.pictures.label(i as usize));
                }
                Err(error @ PictureError::Unreadable { .. }) => self.leave_out(i, error)?,
                Err(error) => return Err(error),
            }
        }
        Ok(labels)
    }

    fn one(&self, epoch: u64, i: u32, hand: &mut Hand, slot: &mut [u8]) -> Result<(), PictureError> {
        self.pictures.read(i as usize, &mut hand.bytes)?;
        let transform = &self.loading.transform;
        let applied = hand.transformer.apply(transform, &hand.bytes, epoch, i, slot);
        applied.map_err(|problem| match self.pictures.name(i as usize) {
            Ok(name) => PictureError::Unreadable { name, problem },
            Err(error) => error,
        })
    }

    /// Keeps count of a picture that nobody can read.
    fn leave_out(&self, i: u32, error: PictureError) -> Result<(), PictureError> {
        let most = self.loading.most_left_out;
        let mut left_out = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        if most == 0 {
            return Err(error);
        }
        left_out.insert(i, error.to_string());
        if left_out.len() > most {
            let names = left_out.values().cloned().collect();
            return Err(PictureError::TooManyUnreadable { names, most });
        }
        Ok(())
    }
}

/// Pictures that a thread takes at a time, so that the last of a batch are shared out.
const MOST_AT_ONCE: usize = 4;

type Filled<B> = Result<(usize, Vec<u16>, B), PictureError>;

/// Batches of one epoch, being made. Dropped early, it stops its threads and waits until they are gone.
pub struct Reading<B> {
    /// Buffers to be filled again; `None` asks to stop.
    give_back: Sender<Option<B>>,
    ready: Receiver<Filled<B>>,
    /// One for this and one for each batch that is out.
    held: Arc<()>,
    n_buffers: usize,
    stop: Arc<AtomicBool>,
    /// Ends with the buffers that were given back.
    head: Option<JoinHandle<Receiver<Option<B>>>>,
    /// Those, once it has ended.
    free: Option<Receiver<Option<B>>>,
}

impl<B> Reading<B> {
    /// Stops, as dropping does, and hands the buffers back that are in no batch that is still out, for the next epoch.
    pub fn into_buffers(mut self) -> Vec<B> {
        self.end();
        let given_back = self.free.iter().flat_map(|free| free.try_iter()).flatten();
        let unread = self.ready.try_iter().flatten().map(|(_, _, buffer)| buffer);
        given_back.chain(unread).collect()
    }

    /// Stops the threads and waits until they are gone.
    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // It may be waiting for a buffer; where it has ended, nobody listens.
        let _ = self.give_back.send(None);
        // A panic was either handed on by `next_batch` or is of no interest to who ended early.
        let ended = self.head.take().map(JoinHandle::join);
        self.free = ended.and_then(Result::ok).or(self.free.take());
    }

    /// The next batch; `None` after the last. It is waited for until it is made.
    ///
    /// # Errors
    /// A picture that cannot be read, where none more may be left out; after that there are no batches.
    ///
    /// # Panics
    /// When all buffers are in batches that the caller still has: nothing could ever come. When a worker panicked.
    pub fn next_batch(&mut self) -> Result<Option<Batch<B>>, PictureError> {
        assert!(
            Arc::strong_count(&self.held) <= self.n_buffers,
            "all buffers are held: drop a batch before asking for the next"
        );
        let Ok(filled) = self.ready.recv() else {
            match self.head.take().map(JoinHandle::join) {
                Some(Ok(free)) => self.free = Some(free),
                Some(Err(panicked)) => resume_unwind(panicked),
                None => {}
            }
            return Ok(None);
        };
        let (step, labels, buffer) = filled?;
        Ok(Some(Batch {
            step,
            labels,
            buffer: Some(buffer),
            give_back: self.give_back.clone(),
            _held: Arc::clone(&self.held),
        }))
    }
}

impl<B> Drop for Reading<B> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<B> fmt::Debug for Reading<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("n_buffers", &self.n_buffers)
            .finish_non_exhaustive()
    }
}

/// A batch: as many pictures as labels, at the beginning of its buffer. Dropped, it gives the buffer back.
pub struct Batch<B> {
    step: usize,
    labels: Vec<u16>,
    buffer: Option<B>,
    give_back: Sender<Option<B>>,
    _held: Arc<()>,
}

impl<B> Batch<B> {
    /// Which of the epoch's batches it is.
    pub fn step(&self) -> usize {
        self.step
    }

    /// The label of each picture.
    pub fn labels(&self) -> &[u16] {
        &self.labels
    }

    /// The buffer: rows of pixels of red, green, blue, picture after picture, at its beginning.
    ///
    /// # Panics
    /// Never: a batch has its buffer as long as it lives.
    pub fn buffer(&self) -> &B {
        self.buffer.as_ref().expect("it is given back on dropping")
    }
}

impl<B> Drop for Batch<B> {
    fn drop(&mut self) {
        // Where the reading has ended nobody wants it.
        let _ = self.give_back.send(self.buffer.take());
    }
}

impl<B> fmt::Debug for Batch<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.labels.len();
        f.debug_struct("Batch")
            .field("step", &self.step)
            .field("n", &n)
            .finish_non_exhaustive()
    }
}
