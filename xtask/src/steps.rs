//! What `check` and `test` consist of, as data: cheapest first.

use std::ffi::OsString;

/// One line of `check`'s output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) tool: Tool,
    pub(crate) words: Vec<OsString>,
    pub(crate) needs_libtorch: bool,
}

/// Who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Cargo,
    /// cargo with rustdoc's warnings as errors.
    CargoDoc,
    /// A program that need not be installed: its step is skipped if it is not.
    Optional(&'static str),
}

/// `cargo xtask check [--quick]`. `light` are the crates that need no libtorch.
pub(crate) fn check(light: &[String], quick: bool) -> Vec<Step> {
    let clippy = ["clippy", "--all-targets"];
    let deny_warnings = words(&["--", "-D", "warnings"]);
    let doc = ["doc", "--no-deps"];
    let mut steps = vec![
        step("format", Tool::Cargo, words(&["fmt", "--all", "--check"])),
        step("typos", Tool::Optional("typos"), vec![]),
        // Not `advisories`: they need the network, and change while the tree does not.
        step(
            "deny",
            Tool::Optional("cargo-deny"),
            words(&["check", "bans", "licenses", "sources"]),
        ),
        step(
            "lints",
            Tool::Cargo,
            [words(&clippy), deny_warnings.clone()].concat(),
        ),
        step("docs", Tool::CargoDoc, words(&doc)),
    ];
    if !quick {
        steps.push(heavy(
            "lints, libtorch",
            Tool::Cargo,
            &clippy,
            light,
            &deny_warnings,
        ));
        steps.push(heavy("docs, libtorch", Tool::CargoDoc, &doc, light, &[]));
        steps.extend(test(light, &[]));
    }
    steps
}

/// `cargo xtask test [WORDS]`.
pub(crate) fn test(light: &[String], extra: &[OsString]) -> Vec<Step> {
    vec![
        step("tests", Tool::Cargo, [words(&["test"]), extra.to_vec()].concat()),
        heavy("tests, libtorch", Tool::Cargo, &["test"], light, extra),
    ]
}

/// The members that need no libtorch: `default-members` of the root manifest, by their folders' names.
pub(crate) fn light_crates(manifest: &str) -> Vec<String> {
    let list = manifest
        .split_once("\ndefault-members = [")
        .and_then(|(_, rest)| rest.split_once(']'));
    let Some((list, _)) = list else { return Vec::new() };
    let paths = list.split('"').skip(1).step_by(2);
    paths
        .filter_map(|path| path.rsplit('/').next())
        .map(str::to_owned)
        .collect()
}

/// Without a list of packages, cargo takes `default-members`.
fn step(name: &'static str, tool: Tool, words: Vec<OsString>) -> Step {
    Step {
        name,
        tool,
        words,
        needs_libtorch: false,
    }
}

/// All other members, in release, the one profile that libtorch is compiled in.
fn heavy(name: &'static str, tool: Tool, command: &[&str], light: &[String], rest: &[OsString]) -> Step {
    let mut all = words(command);
    all.extend(words(&["--release", "--workspace"]));
    for name in light {
        all.extend(words(&["--exclude", name]));
    }
    all.extend_from_slice(rest);
    Step {
        name,
        tool,
        words: all,
        needs_libtorch: true,
    }
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(steps: Vec<Step>) -> Vec<String> {
        let line = |step: Step| step.words.join(" ".as_ref()).into_string().unwrap();
        steps.into_iter().map(line).collect()
    }

    #[test]
    fn the_members_without_libtorch_come_from_the_manifest() {
        let manifest = "members = [\"crates/*\"]\n# x\ndefault-members = [\n    \"xtask\",\n    \"crates/sculpt-a\",\n]\n";
        assert_eq!(light_crates(manifest), ["xtask", "sculpt-a"]);
        assert!(light_crates("[workspace]\n").is_empty());
    }

    #[test]
    fn quick_needs_no_libtorch_and_runs_no_tests() {
        let steps = check(&["xtask".into()], true);
        assert!(steps.iter().all(|step| !step.needs_libtorch));
        assert!(lines(steps).iter().all(|line| !line.starts_with("test")));
    }

    #[test]
    fn the_whole_gate_in_order() {
        assert_eq!(
            lines(check(&["xtask".into(), "sculpt-a".into()], false)),
            [
                "fmt --all --check",
                "",
                "check bans licenses sources",
                "clippy --all-targets -- -D warnings",
                "doc --no-deps",
                "clippy --all-targets --release --workspace --exclude xtask --exclude sculpt-a -- -D warnings",
                "doc --no-deps --release --workspace --exclude xtask --exclude sculpt-a",
                "test",
                "test --release --workspace --exclude xtask --exclude sculpt-a",
            ]
        );
    }

    #[test]
    fn words_reach_both_halves_of_the_tests() {
        let extra = ["mask", "--", "--nocapture"].map(OsString::from);
        assert_eq!(
            lines(test(&["xtask".into()], &extra)),
            [
                "test mask -- --nocapture",
                "test --release --workspace --exclude xtask mask -- --nocapture",
            ]
        );
    }
}
