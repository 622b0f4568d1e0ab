resource "aws_ecs_cluster" "this" {
  count = var.cluster_arn == null ? 1 : 0
  name  = var.name
  tags  = var.tags
}

locals {
  # The output that the ECS agent writes for each container. The names are Fluent Bit's, so that its image accepts them, too.
  log_options = merge(var.collection == null ? {} : { AWS_Service_Name = "aoss" }, {
    Name                = "opensearch"
    Host                = local.search_host
    Port                = "443"
    tls                 = "On"
    AWS_Auth            = "On"
    AWS_Region          = local.search_region
    Suppress_Type_Name  = "On"
    Logstash_Format     = "On"
    Logstash_Prefix     = local.index_prefix
    Logstash_DateFormat = "%Y-%m-%d"
  }, var.log_options)

  queue_volume = "firelane-queue"

  router = {
    name      = "log_router"
    image     = var.firelane_image
    essential = true
    # The router stays below 50 MiB.
    memoryReservation = 50
    firelensConfiguration = {
      type    = "fluentbit"
      options = { enable-ecs-log-metadata = "true" }
    }
    environment = [for name, value in var.router_environment : { name = name, value = value }]
    mountPoints = var.efs_queue == null ? [] : [{ sourceVolume = local.queue_volume, containerPath = "/var/lib/firelane", readOnly = false }]
    healthCheck = {
      command     = ["CMD", "/firelane", "healthcheck"]
      interval    = 10
      timeout     = 5
      retries     = 3
      startPeriod = 5
    }
    stopTimeout = var.stop_timeout
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.router.name
        awslogs-region        = local.region
        awslogs-stream-prefix = var.name
      }
    }
  }

  # ECS stops the application first, since it depends on the router.
  application = [for c in var.containers : merge({
    essential        = true
    dependsOn        = [{ containerName = "log_router", condition = "HEALTHY" }]
    logConfiguration = { logDriver = "awsfirelens", options = local.log_options }
  }, { for key, value in c : key => value if value != null })]
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  network_mode             = "awsvpc"
  requires_compatibilities = ["FARGATE"]
  cpu                      = var.cpu
  memory                   = var.memory
  task_role_arn            = local.task_role_arn
  execution_role_arn       = var.execution_role_arn == null ? aws_iam_role.execution[0].arn : var.execution_role_arn
  container_definitions    = jsonencode(concat([local.router], local.application))

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  dynamic "volume" {
    for_each = var.efs_queue == null ? [] : [var.efs_queue]
    content {
      name = local.queue_volume
      efs_volume_configuration {
        file_system_id     = volume.value.file_system_id
        transit_encryption = "ENABLED"
        authorization_config {
          access_point_id = volume.value.access_point_id
          iam             = "ENABLED"
        }
      }
    }
  }

  tags = var.tags

  lifecycle {
    precondition {
      condition     = var.domain_arn == null || var.collection == null
      error_message = "domain_arn and collection are both set; want one of them."
    }
  }
}

resource "aws_ecs_service" "this" {
  count           = var.service == null ? 0 : 1
  name            = var.name
  cluster         = var.cluster_arn == null ? aws_ecs_cluster.this[0].arn : var.cluster_arn
  task_definition = aws_ecs_task_definition.this.arn
  launch_type     = "FARGATE"
  desired_count   = var.service.desired_count

  # Two routers can't share a queue: with EFS the old task ends before the new one starts.
  deployment_minimum_healthy_percent = var.efs_queue == null ? 100 : 0
  deployment_maximum_percent         = var.efs_queue == null ? 200 : 100

  network_configuration {
    subnets          = var.service.subnet_ids
    security_groups  = var.service.security_group_ids
    assign_public_ip = var.service.assign_public_ip
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  tags = var.tags

  lifecycle {
    precondition {
      condition     = var.efs_queue == null || var.service.desired_count <= 1
      error_message = "efs_queue is for one task at a time: two routers can't share a queue; want service.desired_count = 1."
    }
  }

  depends_on = [aws_iam_role_policy.opensearch, aws_iam_role_policy_attachment.execution]
}
