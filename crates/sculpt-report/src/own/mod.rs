//! Pictures and comparisons of a recipe of a user's own.

mod comparison;
mod pairs;
mod views;

use crate::ReportError;
use crate::frame_file::read_frame;
use crate::output::{Shown, Written, write_files};
use crate::provenance::Provenance;
use comparison::contrast_rows;
use pairs::names;
use sculpt_claims::Question;
use sculpt_experiments::{Along, CurvePoint, Curves, DataFolder, Drawing, Recipe, RecipeSuite, Source};
use sculpt_rows::{Difference, Frame, OwnContrastRow, Row};
use sculpt_store::paths::{self, ReportFile};
use std::collections::BTreeSet;
use std::path::Path;
use tch::Device;
use views::{Measured, curves, measure, needs_data, title};

/// A recipe's suite opened for drawing.
pub struct OwnSession {
    suite: RecipeSuite,
    measures: sculpt_measures::Session,
}

/// The comparison of two curves, and its files.
#[derive(Clone, Debug)]
pub struct Contrasted {
    /// One row a place that both curves have, and one over all of them where there are several.
    pub rows: Vec<OwnContrastRow>,
    /// What was written.
    pub written: Written,
}

/// Which files are written, and by what.
#[derive(Clone, Debug)]
pub struct Output<'a> {
    /// Their name, without an ending.
    pub stem: &'a str,
    /// Where they go.
    pub folder: &'a Path,
    /// The command as typed.
    pub command: &'a str,
    /// Revision of the checkout, where there is one.
    pub git_revision: Option<String>,
}

impl OwnSession {
    /// Opens a suite whose nodes are `recipe`. `data` may have no folder: then recorded scores stand for measured ones, except on
    /// the demo data, which are always at hand. Measures are cached under `cache`.
    pub fn new(
        suite: RecipeSuite,
        recipe: Recipe,
        source: Source,
        data: &DataFolder,
        device: Device,
        cache: &Path,
    ) -> Self {
        Self {
            measures: sculpt_measures::Session::new(source, recipe, data, device, cache),
            suite,
        }
    }

    /// The suite.
    pub fn suite(&self) -> &RecipeSuite {
        &self.suite
    }

    /// What measures its states.
    pub fn measures(&self) -> &sculpt_measures::Session {
        &self.measures
    }

    /// Measures and draws states, and writes all files.
    ///
    /// # Errors
    /// Nothing to draw, a state that is not there, a broken checkpoint, or what the file system refuses.
    pub fn draw(&self, drawing: &Drawing, output: &Output<'_>) -> Result<Written, ReportError> {
        let measured = measure(self, drawing)?;
        let Measured {
            frame,
            meanings,
            figure,
            ..
        } = measured;
        let shown = Shown {
            name: output.stem.to_owned(),
            stem: output.stem.to_owned(),
            meanings,
        };
        let provenance = Provenance::of_recipe(
            (output.stem, title(drawing)),
            (&self.suite, Some(drawing)),
            self.measures.device(),
            (&frame, Some(&figure)),
            output,
        )
        .with_left_out(self.measures.source())?;
        write_files(&shown, &frame, Some((&figure, None)), &provenance, output.folder)
    }

    /// Measures states anew and compares the frame with the one named `stem` in `folder`; also the number of its rows.
    ///
    /// # Errors
    /// As [`OwnSession::draw`], and no such frame.
    pub fn check(
        &self,
        stem: &str,
        drawing: &Drawing,
        folder: &Path,
    ) -> Result<(usize, Vec<Difference>), ReportError> {
        let measured = measure(self, drawing)?;
        let path = paths::report(folder, stem, ReportFile::Parquet);
        let published = read_frame(&path, measured.frame.columns().to_vec())?;
        let differences = (measured.compare)(&measured.frame, &published)?;
        Ok((measured.frame.len(), differences))
    }

    /// Compares the test accuracy of two curves of a drawing, place by place and seed by seed, and writes frame and provenance.
    ///
    /// # Errors
    /// Curves that are not there or share no seed at any place; else as [`OwnSession::draw`].
    pub fn contrast(
        &self,
        drawing: &Drawing,
        (a, b): (&str, &str),
        question: Question,
        output: &Output<'_>,
    ) -> Result<Contrasted, ReportError> {
        let curves = self.there(
            drawing
                .selection
                .curves(self.measures.recipe(), self.suite.states())?,
        )?;
        let names = names(&curves.points);
        for name in [a, b] {
            if !names.iter().any(|own| own == name) {
                return Err(ReportError::NoCurve {
                    name: name.to_owned(),
                    available: names.join("; "),
                });
            }
        }
        let mut points = curves.points;
        points.retain(|point| point.curve == a || point.curve == b);
        let accuracies = self.measures.own_accuracy_rows(&points)?;
        let rows = contrast_rows(&accuracies, &curves.along, (a, b), question)?;
        if rows.is_empty() {
            return Err(ReportError::NothingShared {
                a: a.to_owned(),
                b: b.to_owned(),
                places: [a, b].map(|name| places(name, &points, &curves.along)).join("; "),
            });
        }
        let frame = Frame::of(&rows);
        let mut provenance = Provenance::of_recipe(
            (output.stem, "Contrast of two curves"),
            (&self.suite, Some(drawing)),
            self.measures.device(),
            (&frame, None),
            output,
        );
        let ids = accuracies.iter().map(|row| row.node.clone());
        provenance.nodes = ids.collect::<BTreeSet<_>>().into_iter().collect();
        let provenance = provenance.with_left_out(self.measures.source())?;
        let shown = Shown {
            name: output.stem.to_owned(),
            stem: output.stem.to_owned(),
            meanings: OwnContrastRow::meanings(),
        };
        let written = write_files(&shown, &frame, None, &provenance, output.folder)?;
        Ok(Contrasted { rows, written })
    }

    /// Whether a drawing can be drawn: its curves, their states, and the data where it reads images.
    ///
    /// # Errors
    /// Why not.
    pub fn can_draw(&self, drawing: &Drawing) -> Result<(), ReportError> {
        let curves = curves(self, drawing)?;
        if needs_data(drawing.view) {
            for point in &curves.points {
                self.measures.check_data_of(&point.named.state)?;
            }
        }
        Ok(())
    }

    /// The curves, if all their states are there.
    fn there(&self, curves: Curves) -> Result<Curves, ReportError> {
        let source = self.measures.source();
        let missing: Vec<_> = curves
            .points
            .iter()
            .filter(|point| !source.has(&point.named.state))
            .collect();
        match missing.first() {
            None => Ok(curves),
            Some(first) => Err(ReportError::RecipeUnfinished {
                suite: self.suite.name.clone(),
                missing: missing.len(),
                needed: curves.points.len(),
                first: first.named.title(),
            }),
        }
    }
}

/// Where a curve stands, and of which seeds.
fn places(name: &str, points: &[CurvePoint], along: &Along) -> String {
    let own = || points.iter().filter(|point| point.curve == name);
    // Four digits tell places apart; densities have more.
    let mut xs: Vec<f64> = own().map(|point| (point.x * 1e4).round() / 1e4).collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    let xs: Vec<_> = xs.iter().map(f64::to_string).collect();
    let seeds: BTreeSet<u64> = own().map(|point| point.seed).collect();
    let seeds: Vec<_> = seeds.iter().map(u64::to_string).collect();
    format!(
        "{name:?} at {} {}, of seeds {}",
        along.label(),
        xs.join(", "),
        seeds.join(", ")
    )
}
