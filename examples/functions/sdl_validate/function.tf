locals {
  verdict = provider::akash::sdl_validate(file("web.yaml"))
}

check "sdl" {
  assert {
    condition     = local.verdict.valid && length(local.verdict.warnings) == 0
    error_message = join("\n", [for d in concat(local.verdict.errors, local.verdict.warnings) : "line ${d.line}: ${d.message}"])
  }
}
