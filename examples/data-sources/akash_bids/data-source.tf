resource "akash_deployment" "web" {
  sdl = file("web.yaml")
}

# Waits for bids while the order is young, then lists them, cheapest first.
data "akash_bids" "web" {
  deployment = akash_deployment.web.id
  wait       = "1m"
}

output "offers" {
  value = [for bid in data.akash_bids.web.bids : {
    provider = bid.provider
    monthly  = bid.monthly_price
  }]
}
