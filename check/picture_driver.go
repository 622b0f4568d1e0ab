package check

import (
	"fmt"

	"github.com/firelane/firelane/ecs/taskdef"
)

// A driver is how Docker passes a container's lines to the router.
type driver struct {
	lines int    // log-driver-buffer-limit: how many lines wait in memory
	told  string // where a person learns of lines that the driver drops
}

const (
	// defaultLines is how many lines Docker's fluentd driver keeps unless log-driver-buffer-limit is set ("Configuring Amazon ECS
	// logs for high throughput" in the Amazon ECS Developer Guide).
	defaultLines = 1_048_576

	// The rate for which a report says how long a buffer lasts, and the size of a line in bytes. Beside it the driver keeps the tag, the
	// container's id of 64 bytes and its name, the names of the fields, and what Go needs for each (Log of moby's daemon/logger/fluentd,
	// appendBuffer of fluent-logger-golang).
	exampleRate = 1000
	exampleLine = 200
	besideLine  = 300
)

// driverOf is the driver of a container on awsfirelens. The agent makes it a fluentd driver that sends asynchronously, and passes
// none of the container's other driver options on (getFirelensLogConfig of the agent): mode and max-buffer-size don't reach it.
func (s *Subject) driverOf(c *taskdef.Container) *driver {
	d := &driver{lines: defaultLines, told: s.told()}
	if o, ok := taskdef.Find(c.Log.Options, "log-driver-buffer-limit"); ok {
		if n, ok := bufferLines(o.Text); ok && n >= 0 {
			d.lines = n
		}
	}
	return d
}

// String says what the driver does while the router takes nothing.
func (d *driver) String() string {
	if d.lines == 0 {
		return "asynchronous, so the application never waits. The driver keeps no lines while the router takes none: they are dropped, " + d.told
	}
	return fmt.Sprintf("asynchronous, so the application never waits. While the router takes no lines, the driver keeps up to %s in memory (%s at %s lines a second; some %s if a line has %d bytes, "+
		"since each is kept with its tag and the container's id and name); then the driver drops new lines, %s",
		count(d.lines, "line"), forHowLong(d.lines, exampleRate), grouped(exampleRate), bytesText(d.lines*(exampleLine+besideLine)), exampleLine, d.told)
}

// told says where a person learns of lines that a log driver drops: where Docker runs on an instance of the user's, it logs each
// (copySrc of moby's daemon/logger).
func (s *Subject) told() string {
	switch {
	case s.fargate():
		return "and nothing tells of them"
	case s.Task.EC2():
		return "and only the Docker daemon's own log, on the instance, tells of them"
	}
	return "and nothing tells of them but, on EC2, the Docker daemon's own log"
}

// forHowLong is the time in which that many lines are written.
func forHowLong(lines, rate int) string {
	switch s := lines / rate; {
	case s < 1:
		return "less than a second"
	case s < 120:
		return count(s, "second")
	case s < 2*60*60:
		return count((s+30)/60, "minute")
	default:
		return count((s+1800)/3600, "hour")
	}
}

// bytesText is a number of bytes for people.
func bytesText(n int) string {
	const k = 1024
	switch {
	case n >= k*k*k && n%(k*k*k) == 0 || n >= 10*k*k*k:
		return grouped(n/(k*k*k)) + " GiB"
	case n >= k*k:
		return grouped(n/(k*k)) + " MiB"
	case n >= k:
		return grouped(n/k) + " KiB"
	}
	return count(n, "byte")
}
