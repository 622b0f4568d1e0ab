package check

import (
	"fmt"
	"strconv"

	"github.com/firelane/firelane/ecs/taskdef"
)

func driverRules() []Rule {
	return []Rule{
		{"F514", "driver-buffer", Error, "log-driver-buffer-limit is no number of lines, or so small that a short pause of the router costs lines", forTask(driverBuffer)},
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
		n, err := strconv.Atoi(o.Text)
		switch {
		case err != nil:
			t.say(o.Place, "a number of lines, such as 1048576, the default", "%q is no number of lines.", o.Text)
		case n < 0 || n >= tooManyLines:
			t.say(o.Place, "a number of lines from 0 to 536870911; 1048576 is the default", "ECS refuses a log-driver-buffer-limit of %s.", grouped(n))
		case n < fewLines:
			t.tell(Finding{At: o.Place, Severity: Warning, Want: "the default of 1,048,576 lines (remove the line), or as many as fit into the memory that the task has to spare",
				Text: "The log driver keeps only " + count(n, "line") + " of " + c.Name.Text + " while the router can't take them (log-driver-buffer-limit counts lines, not bytes): at " + grouped(exampleRate) +
					" lines a second the buffer lasts for " + forHowLong(n, exampleRate) + ", then new lines are dropped, and nothing counts them."})
		}
	}
}

// driverOptions are options of Docker's drivers. For awsfirelens the agent makes a fluentd driver of its own options
// (getFirelensLogConfig), and writes all of the container's into the output.
var driverOptions = map[string]string{
	"mode":                  "awsfirelens never blocks the application, whatever mode says",
	"max-buffer-size":       "how much waits is said by log-driver-buffer-limit, in lines",
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
			if name, has := taskdef.Find(c.Log.Options, "Name"); o.Name == "tag" && has && name.Text == "forward" {
				continue // it has an option of that name
			}
			if ok {
				t.say(o.Place, "remove the line: "+why, "ECS doesn't pass %s on to Docker's log driver, but writes it into the output, which has no such option. firelane ignores it; Fluent Bit does not start.", o.Name)
			}
		}
	}
}

func routerLog(t *task) {
	for _, c := range t.routers() {
		switch {
		case usesFireLens(c):
			t.say(c.Log.Driver.Place, `a logConfiguration for the router itself with "logDriver": "awslogs", awslogs-group, awslogs-region and awslogs-stream-prefix`,
				"The router's own log goes through the router: when it can't deliver, you don't learn why.")
		case c.Log == nil || c.Log.Driver.Text == "" && !c.Log.Driver.Unknown:
			where := "stays with Docker on the instance (docker logs)"
			if t.fargate() {
				where = "is lost"
			}
			t.say(under(c.Place, "logConfiguration"), `logConfiguration with "logDriver": "awslogs", awslogs-group, awslogs-region and awslogs-stream-prefix`,
				"%s has no logConfiguration: its own log, which says what isn't delivered and why, %s.", c.Name.Text, where)
		case c.Log.Driver.Text == "none":
			t.say(c.Log.Driver.Place, `"logDriver": "awslogs"`, "The router's own log, which says what isn't delivered and why, is thrown away.")
		}
	}
}

func networkNone(t *task) {
	if t.NetworkMode.Text == "none" && len(t.routers()) > 0 {
		t.say(t.NetworkMode.Place, "awsvpc, bridge or host", "With the network mode none the router has no network: it reaches no destination.")
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
			text := fmt.Sprintf("Port %d of the log router is mapped: on the instance everybody who reaches the port can write records with any tag.", p.Container)
			if t.NetworkMode.Text == "awsvpc" {
				text = fmt.Sprintf("Port %d of the log router is mapped. ECS makes the router listen on 127.0.0.1, so that the mapping does nothing; with a configuration that listens on 0.0.0.0, "+
					"everybody whom the security group lets in can write records with any tag.", p.Container)
			}
			t.say(p.Place, "no port mapping: containers of the task don't need one", "%s", text)
		}
	}
}
