package check

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/firelane/firelane/ecs/taskdef"
)

func driverRules() []Rule {
	return []Rule{
		{"F514", "driver-buffer", Error, "log-driver-buffer-limit is not a number of lines, or so small that a short pause of the router costs lines", forTask(driverBuffer)},
		{"F515", "driver-mode", Warning, "an option of Docker's log driver that awsfirelens doesn't pass on: it gets into the output's options instead", forTask(driverMode)},
		{"F516", "router-log", Warning, "the router's own log is lost, or goes through the router: nobody learns why lines are missing", forTask(routerLog)},
		{"F517", "network-none", Error, "the task has no network, so that the router reaches no destination", forTask(networkNone)},
		{"F518", "public-port", Warning, "a port mapping opens the router's socket for logs to others: whoever reaches it writes into your logs", forTask(publicPort)},
	}
}

const (
	// tooManyLines is the least log-driver-buffer-limit that ECS refuses ("Configuring Amazon ECS logs for high throughput").
	tooManyLines = 536_870_912
	// fewLines is the log-driver-buffer-limit below which a pause of ten seconds at exampleRate costs lines.
	fewLines = 10 * exampleRate
)

func driverBuffer(t *task) {
	for _, c := range t.logged() {
		o, ok := taskdef.Find(c.Log.Options, "log-driver-buffer-limit")
		if !ok || o.Unknown {
			continue
		}
		n, ok := bufferLines(o.Text)
		_, err := strconv.Atoi(o.Text)
		switch {
		case !ok:
			t.say(o.Place, "a number of lines, such as 1048576, the default", "%q is not a number of lines, and Docker creates no container with it: %s.", o.Text, map[bool]string{true: "the task does not start", false: c.Name.Text + " never starts"}[c.Essential])
		case n < 0 || n >= tooManyLines:
			t.say(o.Place, "a number of lines from 0 to 536870911; 1048576 is the default", "log-driver-buffer-limit is %s lines; AWS allows 0 to 536,870,911.", grouped(n))
		case err != nil:
			t.tell(Finding{At: o.Place, Severity: Warning, Want: t.linesWanted(),
				Text: fmt.Sprintf("%q looks like bytes, but log-driver-buffer-limit counts lines: Docker reads it as %s lines, which take some %s of memory if a line has %d bytes, since each is kept with its tag and the container's id and name.", o.Text, grouped(n), bytesText(n*(exampleLine+besideLine)), exampleLine)})
		case n < fewLines:
			t.tell(Finding{At: o.Place, Severity: Warning, Want: t.linesWanted(),
				Text: "The log driver keeps only " + count(n, "line") + " of " + c.Name.Text + " while the router can't take them (log-driver-buffer-limit counts lines, not bytes): at " + grouped(exampleRate) +
					" lines a second the buffer lasts for " + forHowLong(n, exampleRate) + ", then new lines are dropped, and nothing counts them."})
		}
	}
}

// linesWanted is a number of lines that takes at most a quarter of the task's memory, where that is known.
func (t *task) linesWanted() string {
	const line = exampleLine + besideLine
	if quarter := t.Memory * 1024 * 1024 / 4; quarter > 0 && quarter < defaultLines*line {
		lines := quarter / line / 1000 * 1000
		return fmt.Sprintf("a number of lines, such as %d, which take some %s if a line has %d bytes, a quarter of the task's memory", lines, bytesText(lines*line), exampleLine)
	}
	return fmt.Sprintf("a number of lines, such as %d, the default, if the task has the memory: they take some %s if a line has %d bytes", defaultLines, bytesText(defaultLines*line), exampleLine)
}

// bufferLines is how many lines Docker's driver keeps with a log-driver-buffer-limit. It reads the text as a size in bytes (RAMInBytes of
// its package units), and its client for Fluentd's protocol counts messages.
func bufferLines(text string) (n int, ok bool) {
	m := bufferSize().FindStringSubmatch(strings.ToLower(text))
	if m == nil {
		return 0, false
	}
	f, err := strconv.ParseFloat(m[1], 64)
	if m[2] != "" {
		f *= float64(int(1) << (10 * (strings.Index("kmgtp", m[2]) + 1)))
	}
	return int(f), err == nil && f < 1<<50
}

// bufferSize is such a text.
var bufferSize = lazily(`^(-?\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$`)

