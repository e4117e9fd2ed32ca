//! What people read: results on stdout, everything else on stderr.
#![expect(clippy::print_stderr, reason = "binaries print; this is where this one does")]

use anyhow::Context;
use serde::Serialize;
use std::io::Write;

/// A line of a result.
pub(crate) fn line(text: &str) {
    // A reader that has seen enough (`| head`) is no error.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A line about the work, on stderr.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// A warning: the command goes on.
pub(crate) fn warning(text: &str) {
    eprintln!("warning: {text}");
}

/// Exactly one JSON object on stdout.
pub(crate) fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    let value = serde_json::to_value(value).context("the result is not JSON")?;
    line(&value.to_string());
    Ok(())
}

/// Why the command failed: one sentence, causes joined by colons.
pub(crate) fn failure(error: &anyhow::Error) {
    let mut sentence = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        // An error that shows its source in its own text would say it twice.
        if !sentence.contains(&text) {
            if !sentence.is_empty() {
                sentence.push_str(": ");
            }
            sentence.push_str(&text);
        }
    }
    eprintln!("error: {sentence}");
}

/// A panic is a bug of ours: it says so in one sentence, and exits with 1 rather than 101.
pub(crate) fn one_sentence_panics() {
    std::panic::set_hook(Box::new(|info| {
        let message = info.payload_as_str().unwrap_or("a panic without a message");
        let first = message.lines().next().unwrap_or_default();
        let place = info
            .location()
            .map(|l| format!(" ({}:{})", l.file(), l.line()))
            .unwrap_or_default();
        eprintln!("error: internal: {first}{place}; this is a bug of sculpt, please report it");
        std::process::exit(1);
    }));
}
