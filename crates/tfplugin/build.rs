//! Generates the messages and services of the plugin protocol from our own .proto files.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    let files = [
        "tfplugin6.proto",
        "plugin/controller.proto",
        "plugin/stdio.proto",
        "plugin/broker.proto",
        "grpc_health.proto",
    ];
    for file in files {
        println!("cargo:rerun-if-changed={}", root.join(file).display());
    }
    let descriptors = protox::compile(files, [&root])?;
    // For the test that compares it with the protocol's numbers.
    let out = std::env::var("OUT_DIR")?;
    std::fs::write(
        Path::new(&out).join("descriptors.bin"),
        protox::prost::Message::encode_to_vec(&descriptors),
    )?;
    // Every RPC of a service has a default answer, UNIMPLEMENTED.
    tonic_prost_build::configure()
        .build_transport(false)
        .generate_default_stubs(true)
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
