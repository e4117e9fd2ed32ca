use std::fmt::Display;

/// How many there are of something, as people say it: `1 node`, `2 nodes`. `thing` is what one is called, its plural an s more.
pub fn counted<N: Display + PartialEq + From<u8>>(n: N, thing: &str) -> String {
    let s = if n == N::from(1) { "" } else { "s" };
    format!("{n} {thing}{s}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one() {
        let said = [
            counted(0_usize, "node"),
            counted(1_u32, "node"),
            counted(2_u64, "node"),
        ];
        assert_eq!(said, ["0 nodes", "1 node", "2 nodes"]);
    }
}
