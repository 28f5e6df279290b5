//! Mistakes made at every place of an SDL by rule: each is told once, and no secret is told with it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

use akash_sdl::{Severity, compile, render, to_yaml};
use serde_json::{Value, json};

fn base() -> Value {
    json!({
        "version": "2.0",
        "endpoints": {"myip": {"kind": "ip"}},
        "services": {
            "api": {
                "image": "example/api:1.2.3", "command": ["sh"], "args": ["x"], "env": ["MODE=prod"],
                "credentials": {"host": "ghcr.io", "username": "me", "password": "sesame"},
                "expose": [{"port": 8080, "to": [{"service": "web"}]}],
            },
            "web": {
                "image": "nginx:1.29.3",
                "expose": [
                    {"port": 80, "as": 80, "accept": ["example.com"], "to": [{"global": true}],
                     "http_options": {"max_body_size": 1000, "next_cases": ["error"]}},
                    {"port": 53, "as": 53, "proto": "udp", "to": [{"global": true, "ip": "myip"}]},
                ],
                "params": {"storage": {"data": {"mount": "/data", "readOnly": false}}},
            },
        },
        "profiles": {
            "compute": {
                "api": {"resources": {
                    "cpu": {"units": 0.5}, "memory": {"size": "512Mi"}, "storage": {"size": "1Gi"},
                    "gpu": {"units": 1, "attributes": {"vendor": {"nvidia": [{"model": "a100", "ram": "80Gi", "interface": "sxm"}]}}},
                }},
                "web": {"resources": {
                    "cpu": {"units": "100m", "attributes": {"arch": "amd64"}}, "memory": {"size": "1Gi"},
                    "storage": [{"size": "1Gi"}, {"name": "data", "size": "10Gi", "attributes": {"persistent": true, "class": "beta3"}}],
                }},
            },
            "placement": {"dcloud": {
                "attributes": {"host": "akash"}, "signedBy": {"anyOf": ["akash1365yvmc4s7awdyj3n2sav7xfx76adc6dnmlx63"]},
                "pricing": {"api": {"denom": "uact", "amount": 10000}, "web": {"denom": "uact", "amount": 1000.5}},
            }},
        },
        "deployment": {"api": {"dcloud": {"profile": "api", "count": 1}}, "web": {"dcloud": {"profile": "web", "count": 2}}},
        "reclamation": {"min_window": "24h"},
    })
}

/// JSON pointers to everything below the root.
fn pointers(value: &Value, at: &str, out: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        let pointer = format!("{at}/{}", key.replace('/', "~1"));
        out.push(pointer.clone());
        pointers(child, &pointer, out);
    }
}

/// The SDL with one mistake, and its name: another value at each place, nothing there, or a slip in its key.
fn mistakes() -> Vec<(String, Value)> {
    let base = base();
    let mut places = Vec::new();
    pointers(&base, "", &mut places);
    let mut all = Vec::new();
    for place in &places {
        for wrong in [json!("text"), json!(7), json!(-1), json!(["x"]), json!(null), json!({})] {
            let mut sdl = base.clone();
            *sdl.pointer_mut(place).unwrap() = wrong.clone();
            all.push((format!("{place} = {wrong}"), sdl));
        }
        let (parent, key) = place.rsplit_once('/').unwrap();
        let mut without = base.clone();
        match without.pointer_mut(parent).unwrap() {
            Value::Object(fields) => {
                let value = fields.remove(key).unwrap();
                if key.len() > 3 {
                    let mut misspelt = base.clone();
                    let fields = misspelt.pointer_mut(parent).unwrap().as_object_mut().unwrap();
                    fields.remove(key);
                    fields.insert(format!("{}{}", &key[..2], &key[3..]), value);
                    all.push((format!("{place} misspelt"), misspelt));
                }
            }
            Value::Array(items) => _ = items.remove(key.parse().unwrap()),
            _ => unreachable!(),
        }
        all.push((format!("{place} left out"), without));
    }
    all
}

#[test]
fn one_mistake_is_told_once() {
    assert!(compile(&to_yaml(&base())).diagnostics.is_empty());
    let mut often = Vec::new();
    let mistakes = mistakes();
    for (name, sdl) in &mistakes {
        let text = to_yaml(sdl);
        let compilation = compile(&text);
        assert_eq!(compilation.sdl.is_some(), compilation.errors().next().is_none(), "{name}");
        let told = compilation.diagnostics.iter().filter(|told| told.severity == Severity::Error).count();
        if told > 1 || told == 1 && compilation.diagnostics.len() > 1 {
            let said: Vec<String> = compilation.diagnostics.iter().map(ToString::to_string).collect();
            often.push(format!("{name}:\n  {}", said.join("\n  ")));
        }
    }
    assert!(mistakes.len() > 800);
    assert!(often.is_empty(), "{} of {}:\n{}", often.len(), mistakes.len(), often.join("\n"));
}

/// The same, with a secret in place of each text under `env` and `credentials`, and around them.
#[test]
fn no_message_tells_a_secret() {
    const SECRET: &str = "op3nsesame";
    let wrong = [
        json!(SECRET),
        json!([SECRET]),
        json!([[SECRET]]),
        json!({SECRET: SECRET}),
        json!([{SECRET: SECRET}]),
        json!([format!("{SECRET} x=1"), format!("1{SECRET}"), format!("A B={SECRET}"), format!("={SECRET}")]),
        json!({"host": SECRET, "user": SECRET, "pasword": SECRET}),
        json!([
            format!("${{{SECRET}}}={SECRET}"),
            format!("<{SECRET}>"),
            format!("{SECRET}/+=="),
            format!("{SECRET}: a")
        ]),
    ];
    let places =
        ["env", "env/0", "credentials", "credentials/password", "credentials/username", "credentials/host"];
    for place in places {
        for wrong in &wrong {
            let mut sdl = base();
            *sdl.pointer_mut(&format!("/services/api/{place}")).unwrap() = wrong.clone();
            let text = to_yaml(&sdl);
            for told in compile(&text).diagnostics {
                let all = format!("{told} {:?} {}", told.hint, render(&told, &text, "deploy.yaml"));
                assert!(!all.contains(SECRET), "{place} = {wrong}: {all}");
            }
        }
    }
}

/// An anchor on a secret, and an alias to it at every place of the SDL.
#[test]
fn no_message_tells_a_secret_of_an_anchor() {
    const SECRET: &str = "op3nsesame";
    const HERE: &str = "anchored";
    let mut places = Vec::new();
    pointers(&base(), "", &mut places);
    let password = "/services/api/credentials/password";
    for place in places.iter().filter(|place| !password.starts_with(*place)) {
        let mut sdl = base();
        *sdl.pointer_mut(place).unwrap() = json!(HERE);
        let text = to_yaml(&sdl);
        let (before, after) = text.split_once(HERE).unwrap();
        let text = match before.contains("password") {
            true => format!("{}*secret{after}", before.replace("sesame", &format!("&secret {SECRET}"))),
            // An anchor stands before its aliases.
            false => format!("{before}&secret {SECRET}{}", after.replace("sesame", "*secret")),
        };
        for told in compile(&text).diagnostics {
            let all = format!("{told} {:?} {}", told.hint, render(&told, &text, "deploy.yaml"));
            assert!(!all.contains(SECRET), "{place}: {all}");
        }
    }
}
