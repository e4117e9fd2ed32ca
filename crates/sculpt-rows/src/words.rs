/// `70 % sparsity`: a density as people speak of it.
pub fn sparsity(density: f64) -> String {
    let sparsity = 100.0 * (1.0 - density);
    if (sparsity - sparsity.round()).abs() < 0.05 {
        format!("{:.0} % sparsity", sparsity.round())
    } else {
        format!("{sparsity:.1} % sparsity")
    }
}

#[cfg(test)]
mod tests {
    use super::sparsity;

    /// 0.8^10 is 0.107.
    #[test]
    fn whole_percents_have_no_decimals() {
        let texts = [0.3, 0.107_374_182_4].map(sparsity);
        assert_eq!(texts, ["70 % sparsity", "89.3 % sparsity"]);
    }
}
