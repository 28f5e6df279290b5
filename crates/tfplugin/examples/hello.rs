//! A provider with one resource that greets. `terraform` and `tofu` apply it in the tests.
use serde::{Deserialize, Serialize};
use tfplugin::*;

struct Hello;
struct Greeting;

#[async_trait]
impl Provider for Hello {
    type Config = ();
    fn name(&self) -> &str {
        "hello"
    }
    fn schema(&self) -> Schema {
        Schema::new("Greets.")
    }
    async fn configure(&self, _: &Context, (): (), _: ClientInfo, _: &mut Diagnostics) {}
    fn resources(&self) -> Vec<Box<dyn DynResource>> {
        vec![resource(Greeting)]
    }
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Model {
    name: Value<String>,
    text: Value<String>,
}

#[async_trait]
impl Resource for Greeting {
    type Model = Model;
    type Private = ();
    type Identity = NoIdentity;
    fn type_name(&self) -> &'static str {
        "hello_greeting"
    }
    fn schema(&self) -> Schema {
        let name = Attribute::string().required().requires_replace().description("Who is greeted.");
        Schema::new("A greeting.").attribute("name", name).attribute("text", Attribute::string().computed())
    }
    async fn create(&self, _: &Context, create: Create<Self>, _: &mut Diagnostics) -> Option<Saved<Self>> {
        let name = create.planned.name;
        let text = Value::Known(format!("Hello, {}!", name.as_deref().unwrap_or_default()));
        Some(Saved { state: Model { name, text }, private: () })
    }
    async fn read(&self, _: &Context, read: Read<Self>, _: &mut Diagnostics) -> Option<Saved<Self>> {
        Some(Saved { state: read.state, private: () })
    }
    async fn update(&self, _: &Context, update: Update<Self>, _: &mut Diagnostics) -> Saved<Self> {
        Saved { state: update.planned, private: () }
    }
    async fn delete(&self, _: &Context, _: Delete<Self>, _: &mut Diagnostics) {}
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    serve(Hello, ServeOptions { source: "test/hello".into(), version: "0.0.1".into() }).await
}
