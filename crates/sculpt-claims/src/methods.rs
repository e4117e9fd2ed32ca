//! Ids of the methods that claims speak of, as rows have them.

macro_rules! ids {
    ($($name:ident = $id:literal;)+) => {
        $(pub(crate) const $name: &str = $id;)+

        /// Ids of all methods that a claim speaks of.
        pub const METHODS: &[&str] = &[$($id),+];
    };
}

ids! {
    LRR = "lrr";
    WR = "wr";
    IMP = "imp";
    LRR_MASK_RANDOM_INIT = "lrr-mask-random-init";
    LRR_MASK_WARMUP_INIT = "lrr-mask-warmup-init";
    LRR_MASK_LRR_INIT = "lrr-mask-lrr-init";
    WR_MASK_WARMUP_INIT = "wr-mask-warmup-init";
    LRR_MASK_WARMUP_SIGNS = "lrr-mask-warmup-signs";
    LRR_MASK_WARMUP_SIGNS_ONE_CYCLE = "lrr-mask-warmup-signs-one-cycle";
    LRR_MASK_FLIPPED_SIGNS = "lrr-mask-flipped-signs";
    LRR_MASK_FLIPPED_SIGNS_ONE_CYCLE = "lrr-mask-flipped-signs-one-cycle";
    LRR_MASK_FLIPPED_WARMUP_INIT = "lrr-mask-flipped-warmup-init";
    LRR_MASK_FLIPPED_WARMUP_INIT_ONE_CYCLE = "lrr-mask-flipped-warmup-init-one-cycle";
    RANDOM_CYCLIC = "random-cyclic";
    ERK_CYCLIC = "erk-cyclic";
    RANDOM_ONE_CYCLE = "random-one-cycle";
    RANDOM_COSINE = "random-cosine";
    DENSE_CYCLIC = "dense-cyclic";
    DENSE_ONE_CYCLE = "dense-one-cycle";
    DENSE_COSINE = "dense-cosine";
    SNIP_CYCLIC = "snip-cyclic";
    SYNFLOW_CYCLIC = "synflow-cyclic";
    SCULPT_20 = "sculpt-20";
    SCULPT_50 = "sculpt-50";
    SCULPT_70 = "sculpt-70";
    SCULPT_BY_RANDOM = "sculpt-by-random";
    SCULPT_BY_SNIP = "sculpt-by-snip";
    SCULPT_BY_SYNFLOW = "sculpt-by-synflow";
    SCULPT_BY_GRASP = "sculpt-by-grasp";
    SCULPT_BY_FISHER = "sculpt-by-fisher";
    SCULPT_BY_WOODFISHER = "sculpt-by-woodfisher";
}
