//! Ready SDLs with variables.
//!
//! Passwords and tokens stand in them as `${secret.NAME}`, which the provider fills in from its `secrets` argument. This
//! file must not know what a variable means: the texts under `templates/` do.

use std::collections::BTreeMap;

use crate::{compile, emit, render};

/// A ready SDL.
#[derive(Debug, Clone, Copy)]
pub struct Template {
    /// Name, for example `web`.
    pub name: &'static str,
    /// One sentence.
    pub description: &'static str,
    /// What can be set.
    pub variables: &'static [Variable],
    /// Names of the `${secret.NAME}` placeholders in it.
    pub secrets: &'static [&'static str],
    text: &'static str,
}

/// A variable of a template.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Name, for example `image`.
    pub name: &'static str,
    /// What it is when not set.
    pub default: &'static str,
    /// One sentence, with the unit.
    pub description: &'static str,
}

const fn var(name: &'static str, default: &'static str, description: &'static str) -> Variable {
    Variable { name, default, description }
}

const fn image(default: &'static str) -> Variable {
    var("image", default, "Container image with its tag.")
}

const fn cpu(default: &'static str) -> Variable {
    var("cpu", default, "CPUs of one replica: `0.5`, or `500m`.")
}

const fn memory(default: &'static str) -> Variable {
    var("memory", default, "Memory of one replica: `512Mi`, `2Gi`.")
}

const fn storage(default: &'static str) -> Variable {
    var("storage", default, "Disk of one replica, or of its persistent volume: `10Gi`.")
}

const fn price(default: &'static str) -> Variable {
    var(
        "price",
        default,
        "Most that one replica may cost per block, in uact: 1 uact a block is about 0.44 USD a month.",
    )
}

const ENV: Variable = var("env", "", "More env variables: `NAME=value`, one a line.");
const PORT: &str = "Port that the container listens on; it is served as HTTP.";
const COUNT: Variable = var("count", "1", "Replicas.");
const CLASS: Variable =
    var("storage_class", "beta3", "Class of the persistent volume: beta1 (HDD), beta2 (SSD), beta3 (NVMe).");
const GPU: Variable = var("gpu", "1", "GPUs of one replica.");
const GPU_MODEL: Variable = var("gpu_model", "*", "Model of the nvidia GPU, for example `a100`; `*` is any.");

/// Every template.
pub const TEMPLATES: &[Template] = &[
    Template {
        name: "web",
        description: "One container served over HTTP.",
        variables: &[
            image("nginx:1.29.3"),
            var("port", "80", PORT),
            ENV,
            cpu("0.5"),
            memory("512Mi"),
            storage("1Gi"),
            COUNT,
            price("10000"),
        ],
        secrets: &[],
        text: include_str!("../templates/web.yaml"),
    },
    Template {
        name: "gpu",
        description: "One container with an nvidia GPU, served over HTTP (by default Ollama).",
        variables: &[
            image("ollama/ollama:0.13.4"),
            var("port", "11434", PORT),
            ENV,
            cpu("4"),
            memory("16Gi"),
            storage("50Gi"),
            GPU,
            GPU_MODEL,
            COUNT,
            price("100000"),
        ],
        secrets: &[],
        text: include_str!("../templates/gpu.yaml"),
    },
    Template {
        name: "postgres",
        description: "PostgreSQL with a persistent volume, reachable at a port that the provider draws.",
        variables: &[
            image("postgres:17.6"),
            var("user", "postgres", "Name of the superuser."),
            var("database", "postgres", "Name of the database."),
            ENV,
            cpu("1"),
            memory("1Gi"),
            storage("10Gi"),
            CLASS,
            price("10000"),
        ],
        secrets: &["POSTGRES_PASSWORD"],
        text: include_str!("../templates/postgres.yaml"),
    },
    Template {
        name: "redis",
        description: "Redis with a persistent volume and a password, reachable at a port that the provider draws.",
        variables: &[
            image("redis:8.2.1"),
            ENV,
            cpu("0.5"),
            memory("512Mi"),
            storage("5Gi"),
            CLASS,
            price("10000"),
        ],
        secrets: &["REDIS_PASSWORD"],
        text: include_str!("../templates/redis.yaml"),
    },
    Template {
        name: "wordpress",
        description: "WordPress over HTTP with MariaDB beside it, both with persistent volumes.",
        variables: &[
            image("wordpress:6.8.3-php8.3-apache"),
            var("db_image", "mariadb:11.8.3", "Image of the database."),
            ENV,
            cpu("1"),
            memory("1Gi"),
            storage("10Gi"),
            CLASS,
            price("10000"),
        ],
        secrets: &["DB_PASSWORD"],
        text: include_str!("../templates/wordpress.yaml"),
    },
    Template {
        name: "ssh",
        description: "A machine to log in to as root with an SSH key, at a port that the provider draws.",
        variables: &[
            image("ubuntu:24.04"),
            var(
                "public_key",
                "${secret.SSH_PUBLIC_KEY}",
                "Public key that may log in, as in `authorized_keys`.",
            ),
            ENV,
            cpu("1"),
            memory("1Gi"),
            storage("10Gi"),
            price("10000"),
        ],
        secrets: &["SSH_PUBLIC_KEY"],
        text: include_str!("../templates/ssh.yaml"),
    },
    Template {
        name: "llm-inference",
        description: "A language model behind an OpenAI-compatible API (vLLM), with a persistent volume for the weights.",
        variables: &[
            image("vllm/vllm-openai:v0.11.0"),
            var("model", "Qwen/Qwen3-8B", "Model on Hugging Face."),
            var("max_model_len", "16384", "Longest context, in tokens."),
            ENV,
            cpu("8"),
            memory("32Gi"),
            storage("60Gi"),
            CLASS,
            GPU,
            GPU_MODEL,
            price("200000"),
        ],
        secrets: &["HF_TOKEN", "VLLM_API_KEY"],
        text: include_str!("../templates/llm-inference.yaml"),
    },
];

