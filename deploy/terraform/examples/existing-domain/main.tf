# A task definition for a domain, a cluster and a task role that exist. Your service takes the task definition's new ARN; the
# module changes nothing else of what exists, except that the task role gets a policy for the domain.
#
#   terraform init
#   terraform apply -var firelane_image=… -var domain_arn=… -var cluster_arn=… -var task_role_arn=…

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.30, < 7.0"
    }
  }
}

variable "firelane_image" {
  type = string
}

variable "domain_arn" {
  type = string
}

variable "cluster_arn" {
  type = string
}

variable "task_role_arn" {
  type = string
}

variable "region" {
  type    = string
  default = "eu-west-1"
}

provider "aws" {
  region = var.region
}

module "firelane" {
  source = "../.."

  name           = "shop"
  firelane_image = var.firelane_image
  domain_arn     = var.domain_arn
  cluster_arn    = var.cluster_arn
  task_role_arn  = var.task_role_arn
  index_prefix   = "web"

  containers = [
    {
      name         = "shop"
      image        = "public.ecr.aws/nginx/nginx:stable"
      portMappings = [{ containerPort = 80, protocol = "tcp" }]
    },
    {
      # A container with a logConfiguration keeps it.
      name      = "worker"
      image     = "public.ecr.aws/docker/library/busybox:1"
      essential = false
      command   = ["sh", "-c", "while true; do date; sleep 60; done"]
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = "/ecs/worker"
          awslogs-region        = "eu-west-1"
          awslogs-stream-prefix = "worker"
        }
      }
    },
  ]

  # Lines of JSON become fields.
  router_environment = { aws_fluent_bit_init_file_1 = "/fluent-bit/configs/parse-json.conf" }
  log_options        = { Retry_Limit = "no_limits" }

  retention = { days = 14, shards = 2 }
}

output "task_definition_arn" {
  value = module.firelane.task_definition_arn
}

output "index_template" {
  value = module.firelane.index_template
}

output "index_policy" {
  value = module.firelane.index_policy
}

output "domain_endpoint" {
  value = module.firelane.domain_endpoint
}

output "task_role_arn" {
  value = module.firelane.task_role_arn
}
