//! `sculpt eval --data`: weights on the validation pictures of a set, decoded while the batch before is computed.

use crate::commands::eval::{Report, Words, place, write_logits};
use crate::commands::pictures::{
    Counter, PictureData, first_of, or_leave_out, tell_of_left_out, warn_if_slow, whose_classes,
};

use crate::printing;
use anyhow::{bail, ensure};

use sculpt_checkpoints::Weights;
use sculpt_datasets::{DatasetError, IMAGENET, PictureBatches};
use sculpt_experiments::evaluation_batch;
use sculpt_models::{ModelSpec, Precision};
use sculpt_network::Mode;
use sculpt_pictures::{Loader, Loading, Part, Sequence, Subset, Transform};
use std::sync::Arc;
use tch::{Device, Kind, Reduction, Tensor, no_grad};

/// Torchvision's recipe.
const SHORTER: u32 = 256;
/// Rows and columns of what the network sees.
const SIDE: u32 = 224;
/// The label may be any of so many.
const TOP: i64 = 5;

/// Sums over the pictures until now.
#[derive(Default)]
struct Sums {
    loss: f64,
    n_correct: i64,
    n_top: i64,
    n: usize,
}

pub(super) fn run(
    words: &Words,
    data: &PictureData,
    model: &ModelSpec,
    weights: &Weights,
    device: Device,
) -> anyhow::Result<Report> {
    warn_if_slow();
    model.check_image([3, SIDE, SIDE])?;
    let all = data.open(Part::Val)?;
    let (n_classes, classes) = (all.classes().names().len(), model.classes() as usize);
    let pictures = match u16::try_from(classes) {
        // What `--classes` of `reproduce` and `run` trained it on.
        Ok(first) if classes < n_classes => {
            printing::note(&format!(
                "{} has {n_classes} classes: evaluated are the pictures of the first {classes}, which the network tells apart",
                data.0.display()
            ));
            Arc::new(Subset::of_classes(all, first))
        }
        _ => all,
    };
    ensure!(
        !pictures.is_empty(),
        "{} has no picture of the first {classes} classes, which the network tells apart",
        data.0.display()
    );
    let pictures = first_of(pictures, words.limit);
    let n = pictures.len();
    if n_classes < classes {
        printing::warning(&format!(
            "{} has {}, and the network tells {classes} apart: labels are places among the folders of train/",
            data.0.display(),
            whose_classes(&*pictures)
        ));
    }
    let batch = evaluation_batch((SIDE as usize, SIDE as usize));
    let loading = Loading {
        transform: Transform::CentreCrop {
            shorter: SHORTER,
            side: SIDE,
        },
        sequence: Sequence::Sorted,
        batch,
        drop_last: false,
        workers: words.decoding.threads(),
        most_left_out: words.decoding.leave_out as usize,
    };
    let loader = Loader::new(pictures, loading)?;
    let network = model.network(Precision::F32)?;
    let (theta, buffers) = (place(&weights.theta, device), place(&weights.buffers, device));
    let batches = PictureBatches::new(loader, IMAGENET.mean, IMAGENET.std, device)?;
    let (mut sums, mut all_logits) = (Sums::default(), Vec::new());
    let mut counter = Counter::new("evaluating", n);
    for step in 0..batches.loader().steps_per_epoch() {
        let (images, labels) = batches.of(0, step).map_err(|error| match error {
            DatasetError::Pictures(error) => or_leave_out(error, data),
            error => error.into(),
        })?;
        if labels.numel() == 0 {
            continue;
        }
        let logits = no_grad(|| network.forward(&theta, &buffers, &images, Mode::Eval));
        sums.add(&logits, &labels);
        if !sums.loss.is_finite() {
            let first = step * batch;
            bail!(
                "the network overflows on one of the pictures {first} to {} of {}: its logits are not finite, though the \
                 weights are",
                first + batch - 1,
                data.0.display()
            );
        }
        if words.out.is_some() {
            all_logits.push(logits.to_device(Device::Cpu));
        }
        counter.show(sums.n, 0);
    }
    counter.end();
    tell_of_left_out(&batches.loader().left_out());
    ensure!(sums.n > 0, "no picture of {} can be read", data.0.display());
    if let Some(path) = &words.out {
        write_logits(path, &Tensor::cat(&all_logits, 0).contiguous())?;
    }
    let n = sums.n as f64;
    Ok(Report {
        loss: sums.loss / n,
        accuracy: sums.n_correct as f64 / n,
        top5: Some(sums.n_top as f64 / n),
        n: sums.n as u64,
    })
}

impl Sums {
    fn add(&mut self, logits: &Tensor, labels: &Tensor) {
        let loss = logits.cross_entropy_loss(labels, None::<Tensor>, Reduction::Sum, -100, 0.0);
        self.loss += loss.double_value(&[]);
        let count = |is_so: Tensor| is_so.sum(Kind::Int64).int64_value(&[]);
        self.n_correct += count(logits.argmax(1, false).eq_tensor(labels));
        let own = logits.gather(1, &labels.unsqueeze(1), false);
        let n_larger = logits.gt_tensor(&own).sum_dim_intlist(1i64, false, Kind::Int64);
        self.n_top += count(n_larger.lt(TOP));
        self.n += labels.size()[0] as usize;
    }
}
