use crate::RemoteError;
use std::fmt;
use std::str::FromStr;

/// A folder somewhere else, as users write it. None holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// `s3://bucket/prefix`: read and written.
    S3 {
        /// Name of the bucket.
        bucket: String,
        /// What the keys begin with, without slashes at its ends; empty for the whole bucket.
        prefix: String,
    },
    /// `https://host/path`, or plain `http://`: only read.
    Web {
        /// The address without a slash at its end.
        url: String,
    },
    /// `hf://owner/name[@revision]`, a repository of models of the Hugging Face hub: only read.
    Hub {
        /// Who it is of.
        owner: String,
        /// What it is called.
        name: String,
        /// Branch, tag or commit.
        revision: String,
    },
}

impl Location {
    /// The location that a word names; none where it is a path.
    ///
    /// # Errors
    /// A scheme that is none of ours, or an address that cannot be one.
    pub fn of(word: &str) -> Result<Option<Self>, RemoteError> {
        match word.split_once("://") {
            Some(_) => word.parse().map(Some),
            None => Ok(None),
        }
    }

    /// Whether it is only read.
    pub fn is_read_only(&self) -> bool {
        !matches!(self, Self::S3 { .. })
    }

    /// What messages call a file of it.
    pub fn name_of(&self, file: &str) -> String {
        format!("{self}/{file}")
    }
}

/// As it is written.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Self::Web { url } => f.write_str(url),
            Self::Hub {
                owner,
                name,
                revision,
            } if revision == MAIN => write!(f, "hf://{owner}/{name}"),
            Self::Hub {
                owner,
                name,
                revision,
            } => write!(f, "hf://{owner}/{name}@{revision}"),
        }
    }
}

/// The revision where none is named.
const MAIN: &str = "main";

impl FromStr for Location {
    type Err = RemoteError;

    fn from_str(word: &str) -> Result<Self, RemoteError> {
        let (scheme, rest) = word.split_once("://").unwrap_or_default();
        let wrong = |why| {
            // What stands before an @ may be a password, what stands behind a ? a signature.
            let shown = rest.split(['?', '#']).next().unwrap_or_default();
            let shown = match shown.rsplit_once('@') {
                Some((_, behind)) if scheme != "hf" => format!("{scheme}://…@{behind}"),
                Some(_) | None => format!("{scheme}://{shown}"),
            };
            RemoteError::Location { word: shown, why }
        };
        if rest.contains(['?', '#']) {
            return Err(wrong("it has ? or #, and names a folder"));
        }
        match scheme.to_ascii_lowercase().as_str() {
            "s3" => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                let prefix = prefix.trim_end_matches('/');
                if !(3..=63).contains(&bucket.len()) || !is_plain(bucket) {
                    return Err(wrong(
                        "s3://bucket/prefix has a bucket of 3 to 63 letters, digits, dots and dashes",
                    ));
                }
                if !prefix.is_empty() && !prefix.split('/').all(is_plain) {
                    return Err(wrong(
                        "the parts of an s3 prefix are letters, digits and -_=+,. and begin with no dot",
                    ));
                }
                Ok(Self::S3 {
                    bucket: bucket.to_owned(),
                    prefix: prefix.to_owned(),
                })
            }
            "https" | "http" => {
                let host = rest.split('/').next().unwrap_or_default();
                if host.is_empty() {
                    return Err(wrong("it has no host"));
                }
                if host.contains('@') {
                    return Err(wrong("names and passwords do not stand in addresses"));
                }
                let url = word.trim_end_matches('/').to_owned();
                Ok(Self::Web { url })
            }
            "hf" => {
                let (path, revision) = rest.split_once('@').unwrap_or((rest, MAIN));
                let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
                let revision_is_plain = revision.split('/').all(is_plain);
                match parts[..] {
                    [owner, name] if is_plain(owner) && is_plain(name) && revision_is_plain => {
                        Ok(Self::Hub {
                            owner: owner.to_owned(),
                            name: name.to_owned(),
                            revision: revision.to_owned(),
                        })
                    }
                    _ => Err(wrong("it is hf://owner/name or hf://owner/name@revision")),
                }
            }
            _ => Err(wrong(
                "it begins with s3://, https://, http:// or hf://; a folder is given by its path alone",
            )),
        }
    }
}

/// What needs no quoting in an address, and leads nowhere else.
pub(crate) fn is_plain(part: &str) -> bool {
    sculpt_store::paths::is_plain_name(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_shown() {
        for word in [
            "s3://bucket",
            "s3://my.bucket-1/a/b_c=d",
            "https://host.org/suites/demo",
            "http://127.0.0.1:80/x",
            "hf://owner/name",
            "hf://owner/name@v1.0",
            "hf://owner/name@refs/pr/1",
        ] {
            assert_eq!(word.parse::<Location>().unwrap().to_string(), word);
        }
        let shown = |word: &str| word.parse::<Location>().unwrap().to_string();
        assert_eq!(shown("s3://bucket/a/"), "s3://bucket/a");
        assert_eq!(shown("hf://a/b@main"), "hf://a/b");
        assert_eq!(shown("https://host/x//"), "https://host/x");
        assert_eq!(Location::of("runs/x").unwrap(), None);
    }

    #[test]
    fn other_words_are_refused_and_no_secret_is_shown() {
        for (word, says) in [
            ("s3://", "bucket of 3 to 63"),
            ("s3://ab", "bucket of 3 to 63"),
            ("s3://../x", "bucket of 3 to 63"),
            ("s3://bucket/../x", "begin with no dot"),
            ("s3://bucket/a//b", "begin with no dot"),
            ("s3://bucket/a b", "begin with no dot"),
            ("s3://key:geheim@bucket/x", "bucket of 3 to 63"),
            ("https://", "no host"),
            ("https://user:geheim@host/x", "do not stand in addresses"),
            ("https://host/x?X-Amz-Signature=geheim", "it has ? or #"),
            ("hf://name", "hf://owner/name"),
            ("hf://a/b/c", "hf://owner/name"),
            ("hf://a/..", "hf://owner/name"),
            ("hf://a/b@../c", "hf://owner/name"),
            ("ftp://host", "s3://, https://, http:// or hf://"),
        ] {
            let error = Location::of(word).unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains("geheim"), "{error}");
        }
    }
}
