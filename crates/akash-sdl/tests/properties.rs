//! Properties that hold for every input: nothing panics, work is bounded, and what does not change the meaning does not
//! change the hash.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code")]

use akash_sdl::{TEMPLATES, compile, compile_bytes, render, template, to_yaml};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// An SDL as an object; every part is optional or varies, so that many are refused.
fn sdl() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[a-z]{1,8}",
        "[A-Z]{1,4}=[a-z<>&\u{2028} ]{0,8}",
        Just("~".to_owned()),
        Just(String::new())
    ];
    let expose = (any::<u16>(), prop::option::of(1_u16..100), any::<bool>(), prop::option::of("[a-z]{1,5}"))
        .prop_map(|(port, external, global, service)| {
            json!({"port": port, "as": external, "to": [{"global": global, "service": service}]})
        });
    let service = (
        "[a-z]{1,6}:[0-9]",
        prop::option::of(prop::collection::vec(text, 0..4)),
        prop::collection::vec(expose, 0..4),
    )
        .prop_map(|(image, env, expose)| json!({"image": image, "env": env, "expose": expose}));
    let resources = (1_u32..4000, 1_u32..4000, prop::collection::vec(1_u32..100, 1..4)).prop_map(|(cpu, memory, volumes)| {
        let storage = volumes.iter().enumerate().map(|(at, size)| json!({"name": format!("v{at}"), "size": format!("{size}Mi")}));
        json!({"resources": {"cpu": {"units": format!("{cpu}m")}, "memory": {"size": format!("{memory}Mi")}, "storage": storage.collect::<Vec<_>>()}})
    });
    (
        prop::sample::select(vec!["2.0", "2.1"]),
        prop::collection::vec((service, resources, 1_u32..5), 1..5),
        1_u32..100_000,
    )
        .prop_map(|(version, services, amount)| {
            let (mut named, mut compute, mut pricing, mut deployment) =
                (Map::new(), Map::new(), Map::new(), Map::new());
            for (at, (service, resources, count)) in services.into_iter().enumerate() {
                // Two services a profile, so that 2.1 shares units.
                let profile = format!("p{}", at / 2);
                named.insert(format!("s{at}"), service);
                compute.insert(profile.clone(), resources);
                pricing.insert(profile.clone(), json!({"denom": "uact", "amount": amount}));
                deployment.insert(format!("s{at}"), json!({"dc": {"profile": profile, "count": count}}));
            }
            json!({
                "version": version, "services": named, "deployment": deployment,
                "profiles": {"compute": compute, "placement": {"dc": {"pricing": pricing}}},
            })
        })
}

/// The same object as flow YAML with its keys in another order: JSON, which is YAML but for U+2028, a line break there.
fn shuffled(value: &Value, seed: &mut u64) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().filter(|(_, value)| !value.is_null()).collect();
            for at in (1..fields.len()).rev() {
                *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                fields.swap(at, usize::try_from(*seed >> 33).unwrap() % (at + 1));
            }
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("\"{name}\": {}", shuffled(value, seed))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| shuffled(item, seed)).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string().replace('\u{2028}', "\\u2028"),
    }
}

