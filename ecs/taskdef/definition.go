package taskdef

import (
	"slices"
	"strings"
)

// taskKeys are the keys of a task definition, as registered and as described.
var taskKeys = []string{
	"family", "taskRoleArn", "executionRoleArn", "networkMode", "containerDefinitions", "volumes", "placementConstraints",
	"requiresCompatibilities", "cpu", "memory", "tags", "pidMode", "ipcMode", "proxyConfiguration", "inferenceAccelerators",
	"ephemeralStorage", "runtimePlatform", "enableFaultInjection", "taskDefinitionArn", "revision", "status", "requiresAttributes",
	"compatibilities", "registeredAt", "registeredBy", "deregisteredAt",
}

// containerKeys are the keys of a container definition.
var containerKeys = []string{
	"name", "image", "repositoryCredentials", "cpu", "memory", "memoryReservation", "links", "portMappings", "essential",
	"restartPolicy", "entryPoint", "command", "environment", "environmentFiles", "mountPoints", "volumesFrom", "linuxParameters",
	"secrets", "dependsOn", "startTimeout", "stopTimeout", "versionConsistency", "hostname", "user", "workingDirectory",
	"disableNetworking", "privileged", "readonlyRootFilesystem", "dnsServers", "dnsSearchDomains", "extraHosts",
	"dockerSecurityOptions", "interactive", "pseudoTerminal", "dockerLabels", "ulimits", "logConfiguration", "healthCheck",
	"systemControls", "resourceRequirements", "firelensConfiguration", "credentialSpecs",
}

// definition reads a task definition; path is where it is within the file.
func (d *decoder) definition(n *node, path string) *Definition {
	at := Place{d.pos(n.line), path}
	if len(d.definitions) >= maxDefinitions {
		if len(d.definitions) == maxDefinitions {
			d.problem(at, Suspect, "is left out, with those after it: the file has more than %d task definitions", maxDefinitions)
		}
		return nil
	}
	if n.size(maxTaskValues) > maxTaskValues {
		d.problem(at, Wrong, "has more than %d values; AWS refuses a task definition of more than 64 KiB", maxTaskValues)
		return nil
	}
	spell := d.key
	if d.style == fromTerraform {
		spell = terraformKey
		own := *n // the provider's attributes that aren't keys of the API are left out
		own.members = slices.DeleteFunc(slices.Clone(n.members), func(m member) bool {
			return !slices.ContainsFunc(taskKeys, func(k string) bool { return terraformKey(k) == m.key })
		})
		n = &own
	}
	f := d.fields(n, at, spell, false, taskKeys...)
	if !f.known {
		return nil
	}
	def := &Definition{Place: at, Generated: d.generated, Partial: len(n.members) == 1, keys: f.places()}
	def.Family = d.value(f.get("family"))
	def.NetworkMode = d.value(f.get("networkMode"))
	def.TaskRole, def.ExecutionRole = d.value(f.get("taskRoleArn")), d.value(f.get("executionRoleArn"))
	for _, v := range d.values(f.get("requiresCompatibilities")) {
		def.LaunchTypes = append(def.LaunchTypes, v.Text)
	}
	def.Memory = d.integer(f.get("memory"), true)
	if r := f.get("revision"); r.node != nil && (r.kind == number || r.kind == text) {
		def.Revision = r.text
	}
	def.ARN = plain(f.get("taskDefinitionArn"))
	d.each(f.get("volumes"), func(n *node, _ Place) {
		def.Volumes = append(def.Volumes, volume(n))
	})
	d.containers(def, f.get("containerDefinitions"), at)
	def.Region = region(def)
	d.reportNulls()
	d.definitions = append(d.definitions, def)
	return def
}

// plain returns the text of a value that is only for people.
func plain(f field) string {
	if f.node == nil || f.kind != text {
		return ""
	}
	return f.text
}

// terraformKey returns the name that the resource of Terraform has for a key of the API.
func terraformKey(name string) string {
	switch name {
	case "volumes":
		return "volume"
	case "taskDefinitionArn":
		return "arn"
	}
	return snake(name)
}

// containers reads the container definitions.
func (d *decoder) containers(def *Definition, f field, at Place) {
	if f.node == nil {
		d.problem(at, Wrong, "has no container definitions")
		return
	}
	if f.unknown {
		d.problem(f.Place, Suspect, "is known only when the template is applied")
		return
	}
	if f.kind == list && len(f.items) == 0 {
		d.problem(f.Place, Wrong, "is empty; want at least one container")
	}
	lines := map[string]int{}
	routers := 0
	d.each(f, func(n *node, at Place) {
		c, ok := d.container(n, at)
		if !ok {
			return
		}
		if first, twice := lines[c.Name.Text]; twice && c.Name.Text != "" {
			d.problem(c.Name.Place, Wrong, "%s is the name of two containers, the other in line %d", shown(c.Name.Text), first)
		}
		lines[c.Name.Text] = c.Name.Line
		if c.FireLens != nil {
			if routers++; routers > 1 {
				d.problem(c.FireLens.Place, Wrong, "a second container is a log router; AWS allows one in a task")
			}
		}
		def.Containers = append(def.Containers, c)
	})
}

