use crate::Examples;
use sculpt_store::canonical::sha256_hex;

/// Digest of a data set: SHA-256 of the text that has, for each record file, training files first, one line
/// with the file's own SHA-256 in hexadecimal.
pub(crate) fn of_files<'a>(sha256s: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for line in sha256s {
        text.push_str(line);
        text.push('\n');
    }
    sha256_hex(text.as_bytes())
}

/// The same of images made in memory: of the record files that they would make.
pub(crate) fn of_examples(train: &Examples, test: &Examples, n_classes: u16) -> String {
    let sha256s = [train, test].map(|part| sha256_hex(&part.records(n_classes)));
    of_files(sha256s.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SHA-256 of "abc" is FIPS 180-2's example; the second value is `printf 'abc\nde\n' | sha256sum`.
    #[test]
    fn known_answers() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_hex(b"abc"), abc);
        assert_eq!(of_files(["abc", "de"]), sha256_hex(b"abc\nde\n"));
        assert_eq!(of_files(["abc", "de"]), ABC_DE);
    }

    const ABC_DE: &str = "d09b944c90fb5449a7fb3cb629b03481e0031ff6986b5488af0121f6f345c6c8";
}
