//! `--device` and `--threads`.

use crate::words::{BadUsage, Global};
use crate::{cuda, printing};
use std::io::IsTerminal;
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
    // For whoever waits and reads.
    if threads > 1 && std::io::stderr().is_terminal() && std::env::var_os("OMP_WAIT_POLICY").is_none() {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        if let Some(load) = busy(&load, machine) {
            printing::note(&format!(
                "other processes compute here (load {load} on {machine} processors), and libtorch's threads wait busily for each other: with OMP_WAIT_POLICY=passive, or --threads 1, this may be several times as fast"
            ));
        }
    }
    threads
}

/// The load of the last minute, where it is of half as many processes again as there are processors.
fn busy(loadavg: &str, machine: u32) -> Option<f64> {
    let load: f64 = loadavg.split_whitespace().next()?.parse().ok()?;
    (load > 1.5 * f64::from(machine)).then_some(load)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_busy_beyond_its_processors() {
        assert_eq!(busy("3.75 2.10 1.00 4/611 18459\n", 2), Some(3.75));
        assert_eq!(busy("2.90 9.10 1.00 4/611 18459\n", 2), None);
        assert_eq!(busy("", 2), None);
    }
}
