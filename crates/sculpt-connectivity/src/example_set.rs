use crate::ConnectivityError;
use tch::Tensor;

/// A labelled set that can be walked again and again, batch by batch, always the same.
pub struct ExampleSet<'a> {
    walk: Box<Walk<'a>>,
}

/// Shows every batch to a visitor, until it fails. A walk from inside, so that no iterator is boxed, whose
/// lifetime [`ExampleSet`] would then be tied to.
type Walk<'a> = dyn Fn(&mut Visit<'_>) -> Result<(), ConnectivityError> + 'a;

type Visit<'v> = dyn FnMut(&Tensor, &Tensor) -> Result<(), ConnectivityError> + 'v;

impl<'a> ExampleSet<'a> {
    /// The set whose batches `start` gives from the first on, each time it is called: images as the network
    /// takes them (normalised, un-augmented, on the ends' device) and labels `[b]` i64, `0..classes`.
    ///
    /// Batches that are made while they are walked need not be in memory together.
    pub fn new<I>(start: impl Fn() -> I + 'a) -> Self
    where
        I: IntoIterator<Item = (Tensor, Tensor)>,
    {
        let walk = move |visit: &mut Visit<'_>| {
            let mut batches = start().into_iter();
            batches.try_for_each(|(images, labels)| visit(&images, &labels))
        };
        Self { walk: Box::new(walk) }
    }

    /// The same of batches that may not be had, such as pictures on disk: a walk ends at the first that is not, with its error.
    pub fn fallible<I, E>(start: impl Fn() -> I + 'a) -> Self
    where
        I: IntoIterator<Item = Result<(Tensor, Tensor), E>>,
        E: std::fmt::Display,
    {
        let walk = move |visit: &mut Visit<'_>| {
            start().into_iter().try_for_each(|batch| {
                let (images, labels) = batch.map_err(|error| ConnectivityError::NoBatch {
                    because: error.to_string(),
                })?;
                visit(&images, &labels)
            })
        };
        Self { walk: Box::new(walk) }
    }

    /// Shows every batch to `visit`, until it fails.
    pub(crate) fn walk(
        &self,
        mut visit: impl FnMut(&Tensor, &Tensor) -> Result<(), ConnectivityError>,
    ) -> Result<(), ConnectivityError> {
        (self.walk)(&mut visit)
    }
}
