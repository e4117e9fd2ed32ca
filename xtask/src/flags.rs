//! What the words on the command line ask for. Only the first is looked at, unless it is one of ours.

use std::ffi::OsString;
use std::path::PathBuf;

/// Shown by `cargo xtask`, `cargo xtask help` and `cargo xtask --help`.
pub(crate) const USAGE: &str = "\
Usage: cargo xtask <command>

  setup [--cuda]     libtorch 2.11.0 into .libtorch/, once: about 1.2 GB for CPU use, 4 GB with --cuda;
                     a libtorch of your own is linked instead if LIBTORCH names its folder
  check [--quick]    format, typos, licences, lints, docs, then the tests, cheapest first;
                     --quick: seconds, without the tests and without what needs libtorch
  test [WORDS]       the tests: crates without libtorch first, then the others in release;
                     the words go to `cargo test`, as in `cargo xtask test mask -- --nocapture`
  test --hard [..]   the same with the long forms: hours of killed processes, failing disks and
                     damaged files (RUN_SLOW_TESTS; SCULPT_FUZZ_SECONDS a parser, else 600)
  gpu-kit OUT [--with FILE] [--binary FILE]
                     what a machine with a GPU needs that has neither Rust nor network, into the folder OUT;
                     --with: another file to carry, such as the archive of the data;
                     --binary: a `sculpt` built before, instead of one built now
  help               this

Any other word goes to `sculpt` as it stands, after libtorch and `sculpt` are in place:

  show      figure table claims contrasts differences all list fetch draw compare
  train     plan simulate reproduce run work status recipe
  keep      node show ls gc export publish verify data
  analyse   eval mask hessian connect signs noise schedule
  measure   bench

  cargo xtask figure 5
  cargo xtask figure --help
";

/// What one call is to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Setup {
        cuda: bool,
    },
    Check {
        quick: bool,
    },
    Test {
        hard: bool,
        words: Vec<OsString>,
    },
    GpuKit {
        out: PathBuf,
        with: Vec<PathBuf>,
        binary: Option<PathBuf>,
    },
    Sculpt {
        words: Vec<OsString>,
    },
}

/// Reads the words after `cargo xtask`. An error is one sentence about bad usage.
pub(crate) fn parse(mut words: Vec<OsString>) -> Result<Command, String> {
    let first = words.first().map(|word| word.to_string_lossy().into_owned());
    match first.as_deref() {
        None => Ok(Command::Help),
        Some("--help" | "-h") => Ok(Command::Help),
        // `help figure` is a question to `sculpt`.
        Some("help") if words.len() == 1 => Ok(Command::Help),
        Some("setup") => {
            Ok(flag("setup", "--cuda", &words[1..])?.map_or(Command::Help, |cuda| Command::Setup { cuda }))
        }
        Some("check") => Ok(
            flag("check", "--quick", &words[1..])?.map_or(Command::Help, |quick| Command::Check { quick })
        ),
        Some("test") => {
            words.remove(0);
            let hard = words.first().is_some_and(|word| word == "--hard");
            if hard {
                words.remove(0);
            }
            Ok(Command::Test { hard, words })
        }
        Some("gpu-kit") => gpu_kit(&words[1..]),
        Some(_) => Ok(Command::Sculpt { words }),
    }
}

/// `OUT`, any number of `--with FILE`, and `--binary FILE`.
fn gpu_kit(words: &[OsString]) -> Result<Command, String> {
    let (mut out, mut with, mut binary) = (None, Vec::new(), None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--help" | "-h") => return Ok(Command::Help),
            Some("--with") => {
                let file = words.next().ok_or("`--with` names a file")?;
                with.push(PathBuf::from(file));
            }
            Some("--binary") => {
                binary = Some(PathBuf::from(words.next().ok_or("`--binary` names a file")?));
            }
            Some(flag) if flag.starts_with('-') => {
                return Err(format!(
                    "`gpu-kit` does not know `{flag}`; it takes a folder, `--with FILE` and `--binary FILE`"
                ));
            }
            _ if out.is_some() => return Err("`gpu-kit` makes one folder".to_owned()),
            _ => out = Some(PathBuf::from(word)),
        }
    }
    let out = out.ok_or("`gpu-kit` takes the folder that it makes")?;
    Ok(Command::GpuKit { out, with, binary })
}

/// Whether the one flag that `command` knows is given; `None` if help is asked for.
fn flag(command: &str, name: &str, words: &[OsString]) -> Result<Option<bool>, String> {
    let mut given = false;
    for word in words {
        match word.to_str() {
            Some(word) if word == name => given = true,
            Some("--help" | "-h") => return Ok(None),
            Some(_) | None => {
                return Err(format!(
                    "`{command}` does not know `{}`; it takes `{name}` or nothing",
                    word.to_string_lossy()
                ));
            }
        }
    }
    Ok(Some(given))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Command) {
        assert_eq!(
            parse(line.split_whitespace().map(OsString::from).collect()),
            Ok(expected)
        );
    }

    fn sculpt(line: &str) -> Command {
        Command::Sculpt {
            words: line.split_whitespace().map(OsString::from).collect(),
        }
    }

    #[test]
    fn own_words_stay_here() {
        check("", Command::Help);
        check("help", Command::Help);
        check("--help", Command::Help);
        check("setup", Command::Setup { cuda: false });
        check("setup --cuda", Command::Setup { cuda: true });
        check("setup --help", Command::Help);
        check("check", Command::Check { quick: false });
        check("check --quick", Command::Check { quick: true });
        let test = |hard, words| Command::Test { hard, words };
        check("test", test(false, vec![]));
        check("test --hard", test(true, vec![]));
        check("test --hard kills", test(true, vec!["kills".into()]));
        check(
            "test mask -- --nocapture",
            Command::Test {
                hard: false,
                words: vec!["mask".into(), "--".into(), "--nocapture".into()],
            },
        );
    }

    #[test]
    fn a_kit_has_one_folder_and_files() {
        let kit = |with: &[&str], binary: Option<&str>| Command::GpuKit {
            out: "kit".into(),
            with: with.iter().map(PathBuf::from).collect(),
            binary: binary.map(PathBuf::from),
        };
        check("gpu-kit kit", kit(&[], None));
        check("gpu-kit --with a kit --with b", kit(&["a", "b"], None));
        check("gpu-kit kit --binary b", kit(&[], Some("b")));
        check("gpu-kit --help", Command::Help);
        for (line, says) in [
            ("gpu-kit", "takes the folder"),
            ("gpu-kit a b", "one folder"),
            ("gpu-kit a --with", "names a file"),
            ("gpu-kit a --binary", "names a file"),
            ("gpu-kit a --wit b", "does not know `--wit`"),
        ] {
            let error = parse(line.split_whitespace().map(OsString::from).collect()).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn any_other_word_is_passed_on_unchanged() {
        for line in [
            "figure 5",
            "figure --help",
            "--version",
            "--runs somewhere list",
            "help figure",
            "no-such-command --check",
        ] {
            check(line, sculpt(line));
        }
    }

    #[test]
    fn unknown_flags_of_our_own_commands_are_named() {
        let error = parse(vec!["setup".into(), "--cudaa".into()]).unwrap_err();
        assert_eq!(
            error,
            "`setup` does not know `--cudaa`; it takes `--cuda` or nothing"
        );
    }
}
