package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/ecs/taskdef"
)

func secretRules() []Rule {
	return []Rule{
		{"F510", "secret-twice", Warning, "an option is in options and in secretOptions; ECS uses the secret, and everybody can read the other value", forTask(secretTwice)},
		{"F511", "secret-plain", Warning, "a password, token or key is written into the task definition, where everybody reads it who may describe it", forTask(secretPlain)},
		{"F512", "execution-role", Error, "the task has secrets, or on Fargate images in ECR or the log driver awslogs, but no task execution role: ECS refuses such a task definition", forTask(executionRole)},
		{"F513", "task-role", Error, "an output signs requests for AWS, and the task has no role", forTask(taskRole)},
	}
}

func secretTwice(t *task) {
	for _, c := range t.logged() {
		for _, s := range c.Log.Secrets {
			for _, o := range c.Log.Options {
				if strings.EqualFold(o.Name, s.Name) {
					t.say(o.Place, "the secret alone: remove the line from options; and a new password, if this is the one in use, since old revisions of the task definition keep it",
						"%s of %s is in options and in secretOptions. ECS uses the secret: the value in options has no effect, and everybody who may describe the task definition can read it.", o.Name, c.Name.Text)
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
	for _, end := range []string{"url", "file", "path", "arn", "name", "ttl"} { // of the secret
		if strings.HasSuffix(name, "_"+end) {
			return false
		}
	}
	for _, w := range secretWords {
		if strings.Contains(name, w) {
			return true
		}
	}
	return false
}

// hasSecret reports whether an option is for a secret: by what the output says of it, or otherwise by its name.
func (t *task) hasSecret(o *taskdef.Option) bool {
	if g, ok := t.optionAt(o.Place); ok {
		return g.Secret && holdsSecret(g.Name, o.Text)
	}
	return isSecretName(o.Name)
}

// optionAt is the option of an output that is at a place; ok is false if the output has no such option, or the configuration is wrong.
func (t *task) optionAt(at taskdef.Place) (g config.Given, ok bool) {
	if !t.planned() {
		return g, false
	}
	if t.options == nil {
		t.options = map[taskdef.Place]config.Given{}
		for i := range t.Plan.Outputs {
			for _, g := range t.Plan.Outputs[i].Given {
				if p := t.Place(g.Pos); !g.Unknown && t.options[p].Name == "" {
					t.options[p] = g
				}
			}
		}
	}
	g, ok = t.options[at]
	return g, ok
}

func secretPlain(t *task) {
	plain := func(c *taskdef.Container, o *taskdef.Option, key string) {
		if !t.hasSecret(o) || o.Text == "" || o.Unknown || strings.Contains(o.Text, "${") || strings.HasPrefix(o.Text, "/") || strings.HasPrefix(o.Text, "arn:") ||
			strings.EqualFold(o.Text, "on") || strings.EqualFold(o.Text, "off") || strings.EqualFold(o.Text, "true") || strings.EqualFold(o.Text, "false") {
			return
		}
		t.say(o.Place, fmt.Sprintf(`in %s instead: {"name": "%s", "valueFrom": "ARN of a secret or a parameter"}; and a new value, since old revisions of the task definition keep this one`, key, o.Name),
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

// executionRole: RegisterTaskDefinition answers "When you are specifying container secrets, you must also specify a value for
// 'executionRoleArn'", and "Fargate requires task definition to have execution role ARN to support ECR images" or "log driver awslogs".
// On EC2 the instance has a role for images and logs.
func executionRole(t *task) {
	if t.ExecutionRole.Text != "" || t.ExecutionRole.Unknown || t.Partial {
		return
	}
	var secrets, images, logs, actions []string
	var at taskdef.Place
	need := func(list *[]string, what string, place taskdef.Place) {
		if !slices.Contains(*list, what) {
			*list = append(*list, what)
		}
		if at.Path == "" {
			at = place
		}
	}
	for i := range t.Containers {
		c := &t.Containers[i]
		list := c.Secrets
		if c.Log != nil {
			list = append(list[:len(list):len(list)], c.Log.Secrets...)
		}
		for _, s := range list {
			need(&secrets, s.Name, s.Place)
			action := "ssm:GetParameters"
			if strings.Contains(s.Text, ":secretsmanager:") {
				action = "secretsmanager:GetSecretValue"
			}
			need(&actions, action, s.Place)
		}
		if !t.launches("FARGATE") {
			continue
		}
		if strings.Contains(c.Image.Text, ".dkr.ecr.") || strings.Contains(c.Image.Text, ".dkr-ecr.") {
			need(&images, c.Name.Text, c.Image.Place)
		}
		if c.Log != nil && c.Log.Driver.Text == "awslogs" {
			need(&logs, c.Name.Text, c.Log.Driver.Place)
		}
	}
	if len(secrets) > 0 {
		at = t.firstSecret()
	}
	if at.Path != "" {
		t.say(at, "at the top of the definition, "+roleWanted(len(images)+len(logs) > 0, actions, secrets), "executionRoleArn is missing at the top of the definition, and ECS refuses the task definition without it: ECS needs the role for %s.", enumerate(roleUsers(secrets, images, logs)))
	}
}

// firstSecret is the place of the first secret of a container.
func (t *task) firstSecret() taskdef.Place {
	for i := range t.Containers {
		c := &t.Containers[i]
		if len(c.Secrets) > 0 {
			return c.Secrets[0].Place
		}
		if c.Log != nil && len(c.Log.Secrets) > 0 {
			return c.Log.Secrets[0].Place
		}
	}
	return t.Definition.Place
}

// roleUsers says what needs the task execution role.
func roleUsers(secrets, images, logs []string) (list []string) {
	if len(secrets) > 0 {
		list = append(list, plural(len(secrets), "the secret for ", "the secrets for ")+enumerate(secrets))
	}
	if len(images) > 0 {
		list = append(list, plural(len(images), "the image", "the images")+" in ECR ("+enumerate(images)+")")
	}
	if len(logs) > 0 {
		list = append(list, "the log driver awslogs ("+enumerate(logs)+")")
	}
	return list
}

// roleWanted says what the task execution role must allow.
func roleWanted(managed bool, actions, secrets []string) string {
	want := "executionRoleArn: a role "
	if managed {
		want += "with the policy AmazonECSTaskExecutionRolePolicy (images in ECR, awslogs)"
	}
	if len(actions) == 0 {
		return want
	}
	if managed {
		return want + "; the role must also allow " + enumerate(actions) + plural(len(secrets), " on the secret", " on the secrets")
	}
	return want + "that allows " + enumerate(actions) + plural(len(secrets), " on the secret", " on the secrets")
}

func plural(n int, one, several string) string {
	if n == 1 {
		return one
	}
	return several
}

func taskRole(t *task) {
	if t.TaskRole.Text != "" || t.TaskRole.Unknown || t.Partial || !t.planned() || t.hasKeys() {
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
			f.Text = fmt.Sprintf("%s signs its requests for AWS, and the task has no taskRoleArn. The output then signs with the role of the EC2 instance: if that role doesn't allow %s, or the task can't reach the instance's metadata, nothing is delivered.", t.Plan.Outputs[i].ID, enumerate(to.Actions[0].Actions))
			if !t.notFargate() {
				f.Text = strings.TrimSuffix(f.Text, ".") + "; on Fargate, where there is no such role, nothing is delivered at all."
			}
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
