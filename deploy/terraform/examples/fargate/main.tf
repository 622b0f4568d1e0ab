# A service on Fargate whose logs become documents in daily indices of a new OpenSearch domain:
#
#   terraform init
#   terraform apply -var firelane_image=123456789012.dkr.ecr.eu-west-1.amazonaws.com/firelane:latest

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
  description = "firelane's image in your registry."
  type        = string
}

variable "name" {
  type    = string
  default = "web"
}

variable "region" {
  type    = string
  default = "eu-west-1"
}

provider "aws" {
  region = var.region
}

# The default VPC; its subnets have a route to the internet.
data "aws_vpc" "default" {
  default = true
}

data "aws_subnets" "default" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default.id]
  }
}

resource "aws_security_group" "task" {
  name        = "${var.name}-task"
  description = "Tasks of ${var.name}: outgoing HTTPS only."
  vpc_id      = data.aws_vpc.default.id

  egress {
    description = "OpenSearch, ECR, CloudWatch Logs"
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

module "firelane" {
  source = "../.."

  name           = var.name
  firelane_image = var.firelane_image

  containers = [
    {
      name    = "app"
      image   = "public.ecr.aws/docker/library/busybox:1"
      command = ["sh", "-c", "while true; do echo hello from $(hostname); sleep 1; done"]
    },
  ]

  retention = { days = 30 }

  service = {
    subnet_ids         = data.aws_subnets.default.ids
    security_group_ids = [aws_security_group.task.id]
    assign_public_ip   = true
  }
}

output "domain_endpoint" {
  value = module.firelane.domain_endpoint
}

output "index_template" {
  value = module.firelane.index_template
}

output "index_policy" {
  value = module.firelane.index_policy
}

output "task_definition_arn" {
  value = module.firelane.task_definition_arn
}

output "task_role_arn" {
  value = module.firelane.task_role_arn
}
