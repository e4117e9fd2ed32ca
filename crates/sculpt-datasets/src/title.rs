use crate::sets::ALL;
use crate::{DataSpec, DatasetError, Found};
use sculpt_downloads::Proof;

impl DataSpec {
    /// What titles call data that were found: the published files by their own title or by `name`, others by a `name`
    /// of their own only, which is none of the registry's. Ids know nothing of it.
    ///
    /// # Errors
    /// Other files without a name, or with one that would take them for other data; a name without a letter.
    pub fn title_of(&self, found: &Found, name: Option<&str>) -> Result<String, DatasetError> {
        let Some(name) = name else {
            return match &found.proof {
                Proof::Genuine => Ok(self.title.to_owned()),
                Proof::Differs { name, sha256 } => Err(DatasetError::NotTheOriginal {
                    path: found.folder.join(name),
                    title: self.title,
                    sha256: sha256.clone(),
                }),
                Proof::Unproven => Err(DatasetError::Unproven {
                    path: found.folder.clone(),
                    title: self.title,
                    how: self.how(),
                }),
            };
        };
        let is_plain = !name.chars().any(char::is_control) && name.chars().count() <= 80;
        if name.trim() != name || !is_plain || !name.chars().any(char::is_alphanumeric) {
            return Err(DatasetError::BadName {
                name: name.chars().take(80).collect(),
            });
        }
        for taken in ALL {
            if ![taken.key, taken.title].map(letters).contains(&letters(name)) {
                continue;
            }
            if taken.key == self.key && found.is_original() {
                return Ok(self.title.to_owned());
            }
            return Err(DatasetError::NameTaken {
                path: found.folder.clone(),
                name: name.to_owned(),
                title: taken.title,
            });
        }
        Ok(name.to_owned())
    }
}

/// Letters and digits only, in lower case: "cifar_10" claims to be "CIFAR-10" too.
fn letters(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}
