package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/firelane/firelane/config"
	"github.com/firelane/firelane/input"
	"github.com/firelane/firelane/input/poll"
	"github.com/firelane/firelane/pattern"
)

// maxThermal is the largest number of temperatures that are read.
const maxThermal = 32

// ThermalOptions are the options of the input thermal.
type ThermalOptions struct {
	poll.Options
	Name string `fluentbit:"name_regex" help:"only devices whose name matches, such as thermal_zone0"`
	Type string `fluentbit:"type_regex" help:"only devices whose type matches, such as x86_pkg_temp"`
}

// thermal reads temperatures.
type thermal struct {
	sys        system
	name, kind *pattern.Pattern // nil: any
	m          members
}

// NewThermal makes the input thermal. It returns an error if a pattern in the options is wrong.
func NewThermal(o *ThermalOptions, _ config.Dialect, env input.Env) (input.Input, error) {
	c := &thermal{sys: kernel}
	for _, p := range []struct {
		option, source string
		to             **pattern.Pattern
	}{{"name_regex", o.Name, &c.name}, {"type_regex", o.Type, &c.kind}} {
		if p.source == "" {
			continue
		}
		var err error
		if *p.to, err = pattern.CompileFluentBit(p.source, func() {}); err != nil {
			return nil, &config.OptionError{Option: p.option, Reason: err.Error()}
		}
	}
	if len(c.zones()) == 0 && len(c.sensors()) == 0 {
		env.Log.Warn().Msg("the host has no thermal devices: no events are made until it has some")
	}
	return poll.New(o.Tag, o.Interval(), c.collect, env), nil
}

// A temperature is the reading of one device.
type temperature struct {
	name, kind string
	degrees    float64 // Celsius
}

func (c *thermal) collect(_ context.Context, add poll.Add) error {
	list := c.zones()
	if len(list) == 0 {
		list = c.sensors()
	}
	for _, t := range list {
		c.m.reset()
		c.m.text("name", t.name)
		c.m.text("type", t.kind)
		c.m.float("temp", t.degrees)
		add(c.m.record())
	}
	return nil
}

// zones reads the temperatures in /sys/class/thermal.
func (c *thermal) zones() (list []temperature) {
	for _, dir := range c.devices("thermal", "thermal_zone") {
		kind := c.text("sys", "class", "thermal", dir, "type")
		if t, ok := c.degrees("sys", "class", "thermal", dir, "temp"); ok && c.wanted(dir, kind) && len(list) < maxThermal {
			list = append(list, temperature{dir, kind, t})
		}
	}
	return list
}

// sensors reads the temperatures in /sys/class/hwmon: at most ten for each device, as in Fluent Bit.
func (c *thermal) sensors() (list []temperature) {
	for _, dir := range c.devices("hwmon", "hwmon") {
		kind := c.text("sys", "class", "hwmon", dir, "name")
		for n := range 10 {
			file := fmt.Sprintf("temp%d_input", n)
			if t, ok := c.degrees("sys", "class", "hwmon", dir, file); ok && c.wanted(dir, kind) && len(list) < maxThermal {
				list = append(list, temperature{dir + "_" + file, kind, t})
			}
		}
	}
	return list
}

func (c *thermal) devices(class, prefix string) (names []string) {
	entries, _ := os.ReadDir(c.sys.path("sys", "class", class)) // without the folder there are none
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, filepath.Base(e.Name()))
		}
	}
	return names
}

func (c *thermal) wanted(name, kind string) bool {
	return (c.name == nil || c.name.Match([]byte(name))) && (c.kind == nil || c.kind.Match([]byte(kind)))
}

func (c *thermal) text(parts ...string) string {
	b, err := c.sys.read(parts...)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func (c *thermal) degrees(parts ...string) (float64, bool) {
	n, err := strconv.Atoi(c.text(parts...))
	return float64(n) / 1000, err == nil
}
