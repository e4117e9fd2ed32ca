use sculpt_store::canonical::sha256_hex;

/// The names of classes, sorted; a label is a place among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes(Vec<String>);

/// What is known of names of classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassList {
    /// The 1,000 of ILSVRC 2012.
    ImageNet,
    /// Names of ImageNet's kind (`n` and eight digits), but not these 1,000.
    WordNet,
    /// Any others.
    Own,
}

/// SHA-256 of the 1,000 names, sorted, each with a line's end.
const IMAGENET_SHA256: &str = "70002b0ff5de60a3a17a82dbfcff291931f96225ddf941ad2e182fc39e183d15";

/// Labels are numbers of 16 bits, and the last of these stands for none.
pub(crate) const MOST_CLASSES: usize = 0xffff;

impl Classes {
    /// These names, which are sorted first; two that are the same are one.
    pub fn new(mut names: Vec<String>) -> Self {
        names.sort();
        names.dedup();
        Self(names)
    }

    /// The names, in the order of their labels.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// The label of a name.
    pub fn label(&self, name: &str) -> Option<u16> {
        let place = self.0.binary_search_by(|other| other.as_str().cmp(name)).ok()?;
        u16::try_from(place).ok()
    }

    /// Whose names they are.
    pub fn list(&self) -> ClassList {
        let lines: String = self.0.iter().flat_map(|name| [name, "\n"]).collect();
        if sha256_hex(lines.as_bytes()) == IMAGENET_SHA256 {
            ClassList::ImageNet
        } else if !self.0.is_empty() && self.0.iter().all(|name| is_wnid(name)) {
            ClassList::WordNet
        } else {
            ClassList::Own
        }
    }
}

/// Whether a name is a number of WordNet's, such as `n01440764`.
pub(crate) fn is_wnid(name: &str) -> bool {
    name.strip_prefix('n')
        .is_some_and(|digits| digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_places_among_sorted_names() {
        let classes = Classes::new(["n02", "a", "n01", "a"].map(String::from).to_vec());
        assert_eq!(classes.names(), ["a", "n01", "n02"]);
        assert_eq!((classes.label("n02"), classes.label("b")), (Some(2), None));
        assert_eq!(classes.list(), ClassList::Own);
    }

    #[test]
    fn names_of_wordnet_are_known() {
        let of = |names: &[&str]| Classes::new(names.iter().map(|name| (*name).to_owned()).collect()).list();
        assert_eq!(of(&["n01440764", "n01443537"]), ClassList::WordNet);
        assert_eq!(of(&["n01440764", "n0144353"]), ClassList::Own);
        assert_eq!(of(&[]), ClassList::Own);
    }
}
