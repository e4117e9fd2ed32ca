use crate::*;
use sculpt_checkpoints::read_tensors;
use std::io::{Read, Write};
use std::net::TcpListener;

#[test]
fn offline_fetches_nothing() {
    let folder = Folder::new();
    let says = ["--offline", "CIFAR-10", "cifar-10-binary.tar.gz"];
    refused(&folder, "data get cifar10 --data d --offline", 1, &says);
    assert!(!folder.join("d").exists());
}

/// Answers one request with these bytes.
fn server(body: &'static [u8]) -> (String, std::thread::JoinHandle<()>) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x.tar.gz", server.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]).unwrap();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        // The client may hang up before the end: that is its right.
        let _ = stream.write_all(&[head.as_bytes(), body].concat());
    });
    (url, answering)
}

/// Not the archives, by length or by checksum, and so nothing stays.
#[test]
fn other_bytes_are_refused() {
    let folder = Folder::new();
    for (archive, says) in [
        ("cifar100", "SHA-256"),
        (
            "cifar10",
            "has 3 bytes, and the file that is wanted has 170052171",
        ),
    ] {
        let (url, answering) = server(b"abc");
        refused(
            &folder,
            &format!("data get {archive} --data d --url {url}"),
            1,
            &[&url, says],
        );
        answering.join().unwrap();
        assert_eq!(std::fs::read_dir(folder.join("d")).unwrap().count(), 0);
    }
    let url = "http://host.invalid/x.tar.gz";
    refused(
        &folder,
        &format!("data get cifar10 --data d --url {url}"),
        2,
        &[url, "--plain-http"],
    );
}

/// The six files of CIFAR-10 with `n` records each.
fn write_small(dir: &std::path::Path, n: usize) {
    std::fs::create_dir_all(dir).unwrap();
    let names = (1..=5).map(|i| format!("data_batch_{i}.bin"));
    for name in names.chain(["test_batch.bin".to_owned()]) {
        let record = |i: usize| [vec![(i % 10) as u8], vec![(37 * i % 256) as u8; 3072]].concat();
        std::fs::write(dir.join(name), (0..n).flat_map(record).collect::<Vec<u8>>()).unwrap();
    }
}

/// A name is a title: it stands in the suite's name, and the plan is the same by any.
#[test]
fn a_small_folder_in_the_official_layout_is_planned_with() {
    let folder = Folder::new();
    write_small(&folder.join("d/cifar-10-batches-bin"), 120);
    let plan = "plan figure 5 --preset short --cycle-epochs 1 --seeds 1 --no-bench --data d";
    let says = [
        "data_batch_1.bin is not the file of the published CIFAR-10",
        "--data-name",
    ];
    refused(&folder, plan, 1, &says);
    refused(
        &folder,
        &format!("{plan} --data-name ImageNet"),
        1,
        &["cannot be their name"],
    );
    let mine = json(&folder, &format!("{plan} --data-name Mine"));
    assert_eq!(
        (&mine["data"], &mine["suite"]),
        (&"Mine".into(), &"short-mine-cycle-epochs=1-seeds=1".into())
    );
    let yours = json(&folder, &format!("{plan} --data-name Yours"));
    assert_eq!(mine["flops_dense"], yours["flops_dense"]);
    let genuine = json(&folder, &plan.replace(" --data d", ""));
    assert_eq!(genuine["data"], "CIFAR-10");
    assert!(mine["flops_dense"].as_f64() < genuine["flops_dense"].as_f64());
    let too_many = format!("{plan} --data-name Mine --train-images 601");
    refused(
        &folder,
        &too_many,
        2,
        &["--train-images is 601", "there are no more training images"],
    );
}