proptest! {
    #[test]
    fn key_order_comments_and_style_change_nothing(object in sdl(), seed in any::<u64>()) {
        let block = to_yaml(&object);
        let plain = compile(&block);
        let mut seed = seed;
        let flow = compile(&shuffled(&object, &mut seed));
        prop_assert_eq!(&flow.sdl, &plain.sdl);
        // Only where a line is not part of a text of several lines.
        let commented: String = block.lines().map(|line| format!("{line}  # a comment\n\n")).collect();
        prop_assert_eq!(&compile(&format!("# first\n{commented}")).sdl, &plain.sdl);
        prop_assert_eq!(&compile(&block.replace('\n', "\r\n")).sdl, &plain.sdl);
        prop_assert_eq!(&compile(&format!("\u{feff}{block}")).sdl, &plain.sdl);
        prop_assert_eq!(plain.sdl.is_some(), plain.errors().next().is_none());
        if let Some(sdl) = plain.sdl {
            let manifest: akash_sdl::Manifest = serde_json::from_str(&sdl.manifest.canonical_json()).unwrap();
            prop_assert_eq!(&manifest, &sdl.manifest);
            // The canonical text is what sorting and escaping by hand give.
            let sorted: Value = serde_json::to_value(&sdl.manifest).unwrap();
            let escaped = sorted.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
                .replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
            prop_assert_eq!(sdl.manifest.canonical_json(), escaped);
            for group in &sdl.groups {
                let back = akash_sdl::Group::from_proto(&group.to_proto()).unwrap();
                // The chain keeps null and empty no further apart.
                prop_assert_eq!(&back.resources, &group.resources);
                let json: akash_sdl::Group = serde_json::from_value(serde_json::to_value(group).unwrap()).unwrap();
                prop_assert_eq!(&json, group);
            }
            prop_assert_eq!(akash_sdl::diff_sdl(&sdl, &sdl), akash_sdl::Change::default());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let compilation = compile_bytes(&bytes);
        prop_assert_eq!(compilation.sdl.is_some(), compilation.errors().next().is_none());
    }

    #[test]
    fn arbitrary_yaml_never_panics(text in "[a-z0-9:\\- \n\t\"'\\[\\]{},&*!|>#%@~.<]{0,200}") {
        let compilation = compile(&text);
        for diagnostic in &compilation.diagnostics {
            render(diagnostic, &text, "x");
        }
    }

    /// A valid SDL with one piece cut out, doubled or replaced: near what people write.
    #[test]
    fn damaged_templates_never_panic(
        which in 0..TEMPLATES.len(), from in any::<prop::sample::Index>(), len in 0_usize..60, insert in "[ -~\n\t]{0,12}",
    ) {
        let text = template(TEMPLATES[which].name, &Default::default()).unwrap();
        let from = from.index(text.len());
        let to = (from + len).min(text.len());
        let damaged = format!("{}{insert}{}", &text[..from], &text[to..]);
        let compilation = compile(&damaged);
        prop_assert_eq!(compilation.sdl.is_some(), compilation.errors().next().is_none());
        for diagnostic in &compilation.diagnostics {
            render(diagnostic, &damaged, "x");
        }
    }
}

/// Each of these is answered with an error, and soon: the test would not end otherwise.
#[test]
fn hostile_texts_are_refused() {
    let web = template("web", &Default::default()).unwrap();
    let mut laughs = String::from("version: \"2.0\"\nx: &a0 [x]\n");
    for at in 1..60 {
        laughs.push_str(&format!("y{at}: &a{at} [{}]\n", vec![format!("*a{}", at - 1); 10].join(", ")));
    }
    let services: String = (0..2000).map(|at| format!("  s{at}: *web\n")).collect();
    let to = vec!["*t"; 1000].join(", ");
    let expose = vec!["*e"; 1000].join(", ");
    let aliases = format!(
        "version: \"2.0\"\nendpoints:\n  t: &t {{service: x}}\n  to: &to [{to}]\n  e: &e {{port: 80, to: *to}}\n  x: &x [{expose}]\nservices:\n  web: &web {{image: x, expose: *x}}\n{services}"
    );
    let merges: String = (1..5000).map(|at| format!("  a{at}: &a{at} {{<<: *a{}}}\n", at - 1)).collect();
    let texts: Vec<(&str, String)> = vec![
        ("100 MB", "a".repeat(100 << 20)),
        ("just under the bound, one text", format!("version: {}", "9".repeat((4 << 20) - 100))),
        ("deep flow", "[".repeat(3 << 20)),
        ("deep flow mappings", "{a: ".repeat(1 << 20)),
        ("deep blocks", (0..1500).map(|at| format!("{}a:\n", " ".repeat(at))).collect()),
        ("many dashes", "- ".repeat(1 << 20)),
        ("billion laughs", laughs),
        ("aliases of aliases", aliases),
        ("merges of merges", format!("version: \"2.0\"\nservices:\n  a0: &a0 {{}}\n{merges}")),
        ("NUL", web.replace("nginx", "ngi\0nx")),
        ("a huge number", web.replace("port: 80", &format!("port: {}", "9".repeat(100_000)))),
        ("a huge amount", web.replace("amount: 10000", &format!("amount: {}", "9".repeat(100_000)))),
        ("a huge exponent", web.replace("size: 512Mi", "size: 1e999999999")),
        ("many quoted lines at the left", format!("a:\n  b: [{}]", "\"x\ny\", ".repeat(100_000))),
        ("many comments after quotes", "a: \"x\"#y\n".repeat(100_000)),
        ("many duplicate keys", "a: 1\n".repeat(100_000)),
        (
            "many errors",
            format!(
                "version: \"2.0\"\nservices:\n{}",
                (0..100_000).map(|at| format!("  s{at}: []\n")).collect::<String>()
            ),
        ),
        (
            "many names that are not there",
            format!(
                "version: \"2.0\"\nservices:\n{}deployment:\n{}",
                (0..50_000).map(|at| format!("  s{at}: {{}}\n")).collect::<String>(),
                (0..50_000).map(|at| format!("  t{at}: {{d: {{profile: p{at}}}}}\n")).collect::<String>()
            ),
        ),
        (
            "many volumes",
            web.replace(
                "          size: 1Gi",
                &(0..50_000)
                    .map(|at| format!("          - {{name: n{at}, size: 1Gi}}\n"))
                    .collect::<String>(),
            ),
        ),
        ("empty", String::new()),
        ("only comments", "# nothing\n".into()),
        ("a scalar", "version".into()),
        ("a list", "[version]".into()),
    ];
    for (name, text) in texts {
        let compilation = compile(&text);
        assert!(compilation.sdl.is_none(), "{name}");
        assert!(compilation.errors().next().is_some(), "{name}");
        assert!(compilation.diagnostics.len() <= 201, "{name}: {}", compilation.diagnostics.len());
        for diagnostic in compilation.diagnostics.iter().take(3) {
            assert!(render(diagnostic, &text, "x").len() < 2000, "{name}");
        }
    }
    assert!(compile_bytes(b"version: \xff").sdl.is_none());
    assert!(compile_bytes(b"\xff\xfea\0b").sdl.is_none());
}

#[test]
fn utf_16_is_read() {
    let web = template("web", &Default::default()).unwrap();
    let little: Vec<u8> =
        [0xFF, 0xFE].into_iter().chain(web.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let big: Vec<u8> =
        [0xFE, 0xFF].into_iter().chain(web.encode_utf16().flat_map(u16::to_be_bytes)).collect();
    let expected = compile(&web);
    assert!(expected.sdl.is_some());
    assert_eq!(compile_bytes(&little), expected);
    assert_eq!(compile_bytes(&big), expected);
}

#[test]
fn debug_shows_no_secret() {
    let text = template("web", &[("env".to_owned(), "TOKEN=sesame".to_owned())].into()).unwrap();
    let text = text.replace("    image:", "    args: [sesame]\n    command: [sesame]\n    credentials: {host: h, username: sesame, password: sesame}\n    image:");
    let sdl = compile(&text).sdl.unwrap();
    assert!(sdl.manifest.canonical_json().contains("sesame"));
    assert!(!format!("{sdl:?}").contains("sesame"));
    let broken = text.replace("TOKEN=", "TO KEN=");
    for diagnostic in compile(&broken).diagnostics {
        assert!(!render(&diagnostic, &broken, "x").contains("sesame"), "{diagnostic:?}");
    }
}

/// What a provider reads back has the same common form as what was sent, and nothing else has.
#[test]
fn common_form_is_what_survives_reading_back() {
    let text = template("wordpress", &Default::default()).unwrap();
    let text = text.replace("    image: wordpress", "    args: []\n    image: wordpress");
    let sdl = compile(&text).sdl.unwrap();
    let group = &sdl.manifest.0[0];
    let mut read_back = serde_json::to_value(group).unwrap();
    for service in read_back["services"].as_array_mut().unwrap() {
        service["resources"]["endpoints"] = Value::Null;
        if service["args"] == json!([]) {
            service["args"] = Value::Null;
        }
    }
    let read: akash_sdl::ManifestGroup = serde_json::from_value(read_back).unwrap();
    assert_ne!(&read, group);
    assert_eq!(akash_sdl::common_form(&read), akash_sdl::common_form(group));
    let mut other = group.clone();
    other.services[0].image.push('x');
    assert_ne!(akash_sdl::common_form(&other), akash_sdl::common_form(group));
}
