use crate::row::row;

row! {
    /// A field in which paper, the authors' harness and a suite may differ.
    pub struct DifferenceRow {
        /// The field.
        field: String,
        /// What the paper says.
        paper: String,
        /// What the harness does.
        harness: String,
        /// What this suite does.
        here: String,
        /// Artefacts that it touches.
        touches: String,
        /// Where paper and harness say so.
        source: String,
    }
}
