//! The program's text, read as data before libtorch compiles any of it.
//!
//! `export_network.py` records a straight line of calls, and nothing of what is refused here. That a stranger's program ends, and
//! answers the same whenever it is asked, can be seen so, and not by running it.

use super::NetworkFault;
use super::description::Description;

/// What no recording has, each with what it would do.
const STEPS: [(&str, &[&str]); 4] = [
    ("loops", &["while", "for"]),
    (
        "ends with a failure of its own",
        &["raise", "assert", "RaiseException"],
    ),
    ("prints", &["print"]),
    ("reads or writes files", &["from_file"]),
];

/// Calls, behind a dot: a variable of the network may well have such a name.
const CALLS: [(&str, &[&str]); 4] = [
    ("reads or writes files", &["save", "load", "image"]),
    (
        "draws random numbers",
        &[
            "rand",
            "rand_like",
            "randn",
            "randn_like",
            "randint",
            "randint_like",
            "randperm",
            "random",
            "random_",
            "bernoulli",
            "bernoulli_",
            "binomial",
            "multinomial",
            "poisson",
            "normal",
            "normal_",
            "normal_functional",
            "uniform",
            "uniform_",
            "exponential",
            "exponential_",
            "geometric",
            "geometric_",
            "cauchy",
            "cauchy_",
            "log_normal",
            "log_normal_",
            "rrelu",
            "rrelu_",
            "rrelu_with_noise",
            "rrelu_with_noise_",
            "dropout",
            "dropout_",
            "native_dropout",
            "alpha_dropout",
            "alpha_dropout_",
            "feature_dropout",
            "feature_dropout_",
            "feature_alpha_dropout",
            "feature_alpha_dropout_",
            "_standard_gamma",
            "_sample_dirichlet",
            "manual_seed",
            "seed",
        ],
    ),
    (
        "changes what it is given",
        &[
            "set_",
            "set_data",
            "data",
            "resize_",
            "resize_as_",
            "requires_grad_",
            "backward",
            "set_grad_enabled",
            "_set_grad_enabled",
        ],
    ),
    ("goes on in other threads", &["fork", "wait", "awaitable"]),
];

/// Fails where the text does what no recording does.
pub(super) fn check(code: &str) -> Result<(), NetworkFault> {
    let refused = |word: &str, does: &'static str| {
        Err(NetworkFault::Forbidden {
            word: word.to_owned(),
            does,
        })
    };
    // PyTorch writes neither, and without them words are told apart as libtorch tells them.
    if let Some(hidden) = ["#", "\\"].into_iter().find(|hidden| code.contains(hidden)) {
        return refused(hidden, "could hide what it does");
    }
    let (mut before, mut said) = ("", words(code).peekable());
    while let Some(word) = said.next() {
        // In a signature it has its type.
        if word == "self" && said.peek() != Some(&":") {
            return refused(word, "could keep something from one call to the next");
        }
        let named = |table: &[(&'static str, &[&str])]| {
            let found = table.iter().find(|(_, names)| names.contains(&word));
            found.map(|(does, _)| *does)
        };
        let does = named(&STEPS).or_else(|| (before == ".").then(|| named(&CALLS)).flatten());
        if let Some(does) = does {
            return refused(word, does);
        }
        before = word;
    }
    Ok(())
}

