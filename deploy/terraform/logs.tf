# The router's own log: one JSON object a line, {"message":…,"level":…,…}.

resource "aws_cloudwatch_log_group" "router" {
  name              = "/ecs/${var.name}/log_router"
  retention_in_days = var.router_log_retention_days
  tags              = var.tags
}

locals {
  # What is counted in it, each with an alarm.
  counted = { for f in jsondecode(file("${path.module}/documents/metric-filters.json")) : f.name => f }
}

resource "aws_cloudwatch_log_metric_filter" "router" {
  for_each       = local.counted
  name           = "${var.name}-${each.key}"
  log_group_name = aws_cloudwatch_log_group.router.name
  pattern        = each.value.pattern

  metric_transformation {
    namespace     = "firelane/${var.name}"
    name          = each.key
    value         = try(each.value.value, "1")
    default_value = "0"
  }
}

resource "aws_cloudwatch_metric_alarm" "router" {
  for_each            = local.counted
  alarm_name          = "${var.name}-firelane-${each.key}"
  alarm_description   = "firelane of ${var.name}: ${each.value.description}"
  namespace           = "firelane/${var.name}"
  metric_name         = each.key
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = var.tags

  depends_on = [aws_cloudwatch_log_metric_filter.router]
}
