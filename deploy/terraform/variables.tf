variable "name" {
  description = "Name of the service: of the task definition's family, roles and log group, and the beginning of the indices."
  type        = string
  validation {
    # A domain's name has 3 to 28 characters; an index must not begin with - or _.
    condition     = can(regex("^[a-z][a-z0-9-]{2,27}$", var.name))
    error_message = "name must have 3 to 28 lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "firelane_image" {
  description = "firelane's image, with its registry and tag."
  type        = string
  validation {
    condition     = length(trimspace(var.firelane_image)) > 0
    error_message = "firelane_image is empty; want, for example, 123456789012.dkr.ecr.eu-west-1.amazonaws.com/firelane:0.1.0."
  }
}

variable "containers" {
  description = <<-END
    The application's container definitions, as in a task definition's JSON (camelCase). A container without a
    logConfiguration gets one that sends its logs to OpenSearch through firelane; a container without dependsOn waits until
    the router is healthy.
  END
  type        = any
  validation {
    condition     = try(length(var.containers) > 0 && alltrue([for c in var.containers : length(c.name) > 0 && length(c.image) > 0]), false)
    error_message = "containers must be a list of at least one container definition, each with name and image."
  }
  validation {
    condition     = try(alltrue([for c in var.containers : c.name != "log_router"]), true)
    error_message = "log_router is the name of the container that the module adds; name the application's container otherwise."
  }
}

variable "index_prefix" {
  description = "Beginning of the indices' names, before -YYYY-MM-DD; null: the name."
  type        = string
  default     = null
  validation {
    condition     = var.index_prefix == null || can(regex("^[a-z0-9][a-z0-9._-]{0,199}$", var.index_prefix))
    error_message = "index_prefix must have lower-case letters, digits, dots, hyphens and underscores, and begin with a letter or digit."
  }
}

variable "log_options" {
  description = "Further options of the output, or others than the module's, such as { Retry_Limit = \"10\" }."
  type        = map(string)
  default     = {}
}

# The domain.

variable "domain_arn" {
  description = "ARN of an existing OpenSearch domain; null: the module creates one, named like the service."
  type        = string
  default     = null
  validation {
    condition     = var.domain_arn == null || can(regex("^arn:[a-z-]+:es:[a-z0-9-]+:[0-9]{12}:domain/[a-z][a-z0-9-]{2,27}$", var.domain_arn))
    error_message = "domain_arn must be the ARN of an OpenSearch domain, such as arn:aws:es:eu-west-1:123456789012:domain/logs."
  }
}

variable "collection" {
  description = "An existing collection of OpenSearch Serverless instead of a domain. Its data access policy must let the task role write the indices."
  type = object({
    arn      = string
    endpoint = string # https://ID.REGION.aoss.amazonaws.com
  })
  default = null
  validation {
    condition     = var.collection == null || can(regex("^arn:[a-z-]+:aoss:", var.collection.arn)) && can(regex("^https://[^/]+$", var.collection.endpoint))
    error_message = "collection must have the arn of a collection, arn:aws:aoss:…, and its endpoint, https://…, without a path."
  }
}

variable "domain" {
  description = "The domain that the module creates; ignored with domain_arn and collection."
  type = object({
    engine_version     = optional(string, "OpenSearch_2.19")
    instance_type      = optional(string, "t3.small.search")
    instance_count     = optional(number, 1) # two or three: in as many availability zones
    volume_gib         = optional(number, 20)
    subnet_ids         = optional(list(string), []) # one for each zone; none: a public endpoint, which the access policy protects
    security_group_ids = optional(list(string), [])
    principal_arns     = optional(list(string), []) # roles and users that may read and administer the domain, besides the task
    master_user_arn    = optional(string)           # turns on fine-grained access control
  })
  default = {}
  validation {
    condition     = var.domain.instance_count >= 1 && var.domain.volume_gib >= 10
    error_message = "domain.instance_count must be at least 1, and domain.volume_gib at least 10."
  }
  validation {
    condition     = length(var.domain.subnet_ids) == 0 || length(var.domain.subnet_ids) == min(var.domain.instance_count, 3)
    error_message = "domain.subnet_ids must have as many subnets as there are instances, 3 at most, each in another availability zone."
  }
}

variable "retention" {
  description = "The index template and the policy that deletes old indices. See the outputs index_template and index_policy."
  type = object({
    days     = optional(number, 30)
    shards   = optional(number, 1)
    replicas = optional(number) # null: 1, or 0 on a domain of one instance that the module creates
  })
  default = {}
  validation {
    condition     = alltrue([for n in [var.retention.days, var.retention.shards] : n >= 1 && floor(n) == n])
    error_message = "retention.days and retention.shards must be whole numbers, at least 1."
  }
  validation {
    condition     = var.retention.replicas == null ? true : var.retention.replicas >= 0 && floor(var.retention.replicas) == var.retention.replicas
    error_message = "retention.replicas must be a whole number, 0 or more."
  }
}

variable "domain_access" {
  description = "What the task role may do with the domain: write records (es:ESHttpPost); inspect, for firelane doctor (also es:ESHttpGet, es:ESHttpHead); manage, to set index templates and policies (also es:ESHttpPut)."
  type        = string
  default     = "write"
  validation {
    condition     = contains(["write", "inspect", "manage"], var.domain_access)
    error_message = "domain_access must be write, inspect or manage."
  }
}

# The task.

variable "task_role_arn" {
  description = "ARN of the application's task role; the module attaches the permission to write to the domain. null: it creates a role."
  type        = string
  default     = null
}

variable "execution_role_arn" {
  description = "ARN of an execution role; null: the module creates one."
  type        = string
  default     = null
}

variable "cpu" {
  description = "CPU units of the task."
  type        = number
  default     = 256
}

variable "memory" {
  description = "Memory of the task in MiB."
  type        = number
  default     = 512
}

variable "cpu_architecture" {
  description = "X86_64 or ARM64. firelane's image must be of this architecture, too."
  type        = string
  default     = "X86_64"
  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "cpu_architecture must be X86_64 or ARM64."
  }
}

variable "router_environment" {
  description = "Environment variables of the router, such as aws_fluent_bit_init_file_1."
  type        = map(string)
  default     = {}
}

variable "stop_timeout" {
  description = "Seconds that ECS gives the router after the application has ended. Longer than Grace (25 s) plus 3 s; on Fargate 120 at most."
  type        = number
  default     = 40
  validation {
    condition     = var.stop_timeout >= 30 && var.stop_timeout <= 120
    error_message = "stop_timeout must be from 30 to 120 seconds: the router uses up to 28 s of it."
  }
}

variable "efs_queue" {
  description = "An EFS file system and access point for the router's queue. One task at a time: two routers can't share a queue. null: the task's own disk."
  type = object({
    file_system_id  = string
    access_point_id = string
  })
  default = null
}

# Cluster and service.

variable "cluster_arn" {
  description = "ARN of an existing ECS cluster; null: the module creates one."
  type        = string
  default     = null
}

variable "service" {
  description = "The service that runs the tasks; null: none, only the task definition."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = optional(list(string), [])
    desired_count      = optional(number, 1)
    assign_public_ip   = optional(bool, false)
  })
  default = null
}

# The router's own log.

variable "router_log_retention_days" {
  description = "Days for which CloudWatch Logs keeps the router's own log."
  type        = number
  default     = 30
}

variable "alarm_actions" {
  description = "ARNs that an alarm notifies, such as an SNS topic."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Tags of everything that the module creates."
  type        = map(string)
  default     = {}
}
