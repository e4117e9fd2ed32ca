//! SIGINT and SIGTERM: the first asks to stop at the next step boundary, state saved; the second ends at once.

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};
use std::sync::{Arc, atomic::AtomicBool};

/// A flag that the first SIGINT or SIGTERM sets.
pub(crate) fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: when the flag is up already, the process ends as it would without a handler.
        flag::register_conditional_default(signal, Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}
