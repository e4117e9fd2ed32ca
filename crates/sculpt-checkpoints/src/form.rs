use crate::dialects::Dialect;
use crate::names::bookkeeping;
use std::collections::BTreeMap;
use std::fmt;

/// How a file of weights was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    /// Whose names it has.
    pub dialect: &'static Dialect,
    /// What stands before all of them: of dictionaries and wrapping modules, in any nesting.
    pub prefix: String,
    /// How its masks are kept, if it has any.
    pub masks: Option<MaskForm>,
    /// Tensors that belong to nothing and were not read.
    pub ignored: Vec<String>,
    /// Dictionaries that hold every tensor of the network once more, and were not read: averaged weights, say.
    pub other_sets: Vec<String>,
}

/// How masks stand beside weights, by the name of the one of `conv1.weight`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MaskForm {
    /// `conv1.weight_orig` and `conv1.weight_mask`: `torch.nn.utils.prune`. Tensors that were not pruned have neither.
    TorchPrune,
    /// `conv1.mask`: TurboPrune. Shortcuts may have none.
    TurboPrune,
    /// `conv1.weight.mask`.
    Dotted,
    /// `conv1.weight_mask` beside `conv1.weight`.
    Underscored,
    /// `conv1.weight` of a dictionary of its own, called `mask` or `masks`.
    Dictionary,
}

/// Names of a file that no dialect has, held against the nearest.
#[derive(Clone, Debug, PartialEq)]
pub struct Misfit {
    /// Whose names come nearest.
    pub dialect: &'static Dialect,
    /// What stands before them.
    pub prefix: String,
    /// Names of it that the file lacks.
    pub missing: Vec<String>,
    /// Names of the file that it lacks.
    pub extra: Vec<String>,
    /// How many names both have.
    pub n_common: usize,
}

impl Form {
    /// What was not read, by what it is: the last word of counters, the dictionary of what stands beside the weights; and how
    /// many tensors each.
    pub fn ignored_kinds(&self) -> BTreeMap<&str, usize> {
        let mut kinds = BTreeMap::new();
        for name in &self.ignored {
            let kind = match bookkeeping(name) {
                Some(kind) => kind,
                None => name.split('.').next().unwrap_or(name),
            };
            *kinds.entry(kind).or_insert(0) += 1;
        }
        kinds
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.dialect.title)?;
        if !self.prefix.is_empty() {
            write!(f, " under {:?}", self.prefix.trim_end_matches('.'))?;
        }
        match self.masks {
            None => Ok(()),
            Some(MaskForm::TorchPrune) => f.write_str(", with masks of torch.nn.utils.prune"),
            Some(MaskForm::TurboPrune) => f.write_str(", with TurboPrune's masks"),
            Some(MaskForm::Dotted | MaskForm::Underscored | MaskForm::Dictionary) => {
                f.write_str(", with masks")
            }
        }
    }
}

impl std::error::Error for Misfit {}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.n_common == 0 && self.extra.is_empty() {
            let some = some_of(&self.missing);
            return write!(f, "holds no tensor, where this network has {some}");
        }
        if self.n_common == 0 {
            return write!(
                f,
                "holds {}, and no tensor of this network under any name that is known (such as {})",
                some_of(&self.extra),
                some_of(&self.missing)
            );
        }
        write!(
            f,
            "its tensors fit no dialect; nearest are {}, of which {} missing, while {} left over",
            self.dialect.title,
            with_verb(&self.missing),
            with_verb(&self.extra)
        )
    }
}

/// `a, b, c and 4 more are`.
fn with_verb(names: &[String]) -> String {
    let verb = if names.len() > 1 { "are" } else { "is" };
    format!("{} {verb}", some_of(names))
}

/// At most three names, and how many more there are.
fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 3;
    match names {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [all @ .., last] if names.len() <= SHOWN => format!("{} and {last}", all.join(", ")),
        _ => format!("{} and {} more", names[..SHOWN].join(", "), names.len() - SHOWN),
    }
}
