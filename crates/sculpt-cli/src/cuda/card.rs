//! How many trainings a card's memory holds side by side.

use crate::printing;
use crate::words::Global;
use anyhow::Context;
use sculpt_experiments::{ExperimentError, Recipe, Store, card_bytes};
use std::process::{Command, Stdio};

/// How many of the jobs asked for fit on the card that `--device` names, or the one behind it of several ranks that has least, at least one:
/// what is free on it now, by what the largest node takes that is to be trained, both roughly. A line says where they are fewer, or where
/// what is free is not known. Others that start at the same time are not known of.
///
/// # Errors
/// Nodes of data that the registry does not know.
pub(crate) fn jobs_that_fit(
    asked: u32,
    global: &Global,
    recipe: &Recipe,
    store: &Store,
) -> Result<u32, ExperimentError> {
    let device = &global.device;
    let first: Option<u32> = device.strip_prefix("cuda:").and_then(|index| index.parse().ok());
    let Some(first) = first.filter(|_| asked > 1) else {
        return Ok(asked);
    };
    let ranks = global.ranks.unwrap_or(1);
    let mut largest = None;
    for (id, entry) in recipe.iter() {
        if !store.is_done(id, entry) {
            largest = largest.max(card_bytes(entry, ranks)?);
        }
    }
    let Some(largest) = largest else {
        return Ok(asked);
    };
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    let cards = (first..first + ranks).map(|index| free(&word_of(index, visible.as_deref())));
    let least: anyhow::Result<Vec<u64>> = cards.collect();
    let free = match least.map(|free| free.into_iter().min().unwrap_or_default()) {
        Ok(free) => free,
        Err(error) => {
            printing::warning(&format!(
                "whether {asked} jobs fit on {device} is not known ({error:#}); each may take {:.1} GB of it",
                gigabytes(largest)
            ));
            return Ok(asked);
        }
    };
    let fit = fitting(asked, free, largest);
    if fit < asked {
        printing::note(&format!(
            "{fit} of {asked} jobs at once: {device} has {:.1} GB free, and a job may take {:.1} GB",
            gigabytes(free),
            gigabytes(largest)
        ));
    }
    Ok(fit)
}

fn fitting(asked: u32, free: u64, largest: u64) -> u32 {
    let most = u32::try_from(free / largest.max(1)).unwrap_or(u32::MAX);
    asked.min(most.max(1))
}

fn gigabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e9
}

/// What `nvidia-smi` calls the card that CUDA counts as `index`: it counts all of the machine's, CUDA those that it is shown.
/// Parts of cards (MIG) it tells nothing of, and where cards differ CUDA counts the fastest first, unless CUDA_DEVICE_ORDER is PCI_BUS_ID.
fn word_of(index: u32, visible: Option<&str>) -> String {
    let shown = visible.filter(|shown| !shown.trim().is_empty());
    let word = shown.and_then(|shown| shown.split(',').nth(index as usize));
    word.map_or_else(|| index.to_string(), |word| word.trim().to_owned())
}

/// Bytes that are free on it.
fn free(card: &str) -> anyhow::Result<u64> {
    let output = Command::new("nvidia-smi")
        .args([
            "--query-gpu=memory.free",
            "--format=csv,noheader,nounits",
            "-i",
            card,
        ])
        .stdin(Stdio::null())
        .output()
        .context("nvidia-smi cannot be run")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mebibytes: Option<u64> = text.trim().parse().ok().filter(|_| output.status.success());
    mebibytes
        .and_then(|mebibytes| mebibytes.checked_mul(1 << 20))
        .with_context(|| format!("nvidia-smi does not say what is free on {card}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_fit_and_one_at_least() {
        let gb = 1 << 30;
        assert_eq!(fitting(8, 80 * gb, 9 * gb), 8);
        assert_eq!(fitting(8, 80 * gb, 11 * gb), 7);
        assert_eq!(fitting(8, 80 * gb, 100 * gb), 1);
        assert_eq!(fitting(1, 0, 0), 1);
    }

    #[test]
    fn cards_are_named_as_the_machine_counts_them() {
        assert_eq!(word_of(1, None), "1");
        assert_eq!(word_of(1, Some("4,6")), "6");
        assert_eq!(word_of(0, Some("GPU-5ebe9f43")), "GPU-5ebe9f43");
        assert_eq!(word_of(0, Some("")), "0");
        assert_eq!(word_of(3, Some("4, 6")), "3");
    }
}