/// A recipe names the layout, and may normalise otherwise; the chain is trained, and a title is needed by nobody after.
#[test]
fn a_recipe_trains_on_files_of_ones_own() {
    let folder = Folder::new();
    write_small(&folder.join("d"), 8);
    let recipe = |data: &str| {
        format!(
            "threads = 1\n[[node]]\nname = \"dense\"\nkind = \"init\"\nrule = \"kaiming-normal-fan-in\"\nseed = 1\ndraw = 0\n\
             model = {{ name = \"resnet8\", classes = 10, width = 16 }}\n\
             [[node]]\nname = \"trained\"\nkind = \"train\"\nfrom = \"dense\"\ndata = {data}\nsplit = \"all\"\n\
             augmentation = \"none\"\ndrop_last = false\nschedule = \"constant\"\nlr = 0.1\nepochs = 1\nbatch = 16\n\
             momentum = 0.9\nweight_decay = 0.0\nprecision = \"f32\"\nseed = 1\n"
        )
    };
    let run = |data: &str| {
        std::fs::write(folder.join("r.toml"), recipe(data)).unwrap();
        ok(&folder, "run r.toml --runs runs --data d --data-name Mine")
    };
    let usual = run("{ name = \"CIFAR-10\" }");
    let own = "normalisation = { mean = [0.4914, 0.4822, 0.4465], std = [0.2470, 0.2435, 0.2616] }";
    assert_eq!(run(&format!("{{ name = \"CIFAR-10\", {own} }}")), usual);
    let other = own.replace("0.2470", "0.2023");
    assert_ne!(run(&format!("{{ name = \"CIFAR-10\", {other} }}")), usual);
    let half = run("{ name = \"CIFAR-10\", average_pool = 2 }");
    assert_ne!(half, usual);
    let refuse = |data: &str, says: &[&str]| {
        std::fs::write(folder.join("r.toml"), recipe(data)).unwrap();
        refused(
            &folder,
            "run r.toml --runs runs --data d --data-name Mine",
            1,
            says,
        );
    };
    refuse(
        "{ name = \"Mine\" }",
        &[
            "no data set is called \"Mine\"",
            "\"CIFAR-10\" (`data get cifar10",
        ],
    );
    refuse(
        "{ name = \"CIFAR-10\", train_images = 41 }",
        &["train_images is not in 1..=40"],
    );
    refuse(
        "{ name = \"CIFAR-10\", average_pool = 5 }",
        &["average_pool 5 does not divide"],
    );
    refuse("{ name = \"CIFAR-100\" }", &["CIFAR-100", "data get cifar100"]);
    refuse(
        &format!("{{ name = \"demo\", {} }}", own.replace("0.2470", "0.0")),
        &["std 0 is not in (0, 1]"],
    );
}

/// Images, by their shape and numbers, and labels.
fn read_probe(folder: &Folder, name: &str) -> (Vec<usize>, Vec<f32>, Vec<i64>) {
    let mut file = read_tensors(&folder.join(name)).unwrap();
    let ((shape, images), (_, labels)) = (
        file.take_f32("images").unwrap(),
        file.take_integers("labels").unwrap(),
    );
    file.finish().unwrap();
    (shape, images, labels)
}

