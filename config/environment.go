package config

import (
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A Variable is an environment variable that sets an option of the whole router, for tasks that have no configuration file of their
// own. It takes precedence over the files. A value that it can't have is ignored, with a warning.
type Variable struct {
	Name string
	Help string // what it sets, in one line
	want string // a value that it can have, for the warning
	set  func(s *Service, value string) bool
}

// Variables are all such variables, in the order in which they are applied: a later one takes precedence.
func Variables() []Variable {
	const level = "off, fatal, error, warn, info, debug or trace"
	return []Variable{
		{"FLB_LOG_LEVEL", "which lines the router's log shows, as log_level: " + level, level, setLogLevel},
		{"FIRELANE_LOG_LEVEL", "the same, and takes precedence over FLB_LOG_LEVEL", level, setLogLevel},
		{"FIRELANE_GRACE", "how long a stop may take, as grace: 25s", "a time such as 25s", func(s *Service, value string) bool {
			d, err := parseDuration(value)
			if err == nil {
				s.Grace = d
			}
			return err == nil
		}},
		{"FIRELANE_STORAGE_PATH", "folder of the queues, as storage.path or root_dir: an absolute path", "an absolute path", func(s *Service, value string) bool {
			ok := filepath.IsAbs(value) && !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' })
			if ok {
				s.StoragePath = value
			}
			return ok
		}},
		{metadataVariable, "which metadata of ECS records get, as ecs_metadata: agent, or full", "full, which adds to each record what ECS's task metadata endpoint says, or agent, which adds nothing to what ECS's agent adds", func(s *Service, value string) bool {
			level := strings.ToLower(value)
			ok := level == "agent" || level == "full"
			if ok {
				s.Metadata = level
			}
			return ok
		}},
		{"FIRELANE_ADMIN", "where health and metrics are served, as http_server, http_listen and http_port: " + WantAdmin, WantAdmin, func(s *Service, value string) bool {
			a, ok := ParseAdmin(value)
			if ok {
				a.Apply(s)
			}
			return ok
		}},
	}
}

// setLogLevel sets the level of the router's own log.
func setLogLevel(s *Service, value string) bool {
	level := strings.ToLower(value)
	ok := slices.Contains(logLevels, level)
	if ok {
		s.LogLevel = level
	}
	return ok
}

// logLevels are the values of log_level and @log_level.
var logLevels = []string{"off", "fatal", "error", "warn", "warning", "info", "debug", "trace"}

// variablePlace begins the File of diagnostics about an environment variable, whose name follows.
const variablePlace = "environment variable "

// Variable returns the name of the environment variable that a diagnostic is about, "" if it is about a file.
func (p Pos) Variable() string {
	name, _ := strings.CutPrefix(p.File, variablePlace)
	if name == p.File {
		return ""
	}
	return name
}

// environment applies the variables. An empty value is as none.
func (k *compilation) environment() {
	for _, v := range Variables() {
		value, ok := k.Lookup(v.Name)
		if value = strings.TrimSpace(value); ok && value != "" && !v.set(&k.plan.Service, value) {
			k.warning(Pos{File: variablePlace + v.Name}, strconv.Quote(value)+" is ignored; want "+v.want).as(CodeEnvironment)
		}
	}
}

// Admin is where health and metrics are served.
type Admin struct {
	Off  bool // nowhere
	Host string
	Port int
}

// WantAdmin describes what ParseAdmin reads.
const WantAdmin = "HOST:PORT, a port on 127.0.0.1, on for 127.0.0.1:2020, or off"

// ParseAdmin reads HOST:PORT; :PORT, which is on all addresses; PORT, on and off.
func ParseAdmin(text string) (a Admin, ok bool) {
	switch strings.ToLower(text) {
	case "off":
		return Admin{Off: true}, true
	case "on":
		return Admin{Host: "127.0.0.1", Port: 2020}, true
	}
	host, port, err := net.SplitHostPort(text)
	switch {
	case err != nil:
		host, port = "127.0.0.1", text
	case host == "":
		host = "0.0.0.0"
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r == '/' }) {
		return Admin{}, false
	}
	return Admin{Host: host, Port: int(n)}, true
}

// Apply sets the options of the HTTP server.
func (a Admin) Apply(s *Service) {
	s.HTTPServer = !a.Off
	if !a.Off {
		s.HTTPListen, s.HTTPPort = a.Host, a.Port
	}
}
