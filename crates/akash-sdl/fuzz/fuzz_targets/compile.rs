//! Any bytes: no panic, a verdict that agrees with the diagnostics, and what is accepted reads back and hashes the same.
#![no_main]

use akash_sdl::{Group, Manifest, compile_bytes, diff_sdl, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let compilation = compile_bytes(bytes);
    assert_eq!(compilation.sdl.is_some(), compilation.errors().next().is_none());
    let text = String::from_utf8_lossy(bytes);
    for diagnostic in &compilation.diagnostics {
        render(diagnostic, &text, "fuzz.yaml");
    }
    let Some(sdl) = compilation.sdl else { return };
    let manifest: Manifest = serde_json::from_str(&sdl.manifest.canonical_json()).expect("canonical JSON reads back");
    assert_eq!(manifest.hash(), sdl.hash());
    for group in &sdl.groups {
        let back = Group::from_proto(&group.to_proto()).expect("group message reads back");
        assert_eq!(back.resources, group.resources);
    }
    let change = diff_sdl(&sdl, &sdl);
    assert!(change.replace.is_empty() && change.market.is_empty());
});
