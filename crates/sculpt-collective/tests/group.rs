//! Groups of two and three ranks, each a thread of this process: what they share goes over sockets all the same.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

use sculpt_collective::{CollectiveError, Group, Rendezvous};
use std::net::TcpListener;
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tch::{Kind, Tensor};

const TO_MEET: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(20);

fn place(port: u16, rank: usize, world: usize) -> Rendezvous {
    Rendezvous {
        rank,
        world,
        local_rank: rank,
        host: "127.0.0.1".to_owned(),
        port,
        launcher_listens: false,
        attempt: 0,
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// What each rank makes of a group, by rank.
fn on_ranks<T: Send>(world: usize, work: impl Fn(Group) -> T + Sync) -> Vec<T> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let listener = Mutex::new(Some(listener));
    let one = |rank| {
        let place = place(port, rank, world);
        let listener = if rank == 0 {
            listener.lock().unwrap().take()
        } else {
            None
        };
        let group = match listener {
            Some(listener) => Group::join_at(listener, &place, TO_MEET, TIMEOUT),
            None => Group::join(&place, TO_MEET, TIMEOUT),
        };
        work(group.unwrap())
    };
    let one = &one;
    thread::scope(|scope| {
        let ranks: Vec<_> = (0..world).map(|rank| scope.spawn(move || one(rank))).collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

fn values(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.to_kind(Kind::Float).contiguous().view(-1)).unwrap()
}

#[test]
fn sums_and_what_is_handed_round() {
    let of_ranks = on_ranks(3, |group| {
        let rank = group.rank();
        let mut sum = Tensor::from_slice(&[rank as f32, 0.1, 1e-3]);
        group.sum(&mut sum).unwrap();
        let mut numbers = [2f64.powi(50), rank as f64];
        group.sum_numbers(&mut numbers).unwrap();
        // Bits that arithmetic would not keep.
        let bits = [0x8000_0000u32, 0x7fc0_1234, 1].map(f32::from_bits);
        let mut tensor = Tensor::from_slice(&if rank == 1 { bits } else { [9.0; 3] });
        group.broadcast(&mut tensor, 1).unwrap();
        let bytes = group
            .broadcast_bytes(if rank == 2 { b"two" } else { b"" }, 2)
            .unwrap();
        let none = group.broadcast_bytes(&vec![7; rank], 0).unwrap();
        group.barrier().unwrap();
        group.wait().unwrap();
        let kept = values(&tensor)
            .iter()
            .map(|value| value.to_bits())
            .collect::<Vec<_>>();
        assert_eq!(kept, bits.map(f32::to_bits));
        (
            values(&sum).iter().map(|v| v.to_bits()).collect::<Vec<_>>(),
            numbers,
            bytes,
            none,
        )
    });
    for of_rank in &of_ranks {
        assert_eq!(of_rank, &of_ranks[0]);
        assert_eq!(f32::from_bits(of_rank.0[0]), 3.0);
        assert_eq!(of_rank.1, [3.0 * 2f64.powi(50), 3.0]);
        assert_eq!((&of_rank.2[..], &of_rank.3[..]), (&b"two"[..], &b""[..]));
    }
}

#[test]
fn other_kinds_are_refused() {
    on_ranks(1, |group| {
        let error = group.sum(&mut Tensor::from_slice(&[1i64])).unwrap_err();
        assert!(matches!(error, CollectiveError::Kind { .. }), "{error}");
        group.check().unwrap();
    });
}

/// Output, gradients and running statistics of a layer.
struct Layer {
    output: Vec<f32>,
    of_images: Vec<f32>,
    of_scale: Tensor,
    of_shift: Tensor,
    running: Vec<f32>,
}

/// BatchNorm of images, and its gradients where the loss is `Σ w·y`.
fn layer(images: &Tensor, weights: &Tensor, norm: impl Fn([&Tensor; 5]) -> Tensor) -> Layer {
    let images = images.detach().set_requires_grad(true);
    let scale = Tensor::from_slice(&[0.5f32, -1.0, 2.0]).set_requires_grad(true);
    let shift = Tensor::from_slice(&[0.1f32, 0.2, -3.0]).set_requires_grad(true);
    let (mean, variance) = (
        Tensor::zeros([3], (Kind::Float, tch::Device::Cpu)),
        Tensor::from_slice(&[1f32, 2.0, 3.0]),
    );
    // A ReLU in place behind it, as networks have it.
    let output = norm([&images, &scale, &shift, &mean, &variance]).relu_();
    let loss = (output.to_kind(Kind::Float) * weights).sum(Kind::Float);
    let mut gradients = Tensor::run_backward(&[&loss], &[&images, &scale, &shift], false, false);
    let of_shift = gradients.remove(2);
    let of_scale = gradients.remove(1);
    Layer {
        output: values(&output),
        of_images: values(&gradients[0]),
        of_scale,
        of_shift,
        running: [values(&mean), values(&variance)].concat(),
    }
}

/// Numbers as unlike as those of a network: channels with means far from 0, and one that is constant.
fn images(n: i64) -> Tensor {
    let numbers: Vec<f32> = (0..n * 3 * 4 * 4)
        .map(|i| match (i / 16) % 3 {
            0 => ((i * 7919 % 1009) as f32 / 1009.0 - 0.5) * 3.0,
            1 => 20.0 + (i * 104_729 % 997) as f32 / 997.0,
            _ => 0.25,
        })
        .collect();
    Tensor::from_slice(&numbers).view([n, 3, 4, 4])
}

/// `split`: where each rank's images begin.
fn check_batch_norm(n: i64, split: &[i64], kind: Kind, tolerance: f32) {
    let given = || {
        let weights = images(n).sin();
        let images = images(n).to_kind(kind).permute([0, 2, 3, 1]).contiguous();
        (images.permute([0, 3, 1, 2]), weights)
    };
    let (whole_images, whole_weights) = given();
    let whole = layer(
        &whole_images,
        &whole_weights,
        |[x, scale, shift, mean, variance]| {
            x.batch_norm(
                Some(scale),
                Some(shift),
                Some(mean),
                Some(variance),
                true,
                0.1,
                1e-5,
                true,
            )
        },
    );
    let ranks = on_ranks(split.len(), |group| {
        let start = split[group.rank()];
        let end = split.get(group.rank() + 1).copied().unwrap_or(n);
        let (images, weights) = given();
        let part = |tensor: &Tensor| tensor.narrow(0, start, end - start);
        let mut layer = layer(
            &part(&images),
            &part(&weights),
            |[x, scale, shift, mean, variance]| group.batch_norm(x, scale, shift, mean, variance, 0.1, 1e-5),
        );
        group.sum(&mut layer.of_scale).unwrap();
        group.sum(&mut layer.of_shift).unwrap();
        group.check().unwrap();
        layer
    });
    let near = |what: &str, ours: &[f32], whole: &[f32]| {
        assert_eq!(ours.len(), whole.len());
        for (i, (ours, whole)) in ours.iter().zip(whole).enumerate() {
            let allowed = tolerance * whole.abs().max(1.0);
            assert!((ours - whole).abs() <= allowed, "{what} {i}: {ours} and {whole}");
        }
    };
    let joined = |part: fn(&Layer) -> &Vec<f32>| ranks.iter().flat_map(part).copied().collect::<Vec<_>>();
    near("output", &joined(|layer| &layer.output), &whole.output);
    near(
        "gradient of the images",
        &joined(|layer| &layer.of_images),
        &whole.of_images,
    );
    for rank in &ranks {
        near(
            "gradient of the scale",
            &values(&rank.of_scale),
            &values(&whole.of_scale),
        );
        near(
            "gradient of the shift",
            &values(&rank.of_shift),
            &values(&whole.of_shift),
        );
        near("running statistics", &rank.running, &whole.running);
        assert_eq!(rank.running, ranks[0].running);
    }
}

#[test]
fn batch_norm_is_that_of_all_images() {
    // A channel's mean is 70 of its deviations: libtorch's own f32 gradient is 2e-5 from the one in f64.
    check_batch_norm(8, &[0, 4], Kind::Float, 5e-5);
    // Counts that differ, and a rank without an image.
    check_batch_norm(7, &[0, 5, 6], Kind::Float, 5e-5);
    check_batch_norm(5, &[0, 0], Kind::Float, 5e-5);
    check_batch_norm(5, &[0, 5], Kind::Float, 5e-5);
    check_batch_norm(8, &[0, 3], Kind::BFloat16, 2e-2);
}

#[test]
fn a_rank_that_ends_is_an_error_of_the_others() {
    let errors = on_ranks(2, |group| {
        group.barrier().unwrap();
        if group.rank() == 1 {
            return None;
        }
        let begun = Instant::now();
        let error = loop {
            // The other one may still be on its way out.
            if let Err(error) = group.barrier() {
                break error;
            }
        };
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_eq!(group.sum(&mut Tensor::from_slice(&[1f32])).unwrap_err(), error);
        assert_eq!(group.check().unwrap_err(), error);
        Some(error.to_string())
    });
    let error = errors[0].clone().unwrap();
    assert!(
        error.starts_with("rank 0 of 2 lost another one, which ended or did not answer for 20 s: "),
        "{error}"
    );
    println!("{error}");
}

#[test]
fn a_rank_that_waits_for_nobody_says_so() {
    let alone = place(free_port(), 0, 2);
    let error = Group::join(&alone, Duration::from_secs(1), TIMEOUT)
        .unwrap_err()
        .to_string();
    let place = format!(
        "rank 0 of 2 did not meet the others at 127.0.0.1:{} within 1 s: ",
        alone.port
    );
    assert!(error.starts_with(&place), "{error}");
}

/// c10d's record of what was queued is the whole process's, and its table of groups is written without a lock.
#[test]
fn many_groups_of_one_process_begin_at_once() {
    const THREADS: usize = 4;
    const GROUPS: usize = 100;
    let together = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for n in 0..GROUPS {
                    let group = alone();
                    together.wait();
                    let mut numbers = [n as f64];
                    group.sum_numbers(&mut numbers).unwrap();
                    assert_eq!(numbers, [n as f64]);
                }
            });
        }
    });
}

fn alone() -> Group {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    Group::join_at(listener, &place(port, 0, 1), TO_MEET, TIMEOUT).unwrap()
}
