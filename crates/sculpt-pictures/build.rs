//! Compiles `src/jpeg.c` against the headers of mozjpeg-sys, and says loudly when that was built without its fast half.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-changed=src/jpeg.c");
    let include = env::var_os("DEP_JPEG_INCLUDE").expect("mozjpeg-sys says where its headers are");
    let folders: Vec<PathBuf> = env::split_paths(&include).collect();
    cc::Build::new()
        .includes(&folders)
        .file("src/jpeg.c")
        .warnings(true)
        .compile("sculpt_jpeg");

    // mozjpeg-sys goes on without it, and cargo shows no warnings of packages from a registry.
    let is_fast = folders.iter().any(|folder| {
        let config = folder.join("jconfig.h");
        std::fs::read_to_string(config).is_ok_and(|text| text.contains("#define WITH_SIMD 1"))
    });
    if !is_fast {
        println!(
            "cargo:warning=JPEG is decoded at about two thirds of the speed: there was no nasm to assemble its fast half with. \
             Install nasm (apt-get install nasm), then `cargo clean --release -p mozjpeg-sys` and build again"
        );
    }
}
