//! Memory: the most that this process has held, and what it may still take, as Linux counts them; elsewhere unknown.

use crate::{Entry, ExperimentError, Node, Work};
use sculpt_models::ModelSpec;
use std::fs;
use tch::Device;

/// Begins to count anew, so that one node's peak is not that of the node before it in the same process.
pub(crate) fn forget_peak() {
    // Where it is refused the peak is that of the whole process: still a bound.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Bytes held at most since then: the resident set.
pub(crate) fn peak() -> Option<u64> {
    kibibytes_of(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// Whether a training step of so many images of these channels, rows and columns can be had: a backward pass keeps what every layer put out. What cannot is refused
/// before libtorch asks for it, since a refused allocation there ends the process, and one that is granted and not there ends others.
/// Of a GPU nothing is known.
///
/// # Errors
/// Less free memory than the outputs of the layers take.
pub fn check_memory(
    model: &ModelSpec,
    image: [u32; 3],
    batch: u32,
    device: Device,
) -> Result<(), ExperimentError> {
    let Some(free) = free().filter(|_| device == Device::Cpu) else {
        return Ok(());
    };
    // A ResNet-20's batch was seen to take twice that of f32, and once of bfloat16, where our own convolutions keep half; by libtorch's bfloat16 takes as much as f32.
    let bytes = 4;
    let needed = model
        .activations(image)?
        .saturating_mul(bytes)
        .saturating_mul(batch.into());
    if needed <= free {
        return Ok(());
    }
    Err(ExperimentError::Memory {
        batch,
        image,
        model: model.to_string(),
        needed_gb: needed as f64 / 1e9,
        free_gb: free as f64 / 1e9,
    })
}

/// What a process has on a card before it trains: CUDA's context, cuDNN's and cuBLAS's plans and workspaces.
const CONTEXT: u64 = 3 << 29;

/// Bytes that a process takes of a card to train a node in so many processes together, estimated, and measured by nobody yet: the outputs of
/// convolutions, three times, for themselves, for what BatchNorm and ReLU keep or copy in other precisions, and for gradients and pieces
/// that the allocator cannot use, of a batch, which stays with its graph, and of the smaller one at an epoch's end; parameters with
/// gradient, momentum and sums; the images, four bytes a pixel; and what every process has there. None of a node that does not train.
///
/// # Errors
/// Data that the registry does not know; images that the network is too deep for.
pub fn card_bytes(entry: &Entry, ranks: u32) -> Result<Option<u64>, ExperimentError> {
    let (Node::Train(train), Some(work)) = (&entry.node, Work::of(entry)?) else {
        return Ok(None);
    };
    let image = [3, work.side, work.side];
    let batch = u64::from(work.batch.div_ceil(ranks.max(1)));
    let outputs = work.model.activations(image)?.saturating_mul(3 * 4);
    let (n_train, _) = train.data.shape()?;
    let rest = match train.drop_last {
        true => 0,
        false => train.split.n_training(n_train) % u64::from(work.batch),
    };
    let rest = rest.div_ceil(ranks.max(1).into());
    let step = outputs.saturating_mul(batch + rest);
    let parameters = 4 * 4 * work.model.layout().n_params() as u64;
    let a_picture = 4 * u64::from(work.side).pow(2);
    // Those of folders and packs stay where they are.
    let pictures = if work.decodes {
        0
    } else {
        n_train + u64::from(train.data.spec()?.n_test)
    };
    Ok(Some(
        CONTEXT
            .saturating_add(step)
            .saturating_add(parameters)
            .saturating_add(pictures.saturating_mul(a_picture)),
    ))
}

/// Bytes that this process may still take: what the machine has free, and what its control group allows.
fn free() -> Option<u64> {
    let machine = kibibytes_of(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")?;
    let number = |name: &str| -> Option<u64> {
        let text = fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?;
        text.trim().parse().ok()
    };
    // A group without a limit says "max".
    let group = number("memory.max").map(|most| most.saturating_sub(number("memory.current").unwrap_or(0)));
    Some(group.map_or(machine, |group| group.min(machine)))
}

/// `VmHWM:     1234 kB`, where k is 1,024.
fn kibibytes_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        At, DataFolder, Labels, Overrides, PanelName, Preset, PresetName, Recipe, Show, grow, methods,
    };
    use std::collections::BTreeSet;

    #[test]
    fn the_high_water_mark_is_read() {
        let status = "VmPeak:\t  300 kB\nVmHWM:\t    123 kB\nVmRSS:\t 100 kB\n";
        assert_eq!(kibibytes_of(status, "VmHWM:"), Some(123 * 1024));
        assert_eq!(kibibytes_of("VmRSS:\t 100 kB\n", "VmHWM:"), None);
        assert_eq!(kibibytes_of("VmHWM:\t many kB\n", "VmHWM:"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_holds_memory() {
        forget_peak();
        assert!(peak().is_some_and(|bytes| bytes > 1 << 20));
    }
    /// A ResNet-20 puts out some 200,000 numbers for an image of CIFAR, 800 kB.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_batch_that_no_machine_holds_is_refused() {
        let model = ModelSpec::named("resnet20", 10, None, None).unwrap();
        let check = |batch, device| check_memory(&model, [3, 32, 32], batch, device);
        check(1, Device::Cpu).unwrap();
        let n = model.activations([3, 32, 32]).unwrap();
        let batch = u32::try_from((1u64 << 44) / n).unwrap();
        let error = check(batch, Device::Cpu).unwrap_err().to_string();
        assert!(error.contains("take a smaller batch"), "{error}");
        check(batch, Device::Cuda(0)).unwrap();
    }

    /// ResNet-20, batch 512, and 336 at the end: 2 GB of outputs and what goes with them, 0.25 GB of images, 1.6 GB before it trains. A card
    /// of 80 GB holds 20 of them.
    #[test]
    fn what_a_node_takes_of_a_card() {
        let paper = Preset::new(PresetName::Paper, Overrides::default(), &DataFolder::default()).unwrap();
        let (setup, mut recipe) = (paper.panel(PanelName::A).unwrap(), Recipe::default());
        let show = [Show::last(&[&methods::LRR], At::Levels)];
        grow(&mut recipe, &setup, &show, Labels::Clean);
        let taken: BTreeSet<_> = recipe
            .iter()
            .map(|(_, entry)| card_bytes(entry, 1).unwrap())
            .collect();
        let taken: Vec<_> = taken.into_iter().collect();
        let [None, Some(bytes)] = taken[..] else {
            panic!("one kind of training, and nodes that take nothing: {taken:?}");
        };
        assert!((36..43).contains(&(bytes / 100_000_000)), "{bytes}");
    }
}
