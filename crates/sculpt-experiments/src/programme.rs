use crate::{
    ExperimentError, PanelName, Preset, Recipe, Setup, allocations, basins, coupling, cycle_by_cycle,
    iterative_against_dense, jumps, levels, long_runs, noisy_labels, pruned_at_initialisation,
    pruning_criteria, random_masks, schedules_at_equal_epochs, sculpting, sculpting_against_lrr,
    sign_overlap, sign_recovery, signs_suffice,
};

/// Everything that the paper's figures and tables need trained under a preset, each node once.
///
/// # Errors
/// Overrides out of range.
pub fn programme(preset: &Preset) -> Result<Recipe, ExperimentError> {
    let mut recipe = Recipe::default();
    let cifar10 = preset.panel(PanelName::A)?;
    let cifar100 = preset.panel(PanelName::B)?;
    let imagenet = preset.panel(PanelName::C)?;
    // Coupling on CIFAR-100 is single runs (A.2).
    let cifar100_once = Setup {
        seeds: cifar100.seeds.iter().copied().take(1).collect(),
        ..cifar100.clone()
    };
    // Figures 2, 3, 4.
    iterative_against_dense(&mut recipe, &cifar10);
    iterative_against_dense(&mut recipe, &imagenet);
    cycle_by_cycle(&mut recipe, &cifar10);
    schedules_at_equal_epochs(&mut recipe, &cifar10);
    jumps(&mut recipe, &cifar10);
    for setup in [&cifar10, &cifar100, &imagenet] {
        pruned_at_initialisation(&mut recipe, setup);
    }
    // Figures 5 to 8.
    for setup in [&cifar10, &cifar100_once, &imagenet] {
        coupling(&mut recipe, setup);
    }
    basins(&mut recipe, &cifar10);
    for setup in [&cifar10, &cifar100, &imagenet] {
        sculpting(&mut recipe, setup);
    }
    signs_suffice(&mut recipe, &cifar10);
    sculpting_against_lrr(&mut recipe, &preset.panel(PanelName::LargeB)?);
    sculpting_against_lrr(&mut recipe, &preset.panel(PanelName::LargeC)?);
    // Figures 9, 10, the table of A.1, 13 to 18.
    pruning_criteria(&mut recipe, &cifar10);
    noisy_labels(&mut recipe, &cifar10);
    sign_recovery(&mut recipe, &cifar10);
    sign_overlap(&mut recipe, &cifar10);
    allocations(&mut recipe, &imagenet);
    random_masks(&mut recipe, &cifar10);
    levels(&mut recipe, &cifar10);
    long_runs(&mut recipe, &cifar10);
    basins(&mut recipe, &cifar100_once);
    Ok(recipe)
}
