//! `--device` and `--threads`.

use crate::cuda;
use crate::words::{BadUsage, Global};
use tch::Device;

/// The device asked for, ready for use.
pub(crate) fn of(global: &Global) -> anyhow::Result<Device> {
    of_rank(global, 0)
}

/// The same of one of several processes of this machine: they take GPUs one behind the other, from the one asked for on. A process that
/// its launcher shows a single GPU takes that.
pub(crate) fn of_rank(global: &Global, local_rank: usize) -> anyhow::Result<Device> {
    let index = match global.device.as_str() {
        "cpu" => return Ok(Device::Cpu),
        other => other.strip_prefix("cuda:").and_then(|n| n.parse::<usize>().ok()),
    };
    let Some(index) = index else {
        return Err(BadUsage(format!(
            "device {:?} is unknown; allowed are cpu, cuda:0",
            global.device
        ))
        .into());
    };
    cuda::load()?;
    let n = tch::Cuda::device_count();
    let index = if n == 1 && index == 0 {
        0
    } else {
        index + local_rank
    };
    if index as i64 >= n {
        anyhow::bail!("there is no device cuda:{index}; this machine has {n} GPUs, counted from 0");
    }
    Ok(Device::Cuda(index))
}

/// Sets libtorch's threads for a single command: `--threads`, or all that the machine has.
pub(crate) fn set_threads(global: &Global) -> u32 {
    let machine = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
    let threads = global.threads.unwrap_or(machine);
    tch::set_num_threads(threads as i32);
    threads
}
