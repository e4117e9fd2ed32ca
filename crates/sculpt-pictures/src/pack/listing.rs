use crate::digest::{check_name, chunks};
use crate::{Part, PictureError, Pictures};
use rayon::prelude::*;
use sculpt_store::canonical::hex;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// What is to be packed, without reading it.
pub(super) struct Listing {
    /// SHA-256 over the names, a line each.
    pub(super) names: String,
    /// The same with the bytes of each before its name.
    pub(super) listing: String,
}

impl Listing {
    pub(super) fn of(halves: &[(Part, Arc<dyn Pictures>)]) -> Result<Self, PictureError> {
        let (mut names, mut listing) = (Sha256::new(), Sha256::new());
        for (_, pictures) in halves {
            for chunk in chunks(pictures.len()) {
                let line = |i: usize| {
                    let name = pictures.name(i)?;
                    check_name(&name)?;
                    Ok((pictures.n_bytes(i)?, name))
                };
                let lines: Vec<_> = chunk
                    .into_par_iter()
                    .map(line)
                    .collect::<Result<_, PictureError>>()?;
                for (n_bytes, name) in lines {
                    names.update(format!("{name}\n"));
                    listing.update(format!("{n_bytes}  {name}\n"));
                }
            }
        }
        Ok(Self {
            names: hex(&names.finalize()),
            listing: hex(&listing.finalize()),
        })
    }
}
