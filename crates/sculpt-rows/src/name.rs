use std::fmt;

/// What an artefact is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// A figure, by the paper's number.
    Figure(u32),
    /// A table; 1 and 2 are the paper's, 3 and 4 ours.
    Table(u32),
    /// The comparisons that the claims come down to.
    Contrasts,
    /// The verdicts on the paper's claims.
    Claims,
    /// Where paper, the authors' harness and a suite differ.
    Differences,
}

impl Name {
    /// `figure 5`: the command that makes it. Contrasts are made with the claims.
    pub fn command(self) -> String {
        match self {
            Name::Contrasts => Name::Claims.to_string(),
            Name::Figure(_) | Name::Table(_) | Name::Claims | Name::Differences => self.to_string(),
        }
    }

    /// `figure-5`: the stem of its files.
    pub fn stem(self) -> String {
        self.to_string().replace(' ', "-")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Figure(n) => write!(f, "figure {n}"),
            Name::Table(n) => write!(f, "table {n}"),
            Name::Contrasts => f.write_str("contrasts"),
            Name::Claims => f.write_str("claims"),
            Name::Differences => f.write_str("differences"),
        }
    }
}
