use crate::{Point, Probe, ScoreError, SynFlow, WoodFisher, fisher, grasp, snip, synflow, wood_fisher};
use sculpt_masks::{Density, Mask, Ties};
use sculpt_network::Mode;

/// Any of this crate's criteria with the numbers that are its own: the one place that tells them apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Criterion {
    /// [`snip()`].
    Snip {
        /// How BatchNorm behaves while gradients are taken.
        mode: Mode,
    },
    /// [`grasp()`].
    Grasp {
        /// Temperature of the logits; the paper's is [`crate::PAPER_TEMPERATURE`].
        temperature: f64,
    },
    /// [`synflow()`].
    Synflow {
        /// How often it looks again.
        variant: SynFlow,
        /// Channels, rows and columns of its image of ones.
        image: [i64; 3],
    },
    /// [`fisher()`].
    Fisher,
    /// [`wood_fisher()`].
    WoodFisher(WoodFisher),
}

impl Criterion {
    /// Whether it looks at images; SynFlow does not.
    pub fn needs_probe(&self) -> bool {
        match self {
            Self::Synflow { .. } => false,
            Self::Snip { .. } | Self::Grasp { .. } | Self::Fisher | Self::WoodFisher(_) => true,
        }
    }

    /// Whether a network whose BatchNorm is folded into its convolutions is the faster one: where derivatives of many
    /// images are taken in evaluation mode. The scores are the same to rounding.
    pub fn prefers_folded(&self) -> bool {
        match self {
            Self::Snip { mode: Mode::Eval } | Self::Grasp { .. } | Self::Fisher | Self::WoodFisher(_) => true,
            // In training mode there is nothing to fold; SynFlow has one image.
            Self::Snip {
                mode: Mode::Train | Mode::Calibrate,
            }
            | Self::Synflow { .. } => false,
        }
    }

    /// The mask of this density, within the point's own.
    ///
    /// # Errors
    /// No probe where one is needed; scores that are not finite; a density that keeps nothing, or more than the point's
    /// own mask has.
    pub fn mask(
        &self,
        point: &Point<'_>,
        probe: Option<&Probe>,
        density: Density,
    ) -> Result<Mask, ScoreError> {
        self.mask_and_ties(point, probe, density).map(|(mask, _)| mask)
    }

    /// As [`Criterion::mask`], and the equal scores at its threshold; SynFlow, which looks again and again, tells none.
    ///
    /// # Errors
    /// As there.
    pub fn mask_and_ties(
        &self,
        point: &Point<'_>,
        probe: Option<&Probe>,
        density: Density,
    ) -> Result<(Mask, Option<Ties>), ScoreError> {
        let probe = || probe.ok_or(ScoreError::NoProbe);
        let scores = match *self {
            Self::Synflow { variant, image } => {
                return Ok((synflow(point, image, density, variant)?, None));
            }
            Self::Snip { mode } => snip(point, probe()?, mode)?,
            Self::Grasp { temperature } => grasp(point, probe()?, temperature)?,
            Self::Fisher => fisher(point, probe()?)?,
            Self::WoodFisher(params) => wood_fisher(point, probe()?, params)?,
        };
        let mask = scores.keep(density)?;
        let ties = scores.ties(&mask);
        Ok((mask, ties))
    }
}
