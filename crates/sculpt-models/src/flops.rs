/// Floating-point operations of one image's training step with sparse layers, were only what is kept computed:
/// `3 · 2 · Σ density_l · MACs_l` over the prunable tensors. A multiply-accumulate is two operations; the backward pass counts
/// as two forward passes; the rest of a network (BatchNorm, ReLU, biases) is left out.
///
/// `layers` gives [`crate::ModelSpec::multiply_accumulates`] and the fraction of weights kept, in [0, 1], of each tensor. With all
/// densities 1 it is the dense network's.
pub fn training_flops(layers: impl IntoIterator<Item = (u64, f64)>) -> f64 {
    let forward: f64 = layers
        .into_iter()
        .map(|(macs, density)| 2.0 * density * macs as f64)
        .sum();
    3.0 * forward
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModelSpec;
    use sculpt_masks::{Allocation, Density, Rule, random};
    use sculpt_random::Seed;

    /// 3 · 2 · (.5 · 100 + .1 · 1000) = 900.
    #[test]
    fn by_hand() {
        assert_eq!(training_flops([(100, 0.5), (1000, 0.1)]), 900.0);
        assert_eq!(training_flops([]), 0.0);
    }

    /// Of the dense network's, by the layers of a balanced mask.
    #[track_caller]
    fn check(name: &str, classes: u32, side: u32, density: f64, expected: f64) {
        let spec = ModelSpec::named(name, classes, None, None).unwrap();
        let (layout, density) = (spec.layout(), Density::new(density).unwrap());
        let mask = random(&layout, density, Allocation::Balanced, Rule::Exact, Seed(1)).unwrap();
        let macs = spec.multiply_accumulates([3, side, side]).unwrap();
        let layers = mask.layers(&layout);
        let densities = layers.iter().map(|layer| layer.kept as f64 / layer.n as f64);
        let sparse = training_flops(macs.iter().copied().zip(densities));
        let dense = training_flops(macs.iter().map(|&macs| (macs, 1.0)));
        assert!(
            (sparse / dense - expected).abs() < 5e-4,
            "{name}: {}",
            sparse / dense
        );
    }

    /// Dense FLOPs times the overall density would be wrong by 2.8, 4.9 and 8.7 times.
    #[test]
    fn balanced_masks_keep_more_operations_than_weights() {
        check("resnet20", 10, 32, 0.1, 0.281);
        check("resnet18", 1000, 224, 0.1, 0.486);
        check("resnet18", 1000, 224, 0.02, 0.175);
    }
}
