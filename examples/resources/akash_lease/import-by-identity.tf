import {
  to = akash_lease.web
  identity = {
    dseq = "4711" # owner is the wallet unless it is given
    gseq = 1
  }
}
