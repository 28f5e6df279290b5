terraform {
  required_providers {
    akash = { source = "vaultmesh/akash" }
  }
}

provider "akash" {
  network = var.network # wallet from AKASH_MNEMONIC
}

variable "network" {
  description = "mainnet, sandbox, or devnet: the local network that `cargo xtask devnet` starts"
  type        = string
  default     = "devnet"
}

resource "akash_deployment" "web" {
  name   = "web"
  sdl    = file("${path.module}/web.yaml")
  reason = "first deployment"
}

resource "akash_lease" "web" {
  deployment = akash_deployment.web.id
  manifest   = akash_deployment.web.manifest
  select = {
    max_monthly_price = 60 # USD
    prefer            = "price"
  }
}

# The address of the service. Null when the provider reports no address.
output "url" {
  value = akash_lease.web.url
}

output "monthly_cost" {
  description = "USD"
  value       = akash_lease.web.cost.per_month
}