// driverOptions are options of Docker's drivers. For awsfirelens the agent makes a fluentd driver of its own options
// (getFirelensLogConfig), and writes all of the container's into the output.
var driverOptions = map[string]string{
	"mode":                  "awsfirelens never blocks the application, whatever mode says",
	"max-buffer-size":       "log-driver-buffer-limit says how much waits, in lines",
	"tag":                   "the tag is always CONTAINER-firelens-TASK",
	"fluentd-buffer-limit":  "its name is log-driver-buffer-limit here",
	"fluentd-address":       "the driver always connects to the socket of the task's log router",
	"fluentd-async":         "the driver always sends asynchronously",
	"fluentd-async-connect": "the driver always sends asynchronously",
	"awslogs-group":         "it is an option of the log driver awslogs; the output cloudwatch_logs has log_group_name",
	"awslogs-region":        "it is an option of the log driver awslogs; outputs for AWS have region",
	"awslogs-stream-prefix": "it is an option of the log driver awslogs; the output cloudwatch_logs has log_stream_prefix",
	"awslogs-create-group":  "it is an option of the log driver awslogs; the output cloudwatch_logs has auto_create_group",
}

func driverMode(t *task) {
	for _, c := range t.logged() {
		for _, o := range c.Log.Options {
			why, ok := driverOptions[o.Name]
			if _, has := t.optionAt(o.Place); has || ownOption(c, o.Name) {
				continue
			}
			if ok {
				t.say(o.Place, "remove the line: "+why, "ECS doesn't pass %s on to Docker's log driver, but writes it into the output, which has no such option. firelane ignores it; Fluent Bit does not start.", o.Name)
			}
		}
	}
}

// ownOption reports whether the output of a container has an option of that name, whatever else is wrong with the configuration.
func ownOption(c *taskdef.Container, name string) bool {
	output, _ := taskdef.Find(c.Log.Options, "Name")
	return name == "tag" && output.Text == "forward" || name == "mode" && output.Text == "syslog"
}

func routerLog(t *task) {
	for _, c := range t.routers() {
		switch {
		case usesFireLens(c):
			t.say(c.Log.Driver.Place, `a logConfiguration for the router itself with "logDriver": "awslogs", awslogs-group, awslogs-region and awslogs-stream-prefix`,
				"The router's own log goes through the router: when it can't deliver, you don't learn why.")
		case c.Log == nil || c.Log.Driver.Text == "" && !c.Log.Driver.Unknown:
			t.say(c.At("logConfiguration"), `logConfiguration with "logDriver": "awslogs", awslogs-group, awslogs-region and awslogs-stream-prefix`,
				"%s has no logConfiguration: its own log, which says what isn't delivered and why, %s.", c.Name.Text, t.withoutDriver("stays", "is"))
		case c.Log.Driver.Text == "none":
			t.say(c.Log.Driver.Place, `"logDriver": "awslogs"`, "The router's own log, which says what isn't delivered and why, is thrown away.")
		}
	}
}

func networkNone(t *task) {
	if t.NetworkMode.Text == "none" && len(t.routers()) > 0 {
		t.say(t.NetworkMode.Place, "awsvpc, bridge or host", "With the network mode none the router has no network: it reaches no destination, and nothing is delivered.")
	}
}

// forwardPort is the port on which ECS makes the router take the forward protocol.
const forwardPort = 24224

// publicPort: the Amazon ECS Developer Guide ("Route logs to FireLens") asks for no port mapping of 24224 in bridge mode, and no inbound
// rule of the security group.
func publicPort(t *task) {
	for _, c := range t.routers() {
		for _, p := range c.Ports {
			if p.Container != forwardPort {
				continue
			}
			text := fmt.Sprintf("Port %d of the log router is mapped: everybody who can reach %s can write records with any tag.", p.Container, hostPort(p))
			switch t.NetworkMode.Text {
			case "awsvpc":
				text = fmt.Sprintf("Port %d of the log router is mapped. ECS makes the router listen on 127.0.0.1, so that the mapping does nothing; with a configuration that listens on 0.0.0.0, "+
					"everybody whom the security group lets in can write records with any tag.", p.Container)
			case "host":
				text = fmt.Sprintf("Port %d of the log router is mapped. In the network mode host ECS configures no input there, so that the mapping does nothing; with a configuration that listens on 0.0.0.0, "+
					"everybody who can reach the port of the EC2 instance can write records with any tag.", p.Container)
			}
			t.say(p.Place, "no port mapping: containers of the task don't need one", "%s", text)
		}
	}
}

// hostPort names the port of the instance to which a container's port is mapped.
func hostPort(p taskdef.Port) string {
	if p.Host == 0 {
		return "the port of the EC2 instance that Docker chooses for it"
	}
	return fmt.Sprintf("port %d of the EC2 instance", p.Host)
}

// withoutDriver says what becomes of the lines of a container without a log driver: stays and is are the verbs for them.
func (s *Subject) withoutDriver(stays, is string) string {
	switch {
	case s.fargate():
		return is + " lost"
	case s.notFargate():
		return stays + " with Docker on the instance (docker logs)"
	}
	return stays + " with Docker on the EC2 instance (docker logs), and on Fargate " + is + " lost"
}
