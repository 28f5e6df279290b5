output "usd_a_month" {
  value = provider::akash::monthly_price("27.5")
}
