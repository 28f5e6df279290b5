check "sdl" {
  assert {
    condition     = length(provider::akash::sdl_validate(file("web.yaml")).warnings) == 0
    error_message = "web.yaml has warnings"
  }
}
