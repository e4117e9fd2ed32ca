//! What is no safetensors file, or a broken one.

use super::*;
use crate::FaultKind;

/// A file of a header as given and `n_data` zero bytes; the faults of opening it.
fn faults(header: &str, n_data: usize) -> Vec<Fault> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + n_data, 0);
    faults_of(&bytes)
}

fn faults_of(bytes: &[u8]) -> Vec<Fault> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, bytes).unwrap();
    let mut faults = Vec::new();
    let archive = Archive::open(&path, &mut faults).unwrap();
    assert_eq!(archive.is_none(), !faults.is_empty());
    faults
}

#[track_caller]
fn check(faults: Vec<Fault>, kinds: &[FaultKind]) -> Vec<Fault> {
    let found: Vec<_> = faults.iter().map(Fault::kind).collect();
    assert_eq!(found, kinds, "{faults:?}");
    faults
}

#[test]
fn what_is_no_safetensors_file() {
    use FaultKind::{CutOff, Header, NotSafetensors};
    check(faults_of(b""), &[NotSafetensors]);
    check(faults_of(b"{}"), &[NotSafetensors]);
    check(faults_of(b"GIF89a etc. etc. etc."), &[NotSafetensors]);
    check(faults_of(&[0xff; 100]), &[NotSafetensors]);
    check(faults_of(&[0; 100]), &[NotSafetensors]);
    for pickle in [
        &b"PK\x03\x04\0\0\x08\x08\0\0\0"[..],
        b"PK\x03\x04",
        b"\x80\x02\x8a\nl\xfc\x9cF\xf9",
    ] {
        check(faults_of(pickle), &[FaultKind::Torch]);
    }
    // 2^63 bytes of header, and one byte more than there is.
    let mut long = (1u64 << 63).to_le_bytes().to_vec();
    long.push(b'{');
    check(faults_of(&long), &[NotSafetensors]);
    check(faults_of(b"\x03\0\0\0\0\0\0\0{}"), &[CutOff]);
    check(faults("{\"a\":", 0), &[Header]);
    check(faults("{} x", 0), &[Header]);
    check(faults("{\"__metadata__\":{\"a\":1}}", 0), &[Header]);
    check(faults("{\"__metadata__\":{},\"__metadata__\":{}}", 0), &[Header]);
    check(
        faults("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0),
        &[Header],
    );
    assert!(faults("{}  ", 0).is_empty());
}

#[test]
fn a_broken_entry_is_named() {
    for entry in [
        r#"{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}"#,
        r#"{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}"#,
        r#"{"dtype":"F32","shape":[1],"data_offsets":[0]}"#,
        r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1}"#,
        r#"{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}"#,
        r#"{"shape":[1],"data_offsets":[0,4]}"#,
        r#"{"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,4]}"#,
        "[]",
    ] {
        let found = check(faults(&format!(r#"{{"w":{entry}}}"#), 4), &[FaultKind::Header]);
        assert!(found[0].to_string().contains("tensor w: "), "{found:?}");
    }
}

/// Two tensors `a` and `b` of one f32 each, at these offsets, in 8 bytes of data.
#[track_caller]
fn check_offsets(a: [u64; 2], b: [u64; 2], kinds: &[FaultKind]) {
    let header = format!(
        r#"{{"a":{{"dtype":"F32","shape":[1],"data_offsets":{a:?}}},"b":{{"dtype":"F32","shape":[1],"data_offsets":{b:?}}}}}"#
    );
    check(faults(&header, 8), kinds);
}

#[test]
fn tensors_follow_each_other() {
    use FaultKind::{CutOff, Offsets};
    check_offsets([0, 4], [4, 8], &[]);
    check_offsets([4, 8], [0, 4], &[]);
    check_offsets([0, 4], [0, 4], &[Offsets, Offsets]); // overlap, and 4 bytes behind
    check_offsets([0, 4], [2, 6], &[Offsets, Offsets]); // overlap, and 2 bytes behind
    check_offsets([0, 4], [8, 12], &[Offsets, CutOff]); // hole, and outside
    check_offsets([0, 4], [4, 6], &[Offsets, Offsets]); // too short, and 2 bytes behind
    check_offsets([0, 4], [8, 4], &[Offsets, Offsets, Offsets]); // backwards, no bytes, 4 behind
    check_offsets([0, 4], [4, u64::MAX], &[Offsets, CutOff]); // far too long, and outside
}

#[test]
fn sizes_are_known_before_memory_is_asked_for() {
    let huge = r#"{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}"#;
    check(faults(huge, 0), &[FaultKind::Offsets]); // 2^62 · 4 bytes wrap to 0
    let huge = r#"{"a":{"dtype":"U8","shape":[1099511627776],"data_offsets":[0,1099511627776]}}"#;
    check(faults(huge, 0), &[FaultKind::CutOff]); // a tebibyte that is not there
    let sub_byte = r#"{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}}"#;
    check(faults(sub_byte, 1), &[FaultKind::Offsets]);
}

#[test]
fn names_and_types() {
    let a = r#""a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}"#;
    let again = r#""a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}"#;
    let found = check(faults(&format!("{{{a},{again}}}"), 2), &[FaultKind::Header]);
    assert_eq!(found[0].tensor(), Some("a"));
    let unknown = r#"{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,1]}}"#;
    let found = check(faults(unknown, 1), &[FaultKind::Type]);
    assert_eq!(found[0].to_string(), "tensor a has the unknown type F33");
}

#[test]
fn folders_and_missing_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut faults = Vec::new();
    assert!(Archive::open(folder.path(), &mut faults).unwrap().is_none());
    assert_eq!(faults, [Fault::NotAFile]);
    let path = folder.path().join("nothing");
    let error = Archive::open(&path, &mut faults).unwrap_err().to_string();
    assert_eq!(
        error,
        format!("cannot open {}: there is no such file or folder", path.display())
    );
}

/// Eight gigabytes that a header describes rightly, and that nobody wrote: seconds of reading zeros.
#[test]
#[cfg(target_os = "linux")]
fn files_of_holes_and_endless_ones_are_refused_unread() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let file = |n: u64| {
        let header = format!(
            r#"{{"w":{{"dtype":"F32","shape":[{n}],"data_offsets":[0,{}]}}}}"#,
            4 * n
        );
        let start = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
        fs::write(&path, &start).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(start.len() as u64 + 4 * n).unwrap();
        let mut faults = Vec::new();
        assert!(Archive::open(&path, &mut faults).unwrap().is_none());
        faults
    };
    assert!(matches!(
        file((1 << 31) - 100)[..],
        [Fault::Holes {
            on_disk: 0..=65536,
            ..
        }]
    ));
    assert!(matches!(file(1 << 32)[..], [Fault::TooLong { .. }]));
}

/// Two hundred thousand names in a header of some megabytes kept every dialect busy for minutes.
#[test]
fn more_tensors_than_any_network_has_are_refused_before_their_names_are_looked_at() {
    let header = |n: usize| {
        let all: Vec<_> = (0..n)
            .map(|i| format!(r#""a{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#))
            .collect();
        format!("{{{}}}", all.join(","))
    };
    assert_eq!(faults(&header(8192), 0), []);
    assert_eq!(
        faults(&header(8193), 0),
        [Fault::TooMany {
            found: 8193,
            most: 8192
        }]
    );
}
