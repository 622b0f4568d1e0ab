terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}
variable "endpoint" { default = "" }
provider "aws" {
  region                      = "eu-west-1"

  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  endpoints {
    ecs        = var.endpoint
    iam        = var.endpoint
    logs       = var.endpoint
    opensearch = var.endpoint
    sts        = var.endpoint
    ec2        = var.endpoint
  }
}

resource "aws_opensearch_domain" "logs" {
  domain_name    = "logs"
  engine_version = "OpenSearch_2.19"
  cluster_config {
    instance_type  = "t3.small.search"
    instance_count = 1
  }
  ebs_options {
    ebs_enabled = true
    volume_size = 10
  }
  domain_endpoint_options {
    enforce_https       = true
    tls_security_policy = "Policy-Min-TLS-1-2-2019-07"
  }
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "task" {
  name               = "web-task"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy" "logs" {
  role = aws_iam_role.task.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = ["es:ESHttp*"], Resource = "${aws_opensearch_domain.logs.arn}/*" }]
  })
}

resource "aws_iam_role" "execution" {
  name               = "web-execution"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_cloudwatch_log_group" "router" {
  name              = "/ecs/web/log-router"
  retention_in_days = 7
}

resource "aws_ecs_cluster" "main" {
  name = "main"
}

resource "aws_ecs_task_definition" "web" {
  family                   = "web"
  network_mode             = "awsvpc"
  requires_compatibilities = ["FARGATE"]
  cpu                      = "256"
  memory                   = "512"
  task_role_arn            = aws_iam_role.task.arn
  execution_role_arn       = aws_iam_role.execution.arn

  container_definitions = jsonencode([
    {
      name      = "web"
      image     = "nginx:1.29"
      essential = true
      logConfiguration = {
        logDriver = "awsfirelens"
        options = {
          Name                = "opensearch"
          Host                = aws_opensearch_domain.logs.endpoint
          Port                = "443"
          tls                 = "On"
          AWS_Auth            = "On"
          AWS_Region          = "eu-west-1"
          Logstash_Format     = "On"
          Logstash_Prefix     = "Web"
          Logstash_DateFormat = "YYYY-MM-DD"
          Suppress_Type_Name  = "On"
        }
      }
    },
    {
      name      = "log_router"
      image     = "ghcr.io/firelane/firelane:latest"
      essential = true
      firelensConfiguration = {
        type    = "fluentbit"
        options = { enable-ecs-log-metadata = "true" }
      }
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.router.name
          awslogs-region        = "eu-west-1"
          awslogs-stream-prefix = "firelane"
        }
      }
    }
  ])
}
