//! How fast this machine trains: for `plan`'s hours.

use super::training_speed;
use crate::printing;
use sculpt_experiments::{Environment, PictureFolder, Work};
use sculpt_measures::{Cache, Key};
use sculpt_models::training_flops;
use sculpt_pictures::{Seed, Transform, Transformer};
use serde::Serialize;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tch::Device;

/// What a cached speed rests on.
#[derive(Serialize)]
struct Inputs<'a> {
    measure: &'static str,
    v: u32,
    model: &'a sculpt_models::ModelSpec,
    side: u32,
    batch: u32,
    precision: sculpt_models::Precision,
    environment: &'a Environment,
}

/// Images of the small batch with which a speed is estimated that nobody measured.
const SMALL_BATCH: u32 = 16;

/// Operations a second that any machine of today does at the least: what a measurement takes at the most follows.
const SLOWEST: f64 = 2e10;

/// What all estimates of a plan may take together.
const PATIENCE: Duration = Duration::from_secs(3);

/// Finds speeds of training, each once.
pub(super) struct Speeds {
    cache: Cache,
    device: Device,
    /// Whether what is not known is measured at its own batch, however long it takes.
    measure: bool,
    /// What the estimates took until now.
    spent: Cell<Duration>,
    /// Those that were made, by what they are of: whoever asks again is told the same.
    estimated: RefCell<HashMap<String, f64>>,
    /// Those that are decoded, where they are at hand.
    pictures: Option<PictureFolder>,
    /// Pictures a second that one thread decodes to squares of a side.
    decoded: RefCell<HashMap<u32, f64>>,
}

impl Speeds {
    pub(super) fn new(cache: Cache, device: Device, measure: bool, pictures: Option<&PictureFolder>) -> Self {
        Self {
            cache,
            device,
            measure,
            spent: Cell::default(),
            estimated: RefCell::default(),
            pictures: pictures.cloned(),
            decoded: RefCell::default(),
        }
    }

    /// Images a second, decoding included where it is of pictures at hand: on a GPU they are decoded meanwhile, on a CPU by the
    /// same cores. None where the network's speed would take long to estimate.
    pub(super) fn of(&self, work: &Work, threads: u32) -> anyhow::Result<Option<f64>> {
        let Some(network) = self.of_network(work, threads)? else {
            return Ok(None);
        };
        let Some(pictures) = self.pictures.as_ref().filter(|_| work.decodes) else {
            return Ok(Some(network));
        };
        let one_thread = self.decoded(pictures, work.side)?;
        Ok(Some(if self.device.is_cuda() {
            network.min(one_thread * pictures.decoding().threads as f64)
        } else {
            (network.recip() + (one_thread * f64::from(threads)).recip()).recip()
        }))
    }

    /// Pictures a second and thread, as some of them, spread over all, let expect.
    fn decoded(&self, pictures: &PictureFolder, side: u32) -> anyhow::Result<f64> {
        const MOST: usize = 64;
        const LONGEST: Duration = Duration::from_millis(500);
        if let Some(known) = self.decoded.borrow().get(&side) {
            return Ok(*known);
        }
        let train = pictures.training();
        let n = train.len().min(MOST);
        let transform = Transform::ResizedCropFlip { side, seed: Seed(1) };
        let (mut bytes, mut square) = (Vec::new(), vec![0; transform.n_bytes()]);
        let mut transformer = Transformer::default();
        let mut some = || -> anyhow::Result<f64> {
            let (begun, mut n_done) = (Instant::now(), 0);
            for i in 0..n {
                let place = i * train.len() / n;
                train.read(place, &mut bytes)?;
                // One that nobody can read takes no time in training either.
                let made = transformer.apply(&transform, &bytes, 0, place as u32, &mut square);
                n_done += u32::from(made.is_ok());
                if begun.elapsed() > LONGEST {
                    break;
                }
            }
            Ok(f64::from(n_done.max(1)) / begun.elapsed().as_secs_f64())
        };
        // What the operating system has to fetch, and what warms up, is not counted.
        some()?;
        let speed = some()?;
        self.decoded.borrow_mut().insert(side, speed);
        Ok(speed)
    }

    /// Images a second of the network alone: as measured before or now, else as estimated from a small batch.
    fn of_network(&self, work: &Work, threads: u32) -> anyhow::Result<Option<f64>> {
        let environment = Environment::here(self.device, threads);
        let key = Key::of(&Inputs {
            measure: "training-speed",
            // 2: without a mask.
            v: 2,
            model: &work.model,
            side: work.side,
            batch: work.batch,
            precision: work.precision,
            environment: &environment,
        });
        if let Some(known) = self.cache.get::<f64>(&key) {
            return Ok(Some(known));
        }
        let at = |batch| {
            training_speed::throughput(
                &work.model,
                work.side,
                batch,
                work.precision,
                threads,
                self.device,
            )
        };
        if self.measure {
            printing::note(&format!(
                "measuring {} on {} images of {} x {} ...",
                work.model, work.batch, work.side, work.side
            ));
            let speed = at(work.batch)?;
            self.cache.put(&key, &speed)?;
            return Ok(Some(speed));
        }
        let kind = format!("{} {threads}", work.kind());
        if let Some(known) = self.estimated.borrow().get(&kind) {
            return Ok(Some(*known));
        }
        let macs = work.model.multiply_accumulates([3, work.side, work.side])?;
        let step = f64::from(SMALL_BATCH) * training_flops(macs.into_iter().map(|n| (n, 1.0)));
        // One step to warm up, two that are timed.
        let longest = Duration::from_secs_f64(3.0 * step / SLOWEST);
        if self.spent.get() + longest > PATIENCE {
            return Ok(None);
        }
        if self.spent.get().is_zero() {
            printing::note("how fast this machine trains is estimated ...");
        }
        let begun = Instant::now();
        let speed = at(SMALL_BATCH.min(work.batch))?;
        self.spent.set(self.spent.get() + begun.elapsed());
        self.estimated.borrow_mut().insert(kind, speed);
        Ok(Some(speed))
    }
}
