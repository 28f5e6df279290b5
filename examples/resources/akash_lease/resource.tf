resource "akash_deployment" "web" {
  sdl = file("web.yaml")
}

# The cheapest bid under 60 USD a month of any provider but one.
resource "akash_lease" "web" {
  deployment = akash_deployment.web.id
  manifest   = akash_deployment.web.manifest

  select = {
    max_monthly_price = 60
    prefer            = "price"
    deny              = ["akash1x3zr9d4zggd92ep0ldrk7u63pl5j43sxuph5mr"]
    settle            = "20s" # collect bids for so long after the first one
    timeout           = "5m"
  }
}

output "url" {
  value = akash_lease.web.url # null when the provider reports no address
}

output "forwarded_ports" {
  value = akash_lease.web.ports
}

# What was done and paid, with the transactions that prove it. Nothing in receipts is secret: they are declared
# sensitive so that plans stay short.
output "receipts" {
  value = [for receipt in nonsensitive(akash_lease.web.receipts) : jsondecode(receipt)]
}
