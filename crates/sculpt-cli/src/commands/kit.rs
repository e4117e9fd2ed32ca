//! What a machine brings back where `cargo xtask gpu-kit`'s `run.py` was run: kit.json.

use crate::commands::tables::Comparison;
use crate::printing;
use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes of a kit.json: a hundred times what there is to say.
const MOST: u64 = 16 << 20;

#[derive(Deserialize)]
struct Kit {
    steps: BTreeMap<String, Step>,
}

#[derive(Deserialize)]
struct Step {
    found: Value,
}

#[derive(Deserialize)]
struct Found {
    /// What the step ended with, where it failed.
    error: Option<String>,
    /// What its own check came to.
    good: Option<bool>,
    /// Of steps that compare: what came of each, or its name and its error.
    #[serde(default)]
    comparisons: Vec<Value>,
}

#[derive(Deserialize)]
struct Failed {
    what: String,
    error: String,
}

/// All that was compared there; of what failed, a line.
///
/// # Errors
/// A file that cannot be read or is another, comparisons that are none, and a file without any.
pub(super) fn comparisons(path: &Path) -> anyhow::Result<Vec<Comparison>> {
    let place = || path.display().to_string();
    let mut content = String::new();
    let mut file = File::open(path).with_context(place)?.take(MOST + 1);
    file.read_to_string(&mut content).with_context(place)?;
    if content.len() as u64 > MOST {
        bail!(
            "{} has more than {} MiB, and is no report of the GPU kit's",
            place(),
            MOST >> 20
        );
    }
    let kit: Kit = serde_json::from_str(&content)
        .with_context(|| format!("{} is no report of the GPU kit's", place()))?;
    let mut all = Vec::new();
    for (name, step) in kit.steps {
        let no_step = || format!("{}: step {name:?} found something else than steps do", place());
        let found = Found::deserialize(step.found).with_context(no_step)?;
        if let Some(error) = found.error {
            printing::warning(&format!(
                "step {name:?} failed there, and nothing of it is taken: {error}"
            ));
            continue;
        }
        if found.good == Some(false) && !found.comparisons.is_empty() {
            printing::warning(&format!(
                "what step {name:?} measured is left out, whose numbers were not right there"
            ));
            continue;
        }
        for found in found.comparisons {
            if let Ok(Failed { what, error }) = Failed::deserialize(&found) {
                printing::warning(&format!("{what} is left out, which failed there: {error}"));
                continue;
            }
            let no_comparison = || format!("{}: step {name:?} has something that is no comparison", place());
            let comparison = Comparison::deserialize(&found).with_context(no_comparison)?;
            if let Some(fault) = comparison.fault() {
                bail!("{}: {fault}", no_comparison());
            }
            all.push(comparison);
        }
    }
    if all.is_empty() {
        bail!(
            "{} has no comparison: its steps `speed`, `hessian`, `epochs` and `sharing` make some",
            place()
        );
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(found: Value) -> anyhow::Result<Vec<Comparison>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("kit.json");
        let kit = json!({"device": "cuda", "torch": "2.11.0", "steps": {
            "card": {"seconds": 1.0, "found": {"sculpt": {}}},
            "speed": {"seconds": 2.0, "found": found},
        }});
        std::fs::write(&path, kit.to_string())?;
        comparisons(&path)
    }

    #[test]
    fn comparisons_of_another_machine_are_taken_and_faults_named() {
        let good = json!({
            "what": "Training", "unit": "images/s", "speeds": {"sculpt": [3.0], "torch.compile": [1.5]},
            "ours": "libtorch's", "versions": "torch 2.11.0", "machine": "a card", "date": "2026-01-02",
        });
        let failed = json!({"what": "resnet18-cifar bf16", "error": "RuntimeError: out of memory"});
        let found = of(json!({"comparisons": [good, failed], "goals": []})).unwrap();
        assert_eq!((found.len(), found[0].to_fastest()), (1, Some(vec![2.0])));
        let refused = |found: Value| format!("{:#}", of(found).err().unwrap());
        let mut bad = good.clone();
        bad["speeds"]["torch.compile"] = json!([0.0]);
        assert!(refused(json!({"comparisons": [bad]})).contains("not above zero"));
        let said = refused(json!({"comparisons": [{"what": "nothing"}]}));
        assert!(
            said.contains("step \"speed\" has something that is no comparison"),
            "{said}"
        );
        assert!(refused(json!({"comparisons": [failed]})).contains("has no comparison: its steps"));
        assert!(refused(json!({"error": "TimeoutExpired"})).contains("has no comparison: its steps"));
        assert!(
            refused(json!({"good": false, "comparisons": [good]})).contains("has no comparison: its steps")
        );
        let said = refused(json!({"error": "TimeoutExpired", "comparisons": [good]}));
        assert!(said.contains("has no comparison: its steps"), "{said}");
        assert!(refused(json!([good])).contains("step \"speed\" found something else"));
        for (key, value) in [
            ("date", "## Training: another card"),
            ("unit", "images | s"),
            ("machine", "\u{1b}[31ma card"),
            ("what", "Training \u{202e}sdrawkcab"),
            ("what", "Training <script>"),
        ] {
            let mut bad = good.clone();
            bad[key] = json!(value);
            assert!(
                refused(json!({"comparisons": [bad]})).contains("no words of a table"),
                "{key}"
            );
        }
    }
}
