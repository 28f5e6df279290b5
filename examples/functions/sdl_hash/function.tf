output "hash" {
  value = provider::akash::sdl_hash(file("web.yaml"))
}