/// Two pixels of a small folder by hand; every third image of it.
#[test]
fn probes_of_a_data_set_are_its_images_normalised() {
    let folder = Folder::new();
    write_small(&folder.join("d/cifar-10-batches-bin"), 12);
    let said = ok(&folder, "data probe cifar10 --data d --images 4 --out p");
    assert_eq!(
        said,
        "p: 4 images of 3 x 32 x 32, of the test images of files in the layout of CIFAR-10\n"
    );
    let (shape, images, labels) = read_probe(&folder, "p");
    assert_eq!((shape, labels), (vec![4, 3, 32, 32], vec![0, 3, 6, 9]));
    // CIFAR-10's means and deviations, red of the first image and blue of the second.
    let normalised = |byte: f64, mean: f64, std: f64| ((byte / 255.0 - mean) / std) as f32;
    assert!((images[0] - normalised(0.0, 0.4914, 0.2470)).abs() < 1e-6);
    assert!((images[3072 + 2048] - normalised(111.0, 0.4465, 0.2616)).abs() < 1e-6);
    let all = ok(
        &folder,
        "data probe CIFAR-10 --data d --data-name mine --part train --out p",
    );
    assert_eq!(
        all,
        "p: 60 images of 3 x 32 x 32, of the training images of mine\n"
    );
    std::os::unix::fs::symlink(
        folder.join("d/cifar-10-batches-bin/test_batch.bin"),
        folder.join("linked.bin"),
    )
    .unwrap();
    std::fs::create_dir_all(folder.join("runs/suites")).unwrap();
    std::fs::write(folder.join("runs/lock"), "").unwrap();
    for (line, code, says) in [
        (
            "data probe cifar10 --data d --images 13 --out p",
            1,
            "--images 13: there are 12",
        ),
        (
            "data probe cifar10 --data d --out linked.bin",
            2,
            "is there, and is no probe",
        ),
        ("data probe demo --out runs/p", 2, "holds results of a store"),
        (
            "data probe demo --out runs/suites/p",
            2,
            "holds results of a store",
        ),
        ("data probe cifar10 --out p", 1, "data get cifar10"),
        (
            "data probe cifar10 --data d --out d/cifar-10-batches-bin/test_batch.bin",
            2,
            "is there, and is no probe",
        ),
        ("data probe mnist --out p", 2, "\"mnist\" is no data set"),
        ("data probe 0123 --out p", 1, "0 nodes"),
    ] {
        refused(&folder, line, code, &[says]);
    }
}

/// Of the test images of a node a state's accuracy is the one that was recorded, to the image; of those it was trained on, labels are the wrong ones.
#[test]
fn probes_of_a_node_are_what_it_saw() {
    let folder = Folder::new();
    let recipe = crate::states::RECIPE
        .replace("train_images = 64", "train_images = 64, average_pool = 2")
        .replace(
            r#"split = "all""#,
            "split = \"all\"\nlabel_noise = { rate = 0.5, rule = \"derange\", seed = 3 }",
        )
        .replace("epochs = 3", "epochs = 1");
    std::fs::write(folder.join("r.toml"), recipe).unwrap();
    ok(&folder, "run r.toml");
    let nodes = ok(&folder, "ls");
    let id = |kind: &str| {
        let line = nodes.lines().find(|line| line.contains(kind)).unwrap();
        line.split_whitespace().next().unwrap().to_owned()
    };
    let trained = id(" train ");
    let line = format!("data probe {trained} --out p");
    assert!(ok(&folder, &line).ends_with(&format!("of the test images of node {trained}\n")));
    let measured = json(&folder, &format!("eval --weights {trained} --probe p"));
    let shown = json(&folder, &format!("show {trained}"));
    let recorded = &shown["metrics"][0];
    assert_eq!(measured["accuracy"], recorded["test_accuracy"]);
    let near = |of: &serde_json::Value| of.as_f64().unwrap();
    assert!((near(&measured["loss"]) - near(&recorded["test_loss"])).abs() < 1e-6);

    ok(&folder, &format!("data probe {trained} --part train --out wrong"));
    let (shape, _, wrong) = read_probe(&folder, "wrong");
    assert_eq!(shape, [64, 3, 8, 8]);
    ok(&folder, "data probe demo --part train --out right");
    let (whole, _, right) = read_probe(&folder, "right");
    assert_eq!(whole[1..], [3, 16, 16]);
    let n_wrong = wrong.iter().zip(&right).filter(|(a, b)| a != b).count();
    assert_eq!(n_wrong, 32);
    refused(
        &folder,
        &format!("data probe {} --out p", id(" init ")),
        1,
        &["does not train", "kind init"],
    );
    refused(
        &folder,
        &format!("data probe {trained}@1 --out p"),
        2,
        &["names a state, and data are of a node"],
    );
}
