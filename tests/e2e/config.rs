//! Texts of configurations and SDL files that cases are made of. Prices are far above what a real provider asks, and
//! no case limits them.

/// What every configuration begins with. Network and wallet come from the environment.
pub(crate) const HEAD: &str = r#"terraform {
  required_providers {
    akash = { source = "vaultmesh/akash" }
  }
}

provider "akash" {}
"#;

/// The quickstart's SDL with something changed.
#[derive(Clone)]
pub(crate) struct Sdl {
    pub(crate) image: &'static str,
    pub(crate) cpu: &'static str,
    pub(crate) memory: &'static str,
    pub(crate) price: u32,
    pub(crate) denom: &'static str,
    /// Lines below `env:`, as they stand in the list.
    pub(crate) env: &'static [&'static str],
    /// Host names of the expose.
    pub(crate) accept: &'static [&'static str],
    /// Put at the file's head.
    pub(crate) comment: &'static str,
    /// Names of placements; each is a group with the same service profile.
    pub(crate) placements: &'static [&'static str],
}

impl Default for Sdl {
    fn default() -> Self {
        Sdl {
            image: "nginx:1.27-alpine",
            cpu: "0.5",
            memory: "256Mi",
            price: 1000,
            denom: "uact",
            env: &[],
            accept: &[],
            comment: "",
            placements: &["anywhere"],
        }
    }
}

impl Sdl {
    pub(crate) fn text(&self) -> String {
        let list = |key: &str, items: &[&str], indent: &str| match items {
            [] => String::new(),
            _ => {
                let items: String = items.iter().map(|item| format!("{indent}  - {item}\n")).collect();
                format!("{indent}{key}:\n{items}")
            }
        };
        let Sdl { image, cpu, memory, price, denom, comment, .. } = self;
        let mut text = String::new();
        if !comment.is_empty() {
            text.push_str(&format!("# {comment}\n"));
        }
        text.push_str("version: \"2.0\"\nservices:\n");
        let service = |placement: &str| match self.placements {
            [_] => "web".to_owned(),
            _ => format!("web-{placement}"),
        };
        for placement in self.placements {
            text.push_str(&format!("  {}:\n    image: {image}\n", service(placement)));
            text.push_str(&list("env", self.env, "    "));
            text.push_str("    expose:\n      - port: 80\n        as: 80\n");
            text.push_str(&list("accept", self.accept, "        "));
            text.push_str("        to:\n          - global: true\n");
        }
        text.push_str(&format!(
            "profiles:\n  compute:\n    web:\n      resources:\n        cpu:\n          units: {cpu}\n        \
             memory:\n          size: {memory}\n        storage:\n          size: 512Mi\n  placement:\n"
        ));
        for placement in self.placements {
            text.push_str(&format!(
                "    {placement}:\n      pricing:\n        web:\n          denom: {denom}\n          amount: {price}\n"
            ));
        }
        text.push_str("deployment:\n");
        for placement in self.placements {
            let service = service(placement);
            text.push_str(&format!("  {service}:\n    {placement}:\n      profile: web\n      count: 1\n"));
        }
        text
    }
}

/// A deployment `web` of `web.yaml` with these further arguments.
pub(crate) fn deployment(arguments: &str) -> String {
    format!("{HEAD}\nresource \"akash_deployment\" \"web\" {{\n  sdl = file(\"web.yaml\")\n{arguments}\n}}\n")
}

/// The same with a lease `web` and these further arguments of it, and the lease's address as an output.
pub(crate) fn web(deployment_arguments: &str, lease_arguments: &str) -> String {
    format!(
        r#"{}
resource "akash_lease" "web" {{
  deployment = akash_deployment.web.id
  manifest   = akash_deployment.web.manifest
{lease_arguments}
}}

output "url" {{ value = akash_lease.web.url }}
"#,
        deployment(deployment_arguments)
    )
}

/// Address of the deployment of [`web`].
pub(crate) const DEPLOYMENT: &str = "akash_deployment.web";
/// Address of the lease of [`web`].
pub(crate) const LEASE: &str = "akash_lease.web";
