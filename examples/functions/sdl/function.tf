# An SDL built from typed values instead of a YAML file.
resource "akash_deployment" "web" {
  sdl = provider::akash::sdl({
    version = "2.0"
    services = {
      web = {
        image  = "nginx:1.27-alpine"
        expose = [{ port = 80, as = 80, to = [{ global = true }] }]
      }
    }
    profiles = {
      compute = {
        web = {
          resources = {
            cpu     = { units = 0.5 }
            memory  = { size = "256Mi" }
            storage = { size = "512Mi" }
          }
        }
      }
      placement = {
        anywhere = { pricing = { web = { denom = "uact", amount = 1000 } } }
      }
    }
    deployment = {
      web = { anywhere = { profile = "web", count = 1 } }
    }
  })
}
