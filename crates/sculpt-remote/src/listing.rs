//! The answer to a listing of S3, of which two things are read: keys, and where the list goes on.

/// A page of a listing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Keys with their lengths.
    pub(crate) keys: Vec<(String, u64)>,
    /// What the next page is asked with.
    pub(crate) next: Option<String>,
}

impl Page {
    /// The page of an XML answer; none where it is no such answer, or says that it goes on and not where.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if !text.contains("<ListBucketResult") {
            return None;
        }
        let mut keys = Vec::new();
        let mut rest = text;
        while let Some((_, from)) = rest.split_once("<Contents>") {
            let (contents, behind) = from.split_once("</Contents>")?;
            let key = unescape(element(contents, "Key")?)?;
            let bytes = element(contents, "Size")?.trim().parse().ok()?;
            keys.push((key, bytes));
            rest = behind;
        }
        let next = element(text, "NextContinuationToken").and_then(unescape);
        if element(text, "IsTruncated") == Some("true") && next.is_none() {
            return None;
        }
        Some(Self { keys, next })
    }
}

/// What stands in the first element of that name.
pub(crate) fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, from) = text.split_once(&format!("<{name}>"))?;
    from.split_once(&format!("</{name}>")).map(|(content, _)| content)
}

fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('&');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let (name, behind) = part.split_once(';')?;
        plain.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let code = name.strip_prefix('#')?;
                let number = match code.strip_prefix('x') {
                    Some(digits) => u32::from_str_radix(digits, 16),
                    None => code.parse(),
                };
                char::from_u32(number.ok()?)?
            }
        });
        plain.push_str(behind);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_where_it_goes_on() {
        let text = "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\">\
            <Contents><Key>a/b=1+&lt;2&gt;</Key><Size>5</Size></Contents>\
            <Contents><Size>7</Size><Key>c</Key></Contents>\
            <IsTruncated>true</IsTruncated><NextContinuationToken>x&amp;&#61;&#x3D;</NextContinuationToken>\
            </ListBucketResult>";
        let page = Page::parse(text).unwrap();
        assert_eq!(page.keys, [("a/b=1+<2>".to_owned(), 5), ("c".to_owned(), 7)]);
        assert_eq!(page.next.as_deref(), Some("x&=="));
    }

    /// A list that ends early would make finished work be done again.
    #[test]
    fn what_is_no_whole_page_is_none() {
        for text in [
            "<html>login</html>",
            "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
            "<ListBucketResult><Contents><Key>a</Key><Size>5</Size>",
            "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
            "<ListBucketResult><Contents><Key>&nbsp;</Key><Size>5</Size></Contents></ListBucketResult>",
        ] {
            assert_eq!(Page::parse(text), None, "{text}");
        }
        let empty = Page::parse("<ListBucketResult/>").unwrap();
        assert_eq!((empty.keys.len(), empty.next), (0, None));
    }
}
