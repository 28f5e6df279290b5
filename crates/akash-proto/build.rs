//! Generates the Rust messages, clients and servers from `proto/` with protox, so that no `protoc` is needed.

use std::{env, error::Error, fs, path::Path, path::PathBuf};

/// Every `.proto` file under `dir`, sorted so that the generated code does not depend on the file system's order.
fn proto_files(dir: &Path, found: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    let mut entries: Vec<_> = fs::read_dir(dir)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            proto_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    let mut files = Vec::new();
    for area in ["akash", "cosmos", "tendermint"] {
        println!("cargo:rerun-if-changed={}", root.join(area).display());
        proto_files(&root.join(area), &mut files)?;
    }
    let descriptors = protox::compile(&files, [&root])?;
    fs::write(
        Path::new(&env::var("OUT_DIR")?).join("descriptors.bin"),
        protox::prost::Message::encode_to_vec(&descriptors),
    )?;
    let mut messages = prost_build::Config::new();
    messages.enable_type_names();
    tonic_prost_build::configure()
        .build_transport(false)
        .include_file("protos.rs")
        .compile_fds_with_config(descriptors, messages)?;
    Ok(())
}
