//! A trial of a program before it is used, in a thread of its own: in every mode, in both precisions, twice.

use super::description::Description;
use super::{NetworkFault, Program, failed, method};
use sculpt_layout::Layout;
use sculpt_network::Mode;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;
use tch::{Device, Kind, Tensor, no_grad};

/// How long a program may take for all of its trial. The largest vision transformers take seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Fails where a program fails, answers in other shapes than described, answers one question in two ways, writes into what it is
/// given, or does not end.
pub(super) fn of(
    program: &Arc<Program>,
    layout: &Layout,
    description: &Description,
) -> Result<(), NetworkFault> {
    let program = Arc::clone(program);
    let sizes = Sizes {
        n_params: layout.n_params() as i64,
        n_buffers: layout.n_buffers() as i64,
        classes: description.classes.into(),
        image: description.image.map(i64::from),
    };
    // libtorch counts threads by thread.
    let n_threads = tch::get_num_threads();
    within(PATIENCE, move || {
        tch::set_num_threads(n_threads);
        no_grad(|| sizes.try_program(&program))
    })
}

/// What `work` comes to, or that it does not. Nothing ends a thread: one that goes on does so until its process ends.
fn within(
    patience: Duration,
    work: impl FnOnce() -> Result<(), NetworkFault> + Send + 'static,
) -> Result<(), NetworkFault> {
    let (sender, receiver) = mpsc::channel();
    let worker = thread::spawn(move || {
        let _ = sender.send(work());
    });
    match receiver.recv_timeout(patience) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => Err(NetworkFault::TooSlow {
            seconds: patience.as_secs(),
        }),
        Err(RecvTimeoutError::Disconnected) => match worker.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => unreachable!("a worker that ends has sent what it came to"),
        },
    }
}

struct Sizes {
    n_params: i64,
    n_buffers: i64,
    classes: i64,
    image: [i64; 3],
}

impl Sizes {
    fn try_program(&self, program: &Program) -> Result<(), NetworkFault> {
        let [channels, height, width] = self.image;
        for (mode, n, kind) in [
            (Mode::Eval, 1, Kind::Float),
            (Mode::Eval, 2, Kind::Float),
            (Mode::Eval, 1, Kind::Double),
            (Mode::Train, 2, Kind::Float),
            (Mode::Calibrate, 2, Kind::Float),
        ] {
            // Variances are positive.
            let theta = wave(&[self.n_params], kind)? * 0.1;
            let buffers = wave(&[self.n_buffers], kind)? * 0.25 + 1.0;
            let images = wave(&[n, channels, height, width], kind)?;
            let given = [&theta, &buffers, &images];
            let copies = given.map(Tensor::copy);
            let first = self.ask(program, &theta, &buffers, &images, mode)?;
            let again = self.ask(program, &theta, &buffers, &images, mode)?;
            if !(equal(&first.0, &again.0) && equal(&first.1, &again.1)) {
                return Err(NetworkFault::Unrepeatable { method: method(mode) });
            }
            let changed = given
                .into_iter()
                .zip(&copies)
                .position(|(now, before)| !equal(now, before));
            if let Some(which) = changed {
                return Err(NetworkFault::Changes {
                    method: method(mode),
                    what: super::GIVEN[which],
                });
            }
        }
        Ok(())
    }

    /// An answer of the shape and the kind that are described.
    fn ask(
        &self,
        program: &Program,
        theta: &Tensor,
        buffers: &Tensor,
        images: &Tensor,
        mode: Mode,
    ) -> Result<(Tensor, Tensor), NetworkFault> {
        let (logits, after) = program.run(theta, buffers, images, mode)?;
        let expected = [vec![images.size()[0], self.classes], vec![self.n_buffers]];
        for (answer, expected) in [&logits, &after].into_iter().zip(expected) {
            if answer.size() != expected || answer.kind() != theta.kind() {
                return Err(NetworkFault::Answer {
                    method: method(mode),
                    found: answer.size(),
                    found_kind: answer.kind(),
                    expected,
                    kind: theta.kind(),
                });
            }
        }
        Ok((logits, after))
    }
}

/// Numbers in [-1, 1], none of which is its neighbour's.
fn wave(shape: &[i64], kind: Kind) -> Result<Tensor, NetworkFault> {
    let n = shape.iter().product::<i64>();
    let mut places = Tensor::f_arange(n, (kind, Device::Cpu)).map_err(failed("try"))?;
    Ok(places.sin_().reshape(shape))
}

/// Whether they are, bit for bit: a number that is none is equal to itself here.
fn equal(a: &Tensor, b: &Tensor) -> bool {
    let bits = |tensor: &Tensor| {
        let kind = if tensor.kind() == Kind::Double {
            Kind::Int64
        } else {
            Kind::Int
        };
        tensor.contiguous().view_dtype(kind)
    };
    a.size() == b.size() && bits(a) == bits(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_end_is_left() {
        let slow = within(Duration::from_millis(20), || {
            thread::sleep(Duration::from_secs(600));
            Ok(())
        });
        assert_eq!(slow, Err(NetworkFault::TooSlow { seconds: 0 }));
        assert_eq!(within(PATIENCE, || Ok(())), Ok(()));
        let fault = NetworkFault::NoLogits { method: "learn" };
        let failing = fault.clone();
        assert_eq!(within(PATIENCE, move || Err(failing)), Err(fault));
    }

    #[test]
    fn equal_is_bit_for_bit() {
        let of = |values: &[f32]| Tensor::from_slice(values);
        assert!(equal(&of(&[f32::NAN, 1.0]), &of(&[f32::NAN, 1.0])));
        assert!(!equal(&of(&[0.0]), &of(&[-0.0])));
        assert!(!equal(&of(&[0.0]), &of(&[0.0, 0.0])));
    }
}
