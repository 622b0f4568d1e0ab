# terraform test: mistakes end a plan, before anything is created, and say what is wanted. Nothing is asked of AWS.

mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_data "aws_opensearch_domain" {
    defaults = { endpoint = "web.eu-west-1.es.amazonaws.com" }
  }
}

variables {
  name           = "web"
  firelane_image = "firelane:1"
  domain_arn     = "arn:aws:es:eu-west-1:123456789012:domain/web"
  task_role_arn  = "arn:aws:iam::123456789012:role/services/web"
  containers     = [{ name = "app", image = "app:1" }]
}

run "null_is_like_nothing" {
  command = plan
  variables {
    execution_role_arn = "arn:aws:iam::123456789012:role/execution"
    containers         = [{ name = "app", image = "app:1", logConfiguration = null, dependsOn = null }]
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[1].logConfiguration.logDriver == "awsfirelens"
    error_message = "the application's log doesn't go to the router"
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[1].dependsOn[0].containerName == "log_router"
    error_message = "the application doesn't depend on the router"
  }
  assert {
    condition     = aws_iam_role_policy.opensearch.role == "web"
    error_message = "the policy isn't attached to the task role"
  }
}

run "a_collection_is_signed_as_serverless" {
  command = plan
  variables {
    execution_role_arn = "arn:aws:iam::123456789012:role/execution"
    domain_arn         = null
    collection         = { arn = "arn:aws:aoss:eu-central-1:123456789012:collection/a", endpoint = "https://a.eu-central-1.aoss.amazonaws.com" }
  }
  assert {
    condition = jsondecode(aws_ecs_task_definition.this.container_definitions)[1].logConfiguration.options == {
      Name                = "opensearch"
      Host                = "a.eu-central-1.aoss.amazonaws.com"
      Port                = "443"
      tls                 = "On"
      AWS_Auth            = "On"
      AWS_Region          = "eu-central-1"
      AWS_Service_Name    = "aoss"
      Suppress_Type_Name  = "On"
      Logstash_Format     = "On"
      Logstash_Prefix     = "web"
      Logstash_DateFormat = "%Y-%m-%d"
    }
    error_message = "got other options for a collection"
  }
  assert {
    condition     = length(aws_opensearch_domain.this) == 0
    error_message = "a domain is created beside the collection"
  }
}

run "one_task_for_one_queue" {
  command = plan
  variables {
    efs_queue = { file_system_id = "fs-1", access_point_id = "fsap-1" }
    service   = { subnet_ids = ["subnet-1"], desired_count = 2 }
  }
  expect_failures = [aws_ecs_service.this]
}

run "either_domain_or_collection" {
  command = plan
  variables {
    collection = { arn = "arn:aws:aoss:eu-west-1:123456789012:collection/a", endpoint = "https://a.eu-west-1.aoss.amazonaws.com" }
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "name" {
  command = plan
  variables {
    name = "We_b"
  }
  expect_failures = [var.name]
}

run "no_containers" {
  command = plan
  variables {
    containers = []
  }
  expect_failures = [var.containers]
}

run "a_container_without_an_image" {
  command = plan
  variables {
    containers = [{ name = "app" }]
  }
  expect_failures = [var.containers]
}

run "a_second_log_router" {
  command = plan
  variables {
    containers = [{ name = "log_router", image = "app:1" }]
  }
  expect_failures = [var.containers]
}

run "domain_arn_is_no_url" {
  command = plan
  variables {
    domain_arn = "https://search-web.eu-west-1.es.amazonaws.com"
  }
  expect_failures = [var.domain_arn]
}

run "prefix_is_no_index" {
  command = plan
  variables {
    index_prefix = "Web Logs"
  }
  expect_failures = [var.index_prefix]
}

run "half_a_day" {
  command = plan
  variables {
    retention = { days = 1.5 }
  }
  expect_failures = [var.retention]
}

run "a_stop_that_is_too_short" {
  command = plan
  variables {
    stop_timeout = 10
  }
  expect_failures = [var.stop_timeout]
}

run "an_access_that_does_not_exist" {
  command = plan
  variables {
    domain_access = "all"
  }
  expect_failures = [var.domain_access]
}

run "a_role_that_inspects" {
  command = plan
  variables {
    execution_role_arn = "arn:aws:iam::123456789012:role/execution"
    domain_access      = "inspect"
  }
  assert {
    condition     = data.aws_iam_policy_document.opensearch.statement[0].actions == toset(["es:ESHttpGet", "es:ESHttpHead", "es:ESHttpPost"])
    error_message = "got other actions"
  }
}
