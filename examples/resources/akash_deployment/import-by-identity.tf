import {
  to = akash_deployment.web
  identity = {
    dseq = "4711" # owner is the wallet unless it is given
  }
}
