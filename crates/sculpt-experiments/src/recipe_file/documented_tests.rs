use super::read_user_recipe;
use super::tests::read;
use crate::DataFolder;
use std::fs;

/// The page's own recipes, and those beside the crate.
#[test]
fn documented_recipes_are_recipes() {
    let page = include_str!("../../../../RECIPES.md");
    let blocks = page
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    // One of them wants files of its reader's.
    let blocks = blocks.filter(|block| !block.contains("file = "));
    let network = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../sculpt-models/goldens/networks/vit.pt"
    );
    let n_nodes: Vec<_> = blocks
        .map(|block| {
            read(&block.replace("net.pt", network))
                .unwrap_or_else(|e| panic!("{e}"))
                .recipe
                .len()
        })
        .collect();
    // Three seeds of an initialisation and six masks of four cycles; one dense cycle; an init, a mask and four cycles; an init, a dense cycle, two rounds of two nodes, and two
    // masks over its warm-up with four cycles.
    assert_eq!(
        n_nodes,
        [3 * (1 + 6 * (1 + 4)), 2, 1 + 1 + 4, 1 + 1 + 4 + 2 * (1 + 4)]
    );
    for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/recipes")).unwrap() {
        let path = file.unwrap().path();
        read_user_recipe(&path, &DataFolder::default()).unwrap_or_else(|e| panic!("{e}"));
    }
}
