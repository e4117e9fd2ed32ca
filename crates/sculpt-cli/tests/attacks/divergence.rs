//! Training that diverges ends its node, says how, and leaves a store in order.

use crate::*;

#[test]
fn a_diverged_node_leaves_a_post_mortem_and_nothing_else() {
    let root = root();
    let hot = RECIPE.replace(
        "kind = \"train\"\nfrom = \"first\"",
        "kind = \"train\"\nlr = 1e30\nfrom = \"first\"",
    );
    assert_ne!(hot, RECIPE);
    fs::write(root.path().join("r.toml"), hot).unwrap();
    let said = clean_failure(&sculpt(root.path(), words("run r.toml")).output().unwrap());
    assert!(
        said.contains("of epoch 1") && said.contains("training diverged; lower the rate"),
        "{said}"
    );
    let left = content(&root.path().join("runs"));
    let post_mortem = left
        .keys()
        .find(|path| path.ends_with("post-mortem.json"))
        .unwrap();
    let node = post_mortem.parent().unwrap();
    let beside: Vec<_> = left
        .keys()
        .filter(|path| path.starts_with(node))
        .map(|path| path.file_name().unwrap())
        .collect();
    assert_eq!(beside, ["lock", "node.json", "post-mortem.json"]);
    good(&sculpt(root.path(), words("verify runs")).output().unwrap());
    let id = node.file_name().unwrap().to_str().unwrap();
    let shown = good(&sculpt(root.path(), ["show", id]).output().unwrap());
    assert!(
        shown.contains("training diverged") && shown.contains("entries are no numbers"),
        "{shown}"
    );
    let shown = good(&sculpt(root.path(), ["show", id, "--json"]).output().unwrap());
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert!(shown["post_mortem"]["tensors"].as_array().unwrap().len() > 10);

    // A byte of it is accounted for, and the next attempt begins without it.
    let path = root.path().join("runs").join(post_mortem);
    let text = fs::read_to_string(&path)
        .unwrap()
        .replacen("diverged", "diverted", 1);
    fs::write(&path, text).unwrap();
    let output = sculpt(root.path(), words("verify runs")).output().unwrap();
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("post-mortem.json"),
        "{output:?}"
    );
    clean_failure(&sculpt(root.path(), words("run r.toml")).output().unwrap());
    assert_eq!(content(&root.path().join("runs")), left);
}
