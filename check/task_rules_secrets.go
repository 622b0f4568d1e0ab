package check

import (
	"fmt"
	"strings"

	"github.com/firelane/firelane/ecs/taskdef"
)

func secretRules() []Rule {
	return []Rule{
		{"F510", "secret-twice", Warning, "an option is in options and in secretOptions; ECS uses the secret, and everybody can read the other value", forTask(secretTwice)},
		{"F511", "secret-plain", Warning, "a password, token or key is written into the task definition, where everybody reads it who may describe it", forTask(secretPlain)},
		{"F512", "execution-role", Error, "the task has secrets, but no task execution role that could read them", forTask(executionRole)},
		{"F513", "task-role", Error, "an output signs requests for AWS, and the task has no role", forTask(taskRole)},
	}
}

func secretTwice(t *task) {
	for _, c := range t.logged() {
		for _, s := range c.Log.Secrets {
			for _, o := range c.Log.Options {
				if strings.EqualFold(o.Name, s.Name) {
					t.say(o.Place, "the secret alone: remove the line from options", "%s of %s is in options and in secretOptions: the value in options can be read by everybody who may describe the task definition.", o.Name, c.Name.Text)
				}
			}
		}
	}
}

// secretWords are in the names of options whose values are secret.
var secretWords = []string{"passw", "secret", "token", "apikey", "api_key", "license_key", "licensekey", "shared_key", "cloud_auth"}

// isSecretName reports whether the value of an option of that name is a secret.
func isSecretName(name string) bool {
	name = strings.ToLower(name)
	for _, w := range secretWords {
		if strings.Contains(name, w) {
			return true
		}
	}
	return false
}

func secretPlain(t *task) {
	plain := func(c *taskdef.Container, o *taskdef.Option, key string) {
		if !isSecretName(o.Name) || o.Text == "" || o.Unknown || strings.Contains(o.Text, "${") || strings.HasPrefix(o.Text, "/") || strings.HasPrefix(o.Text, "arn:") ||
			strings.EqualFold(o.Text, "on") || strings.EqualFold(o.Text, "off") || strings.EqualFold(o.Text, "true") || strings.EqualFold(o.Text, "false") {
			return
		}
		t.say(o.Place, fmt.Sprintf(`in %s instead: {"name": "%s", "valueFrom": "ARN of a secret or a parameter"}`, key, o.Name),
			"%s of %s is in the task definition in plain text: everybody who may describe task definitions, or has a copy of this file, can read it.", o.Name, c.Name.Text)
	}
	for _, c := range t.logged() {
		for i := range c.Log.Options {
			if _, twice := taskdef.Find(c.Log.Secrets, c.Log.Options[i].Name); !twice {
				plain(c, &c.Log.Options[i], "secretOptions")
			}
		}
	}
	if t.Router != nil {
		for i := range t.Router.Environment {
			plain(t.Router, &t.Router.Environment[i], "secrets")
		}
	}
}

func executionRole(t *task) {
	if t.ExecutionRole.Text != "" || t.ExecutionRole.Unknown {
		return
	}
	for i := range t.Containers {
		c := &t.Containers[i]
		list := c.Secrets
		if c.Log != nil {
			list = append(list[:len(list):len(list)], c.Log.Secrets...)
		}
		if len(list) > 0 {
			action := "ssm:GetParameters"
			if strings.Contains(list[0].Text, ":secretsmanager:") {
				action = "secretsmanager:GetSecretValue"
			}
			t.say(list[0].Place, "executionRoleArn: a role that allows "+action+" on it",
				"ECS reads the secret %s with the task execution role, and the task has none: the task does not start.", list[0].Name)
			return
		}
	}
}

func taskRole(t *task) {
	if t.TaskRole.Text != "" || t.TaskRole.Unknown || !t.planned() || t.hasKeys() {
		return
	}
	for i := range t.Plan.Outputs {
		to := t.describe(i)
		if len(to.Actions) == 0 {
			continue
		}
		f := Finding{At: t.Place(t.Plan.Outputs[i].Pos), Want: fmt.Sprintf("taskRoleArn: a role that allows %s; firelane check --iam prints its policy", enumerate(to.Actions[0].Actions)),
			Text: fmt.Sprintf("%s signs its requests with the credentials of the task role, and the task has no taskRoleArn: nothing is delivered.", t.Plan.Outputs[i].ID)}
		if !t.fargate() {
			f.Severity = Warning
			f.Text = fmt.Sprintf("%s signs its requests for AWS, and the task has no taskRoleArn. On Fargate nothing is delivered; on EC2 only if tasks can reach the credentials of the instance, and its role allows this.", t.Plan.Outputs[i].ID)
		}
		t.tell(f)
		return
	}
}

// hasKeys reports whether the router's container gets static credentials.
func (t *task) hasKeys() bool {
	if t.Router == nil {
		return false
	}
	_, plain := taskdef.Find(t.Router.Environment, "AWS_ACCESS_KEY_ID")
	_, secret := taskdef.Find(t.Router.Secrets, "AWS_ACCESS_KEY_ID")
	return plain || secret
}
