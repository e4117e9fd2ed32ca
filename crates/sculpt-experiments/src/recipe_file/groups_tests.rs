use super::tests::{GRID, read};

/// However it is written, the whole batch as one group is the node without the field.
#[test]
fn groups_of_a_batch_are_a_field_of_training() {
    let json = |line: &str| {
        let user = read(&GRID.replace("cycles = 3", line)).unwrap();
        let mut nodes = user.recipe.iter().map(|(_, entry)| entry.node.canonical_json());
        nodes.find(|json| json.contains(r#""kind":"train""#)).unwrap()
    };
    let plain = json("");
    for whole in [
        "batch_norm = { statistics = 'synchronised' }",
        "batch_norm = 'synchronised'",
        "batch_norm = { groups = 4, statistics = 'synchronised' }",
        "batch_norm = { groups = 1, statistics = 'sequential' }",
    ] {
        assert_eq!(json(whole), plain);
    }
    let grouped = json("batch_norm = { groups = 4, statistics = 'rank-0' }");
    let field = r#""batch_norm":{"groups":4,"statistics":"rank-0"},"#;
    assert_eq!(grouped.replace(field, ""), plain);
    for (wrong, says) in [
        (
            "batch_norm = { groups = 0, statistics = 'sequential' }",
            "batch_norm.groups is 0, not in 2..=65535",
        ),
        (
            "batch_norm = { groups = 4, statistics = 'last' }",
            "unknown variant `last`",
        ),
        ("batch_norm = { groups = 4 }", "missing field `statistics`"),
        (
            "batch_norm = { groups = 100000, statistics = 'sequential' }",
            "batch_norm.groups is 100000",
        ),
    ] {
        let error = read(&GRID.replace("cycles = 3", wrong)).unwrap_err().to_string();
        assert!(error.contains("batch_norm") && error.contains(says), "{error}");
    }
}
