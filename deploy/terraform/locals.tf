data "aws_region" "current" {}
data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  region  = data.aws_region.current.name
  account = data.aws_caller_identity.current.account_id

  index_prefix = coalesce(var.index_prefix, var.name)

  own_domain      = var.domain_arn == null && var.collection == null
  existing_domain = var.domain_arn != null && var.collection == null

  # Known before the domain exists, so that its access policy and the role can name it.
  own_domain_arn = "arn:${data.aws_partition.current.partition}:es:${local.region}:${local.account}:domain/${var.name}"

  search_arn = coalesce(try(var.collection.arn, null), var.domain_arn, local.own_domain_arn)
  search_host = coalesce(
    try(trimprefix(var.collection.endpoint, "https://"), null),
    one(data.aws_opensearch_domain.existing[*].endpoint),
    one(aws_opensearch_domain.this[*].endpoint),
  )
  search_region = element(split(":", local.search_arn), 3)

  own_task_role  = var.task_role_arn == null
  task_role_arn  = local.own_task_role ? one(aws_iam_role.task[*].arn) : var.task_role_arn
  task_role_name = local.own_task_role ? one(aws_iam_role.task[*].name) : element(reverse(split("/", var.task_role_arn)), 0)
}