/// Why a template can't be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No template of that name.
    #[error("there is no SDL template named `{name}`; there are: {}", names())]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The template has no such variable.
    #[error("the SDL template `{name}` has no variable `{variable}`; it has: {}", variables(name))]
    Variable {
        /// The template.
        name: &'static str,
        /// What was set.
        variable: String,
    },
    /// With these values the SDL is not valid.
    #[error("the SDL template `{name}` is not valid with these values:\n{errors}")]
    Invalid {
        /// The template.
        name: &'static str,
        /// Rendered errors.
        errors: String,
    },
}

fn names() -> String {
    TEMPLATES.iter().map(|template| template.name).collect::<Vec<_>>().join(", ")
}

fn variables(name: &str) -> String {
    let template = TEMPLATES.iter().find(|template| template.name == name);
    let variables = template.into_iter().flat_map(|template| template.variables);
    variables.map(|variable| variable.name).collect::<Vec<_>>().join(", ")
}

/// The SDL of template `name` with `vars` filled in; a variable that is not set has its default. The result is valid.
pub fn template(name: &str, vars: &BTreeMap<String, String>) -> Result<String, TemplateError> {
    let template = TEMPLATES.iter().find(|template| template.name == name);
    let template = template.ok_or_else(|| TemplateError::Unknown { name: name.into() })?;
    let known = |variable: &str| template.variables.iter().any(|known| known.name == variable);
    if let Some(variable) = vars.keys().find(|variable| !known(variable)) {
        return Err(TemplateError::Variable { name: template.name, variable: variable.clone() });
    }
    let mut text = String::with_capacity(template.text.len() + 256);
    for line in template.text.lines() {
        fill(line, template, vars, &mut text);
    }
    let compilation = compile(&text);
    if compilation.sdl.is_none() {
        let errors: Vec<String> =
            compilation.errors().map(|error| render(error, &text, template.name)).collect();
        return Err(TemplateError::Invalid { name: template.name, errors: errors.join("\n\n") });
    }
    Ok(text)
}

