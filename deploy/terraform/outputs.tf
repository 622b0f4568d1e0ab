output "task_definition_arn" {
  description = "ARN of the task definition, with its revision."
  value       = aws_ecs_task_definition.this.arn
}

output "container_definitions" {
  description = "The container definitions as JSON, with the router."
  value       = aws_ecs_task_definition.this.container_definitions
}

output "task_role_arn" {
  description = "ARN of the task role. With fine-grained access control, map it to a role of OpenSearch that may write the indices."
  value       = local.task_role_arn
}

output "execution_role_arn" {
  value = aws_ecs_task_definition.this.execution_role_arn
}

output "cluster_arn" {
  value = var.cluster_arn == null ? aws_ecs_cluster.this[0].arn : var.cluster_arn
}

output "domain_endpoint" {
  description = "Host name of the domain, or of the collection."
  value       = local.search_host
}

output "log_group_name" {
  description = "The log group of the router's own log."
  value       = aws_cloudwatch_log_group.router.name
}

output "index_pattern" {
  description = "The indices, for Dashboards."
  value       = local.index_patterns[0]
}

output "index_template" {
  description = "The index template, for PUT _index_template/NAME."
  value       = jsonencode(local.index_template)
}

output "index_policy" {
  description = "The policy that deletes old indices, for PUT _plugins/_ism/policies/NAME."
  value       = jsonencode(local.index_policy)
}
