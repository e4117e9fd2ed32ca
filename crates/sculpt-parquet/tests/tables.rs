//! Tables of other programs, of strangers, and our own.

use proptest::prelude::*;
use sculpt_parquet::{Column, Table};
use std::fs;
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn read(path: &Path) -> Result<Table, String> {
    Table::from_parquet(&fs::read(path).expect("the file is there")).map_err(|error| error.to_string())
}

/// The table of `goldens/make.py`.
fn example(n: u32) -> Table {
    let names: Vec<String> = (0..5).map(|i| format!("β-{i}")).collect();
    let own: Vec<String> = (0..n).map(|i| format!("{i:064x}")).collect();
    let columns = [
        (
            "name",
            Column::text((0..n).map(|i| (i % 7 != 3).then(|| names[i as usize % 5].as_str()))),
        ),
        ("own", Column::text(own.iter().map(|text| Some(text.as_str())))),
        (
            "count",
            Column::Count(
                (0..n)
                    .map(|i| (i % 11 != 0).then(|| i.wrapping_mul(2_654_435_761)))
                    .collect(),
            ),
        ),
        (
            "number",
            Column::Number(
                (0..n)
                    .map(|i| (i % 13 != 5).then(|| f64::from(i) / 7.0 - 40.0))
                    .collect(),
            ),
        ),
        (
            "flag",
            Column::Flag((0..n).map(|i| (i % 17 != 1).then_some(i % 3 == 0)).collect()),
        ),
        ("none", Column::Number(vec![None; n as usize])),
    ];
    Table::new(
        columns
            .into_iter()
            .map(|(name, c)| (name.to_owned(), c))
            .collect(),
    )
    .expect("the columns have one length")
}

#[test]
fn tables_of_other_programs_are_read() {
    for file in [
        "pyarrow-usual",
        "pyarrow-second-form",
        "pyarrow-plain",
        "pyarrow-small",
        "polars",
    ] {
        let path = folder("goldens").join(format!("{file}.parquet"));
        assert_eq!(read(&path), Ok(example(1000)), "{file}");
    }
}

/// `goldens/make.py --check` reads this file in pyarrow and in polars.
#[test]
fn what_is_written_is_what_other_programs_read() {
    let written = example(1000).to_parquet().unwrap();
    let path = folder("goldens").join("sculpt.parquet");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        fs::write(&path, &written).unwrap();
    }
    assert!(
        fs::read(&path).unwrap() == written,
        "run make.py --check after UPDATE_GOLDENS=1"
    );
    assert_eq!(Table::from_parquet(&written).unwrap(), example(1000));
}

#[test]
fn more_rows_than_a_group_has() {
    let many = example((1 << 18) + 7);
    assert_eq!(Table::from_parquet(&many.to_parquet().unwrap()).unwrap(), many);
    let none = example(0);
    assert_eq!(
        Table::from_parquet(&none.to_parquet().unwrap()).unwrap().n_rows(),
        0
    );
}

#[test]
fn what_no_table_here_has_is_named() {
    let says = |file: &str, text: &str| {
        let error = read(&folder("goldens").join(file)).unwrap_err();
        assert!(error.contains(text), "{error}");
    };
    says("refused-zstd.parquet", "packed in a way that is not read");
    says(
        "refused-list.parquet",
        "holds what no table here has: columns in columns",
    );
    says("refused-int64.parquet", "none of text, counts, numbers and flags");
    assert_eq!(
        Table::from_parquet(b"PAR0").unwrap_err().to_string(),
        "is no Parquet file: it does not begin with PAR1"
    );
}

/// Files that ended other readers: 500 nested structs in 35 kB overflowed a stack, the others panicked.
#[test]
fn files_that_ended_other_readers_are_refused() {
    let mut n = 0;
    for entry in fs::read_dir(folder("hostile")).unwrap() {
        let path = entry.unwrap().path();
        assert!(read(&path).is_err(), "{}", path.display());
        n += 1;
    }
    assert!(n >= 3);
}

#[test]
fn columns_that_make_no_table() {
    let column = |n| Column::Count(vec![Some(1); n]);
    let table = |columns: [(&str, Column); 2]| {
        Table::new(columns.map(|(name, column)| (name.to_owned(), column)).into())
    };
    let error = table([("a", column(2)), ("b", column(3))]).unwrap_err();
    assert_eq!(error.to_string(), r#"column "b" has 3 rows, not 2"#);
    let error = table([("a", column(2)), ("a", column(2))]).unwrap_err();
    assert_eq!(error.to_string(), r#"column "a" stands twice"#);
    let error = example(1).numbers("count").unwrap_err();
    assert_eq!(error.to_string(), r#"has no column "count" of numbers"#);
}

/// The valid files that damage is done to, smallest pages and all encodings among them.
fn seeds() -> Vec<Vec<u8>> {
    [
        "pyarrow-usual",
        "pyarrow-second-form",
        "pyarrow-small",
        "polars",
        "sculpt",
    ]
    .iter()
    .map(|file| fs::read(folder("goldens").join(format!("{file}.parquet"))).expect("the file is there"))
    .collect()
}

/// How many random cases: `cargo xtask test --hard` sets more.
fn cases() -> ProptestConfig {
    let n = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok());
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(n.unwrap_or(300))
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_table_comes_back(
        rows in prop::collection::vec(
            (
                prop::option::of(".{0,12}"),
                prop::option::of(any::<u32>()),
                prop::option::of(any::<f64>()),
                prop::option::of(any::<bool>()),
            ),
            0..200,
        )
    ) {
        let columns = vec![
            ("a b".to_owned(), Column::text(rows.iter().map(|row| row.0.as_deref()))),
            ("c".to_owned(), Column::Count(rows.iter().map(|row| row.1).collect())),
            ("n".to_owned(), Column::Number(rows.iter().map(|row| row.2).collect())),
            ("f".to_owned(), Column::Flag(rows.iter().map(|row| row.3).collect())),
        ];
        let table = Table::new(columns).unwrap();
        let bytes = table.to_parquet().unwrap();
        let back = Table::from_parquet(&bytes).unwrap();
        // By their bytes: NaN is another number than itself.
        prop_assert_eq!(back.to_parquet().unwrap(), bytes);
        prop_assert_eq!(back.n_rows(), rows.len());
    }

    /// Not a panic, not a hang: an error, or another table.
    #[test]
    fn damaged_files_are_survived(
        seed in 0..5usize,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        near_end in any::<bool>(),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = seeds().swap_remove(seed);
        for (place, value) in flips {
            let n = bytes.len();
            // The footer is the small part, and the one with the structure.
            let place = if near_end { n - 1 - place.index(n.min(3000)) } else { place.index(n) };
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            let from = cut.index(bytes.len());
            bytes.drain(from..(from + 17).min(bytes.len()));
        }
        let _ = Table::from_parquet(&bytes);
    }

    #[test]
    fn any_bytes_are_survived(footer in prop::collection::vec(any::<u8>(), 0..400)) {
        let length = (footer.len() as u32).to_le_bytes();
        let bytes = [b"PAR1".as_slice(), &footer, &length, b"PAR1"].concat();
        let _ = Table::from_parquet(&bytes);
    }
}
