data "aws_opensearch_domain" "existing" {
  count       = local.existing_domain ? 1 : 0
  domain_name = element(split("/", var.domain_arn), 1)
}

resource "aws_opensearch_domain" "this" {
  count          = local.own_domain ? 1 : 0
  domain_name    = var.name
  engine_version = var.domain.engine_version

  cluster_config {
    instance_type          = var.domain.instance_type
    instance_count         = var.domain.instance_count
    zone_awareness_enabled = var.domain.instance_count > 1
    dynamic "zone_awareness_config" {
      for_each = var.domain.instance_count > 1 ? [1] : []
      content {
        availability_zone_count = min(var.domain.instance_count, 3)
      }
    }
  }

  ebs_options {
    ebs_enabled = true
    volume_type = "gp3"
    volume_size = var.domain.volume_gib
  }

  encrypt_at_rest {
    enabled = true
  }
  node_to_node_encryption {
    enabled = true
  }
  domain_endpoint_options {
    enforce_https       = true
    tls_security_policy = "Policy-Min-TLS-1-2-PFS-2023-10"
  }

  dynamic "vpc_options" {
    for_each = length(var.domain.subnet_ids) > 0 ? [1] : []
    content {
      subnet_ids         = var.domain.subnet_ids
      security_group_ids = var.domain.security_group_ids
    }
  }

  dynamic "advanced_security_options" {
    for_each = var.domain.master_user_arn == null ? [] : [1]
    content {
      enabled = true
      master_user_options {
        master_user_arn = var.domain.master_user_arn
      }
    }
  }

  access_policies = data.aws_iam_policy_document.domain[0].json

  tags = var.tags

}

data "aws_iam_policy_document" "domain" {
  count = local.own_domain ? 1 : 0

  statement {
    sid       = "Tasks"
    actions   = local.opensearch_actions
    resources = ["${local.own_domain_arn}/*"]
    principals {
      type        = "AWS"
      identifiers = [local.task_role_arn]
    }
  }

  dynamic "statement" {
    for_each = length(local.domain_principals) > 0 ? [1] : []
    content {
      sid       = "People"
      actions   = ["es:ESHttp*"]
      resources = ["${local.own_domain_arn}/*"]
      principals {
        type        = "AWS"
        identifiers = local.domain_principals
      }
    }
  }
}

locals {
  domain_principals = distinct(compact(concat(var.domain.principal_arns, [var.domain.master_user_arn])))
}