/// Fails where the program takes its vector apart otherwise than described.
pub(super) fn check_parts(code: &str, description: &Description) -> Result<(), NetworkFault> {
    let words: Vec<&str> = words(code).collect();
    let described: Vec<u64> = description.sizes().collect();
    let other = |found: &[u64], expected: &[u64], what: &str| NetworkFault::OtherParts {
        what: what.to_owned(),
        found: shown(found),
        expected: shown(expected),
    };
    let mut n_splits = 0;
    for at in 0..words.len() {
        if !words[at..].starts_with(&["split_with_sizes", "(", "theta", ","]) {
            continue;
        }
        n_splits += 1;
        // The list stands there, or in a line of its own before it.
        let list = match &words[at + 4..] {
            ["[", ..] => numbers(&words[at + 4..]),
            [name, ..] => {
                let mut before = (0..at).rev();
                let place = before.find(|&i| words[i..].starts_with(&[*name, "=", "["]));
                place.and_then(|i| numbers(&words[i + 2..]))
            }
            [] => None,
        };
        let found = list.unwrap_or_default();
        if found != described {
            return Err(other(&found, &described, "its vector of parameters"));
        }
        // `a, b, = torch.split_with_sizes(…)`, or of a name that was given to it.
        for (name, param) in parts(&words, at).into_iter().zip(&description.params) {
            let mut views = (at..words.len()).filter(|&i| words[i..].starts_with(&["view", "(", name, ","]));
            let shape = views.next().and_then(|i| numbers(&words[i + 4..]));
            let expected: Vec<u64> = param.shape().iter().map(|&dim| dim as u64).collect();
            if let Some(shape) = shape.filter(|shape| *shape != expected) {
                return Err(other(&shape, &expected, &param.name));
            }
        }
    }
    if n_splits == 0 {
        return Err(other(&[], &described, "its vector of parameters"));
    }
    Ok(())
}

/// The names of the parts of the split at this place.
fn parts<'a>(words: &[&'a str], at: usize) -> Vec<&'a str> {
    // Before `torch . split_with_sizes`.
    let Some(equals) = at.checked_sub(3).filter(|&i| words[i] == "=") else {
        return Vec::new();
    };
    let mut end = equals;
    if words.get(end.wrapping_sub(1)) != Some(&",") {
        // One name for all of them; the next line takes it apart.
        let Some(name) = end.checked_sub(1).map(|i| words[i]) else {
            return Vec::new();
        };
        let apart = (at..words.len()).find(|&i| words[i..].starts_with(&[",", "=", name]));
        let Some(apart) = apart else {
            return Vec::new();
        };
        end = apart + 1;
    }
    let mut names = Vec::new();
    while end >= 2 && words[end - 1] == "," {
        names.push(words[end - 2]);
        end -= 2;
    }
    names.reverse();
    names
}

/// `[1, 2, 3]`, where that is what follows.
fn numbers(words: &[&str]) -> Option<Vec<u64>> {
    let ("[", rest) = (*words.first()?, &words[1..]) else {
        return None;
    };
    let end = rest.iter().position(|&word| word == "]")?;
    let listed = rest[..end].iter().filter(|&&word| word != ",");
    listed.map(|word| word.parse().ok()).collect()
}

fn shown(numbers: &[u64]) -> String {
    let shown: Vec<String> = numbers.iter().take(8).map(u64::to_string).collect();
    let more = if numbers.len() > 8 { ", …" } else { "" };
    format!("[{}{more}]", shown.join(", "))
}

/// Names, numbers, and every other character but spaces.
fn words(code: &str) -> impl Iterator<Item = &str> {
    let mut rest = code;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let end = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(code: &str, says: &str) {
        let error = check(code).unwrap_err().to_string();
        assert!(error.contains(says), "{code}: {error}");
    }

    #[test]
    fn what_no_recording_does_is_found_however_it_is_spaced() {
        for code in [
            "_z = torch.from_file(\"x\", True)",
            "_z = torch .\n  from_file (\"x\", True)",
            "torch.save (x, \"y\")",
            "_z = ops . image.decode(x)",
        ] {
            refused(code, "reads or writes files");
        }
        refused("_z = torch. # (\n from_file(\"x\")", "could hide");
        refused("_z = torch.\\\n from_file(\"x\")", "could hide");
        refused("  while True:\n    x = torch.add(x, x)", "loops");
        refused("ops.prim.RaiseException(\"no\")", "a failure of its own");
        refused("  print (x)", "prints");
        refused("  self.training = False", "from one call to the next");
        refused("  _m = self\n  _m.training = False", "from one call to the next");
        refused("x = torch.rand_like(images)", "draws random numbers");
        refused("_0 = torch.set_(theta, images)", "changes what it is given");
        assert_eq!(
            check("def f(self: Flat):\n  load = torch.relu(normal)\n  return (load, forward)"),
            Ok(())
        );
    }
}
