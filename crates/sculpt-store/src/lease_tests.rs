use super::*;
use std::fs;

/// As usual, a hundred times as fast.
const QUICK: Terms = Terms {
    beat: Duration::from_millis(100),
    silence: Duration::from_millis(600),
    settle: Duration::from_millis(60),
    look_every: Duration::from_millis(10),
    with_locks: true,
    boot: None,
};

/// Of another machine, which sees the file and no lock.
const FAR: Terms = Terms {
    with_locks: false,
    boot: Some("another"),
    ..QUICK
};

fn is_held(taken: &Result<Lease, LockError>) -> bool {
    matches!(taken, Err(LockError::Held { .. }))
}

#[test]
fn one_process_of_a_machine_holds_it_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node/lock");
    assert_eq!(Lease::holding(&path).unwrap(), None);
    let lease = Lease::take(&path, &|| true).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert!(is_record(&bytes) && bytes.len() == RECORD_BYTES && !lease.is_lost());
    let error = Lease::take(&path, &|| true).unwrap_err().to_string();
    let me = format!("process {} on {}", std::process::id(), machine().host);
    assert_eq!(error, format!("{me} holds the lock {}", path.display()));
    let holding = Lease::holding(&path).unwrap().unwrap();
    assert_eq!((holding.by.unwrap().to_string(), holding.is_certain), (me, true));
    drop(lease);
    assert_eq!(fs::read(&path).unwrap(), b"");
    drop(Lease::take_at_once(&path).unwrap());
}

/// `status` and workers that look for something to do have the file's lock for a moment, and keep nobody from it.
#[test]
fn whoever_only_looks_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let looks = Lock::exclusive(&path).unwrap();
    thread::scope(|scope| {
        let taken = scope.spawn(|| Lease::take_at_once(&path).is_ok());
        thread::sleep(Duration::from_millis(30));
        drop(looks);
        assert!(taken.join().unwrap());
    });
    let stays = Lock::exclusive(&path).unwrap();
    assert!(is_held(&Lease::take_at_once(&path)));
    drop(stays);
}

/// What a killed process of this machine left is over: the operating system freed its lock. So is what stood there when the machine
/// went down, and the half of a record that was being written then.
#[test]
fn what_a_dead_process_of_this_machine_left_is_over_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    drop(Lease::take(&path, &|| true).unwrap());
    let record = |host: &str, boot: &str| {
        format!(r#"{{"host":"{host}","pid":7,"boot":"{boot}","token":"x","beat":3}}"#)
    };
    let here = machine();
    for left in [
        record("x", &here.boot),
        record(&here.host, "before"),
        "{\"ho".to_owned(),
    ] {
        fs::write(&path, left).unwrap();
        assert_eq!(Lease::holding(&path).unwrap(), None);
        drop(Lease::take_at_once(&path).unwrap());
    }
    // However long it is.
    fs::write(&path, vec![0; 3 * RECORD_BYTES]).unwrap();
    let lease = Lease::take_at_once(&path).unwrap();
    assert!(!lease.is_lost() && fs::metadata(&path).unwrap().len() == RECORD_BYTES as u64);
    drop(lease);
    fs::write(&path, record("far", "away")).unwrap();
    assert!(is_held(&Lease::take_at_once(&path)));
    let holding = Lease::holding(&path).unwrap().unwrap();
    assert_eq!(holding.by.unwrap().to_string(), "process 7 on far");
    assert!(!holding.is_certain);
}

#[test]
fn another_machine_takes_over_after_silence_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let near = take(&path, QUICK, &|| true).unwrap();
    let begun = Instant::now();
    assert!(is_held(&take(&path, FAR, &|| true)), "it beats");
    assert!(begun.elapsed() < QUICK.silence);
    // A machine that is cut off says nothing; what it left does not change.
    let left = fs::read(&path).unwrap();
    drop(near);
    fs::write(&path, &left).unwrap();
    let begun = Instant::now();
    assert!(is_held(&take(&path, FAR, &|| begun.elapsed() < QUICK.silence / 2)));
    let far = take(&path, FAR, &|| true).unwrap();
    assert!(begun.elapsed() >= QUICK.silence);
    assert!(!far.is_lost());
}

/// One that was asleep and wakes sees that another has it, keeps its hands off the file, and ends.
#[test]
fn whoever_lost_it_knows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let asleep = Terms {
        beat: Duration::from_secs(3600),
        ..FAR
    };
    let asleep = take(&path, asleep, &|| true).unwrap();
    let awake = take(&path, FAR, &|| true).unwrap();
    assert!(asleep.is_lost() && !awake.is_lost());
    drop(asleep);
    assert!(!awake.is_lost());
    assert!(is_held(&take(&path, FAR, &|| true)));
}

/// Twenty at once, without any lock of the operating system's: one gets it.
#[test]
fn of_many_that_find_it_free_one_gets_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    fs::write(&path, "").unwrap();
    let (got, all) = (std::sync::Mutex::new(Vec::new()), std::sync::Barrier::new(20));
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                all.wait();
                let terms = Terms {
                    // Longer than a busy machine keeps a thread from writing what it has decided to write.
                    settle: Duration::from_secs(4),
                    ..FAR
                };
                let taken = take(&path, terms, &|| true);
                got.lock().unwrap().extend(taken);
            });
        }
    });
    assert_eq!(got.into_inner().unwrap().len(), 1);
}
