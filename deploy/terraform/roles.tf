data "aws_iam_policy_document" "ecs_tasks" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
    # Only tasks of this account get the role (AWS, "Confused deputy prevention").
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

# The task role: what the application and the router may do. Records need POST /_bulk only.

resource "aws_iam_role" "task" {
  count              = local.own_task_role ? 1 : 0
  name               = "${var.name}-task"
  assume_role_policy = data.aws_iam_policy_document.ecs_tasks.json
  tags               = var.tags
}

locals {
  opensearch_actions = concat(
    ["es:ESHttpPost"],
    var.domain_access == "write" ? [] : ["es:ESHttpGet", "es:ESHttpHead"],
    var.domain_access == "manage" ? ["es:ESHttpPut"] : [],
  )
}

data "aws_iam_policy_document" "opensearch" {
  statement {
    sid       = "OpenSearch"
    actions   = var.collection == null ? local.opensearch_actions : ["aoss:APIAccessAll"]
    resources = [var.collection == null ? "${local.search_arn}/*" : local.search_arn]
  }
}

resource "aws_iam_role_policy" "opensearch" {
  name   = "${var.name}-opensearch"
  role   = local.task_role_name
  policy = data.aws_iam_policy_document.opensearch.json
}

# With efs_queue, the task mounts the file system with its own role. NFS's root is squashed by the access point.

data "aws_iam_policy_document" "efs" {
  count = var.efs_queue == null ? 0 : 1
  statement {
    sid       = "Queue"
    actions   = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    resources = ["arn:${data.aws_partition.current.partition}:elasticfilesystem:${local.region}:${local.account}:file-system/${var.efs_queue.file_system_id}"]
    condition {
      test     = "StringEquals"
      variable = "elasticfilesystem:AccessPointArn"
      values   = ["arn:${data.aws_partition.current.partition}:elasticfilesystem:${local.region}:${local.account}:access-point/${var.efs_queue.access_point_id}"]
    }
  }
}

resource "aws_iam_role_policy" "efs" {
  count  = var.efs_queue == null ? 0 : 1
  name   = "${var.name}-queue"
  role   = local.task_role_name
  policy = data.aws_iam_policy_document.efs[0].json
}

# The execution role: ECS itself, which pulls the images and writes the router's own log.

resource "aws_iam_role" "execution" {
  count              = var.execution_role_arn == null ? 1 : 0
  name               = "${var.name}-execution"
  assume_role_policy = data.aws_iam_policy_document.ecs_tasks.json
  tags               = var.tags
}

resource "aws_iam_role_policy_attachment" "execution" {
  count      = var.execution_role_arn == null ? 1 : 0
  role       = aws_iam_role.execution[0].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}
