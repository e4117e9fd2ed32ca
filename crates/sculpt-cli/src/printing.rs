//! What people read: results on stdout, everything else on stderr.

use crate::process;
use anyhow::Context;
use sculpt_models::ModelError;
use serde::Serialize;
use std::any::Any;
use std::cell::Cell;
use std::io::{ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// What became of stdout: the first refusal to take a result.
static REFUSED: Mutex<Option<String>> = Mutex::new(None);

/// Characters of somebody else's text that a sentence of ours shows.
const LONGEST: usize = 200;

/// A line of a result. Where stdout does not take it, [`check_stdout`] says so at the end.
pub(crate) fn line(text: &str) {
    let mut out = std::io::stdout();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    match written {
        Ok(()) => {}
        // A reader that has seen enough (`| head`) is no error.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(error) => {
            let mut refused = REFUSED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            refused.get_or_insert(error.to_string());
        }
    }
}

/// Fails where a result could not be written.
pub(crate) fn check_stdout() -> anyhow::Result<()> {
    let refused = REFUSED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    match refused.as_deref() {
        None => Ok(()),
        Some(why) => anyhow::bail!("the result could not be written to stdout: {why}"),
    }
}

/// A line about the work, on stderr. Long work goes on whatever becomes of its log: a full disk or a closed pipe there is no
/// reason to end it.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A warning: the command goes on.
pub(crate) fn warning(text: &str) {
    note(&format!("warning: {}", plain(text)));
}

/// Exactly one JSON object on stdout.
pub(crate) fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    let value = serde_json::to_value(value).context("the result is not JSON")?;
    line(&value.to_string());
    Ok(())
}

/// As a shell would need it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=,./:+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
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
    note(&format!("error: {}", plain(&sentence)));
}

thread_local! {
    /// Whether a panic of this thread is an answer that somebody waits for.
    static AWAITED: Cell<bool> = const { Cell::new(false) };
}

/// Does `work`, whose panic is an answer: libtorch refuses operations in no other way.
///
/// # Errors
/// The first line of what it panicked with.
pub(crate) fn unless_refused(work: impl FnOnce()) -> Result<(), String> {
    let before = AWAITED.replace(true);
    let worked = catch_unwind(AssertUnwindSafe(work));
    AWAITED.set(before);
    worked.map_err(|payload| first_line(&*payload))
}

fn first_line(payload: &(dyn Any + Send)) -> String {
    if let Some(error) = payload.downcast_ref::<ModelError>() {
        return error.to_string();
    }
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    let first = text.and_then(|text| text.lines().next());
    first.unwrap_or("a panic without a message").to_owned()
}

/// A panic that nobody waits for ([`unless_refused`]) is a bug of ours: it says so in one sentence, and exits with 1 rather than 101. But for a
/// program of a user's that fails while it computes, where no error can be handed back.
pub(crate) fn one_sentence_panics() {
    std::panic::set_hook(Box::new(|info| {
        if AWAITED.get() {
            return;
        }
        let first = first_line(info.payload());
        if info.payload().is::<ModelError>() {
            note(&format!("error: {}", plain(&first)));
            process::end(1);
        }
        let place = info
            .location()
            .map(|l| format!(" ({}:{})", l.file(), l.line()))
            .unwrap_or_default();
        note(&format!(
            "error: internal: {}{place}; this is a bug of sculpt, please report it",
            plain(&first)
        ));
        process::end(1);
    }));
}

/// A sentence in which names out of somebody's file may stand: no character of it moves a terminal's cursor or changes its
/// colours, and a word without end is cut.
pub(crate) fn plain(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        if word.chars().count() <= LONGEST {
            return word.to_owned();
        }
        let kept: String = word.chars().take(LONGEST).collect();
        format!("{kept}…")
    });
    let text = words.collect::<Vec<_>>().join(" ");
    let escaped = text.chars().map(|c| match c {
        '\n' => " ".to_owned(),
        c if c.is_control() => c.escape_default().to_string(),
        c => c.to_string(),
    });
    escaped.collect()
}

#[cfg(test)]
mod tests {
    use super::{plain, unless_refused};

    #[test]
    fn a_refusal_is_its_first_line() {
        assert_eq!(unless_refused(|| {}), Ok(()));
        let said = unless_refused(|| panic!("operation {} not permitted\nframe #0", 3));
        assert_eq!(said, Err("operation 3 not permitted".to_owned()));
        let said = unless_refused(|| std::panic::panic_any(7));
        assert_eq!(said, Err("a panic without a message".to_owned()));
    }

    #[test]
    fn names_from_files_leave_the_terminal_alone() {
        assert_eq!(
            plain("β is \u{1b}[31mred\u{7}\nnow"),
            "β is \\u{1b}[31mred\\u{7} now"
        );
        let cut = plain(&format!("name {} ends", "a".repeat(300)));
        assert_eq!(cut, format!("name {}… ends", "a".repeat(200)));
    }
}
