resource "akash_deployment" "web" {
  sdl = provider::akash::sdl_template("web", {
    image = "nginx:1.27-alpine"
    price = "1000"
  })
}
