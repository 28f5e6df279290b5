//! A provider with one resource that greets. `terraform` and `tofu` apply it in the tests.
use tfplugin::*;

struct Hello;
impl Provider for Hello {
    type Config = ();
    fn name(&self) -> &str {
        "hello"
    }
    fn resources(&self) -> Vec<Box<dyn DynResource>> {
        vec![resource(Greeting::default())]
    }
}

/// A greeting.
#[derive(Default, Model)]
struct Greeting {
    /// Who is greeted.
    #[model(required, replace)]
    name: Value<String>,
    #[model(computed)]
    text: Value<String>,
}

#[async_trait]
impl Resource for Greeting {
    type Model = Self;
    type Private = ();
    type Identity = NoIdentity;
    fn type_name(&self) -> &'static str {
        "hello_greeting"
    }
    fn schema(&self) -> Schema {
        <Self as Model>::schema()
    }
    async fn create(&self, _: &Context, create: Create<Self>, _: &mut Diagnostics) -> Option<Saved<Self>> {
        let text = create.planned.name.clone().map(|name| format!("Hello, {name}!"));
        Some(Saved { state: Self { text, ..create.planned }, private: () })
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
