package enrich

import (
	"os"
	"runtime"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/record"
)

// SysinfoOptions are those of Fluent Bit's sysinfo.
type SysinfoOptions struct {
	Version  string `fluentbit:"fluentbit_version_key" help:"field to add with the router's version"`
	OS       string `fluentbit:"os_name_key" help:"field to add with the name of the operating system: linux"`
	Hostname string `fluentbit:"hostname_key" help:"field to add with the host's name"`
	Release  string `fluentbit:"os_version_key" help:"field to add with the build of the kernel: uname -v"`
	Kernel   string `fluentbit:"kernel_version_key" help:"field to add with the release of the kernel: uname -r"`
}

// NewSysinfo makes the step of a sysinfo. It reads the values once: they are the same in every event.
func NewSysinfo(o *SysinfoOptions, _ config.Dialect, env Env) (Filter, error) {
	var fields []constant
	for _, f := range []struct {
		name  string
		value func() string
	}{
		{o.Version, func() string { return env.Version }}, {o.OS, func() string { return runtime.GOOS }},
		{o.Hostname, func() string { return env.Hostname }}, {o.Release, kernelFile("version")}, {o.Kernel, kernelFile("osrelease")},
	} {
		if f.name != "" {
			fields = append(fields, constant{name: f.name, value: record.AppendStr(nil, f.value())})
		}
	}
	return newConstants(fields), nil
}

// unknown is the value of a field that can't be determined, as in Fluent Bit.
const unknown = "unknown"

// kernelFile returns a function that reads a one-line file of /proc/sys/kernel.
func kernelFile(name string) func() string {
	return func() string {
		b, err := os.ReadFile("/proc/sys/kernel/" + name)
		if err != nil {
			return unknown
		}
		return strings.TrimSpace(string(b))
	}
}
