//! The most memory that this process has held, as Linux counts it; elsewhere unknown.

use std::fs;

/// Begins to count anew, so that one node's peak is not that of the node before it in the same process.
pub(crate) fn forget_peak() {
    // Where it is refused the peak is that of the whole process: still a bound.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Bytes held at most since then: the resident set.
pub(crate) fn peak() -> Option<u64> {
    peak_in(&fs::read_to_string("/proc/self/status").ok()?)
}

/// `VmHWM:     1234 kB`, where k is 1,024.
fn peak_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_read() {
        let status = "VmPeak:\t  300 kB\nVmHWM:\t    123 kB\nVmRSS:\t 100 kB\n";
        assert_eq!(peak_in(status), Some(123 * 1024));
        assert_eq!(peak_in("VmRSS:\t 100 kB\n"), None);
        assert_eq!(peak_in("VmHWM:\t many kB\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_holds_memory() {
        forget_peak();
        assert!(peak().is_some_and(|bytes| bytes > 1 << 20));
    }
}
