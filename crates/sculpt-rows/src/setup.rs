use crate::row::row;

row! {
    /// A quantity of the set-up, as the paper gives it and as the preset holds it.
    pub struct SetupRow {
        /// The quantity.
        quantity: String,
        /// Column of the paper's table.
        panel: String,
        /// What the paper says.
        paper: String,
        /// Where.
        source: String,
        /// What the preset holds.
        preset: String,
    }
}
