# The documents are what `firelane bootstrap -c deploy/compose/fluent-bit.conf --file FOLDER` writes, and what a person without Terraform
# applies by curl. Here they get the service's indices, days and shards, and lose firelane's mark: a router with
# firelane_bootstrap On leaves them alone.

locals {
  index_patterns = ["${local.index_prefix}-*"]
  # A single instance has no place for a replica: the index would be yellow for ever.
  replicas = coalesce(var.retention.replicas, local.own_domain && var.domain.instance_count == 1 ? 0 : 1)

  template_document = jsondecode(file("${path.module}/documents/index-template.json"))
  policy_document   = jsondecode(file("${path.module}/documents/index-policy.json")).policy

  index_template = merge({ for k, v in local.template_document : k => v if k != "_meta" }, {
    index_patterns = local.index_patterns
    template = merge(local.template_document.template, {
      settings = {
        index = merge(local.template_document.template.settings.index, {
          number_of_shards   = var.retention.shards
          number_of_replicas = local.replicas
        })
      }
    })
  })

  index_policy = {
    policy = merge(local.policy_document, {
      description = "Deletes the daily indices of ${var.name} after ${var.retention.days} days."
      states = [for s in local.policy_document.states : merge(s, {
        transitions = [for t in s.transitions : merge(t, { conditions = { min_index_age = "${var.retention.days}d" } })]
      })]
      ism_template = [for t in local.policy_document.ism_template : merge(t, { index_patterns = local.index_patterns })]
    })
  }
}