// container reads a container definition.
func (d *decoder) container(n *node, at Place) (c Container, ok bool) {
	f := d.fields(n, at, d.key, false, containerKeys...)
	if !f.known {
		return c, false
	}
	c = Container{
		Place:             at,
		keys:              f.places(),
		Name:              d.value(f.get("name")),
		Image:             d.value(f.get("image")),
		Essential:         d.boolean(f.get("essential"), true),
		Memory:            d.integer(f.get("memory"), false),
		MemoryReservation: d.integer(f.get("memoryReservation"), false),
		StopTimeout:       d.integer(f.get("stopTimeout"), false),
		User:              d.value(f.get("user")),
		ReadOnlyRoot:      d.boolean(f.get("readonlyRootFilesystem"), false),
		EntryPoint:        d.values(f.get("entryPoint")),
		Command:           d.values(f.get("command")),
		Environment:       d.pairs(f.get("environment"), "value"),
		Secrets:           d.pairs(f.get("secrets"), "valueFrom"),
	}
	if c.Name.Text == "" {
		d.problem(at, Wrong, "has no %s", d.key("name"))
	}
	d.each(f.get("environmentFiles"), func(n *node, at Place) {
		c.EnvironmentFiles = append(c.EnvironmentFiles, d.value(d.fields(n, at, d.key, false, "value", "type").get("value")))
	})
	d.each(f.get("dependsOn"), func(n *node, at Place) {
		on := d.fields(n, at, d.key, false, "containerName", "condition")
		c.DependsOn = append(c.DependsOn, Dependency{d.value(on.get("containerName")), d.value(on.get("condition"))})
	})
	d.each(f.get("mountPoints"), func(n *node, at Place) {
		m := d.fields(n, at, d.key, false, "sourceVolume", "containerPath", "readOnly")
		readOnly := m.get("readOnly")
		c.MountPoints = append(c.MountPoints, Mount{d.value(m.get("sourceVolume")).Text, d.value(m.get("containerPath")).Text, d.boolean(readOnly, false), readOnly.Place, at})
	})
	d.each(f.get("portMappings"), func(n *node, at Place) {
		p := d.fields(n, at, d.key, false, "containerPort", "hostPort", "protocol", "name", "appProtocol", "containerPortRange")
		port := p.get("containerPort")
		c.Ports = append(c.Ports, Port{d.integer(port, false), d.integer(p.get("hostPort"), false), port.Place})
	})
	if h := f.get("healthCheck"); h.node != nil {
		c.HealthCheck = d.values(d.fields(h.node, h.Place, d.key, false, "command", "interval", "timeout", "retries", "startPeriod").get("command"))
	}
	if r := f.get("restartPolicy"); r.node != nil {
		c.Restarts = d.boolean(d.fields(r.node, r.Place, d.key, false, "enabled", "ignoredExitCodes", "restartAttemptPeriod").get("enabled"), false)
	}
	if from := f.get("volumesFrom"); from.node != nil {
		c.VolumesFrom = len(from.items) > 0
	}
	c.Log = d.log(f.get("logConfiguration"))
	c.FireLens = d.firelens(f.get("firelensConfiguration"))
	return c, true
}

// log reads a logConfiguration.
func (d *decoder) log(f field) *Log {
	if f.node == nil || f.unknown {
		return nil
	}
	l := d.fields(f.node, f.Place, d.key, true, "logDriver", "options", "secretOptions")
	if !l.known {
		return nil
	}
	log := &Log{Place: f.Place, Driver: d.value(l.get("logDriver")), Options: d.options(l.get("options")), Secrets: d.pairs(l.get("secretOptions"), "valueFrom")}
	if log.Driver.Text == "" && !log.Driver.Unknown {
		d.problem(f.Place, Wrong, "has no %s", d.key("logDriver"))
	}
	return log
}

// firelens reads a firelensConfiguration.
func (d *decoder) firelens(f field) *FireLens {
	if f.node == nil || f.unknown {
		return nil
	}
	l := d.fields(f.node, f.Place, d.key, true, "type", "options")
	if !l.known {
		return nil
	}
	fire := &FireLens{Place: f.Place, Type: d.value(l.get("type")), Options: d.options(l.get("options"))}
	switch fire.Type.Text {
	case Fluentbit, Fluentd:
	case "":
		d.problem(f.Place, Wrong, "has no %s; want %s or %s", d.key("type"), Fluentbit, Fluentd)
	default:
		if !fire.Type.Unknown {
			d.problem(fire.Type.Place, Wrong, "is %s; want %s or %s", shown(fire.Type.Text), Fluentbit, Fluentd)
		}
	}
	return fire
}

// region returns the region of a task definition, as far as something in it tells.
func region(def *Definition) string {
	if r := arnRegion(def.ARN); r != "" {
		return r
	}
	for _, c := range def.Containers {
		if c.Log != nil {
			if o, ok := Find(c.Log.Options, "awslogs-region"); ok && !o.Unknown && isRegion(o.Text) {
				return o.Text
			}
		}
	}
	for _, c := range def.Containers {
		if _, rest, ok := strings.Cut(c.Image.Text, ".dkr.ecr."); ok && !c.Image.Unknown {
			if r, _, _ := strings.Cut(rest, "."); isRegion(r) {
				return r
			}
		}
		for _, list := range [][]Option{c.Secrets, secretsOf(c.Log)} {
			for _, s := range list {
				if r := arnRegion(s.Text); r != "" && !s.Unknown {
					return r
				}
			}
		}
	}
	return ""
}

func secretsOf(l *Log) []Option {
	if l == nil {
		return nil
	}
	return l.Secrets
}

// arnRegion returns the region of an ARN, "" if there is none.
func arnRegion(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" || !isRegion(parts[3]) {
		return ""
	}
	return parts[3]
}

// isRegion reports whether a text may be the name of a region, and not a placeholder in a file that a program fills in.
func isRegion(s string) bool {
	return strings.Count(s, "-") >= 2 && len(s) < maxShown && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
