use crate::summary::statistic;
use crate::{Figure, Panel};

/// Points are means over seeds; A.2 does not say which 95 % interval it shows (reference §1.9). A picture says which of these it has.
pub const STATISTIC: &str = "mean and 95 % interval over seeds: Student's t, of accuracies on the logit of the mean, of losses and \
                             eigenvalues on its logarithm";

/// What a picture says about itself in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caption {
    /// Stands on top, such as `Figure 5. Coupling of mask and initialisation`.
    pub title: String,
    /// Preset, and what was changed of it.
    pub subtitle: String,
    /// Stands below the legend.
    pub footnote: String,
    /// Comment at the head of the SVG.
    pub comment: String,
}

impl Caption {
    /// The picture of means over seeds.
    pub fn of_means(self, panels: Vec<Panel>) -> Figure {
        let statistic = statistic(&panels);
        self.over(panels, Some(statistic))
    }

    /// The picture of what is not repeated.
    pub fn of_single(self, panels: Vec<Panel>) -> Figure {
        self.over(panels, None)
    }

    /// Two panels side by side fill a page's width at the size that they are drawn for.
    fn over(self, panels: Vec<Panel>, statistic: Option<String>) -> Figure {
        Figure {
            title: self.title,
            subtitle: self.subtitle,
            statistic,
            columns: panels.len().clamp(1, 2),
            panels,
            footnote: self.footnote,
            comment: self.comment,
        }
    }
}