/// A line holds at most one placeholder `{{name}}`, at its end. What stands before it in the same value (`USER={{user}}`)
/// is quoted together with it.
fn fill(line: &str, template: &Template, vars: &BTreeMap<String, String>, out: &mut String) {
    let placeholder =
        line.split_once("{{").and_then(|(before, rest)| Some((before, rest.strip_suffix("}}")?)));
    let variable =
        placeholder.and_then(|(_, name)| template.variables.iter().find(|variable| variable.name == name));
    let (Some((before, name)), Some(variable)) = (placeholder, variable) else {
        out.push_str(line);
        out.push('\n');
        return;
    };
    let value = vars.get(name).map_or(variable.default, String::as_str);
    // The value begins after the key or the dash.
    let at = before
        .find(": ")
        .map(|at| at + 2)
        .or_else(|| before.find("- ").map(|at| at + 2))
        .unwrap_or(before.len());
    let (key, prefix) = before.split_at_checked(at).unwrap_or((before, ""));
    if name == ENV.name {
        let items = value.lines().map(str::trim).filter(|item| !item.is_empty());
        if key.trim_start().starts_with('-') {
            items.for_each(|item| out.push_str(&format!("{key}{}\n", emit::text(item))));
        } else {
            // Quoted: inside brackets more characters mean something.
            let items: Vec<String> = items.map(emit::quote).collect();
            if !items.is_empty() {
                out.push_str(&format!("{key}[{}]\n", items.join(", ")));
            }
        }
        return;
    }
    // Ports, counts and amounts are numbers: quoted, the network refuses them. Digits in a text field may stand bare too.
    let digits = prefix.is_empty() && !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let value = if digits { value.to_owned() } else { emit::text(&format!("{prefix}{value}")) };
    out.push_str(&format!("{key}{value}\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_template_is_valid_without_warnings() {
        for entry in TEMPLATES {
            let text = template(entry.name, &BTreeMap::new()).unwrap();
            let compilation = compile(&text);
            assert_eq!(compilation.diagnostics, [], "{}\n{text}", entry.name);
            let sdl = compilation.sdl.unwrap();
            assert!(sdl.groups.iter().all(|group| group.max_price().unwrap().denom == "uact"));
            for secret in entry.secrets {
                assert!(text.contains(&format!("${{secret.{secret}}}")), "{}: {secret}", entry.name);
            }
            assert_eq!(text.matches("${secret.").count() > 0, !entry.secrets.is_empty());
            assert!(!text.contains("{{"), "{text}");
        }
    }

    #[test]
    fn every_variable_changes_the_sdl() {
        for entry in TEMPLATES {
            let plain = template(entry.name, &BTreeMap::new()).unwrap();
            for variable in entry.variables {
                let value = match variable.name {
                    "env" => "A=b\nC=\"d\": e",
                    "storage_class" => "beta2",
                    "memory" | "storage" => "7Gi",
                    "gpu_model" => "a100",
                    name if name.ends_with("image") => "example/image:1",
                    _ => "7",
                };
                let text = template(entry.name, &vars(&[(variable.name, value)])).unwrap();
                assert_ne!(text, plain, "{}: {}", entry.name, variable.name);
                let sdl = compile(&text).sdl.unwrap();
                assert_ne!(Some(sdl), compile(&plain).sdl, "{}: {}", entry.name, variable.name);
            }
        }
    }

    #[test]
    fn values_are_no_yaml() {
        let text =
            template("web", &vars(&[("image", "x\n    command: [evil]"), ("env", "A=b: c #d\nB=\"'")]))
                .unwrap();
        let sdl = compile(&text).sdl.unwrap();
        let service = &sdl.manifest.0[0].services[0];
        assert_eq!((service.image.as_str(), &service.command), ("x\n    command: [evil]", &None));
        assert_eq!(service.env, Some(vec!["A=b: c #d".into(), "B=\"'".into()]));
    }

    #[test]
    fn errors() {
        let error = template("nope", &BTreeMap::new()).unwrap_err().to_string();
        assert_eq!(
            error,
            "there is no SDL template named `nope`; there are: web, gpu, postgres, redis, wordpress, ssh, llm-inference"
        );
        let error = template("redis", &vars(&[("gpu", "1")])).unwrap_err().to_string();
        assert!(error.contains("no variable `gpu`; it has: image, env"), "{error}");
        let error = template("web", &vars(&[("memory", "2GB")])).unwrap_err().to_string();
        assert!(error.contains("did you mean `2Gi`?"), "{error}");
    }
}
